"""GraphQL over HTTP on a real server: npm's audits, and what they do not ask."""

import asyncio
import gzip
import json
import sys
from pathlib import Path

import pytest

from tests.conformance.worlds import shaped
from tests.npm import node_with

pytestmark = pytest.mark.asyncio(loop_scope="module")

NPM = Path(__file__).parent / "npm"
JSON = "application/json"
RESPONSE = "application/graphql-response+json"
PREFLIGHT = {"GraphQL-Preflight": "1"}
TYPENAME = '{"query": "{ __typename }"}'
ANSWER = {"data": {"__typename": "Query"}}
MUTATION = 'mutation { createStall(input: {name: "Pots"}) { __typename } }'


@pytest.fixture
def post(server, client):
    """`await post(body, accept=…, **headers)`: names of headers with _ for -."""

    async def send(body=TYPENAME, *, content_type=JSON, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if content_type is not None:
            sent["content-type"] = content_type
        content = json.dumps(body) if isinstance(body, dict | list) else body
        return await client.post(server.url, content=content, headers=sent)

    return send


async def test_all_of_the_server_audits_of_npms_graphql_http_are_ok(server, capsys):
    tools = await asyncio.to_thread(node_with, NPM)
    process = await asyncio.create_subprocess_exec(
        tools.node, NPM / "audits.mjs", server.url, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    results = json.loads(said)
    fine = sum(result["status"] == "ok" for result in results)
    with capsys.disabled():
        sys.stdout.write(f"\ngraphql-http: {fine} of {len(results)} audits\n")
    assert [result for result in results if result["status"] != "ok"] == []
    assert fine == 61


DEEP = "[" * 10_000
MALFORMED = {
    "nothing": b"",
    "null": b"null",
    "a number": b"17",
    "a string": b'"{ __typename }"',
    "a boolean": b"true",
    "an empty list": b"[]",
    "a batch": b"[" + TYPENAME.encode() + b"]",
    "half an object": b'{"query": ',
    "two objects": b"{}{}",
    "not UTF-8": b'{"query": "\xff\xfe"}',
    "UTF-16": TYPENAME.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + TYPENAME.encode(),
    "half a surrogate pair": b'{"query": "\\ud800"}',
    "NUL": b"\0",
    "not a number": b'{"query": "{ __typename }", "variables": {"a": NaN}}',
    "infinite": b'{"query": "{ __typename }", "variables": {"a": 1e999}}',
    "a huge integer": b'{"query": "{ __typename }", "variables": {"a": %b}}' % (b"9" * 5_000),
    "10,000 brackets": DEEP.encode(),
    "10,000 brackets and back": DEEP.encode() + b"]" * 10_000,
    "deep variables": b'{"query": "{ __typename }", "variables": {"a": %b}}'
    % (DEEP.encode() + b"]" * 10_000),
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "no query": b"{}",
    "an empty query": b'{"query": ""}',
    "a null query": b'{"query": null}',
    "variables as a list": b'{"query": "{ __typename }", "variables": []}',
    "variables as text": b'{"query": "{ __typename }", "variables": "{}"}',
    "extensions as a list": b'{"query": "{ __typename }", "extensions": [1]}',
    "a number for a name": b'{"query": "query A { __typename }", "operationName": 1}',
    "an unknown name": b'{"query": "query A { __typename }", "operationName": "B"}',
    "an empty name": b'{"query": "query A { __typename }", "operationName": ""}',
    "no operation": b'{"query": "fragment F on Query { __typename }"}',
    "a subscription": b'{"query": "subscription { auctionChanged(auctionId: 1) { cursor } }"}',
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("accept", [JSON, RESPONSE])
async def test_what_is_no_request_for_an_operation_is_a_400(post, name, accept):
    response = await post(MALFORMED[name], accept=accept)
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"
    assert shaped(response) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/graphql",
        "application/jsonp",
        "application/json; charset=utf-16",
        'application/json; charset="iso-8859-1"',
        "application/json, application/json",
        "multipart/mixed; boundary=x",
        "multipart/form-data; boundary=x; charset=utf-16",
        ";",
    ],
)
async def test_a_body_of_another_type_is_a_415(post, content_type):
    response = await post(TYPENAME, content_type=content_type, graphql_preflight="1")
    assert response.status_code == 415
    assert response.headers["accept-post"] == "application/json, multipart/form-data"
    assert shaped(response) == ["BAD_USER_INPUT"]


async def test_two_types_of_one_body_are_a_415(server, client):
    headers = [("content-type", JSON), ("content-type", "text/plain")]
    response = await client.post(server.url, content=TYPENAME, headers=headers)
    assert (response.status_code, shaped(response)) == (415, ["BAD_USER_INPUT"])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip"])
async def test_a_body_that_is_packed_is_a_415(post, coding):
    response = await post(gzip.compress(TYPENAME.encode()), content_encoding=coding)
    assert (response.status_code, shaped(response)) == (415, ["BAD_USER_INPUT"])
    assert response.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "content_type",
    [
        JSON,
        "Application/JSON",
        "application/json;charset=utf-8",
        'application/json ; charset="UTF-8"',
        "application/json; profile=x",
    ],
)
async def test_json_may_be_named_in_every_way(post, content_type):
    response = await post(TYPENAME, content_type=content_type, content_encoding="identity")
    assert (response.status_code, response.json()) == (200, ANSWER)


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (RESPONSE, RESPONSE),
        (f"{RESPONSE}, {JSON};q=0.9", RESPONSE),
        (f"{JSON}, {RESPONSE};q=0.9", JSON),
        (f"{JSON};q=0.5, {RESPONSE};q=0.6", RESPONSE),
        (f"text/html, {RESPONSE};q=0.1", RESPONSE),
        (f"{JSON};q=0, */*", RESPONSE),
        (f"{RESPONSE};charset=utf-8", RESPONSE),
        (f"{RESPONSE}, application/graphql+json, {JSON}, text/event-stream", RESPONSE),
    ],
)
async def test_the_answer_is_of_the_type_that_is_liked_best(post, accept, answered):
    response = await post(TYPENAME, **({} if accept is None else {"accept": accept}))
    assert (response.status_code, response.json()) == (200, ANSWER)
    assert response.headers["content-type"] == f"{answered}; charset=utf-8"
    assert "accept" in response.headers["vary"].lower()


@pytest.mark.parametrize(
    "accept", ["text/plain", "image/*", f"{JSON};q=0", "application/xml, text/html;q=0.9", ","]
)
async def test_what_cannot_be_given_is_a_406(post, accept):
    response = await post(TYPENAME, accept=accept)
    assert (response.status_code, shaped(response)) == (406, ["BAD_USER_INPUT"])


INVALID = {
    "syntax": {"query": "{ __typename"},
    "blank": {"query": " "},
    "validation": {"query": "{ nonsense }"},
    "depth": {"query": "{ a" * 300 + "}" * 300},
    "lists in lists": {"query": "{ node(id: %s) { id } }" % ("[" * 900 + "]" * 900)},
    "variables": {"query": "query($id: ID!) { node(id: $id) { id } }"},
    "a variable's type": {
        "query": "query($first: Int!) { auctions(first: $first) { totalCount } }",
        "variables": {"first": 10**30},
    },
    "which operation": {"query": "query A { __typename } query B { __typename }"},
}


@pytest.mark.parametrize("name", INVALID)
async def test_documents_that_cannot_run_are_answered_by_the_type_that_is_asked_for(post, name):
    modern = await post(INVALID[name], accept=RESPONSE)
    legacy = await post(INVALID[name], accept=JSON)
    assert (modern.status_code, legacy.status_code) == (400, 200)
    for response in (modern, legacy):
        assert set(shaped(response)) == {"BAD_USER_INPUT"}


@pytest.mark.parametrize("accept", [JSON, RESPONSE])
async def test_errors_of_fields_stand_beside_data_with_200(post, accept):
    query = "{ __typename me { id } auctions(first: 101) { totalCount } }"
    response = await post({"query": query}, accept=accept)
    assert response.status_code == 200
    body = response.json()
    assert list(body) == ["data", "errors"]
    assert [error["path"] for error in body["errors"]] == [["auctions"]]


@pytest.mark.parametrize(
    "variables",
    [
        {"__proto__": {"admin": True}, "constructor": 1},
        {"id": "\0"},
        {"id": "a\0b", "unused": "\0" * 100},
        {"id": "\u202e\ufeff\U0010ffff"},
        {"id": 2**53},
    ],
)
async def test_odd_names_and_characters_in_variables_are_values_like_others(post, variables):
    given = {"id": "nobody", **variables}
    response = await post(
        {"query": "query($id: ID!) { node(id: $id) { id } }", "variables": given}, accept=RESPONSE
    )
    assert response.status_code == 200
    body = response.json()
    assert body["data"] == {"node": None}
    assert {e["extensions"]["code"] for e in body.get("errors", [])} <= {"BAD_USER_INPUT"}
