"""The prod profile over a real server: what it hides, what it says to browsers and caches, and what
never gets into its log."""

import asyncio
import io
import logging

import httpx
import orjson
import pytest
import pytest_asyncio
import structlog
import websockets
from starlette.requests import Request
from websockets.exceptions import InvalidStatus

from core.logging import configure_logging
from core.tokens import ensure_keys
from tests.concurrency.serving import serve_here
from tests.conformance.worlds import cloned_database, settings_for
from web import webhooks

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRIEND, STRANGER = "https://app.example", "https://evil.example"
PREFLIGHT = {"GraphQL-Preflight": "1"}
POSTS = "{ posts { nodes { title author { username } } pageInfo { hasNextPage } } }"
ME = "{ me { username } }"
ENTITIES = "query($asked: [_Any!]!) { _entities(representations: $asked) { ... on Post { id } } }"
BOARD = "subscription { leaderboardChanged { totalCount } }"
SIGN_UP = """mutation($input: SignUpInput!) { signUp(input: $input) { __typename
    ... on AuthSuccess { accessToken refreshToken } } }"""
SIGN_IN = "mutation($input: SignInInput!) { signIn(input: $input) { __typename } }"
SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "content-security-policy": "frame-ancestors 'none'",
    "strict-transport-security": "max-age=31536000",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(postgres_url, template_database, redis_server_url, tmp_path_factory):
    """A server of the prod profile, its settings, its keys, and all that it logs."""
    state = tmp_path_factory.mktemp("state")
    ensure_keys(state / "keys", "EdDSA")
    with cloned_database(postgres_url, template_database) as database_url:
        settings = settings_for(
            database_url,
            redis_server_url,
            state,
            profile="prod",
            signing_keys_dir=state / "keys",
            ledger_keys_dir=state / "ledger",
            public_url="https://mela.example",
            cors_origins=FRIEND,
            payment_webhook_secret="whsec_c2VjcmV0LW9mLWEtdGVzdC13ZWJob29r",
            argon2_memory_kib=8,
            argon2_time_cost=1,
            access_log=True,
            log_level="debug",
            log_format="json",
        )
        async with serve_here(settings) as here:
            said = io.StringIO()
            configure_logging(settings, stream=said)
            for ours in ("websockets.client", "httpcore"):  # the tests' own clients
                logging.getLogger(ours).setLevel(logging.WARNING)
            yield here, settings, said
            for ours in ("websockets.client", "httpcore"):
                logging.getLogger(ours).setLevel(logging.NOTSET)
            structlog.reset_defaults()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(world):
    here, _, _ = world
    base = here.url.removesuffix("/graphql")
    async with httpx.AsyncClient(trust_env=False, base_url=base, timeout=20) as made:
        del made.headers["accept-encoding"]
        yield made


@pytest.fixture
def ask(client):
    """`await ask(query, **headers)`: a POST; names of headers with _ for -."""

    async def send(query, /, *, variables=None, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"query": query, "variables": variables or {}}
        return await client.post("/graphql", json=body, headers=sent)

    return send


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def token(client):
    """Of somebody who signed up."""
    account = {"email": "ada@mela.test", "username": "ada", "password": "a password of ada"}
    body = {"query": SIGN_UP, "variables": {"input": account}}
    made = (await client.post("/graphql", json=body)).json()
    return made["data"]["signUp"]["accessToken"]


def codes(response):
    """The codes of errors of our shape, which are all that the answer has."""
    body = response.json()
    assert set(body) == {"errors"}, body
    for error in body["errors"]:
        said = set(error["extensions"])
        assert said == {"code", "requestId", "timestamp", "details"}, error
    return [error["extensions"]["code"] for error in body["errors"]]


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ __type(name: "User") { fields { name } } }',
    ],
)
async def test_prod_does_not_tell_its_schema(ask, query):
    response = await ask(query)
    assert set(codes(response)) == {"BAD_USER_INPUT"}
    assert "introspection" in response.json()["errors"][0]["message"].lower()


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ pots { nodes { title } } }", {}),
        ("{ posts(frst: 1) { nodes { title } } }", {}),
        ("{ posts { nodes { ... on Pst { title } } } }", {}),
        ("{ posts(orderBy: NEWST) { nodes { title } } }", {}),
        ("{ posts(filter: {categry: 1}) { nodes { title } } }", {}),
        ("query($o: PostOrder!) { posts(orderBy: $o) { nodes { title } } }", {"o": "NEWST"}),
        (
            "query($f: PostFilterInput) { posts(filter: $f) { nodes { title } } }",
            {"f": {"categry": 1}},
        ),
        ("subscription { leaderboardChangd { readAt } }", {}),
    ],
)
async def test_prod_suggests_no_names(ask, query, variables):
    response = await ask(query, variables=variables)
    assert codes(response) == ["BAD_USER_INPUT"]
    assert "did you mean" not in response.text.lower()


async def test_prod_suggests_no_names_over_sockets(world):
    here, _, _ = world
    query = "subscription($w: LeaderboardWindow!) { leaderboardChanged(window: $w) { readAt } }"
    payload = {"query": query, "variables": {"w": "DAYLY"}}
    async with websockets.connect(
        here.socket_url, subprotocols=["graphql-transport-ws"], proxy=None
    ) as socket:
        await socket.send('{"type": "connection_init"}')
        await socket.recv()
        message = {"id": "1", "type": "subscribe", "payload": payload}
        await socket.send(orjson.dumps(message).decode())
        answer = orjson.loads(await asyncio.wait_for(socket.recv(), 10))
    assert answer["type"] == "error"
    assert "DAYLY" in answer["payload"][0]["message"]
    assert "did you mean" not in str(answer).lower()


async def test_prod_has_no_graphiql_and_tells_no_plans(client):
    page = await client.get("/graphql", headers={"Accept": "text/html"})
    assert "<html" not in page.text
    assert (await client.get("/graphiql/config.json")).status_code == 404
    body = {"query": "{ __typename }", "extensions": {"plan": True}}
    told = await client.post("/graphql", json=body, headers={"X-Mela-Plan": "1"})
    assert "plan" not in told.json().get("extensions", {})


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("POST", "/graphql/more", 404, "NOT_FOUND"),
        ("POST", "/healthz", 405, "BAD_USER_INPUT"),
        ("PATCH", "/graphql", 405, "BAD_USER_INPUT"),
        ("GET", "/webhooks/payments", 405, "BAD_USER_INPUT"),
        ("POST", "/webhooks/payments", 401, "UNAUTHENTICATED"),
        ("POST", "/webhooks/platforms/none", 404, "NOT_FOUND"),
        ("GET", "/downloads/none", 404, "NOT_FOUND"),
        ("GET", "/evidence/none", 404, "NOT_FOUND"),
        ("GET", "/images/img_none/small", 404, "NOT_FOUND"),
    ],
)
async def test_every_address_refuses_in_json_with_a_code(client, method, path, status, code):
    response = await client.request(method, path, content=b"{}" if method == "POST" else None)
    assert (response.status_code, codes(response)) == (status, [code])
    assert response.headers["cache-control"] == "no-store"
    [error] = response.json()["errors"]
    assert error["extensions"]["requestId"] == response.headers["x-request-id"]


async def test_a_crash_behind_any_route_is_masked(client, monkeypatch, world):
    def crash(*_args, **_options):
        raise RuntimeError("the secret of ada@mela.test")

    monkeypatch.setattr(webhooks, "is_signed", crash)
    monkeypatch.setattr(Request, "path_params", property(crash))
    for method, path in (("POST", "/webhooks/payments"), ("GET", "/downloads/any")):
        response = await client.request(method, path)
        assert (response.status_code, codes(response)) == (500, ["INTERNAL_SERVER_ERROR"])
        assert "secret" not in response.text
    assert "ada@mela.test" not in world[2].getvalue()


@pytest.mark.parametrize("path", ["/graphql", "/nowhere", "/healthz"])
async def test_every_answer_has_security_headers_and_no_banner(client, path):
    response = await client.get(path)
    assert {name: response.headers.get(name) for name in SECURITY} == SECURITY
    assert "server" not in response.headers
    assert "x-powered-by" not in response.headers


async def test_pages_that_are_named_may_call(client):
    asked = {
        "Origin": FRIEND,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,graphql-preflight",
    }
    preflight = await client.options("/graphql", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == FRIEND
    assert "graphql-preflight" in preflight.headers["access-control-allow-headers"]
    assert preflight.headers["access-control-max-age"] == "86400"
    assert "access-control-allow-credentials" not in preflight.headers
    answer = await client.post("/graphql", json={"query": ME}, headers={"Origin": FRIEND})
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()
    refused = await client.get("/nowhere", headers={"Origin": FRIEND})
    assert refused.headers["access-control-allow-origin"] == FRIEND  # errors can be read too


@pytest.mark.parametrize("origin", [STRANGER, "http://localhost:3000", "null"])
async def test_pages_that_are_not_named_may_not_call(client, world, origin):
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = await client.options("/graphql", headers=asked)
    assert (preflight.status_code, "access-control-allow-origin" in preflight.headers) == (
        400,
        False,
    )
    answer = await client.post("/graphql", json={"query": ME}, headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers
    with pytest.raises(InvalidStatus) as refused:
        await handshake(world[0].socket_url, origin)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("origin", [FRIEND, "https://mela.example", None])
async def test_sockets_open_for_pages_that_are_named_for_our_own_and_for_programs(world, origin):
    assert await handshake(world[0].socket_url, origin) == "graphql-transport-ws"


async def test_sockets_open_for_a_page_of_the_same_host(world):
    url = world[0].socket_url
    origin = url.replace("ws://", "http://").removesuffix("/graphql")
    assert await handshake(url, origin) == "graphql-transport-ws"


async def handshake(url, origin):
    async with websockets.connect(
        url, subprotocols=["graphql-transport-ws"], origin=origin, proxy=None
    ) as socket:
        return socket.subprotocol


async def test_answers_are_kept_as_their_fields_say(ask, token):
    bearer = f"Bearer {token}"
    found = {
        "posts": await ask(POSTS),
        "trending": await ask("{ trending { rank title { name } } }"),
        "both": await ask("{ trending { rank } posts { nodes { id } } }"),
        "quests": await ask("{ quests { nodes { title category { name } reward { amount } } } }"),
        "places": await ask("{ quests { nodes { placesLeft } } }"),
        "leaderboard": await ask("{ leaderboard { entries { rank player { username } } } }"),
        "own": await ask("{ posts { nodes { viewerReactions } } }"),
        "signed in": await ask(POSTS, authorization=bearer),
        "me": await ask(ME, authorization=bearer),
        "comments": await ask("{ posts { nodes { comments { nodes { id } } } } }"),
        "entities": await ask(ENTITIES, variables={"asked": []}),
        "typename": await ask("{ __typename }"),
        "errors": await ask('{ posts { nodes { title } } user(id: "x") { id } }'),
        "mutation": await ask('mutation { createStall(input: {name: "Pots"}) { __typename } }'),
    }
    assert {name: each.headers["cache-control"] for name, each in found.items()} == {
        "posts": "max-age=60, public",
        "trending": "max-age=300, public",
        "both": "max-age=60, public",
        "quests": "max-age=900, public",
        "places": "max-age=60, public",
        "leaderboard": "max-age=300, public",
        "own": "max-age=60, private",
        "signed in": "max-age=60, private",
        "me": "no-store",
        "comments": "no-store",
        "entities": "no-store",
        "typename": "no-store",
        "errors": "no-store",
        "mutation": "no-store",
    }
    varies = {name.strip().lower() for name in found["posts"].headers["vary"].split(",")}
    assert varies == {"accept", "accept-encoding", "authorization", "origin"}


async def test_a_get_has_a_tag_and_is_not_sent_again(client):
    asked = {"params": {"query": POSTS}, "headers": PREFLIGHT}
    first = await client.get("/graphql", **asked)
    tag = first.headers["etag"]
    assert (first.status_code, tag[0], tag[-1]) == (200, '"', '"')
    assert (await client.get("/graphql", **asked)).headers["etag"] == tag
    for given in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = await client.get(
            "/graphql", params={"query": POSTS}, headers=PREFLIGHT | {"If-None-Match": given}
        )
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == "max-age=60, public"
        assert "content-type" not in again.headers
    other = await client.get(
        "/graphql",
        params={"query": "{ posts { nodes { id } } __typename }"},
        headers=PREFLIGHT | {"If-None-Match": tag},
    )
    assert other.status_code == 200
    post = await client.post("/graphql", json={"query": POSTS})
    assert "etag" not in post.headers


def padded(depth=12):
    """A query whose answer is over 1 KiB."""
    fields = " ".join(f"{'long' * 20}{n}: __typename" for n in range(depth))
    return f"{{ {fields} }}"


@pytest.mark.parametrize(
    ("taken", "coding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=0, identity", None),
        ("identity", None),
    ],
)
async def test_larger_answers_are_compressed_as_the_client_takes_it(world, ask, taken, coding):
    plain = (await ask(padded())).content
    assert len(plain) > 1_024
    response = await ask(padded(), accept_encoding=taken)
    assert response.headers.get("content-encoding") == coding
    assert response.json() == orjson.loads(plain)
    sent = int(response.headers["content-length"])
    assert sent < len(plain) / 2 if coding else sent == len(plain)


async def test_small_answers_are_sent_as_they_are(ask):
    response = await ask("{ __typename }", accept_encoding="gzip, br, zstd")
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize("kind", ["text/event-stream", 'multipart/mixed;subscriptionSpec="1.0"'])
async def test_streams_are_never_compressed(client, kind):
    headers = {"Accept": kind, "Accept-Encoding": "gzip, br, zstd"}
    asked = client.stream("POST", "/graphql", json={"query": BOARD}, headers=headers)
    async with asyncio.timeout(10), asked as response:
        assert response.headers["content-type"].split(";")[0] == kind.split(";")[0]
        assert "content-encoding" not in response.headers
        assert response.headers["cache-control"] == "no-store"
        said = ""
        async for piece in response.aiter_text():
            said += piece
            if '"totalCount":' in said:
                break


async def test_a_compressed_answer_has_a_weak_tag(client):
    query = {"params": {"query": padded()}}
    plain = await client.get("/graphql", **query, headers=PREFLIGHT)
    taken = PREFLIGHT | {"Accept-Encoding": "gzip"}
    packed = await client.get("/graphql", **query, headers=taken)
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["etag"] == "W/" + plain.headers["etag"]
    again = taken | {"If-None-Match": packed.headers["etag"]}
    assert (await client.get("/graphql", **query, headers=again)).status_code == 304


async def test_nothing_secret_is_logged(world, client, ask, token):
    here, _, said = world
    password, wrong = "correct-horse-battery", "wr0ng-h0rse-battery"
    account = {"email": "bea.secret@mela.test", "username": "bea", "password": password}
    made = (await ask(SIGN_UP, variables={"input": account})).json()["data"]["signUp"]
    assert made["__typename"] == "AuthSuccess"
    await ask(SIGN_IN, variables={"input": {"login": account["email"], "password": wrong}})
    # As a variable of the wrong type, in the text itself, in a URL, and as a token that is none.
    await ask(SIGN_IN, variables={"input": {"login": [account["email"]], "password": wrong}})
    await ask(f'mutation {{ signIn(input: {{login: "{account["email"]}", password: "{wrong}"}}')
    query = {"query": ME, "variables": f'{{"password": "{wrong}"}}'}
    await client.get("/graphql", params=query, headers=PREFLIGHT)
    await ask(ME, authorization=f"Bearer {token}x")
    await ask(ME, authorization=f"Bearer {made['accessToken']}")
    await client.post("/webhooks/payments", content=b"{}", headers={"webhook-signature": wrong})
    async with websockets.connect(
        here.socket_url, subprotocols=["graphql-transport-ws"], proxy=None
    ) as socket:
        params = {"authorization": f"Bearer {token}"}
        message = {"type": "connection_init", "payload": params}
        await socket.send(orjson.dumps(message).decode())
        await socket.recv()
    url = f"{here.socket_url}?password={wrong}&{wrong}"
    async with websockets.connect(url, subprotocols=["graphql-transport-ws"], proxy=None):
        pass
    log = said.getvalue()
    assert log.count('"logger":"uvicorn.access"') > 8
    assert "webhook_refused" in log
    assert log.count("WebSocket /graphql") >= 2
    secrets = [password, wrong, account["email"], token, made["accessToken"], made["refreshToken"]]
    assert [secret for secret in secrets if secret in log] == []
