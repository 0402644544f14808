"""Who may ask what by which method over HTTP, on a real server: GET and its parameters, requests
that browsers send to other sites unasked, tokens; and that no bytes come to an error of ours."""

import asyncio
import json
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.ids import new_id
from tests.concurrency.serving import token_for
from tests.conformance.worlds import shaped

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = "application/json"
RESPONSE = "application/graphql-response+json"
PREFLIGHT = {"GraphQL-Preflight": "1"}
ANSWER = {"data": {"__typename": "Query"}}
MUTATION = 'mutation { createStall(input: {name: "Pots"}) { __typename } }'
ME = "{ me { id } }"
NODE = "query Find($id: ID!) { node(id: $id) { id } }"
SIGN_UP = """mutation { signUp(input: {
    username: "ada_l", email: "ada@example.org", password: "a long enough password"}) {
    ... on AuthSuccess { accessToken } ... on Error { message } } }"""
URL_BYTES = 16_384
METHODS = "GET, POST, PUT, DELETE"
"""The last two for streams of events, which have tests of their own."""
DEADLINE_S = 10


@pytest.fixture
def get(server, client):
    """`await get(query=…)`: parameters as they are, with the header that a GET needs."""

    async def send(headers=PREFLIGHT, **parameters):
        return await client.get(server.url, params=parameters, headers=headers)

    return send


@pytest.fixture
def post(server, client):
    async def send(query, token=None, **variables):
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        sent = {"query": query, "variables": variables}
        return await client.post(server.url, json=sent, headers=headers)

    return send


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": "{ __typename }"},
        {"query": "{ __typename }", "variables": "", "operationName": "", "extensions": ""},
        {"query": "query A { __typename }", "operationName": "A"},
        {"query": "query null { __typename }", "operationName": "null"},
        {"query": "{ __typename }", "variables": "null", "extensions": "{}", "utm": "x"},
        {"query": "{ __typename }", "variables": '{"a": "é +&"}'},
    ],
)
async def test_a_query_may_be_asked_by_get(get, parameters):
    response = await get(**parameters)
    assert (response.status_code, response.json()) == (200, ANSWER)
    assert response.headers["content-type"] == f"{JSON}; charset=utf-8"


async def test_variables_of_a_get_are_json(get):
    response = await get(query=NODE, variables='{"id": "nobody"}', operationName="Find")
    assert response.json()["data"] == {"node": None}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "query=",
        "query=%7B__typename%7D&query=%7B__typename%7D",
        "query=%7B__typename%7D&variables=%7B",
        "query=%7B__typename%7D&variables=[]",
        "query=%7B__typename%7D&variables=1",
        "query=%7B__typename%7D&variables=" + "[" * 5_000,
        "query=%7B__typename%7D&extensions=%22x%22",
        "query=%7B__typename%7D&extensions=nonsense",
        "query=%7B__typename%7D&operationName=Other",
        "query=%FF%FE",
        "query=%7B__typename%7D" + "&a=1" * 50,
        "query=" + quote("subscription { auctionChanged(auctionId: 1) { cursor } }"),
    ],
)
async def test_a_get_that_cannot_be_read_is_a_400(server, client, text):
    response = await client.get(f"{server.url}?{text}", headers=PREFLIGHT)
    assert (response.status_code, shaped(response)) == (400, ["BAD_USER_INPUT"])


async def test_a_url_has_a_length(server, client, get):
    query = "{ __typename }"
    fits = f"query={quote(query)}&x="
    fits += "y" * (URL_BYTES - len(fits))
    assert (await client.get(f"{server.url}?{fits}", headers=PREFLIGHT)).json() == ANSWER
    response = await client.get(f"{server.url}?{fits}y", headers=PREFLIGHT)
    assert (response.status_code, shaped(response)) == (414, ["BAD_USER_INPUT"])
    [error] = response.json()["errors"]
    assert error["extensions"]["details"] == {"maxUrlBytes": URL_BYTES}


@pytest.mark.parametrize("accept", [JSON, RESPONSE, "*/*"])
async def test_a_mutation_by_get_is_a_405_that_names_post(get, accept):
    response = await get({**PREFLIGHT, "accept": accept}, query=MUTATION)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert shaped(response) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "TRACE", "PROPFIND"])
async def test_other_methods_are_a_405_that_names_those_there_are(server, client, method):
    response = await client.request(
        method, f"{server.url}?query=%7B__typename%7D", headers=PREFLIGHT
    )
    assert (response.status_code, response.headers["allow"]) == (405, METHODS)
    if method != "HEAD":
        assert shaped(response) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_browsers_visit_is_shown_the_page_and_needs_no_header(server, client, method):
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    response = await client.request(method, server.url, headers={"accept": accept})
    assert response.status_code in {200, 503}  # 503: the page has not been built here
    assert response.headers["content-type"].startswith("text/html")


SIMPLE = [
    {},
    {"accept": "*/*", "accept-language": "en", "content-type": "text/plain"},
    {"content-type": "application/x-www-form-urlencoded"},
    {"content-type": "multipart/form-data; boundary=x"},
    {"graphql-preflight": "", "x-unknown": "1"},
    {"cookie": "a=b", "origin": "https://evil.example", "referer": "https://evil.example/"},
]


@pytest.mark.parametrize("headers", SIMPLE)
async def test_what_a_page_of_another_site_could_send_unasked_is_refused(get, headers):
    response = await get(headers, query="{ __typename }")
    assert (response.status_code, shaped(response)) == (400, ["BAD_USER_INPUT"])
    [error] = response.json()["errors"]
    assert error["extensions"]["details"] == {"header": "GraphQL-Preflight"}


async def test_a_form_of_another_site_is_refused_before_it_is_read(server, client):
    headers = {"content-type": "multipart/form-data; boundary=x", "origin": "https://evil.example"}
    response = await client.post(server.url, content=b"--x\r\nnonsense", headers=headers)
    assert (response.status_code, shaped(response)) == (400, ["BAD_USER_INPUT"])
    assert response.json()["errors"][0]["extensions"]["details"] == {"header": "GraphQL-Preflight"}


@pytest.mark.parametrize(
    "name",
    [
        "X-Mela-CSRF",
        "GraphQL-Preflight",
        "GraphQL-Require-Preflight",
        "Apollo-Require-Preflight",
        "X-Apollo-Operation-Name",
    ],
)
async def test_any_header_that_browsers_ask_about_first_will_do(get, name):
    assert (await get({name: "1"}, query="{ __typename }")).json() == ANSWER


async def test_so_will_a_token_and_a_type_that_no_form_has(server, get):
    token = token_for(server.ring, new_id())
    for headers in ({"authorization": f"Bearer {token}"}, {"content-type": JSON}):
        assert (await get(headers, query="{ __typename }")).json() == ANSWER


@pytest.mark.parametrize("accept", [JSON, RESPONSE])
@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ("Bearer x.y.z", "INVALID"),
        ("Bearer", "INVALID"),
        ("Bearer " + "a" * 5_000, "INVALID"),
        ("Basic eDp5", "INVALID"),
        ("nonsense", "INVALID"),
        (b"Bearer \xff\xfe", "INVALID"),
        ("expired", "TOKEN_EXPIRED"),
    ],
)
async def test_credentials_that_do_not_hold_are_a_401_with_a_challenge(
    server, client, authorization, reason, accept
):
    if authorization == "expired":
        expired = token_for(server.ring, new_id(), lifetime_s=-3_600)
        authorization = f"Bearer {expired}"
    headers = {"authorization": authorization, "accept": accept}
    response = await client.post(server.url, json={"query": "{ __typename }"}, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert shaped(response) == ["UNAUTHENTICATED"]
    assert response.json()["errors"][0]["extensions"]["details"] == {"reason": reason}


async def test_a_revoked_token_is_a_401_that_says_so(server, post):
    given = await post(SIGN_UP)
    token = given.json()["data"]["signUp"]["accessToken"]
    revoke = "mutation { revokeAllSessions(input: {keepCurrent: false}) { __typename } }"
    done = await post(revoke, token)
    assert "errors" not in done.json(), done.text
    async with asyncio.timeout(5):
        while (response := await post(ME, token)).status_code == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert response.json()["errors"][0]["extensions"]["details"] == {"reason": "REVOKED"}


TYPENAME = b'{"query": "{ __typename }"}'
NAMES = st.sampled_from(
    [
        *(b"accept", b"accept", b"content-type", b"content-type", b"content-encoding"),
        *(b"x-forwarded-for", b"user-agent", b"if-none-match", b"origin", b"x-request-id"),
        *(b"graphql-preflight", b"x-mela-plan", b"authorization", b"expect", b"cookie"),
        *(b"x-graphql-event-stream-token", b"last-event-id", b"accept-encoding", b"range"),
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            *(b"application/json", b"multipart/form-data; boundary=x", b"text/event-stream"),
            *(b"application/graphql-response+json", b"multipart/mixed", b"*/*;q=\xff", b"gzip"),
            *(b"Bearer x.y.z", b"100-continue", b"10", b'"a"', b";;q=,=;", b"charset"),
        ]
    ),
    st.binary(max_size=30).map(lambda value: bytes(b for b in value if b not in b"\r\n\0")),
)
TYPED = (b"content-type", b"application/json")
ASKED_FIRST = (b"graphql-preflight", b"1")
FORM = (b"content-type", b"multipart/form-data; boundary=x")
USUAL = st.sampled_from(
    [[TYPED], [TYPED], [ASKED_FIRST], [TYPED, ASKED_FIRST], [FORM, ASKED_FIRST], []]
)
HEADERS = st.builds(list.__add__, USUAL, st.lists(st.tuples(NAMES, VALUES), max_size=3))
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
QUERIES = st.sampled_from(
    [
        "{ __typename }",
        NODE,
        "{ auctions(first: -1) { totalCount } }",
        "query A { __typename } query B { __typename }",
        "subscription { auctionChanged(auctionId: 1) { cursor } }",
        "{ __typename ... @defer { a: __typename } }",
        "{",
    ]
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "query": QUERIES | QUERIES | JSONS,
        "variables": st.dictionaries(st.just("id"), JSONS, max_size=1) | JSONS,
        "operationName": st.sampled_from(["A", "Find", "", None]) | JSONS,
        "extensions": st.dictionaries(
            st.sampled_from(["persistedQuery", "plan", "cost"]), JSONS, max_size=2
        )
        | JSONS,
        "documentId": JSONS,
    },
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.fixed_dictionaries({"query": QUERIES}).map(lambda found: json.dumps(found).encode()),
    OBJECTS.map(lambda found: json.dumps(found).encode("utf-8", "surrogatepass")),
    st.builds(
        lambda name, part: (
            b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n--x--' % (name, part)
        ),
        st.sampled_from([b"operations", b"map", b"0", b""]),
        st.binary(max_size=40) | OBJECTS.map(lambda found: json.dumps(found).encode()),
    ),
)


def parameter(item):
    """One of a query string."""
    name, value = item
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{name}={quote(text, errors='replace')}".encode()


URLS = st.one_of(
    st.just(b""),
    st.binary(max_size=60).map(lambda value: b"?" + quote(value).encode()),
    OBJECTS.map(lambda found: b"?" + b"&".join(map(parameter, found.items()))),
)
METHODS_TRIED = st.sampled_from([b"POST", b"POST", b"GET", b"HEAD", b"PUT", b"DELETE", b"X"])


async def answered(server, method, url, headers, body):
    """All that a connection is answered that sends this and waits for its end."""
    parts = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    head = b"%b /graphql%b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n%b" % (method, url, lines)
    writer.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await reader.read()
    finally:
        writer.close()


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(method=METHODS_TRIED, url=URLS, headers=HEADERS, body=BODIES)
@example(method=b"POST", url=b"", headers=[(b"content-type", b"application/json")], body=TYPENAME)
async def test_no_bytes_come_to_an_error_of_the_server(server, method, url, headers, body):
    answer = await answered(server, method, url, headers, body)
    status = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").removeprefix(b"HTTP/1.1 ")[:3]
    assert status[:1] in {b"2", b"3", b"4"}, answer
    assert b"INTERNAL_SERVER_ERROR" not in answer
