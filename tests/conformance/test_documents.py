"""Documents that requests name: automatic persisted queries as Apollo's clients send them, and
trusted documents of manifests as Apollo's and Relay's tools write them, over HTTP and sockets."""

import asyncio
import hashlib
import json

import httpx
import pytest
import pytest_asyncio
import redis.asyncio as redis_client
import websockets

from core.settings import Settings
from execution.limits import Limits
from execution.registered import MAX_TEXT_LENGTH, RegisteredTexts
from execution.trusted import (
    NothingRegistered,
    TrustedDocumentsRefused,
    hash_of,
    read_manifest,
)
from schema.build import build_schema
from tests.concurrency.serving import serve_here
from tests.conformance.worlds import cloned_database, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

PREFLIGHT = {"GraphQL-Preflight": "1"}
TYPENAME, LATER = "{ __typename }", "query Later { __typename }"
VIEWER = "query Viewer { me { username } }"
POSTS = "query Posts($first: Int) { posts(first: $first) { nodes { id } } }"
BOARD = "subscription Board { leaderboardChanged { totalCount } }"
RELAY = {"5d41402abc4b2a76b9719d911017c592": VIEWER, "board": BOARD}


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def apollo(*texts, **changes):
    """What `@apollo/generate-persisted-query-manifest` writes."""
    operations = [
        {"id": sha(text), "name": text.split()[1].split("(")[0], "type": "query", "body": text}
        for text in texts
    ]
    found = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}
    return found | changes


def persisted(text):
    return {"persistedQuery": {"version": 1, "sha256Hash": sha(text)}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def serve(postgres_url, template_database, redis_server_url, tmp_path_factory):
    """`serve(manifest, only=True)`: settings of a server with that manifest."""
    with cloned_database(postgres_url, template_database) as database_url:

        def settings(manifest, **changes):
            state = tmp_path_factory.mktemp("state")
            path = state / "manifest.json"
            path.write_text(json.dumps(manifest))
            given = {"trusted_documents": path} | changes
            return settings_for(database_url, redis_server_url, state, **given)

        yield settings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_server(serve):
    """Trusts some documents, and runs others too."""
    async with serve_here(serve(apollo(VIEWER, POSTS))) as here:
        yield here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def closed_server(serve):
    """Runs Relay's documents alone."""
    async with serve_here(serve(RELAY, trusted_only=True)) as here:
        yield here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client():
    async with httpx.AsyncClient(trust_env=False, timeout=20) as made:
        yield made


@pytest.fixture
def post(client):
    """`await post(server, **body)`: the status and body of the answer."""

    async def send(server, **body):
        response = await client.post(server.url, json=body)
        return response.status_code, response.json()

    return send


def code_of(body):
    assert set(body) == {"errors"}, body
    [error] = body["errors"]
    return error["extensions"]["code"]


async def subscribe(server, **payload):
    """The first message about an operation over graphql-transport-ws."""
    async with websockets.connect(
        server.socket_url, subprotocols=["graphql-transport-ws"], proxy=None
    ) as socket:
        await socket.send('{"type": "connection_init"}')
        await socket.recv()
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        while (message := json.loads(await asyncio.wait_for(socket.recv(), 10)))["type"] == "ping":
            pass
        return message


async def test_a_client_registers_a_text_by_its_hash_and_then_names_it(open_server, client, post):
    extensions = persisted(TYPENAME)
    response = await client.post(open_server.url, json={"extensions": extensions})
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    [error] = response.json()["errors"]
    assert error["message"] == "PersistedQueryNotFound"
    assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
    answer = (200, {"data": {"__typename": "Query"}})
    assert await post(open_server, query=TYPENAME, extensions=extensions) == answer
    assert await post(open_server, extensions=extensions) == answer
    assert await post(open_server, documentId=f"sha256:{sha(TYPENAME)}") == answer
    params = {"extensions": json.dumps(extensions)}
    got = await client.get(open_server.url, params=params, headers=PREFLIGHT)
    assert (got.status_code, got.json()) == answer
    message = await subscribe(open_server, extensions=extensions)
    assert (message["type"], message["payload"]) == ("next", answer[1])


async def test_sockets_register_too(open_server, post):
    extensions = persisted(LATER)
    message = await subscribe(open_server, extensions=extensions)
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
    await subscribe(open_server, query=LATER, extensions=extensions)
    assert (await post(open_server, extensions=extensions))[0] == 200
    message = await subscribe(open_server, query=None, extensions=extensions)
    assert message["type"] == "next"


@pytest.mark.parametrize(
    "body",
    [
        {"query": TYPENAME, "extensions": persisted(VIEWER)},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": sha(TYPENAME)}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "abc"}}},
        {"extensions": {"persistedQuery": {"version": 1}}},
        {"extensions": {"persistedQuery": [1]}},
        {"query": TYPENAME, "documentId": "a"},
        {"documentId": 5},
    ],
)
async def test_a_reference_that_is_none_is_refused(open_server, post, body):
    status, answer = await post(open_server, **body)
    assert (status, code_of(answer)) == (400, "BAD_USER_INPUT")


@pytest.mark.parametrize("text", ["{ nothing }", "{", "query Long { __typename } #" + " " * 20_000])
async def test_what_cannot_run_or_is_too_long_is_not_registered(open_server, post, text):
    await post(open_server, query=text, extensions=persisted(text))
    _, answer = await post(open_server, extensions=persisted(text))
    assert code_of(answer) == "PERSISTED_QUERY_NOT_FOUND"


async def test_trusted_documents_are_named_by_id_or_hash(open_server, post):
    answer = (200, {"data": {"me": None}})
    assert await post(open_server, documentId=sha(VIEWER)) == answer
    assert await post(open_server, documentId=f"sha256:{sha(VIEWER)}") == answer
    assert await post(open_server, extensions=persisted(VIEWER)) == answer
    posts = await post(open_server, documentId=sha(POSTS), variables={"first": 1})
    assert posts == (200, {"data": {"posts": {"nodes": []}}})
    assert await post(open_server, query=LATER) == (200, {"data": {"__typename": "Query"}})


async def test_a_server_may_run_its_trusted_documents_alone(closed_server, client, post):
    answer = (200, {"data": {"me": None}})
    relay_id = next(iter(RELAY))
    assert await post(closed_server, documentId=relay_id) == answer
    assert await post(closed_server, query=VIEWER) == answer  # the very same text
    named = {"documentId": relay_id}
    got = await client.get(closed_server.url, params=named, headers=PREFLIGHT)
    assert (got.status_code, got.json()) == answer
    many = " ".join(f"a{n}: __typename" for n in range(100))
    for body in (
        {"query": TYPENAME},
        {"query": VIEWER + " "},
        {"query": TYPENAME, "extensions": persisted(TYPENAME)},
        {"query": "{ __schema { queryType { name } } }"},
        {"query": f"query Long {{ {many} }}"},
    ):
        _, refused = await post(closed_server, **body)
        assert code_of(refused) == "TRUSTED_DOCUMENTS_ONLY"
        message = await subscribe(closed_server, **body)
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "TRUSTED_DOCUMENTS_ONLY"
    _, unknown = await post(closed_server, documentId="none")
    assert code_of(unknown) == "PERSISTED_QUERY_NOT_FOUND"


async def test_a_trusted_subscription_is_named_over_a_socket(closed_server):
    message = await subscribe(closed_server, documentId="board")
    assert message["type"] == "next"
    assert message["payload"] == {"data": {"leaderboardChanged": {"totalCount": 0}}}
    message = await subscribe(closed_server, query=BOARD.replace("Board", "Other"))
    assert message["payload"][0]["extensions"]["code"] == "TRUSTED_DOCUMENTS_ONLY"


async def events(client, server, **payload):
    """The first event of a stream."""
    headers = {"Accept": "text/event-stream"}
    asked = client.stream("POST", server.url, json=payload, headers=headers)
    async with asyncio.timeout(10), asked as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                return json.loads(line.removeprefix("data: "))
    raise AssertionError("no event")


async def test_a_trusted_subscription_is_named_for_a_stream_of_events(closed_server, client):
    event = await events(client, closed_server, documentId="board")
    assert event == {"data": {"leaderboardChanged": {"totalCount": 0}}}
    event = await events(client, closed_server, query=BOARD.replace("Board", "Other"))
    assert event["errors"][0]["extensions"]["code"] == "TRUSTED_DOCUMENTS_ONLY"


async def test_a_server_that_registers_nothing_says_so(schema):
    schema.texts.registered = RegisteredTexts(maximum=0)
    for query in (None, TYPENAME, None):
        if query is None:
            with pytest.raises(NothingRegistered, match="PersistedQueryNotSupported"):
                await schema.text_of(query, persisted(TYPENAME))
        else:
            assert await schema.text_of(query, persisted(TYPENAME)) == TYPENAME


async def test_processes_share_what_was_registered_and_agree_on_the_limit(redis_server_url):
    def process(prefix="shared-documents", maximum=3):
        return RegisteredTexts(redis_server_url, prefix=prefix, maximum=maximum)

    one, other, elsewhere = process(), process(), process("elsewhere")
    texts = [f"{{ a{n}: __typename }}" for n in range(5)]
    for text in texts:
        await one.keep(hash_of(text), text)
    assert [await other.find(hash_of(text)) for text in texts] == [None, None, *texts[2:]]
    assert [await one.find(hash_of(text)) for text in texts] == [None, None, *texts[2:]]
    assert await elsewhere.find(hash_of(texts[4])) is None
    long = "#" * (MAX_TEXT_LENGTH + 1)
    await one.keep(hash_of(long), long)
    assert await other.find(hash_of(long)) is None
    async with redis_client.Redis.from_url(redis_server_url) as redis:
        await redis.hset("{shared-documents:documents}:texts", hash_of("x"), "another's text")
        assert 0 < await redis.ttl("{shared-documents:documents}:texts") <= 24 * 3600
    assert await other.find(hash_of("x")) is None
    for each in (one, other, elsewhere):
        await each.close()


async def test_without_redis_each_process_has_its_own():
    alone = RegisteredTexts("redis://127.0.0.1:1", prefix="none")
    await alone.keep(hash_of(TYPENAME), TYPENAME)
    assert await alone.find(hash_of(TYPENAME)) == TYPENAME
    assert await alone.find(hash_of(LATER)) is None
    await alone.close()


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("{", "it is not JSON"),
        ("[]", "no JSON object"),
        ("{}", "it has no documents"),
        ('{"a": 1}', "'a' must be the id of a text"),
        (json.dumps(apollo(VIEWER, version=2)), "unknown format"),
        (json.dumps(apollo(VIEWER, format="another")), "unknown format 'another'"),
        (json.dumps(apollo(VIEWER, operations={})), "operations must be a list"),
        (json.dumps(apollo(VIEWER, operations=[{"id": "a"}])), "operations[0] must have id and"),
        (
            json.dumps(apollo(operations=[{"id": "a", "body": b} for b in (VIEWER, POSTS)])),
            "two documents have the id a",
        ),
    ],
)
async def test_a_manifest_that_cannot_be_read_is_refused_with_its_name(tmp_path, manifest, said):
    path = tmp_path / "manifest.json"
    path.write_text(manifest)
    with pytest.raises(TrustedDocumentsRefused) as refused:
        read_manifest(path)
    assert str(path) in str(refused.value)
    assert said in str(refused.value)


async def test_a_manifest_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(TrustedDocumentsRefused, match="it cannot be read: No such file"):
        read_manifest(tmp_path / "none.json")


@pytest.fixture(scope="module")
def schema():
    return build_schema(limits=Limits(documents=2))


async def test_a_document_that_cannot_run_stops_the_start_and_is_named(tmp_path, schema):
    path = tmp_path / "manifest.json"
    for text, said in (("{ nothing }", "Cannot query field 'nothing'"), ("{", "Syntax Error")):
        path.write_text(json.dumps({"good": VIEWER, "bad": text}))
        with pytest.raises(TrustedDocumentsRefused, match=f"the document bad cannot run: {said}"):
            schema.texts.trust(schema._schema, path, only=True)
    assert not schema.documents.pinned_only  # nothing was trusted


async def test_trusted_documents_outlast_all_others(tmp_path, schema):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"viewer": VIEWER}))
    schema.texts.trust(schema._schema, path, only=False)
    prepared = schema.documents.prepare(schema._schema, VIEWER)
    for n in range(5):
        schema.documents.prepare(schema._schema, f"{{ a{n}: __typename }}")
    assert schema.documents.prepare(schema._schema, VIEWER) is prepared


async def test_trusted_only_needs_documents():
    with pytest.raises(ValueError, match="MELA_TRUSTED_ONLY needs MELA_TRUSTED_DOCUMENTS"):
        Settings(trusted_only=True)
