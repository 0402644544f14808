"""Operations that nobody waits for any more: too slow, or their client has left. What they did in
the database is stopped, and its connections go back to the pool."""

import asyncio
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import httpx
import orjson
import pytest
import pytest_asyncio

from core.metrics import render_metrics
from tests.concurrency.racing import make_lots
from tests.concurrency.serving import open_socket, serve_here, token_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT_S = 0.5
BODY_S = 0.3
RESPONSE = "application/graphql-response+json"
POOL = 3
ROOT = "{ platforms { id } }"
OTHER = '{ stall(slug: "nobodys") { id } }'
BELOW = "query($id: ID!) { auction(id: $id) { bids(first: 1) { nodes { id } } } }"
CREATE = """mutation($name: String!) { createStall(input: {name: $name}) {
    __typename ... on Error { code } } }"""
WAITING = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'mela' AND state = 'active' AND wait_event_type = 'Lock'"""
OPEN = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'mela' AND state LIKE 'idle in transaction%'"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_database, served):
    [lot] = await make_lots(module_database, 1, lots=1)
    settings = served(
        request_timeout_s=LIMIT_S,
        body_timeout_s=BODY_S,
        pool_max=POOL + 1,  # what is looked at for /metrics takes one now and then
        statement_timeout_s=60,
    )
    async with serve_here(settings) as here:
        yield here, module_database, lot


@pytest.fixture
def server(world):
    return world[0]


@pytest.fixture
def lot(world):
    return world[2]


@pytest_asyncio.fixture(loop_scope="module")
async def outside(world):
    """A connection of somebody else, who is in nobody's way."""
    connection = await asyncpg.connect(world[1])
    yield connection
    await connection.close()


@pytest.fixture
def locked(world, outside):
    """`async with locked("platform"):` whoever reads or writes that table waits."""

    @asynccontextmanager
    async def lock(table):
        other = await asyncpg.connect(world[1])
        try:
            async with other.transaction():
                await other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                yield
        finally:
            await other.close()

    return lock


@pytest.fixture
def until(outside):
    """`await until(statement, value)`: return once the database answers so; fails after 5 s."""

    async def wait(statement, value):
        async with asyncio.timeout(5):
            while await outside.fetchval(statement) != value:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture
def post(server):
    async def send(query, token=None, accept=RESPONSE, **variables):
        headers = {"accept": accept} | ({"authorization": f"Bearer {token}"} if token else {})
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            sent = {"query": query, "variables": variables}
            return await client.post(server.url, json=sent, headers=headers)

    return send


def outcome(response):
    body = response.json()
    assert set(body) == {"errors"}, body
    [error] = body["errors"]
    extensions = error["extensions"]
    assert extensions["requestId"] == response.headers["x-request-id"]
    return extensions["code"], extensions["details"]


@pytest.mark.parametrize(
    ("table", "query"), [("platform", ROOT), ("bid", BELOW)], ids=["at the root", "by a loader"]
)
async def test_the_statements_of_a_slow_query_are_stopped_and_its_connections_given_back(
    post, locked, until, outside, lot, table, query
):
    before = stopped_by_time()
    asked = [post(query, id=lot.public_id) for _ in range(POOL)]
    async with locked(table):
        answers = asyncio.gather(*asked)
        await until(WAITING, POOL)
        for answer in await answers:
            details = {"timeoutMs": 500, "outcome": "NOTHING_CHANGED"}
            assert answer.status_code == 504
            assert outcome(answer) == ("TIMEOUT", details)
        await until(WAITING, 0)
        # The table is still locked, and all of the pool was in use.
        other = await asyncio.gather(*(post(OTHER) for _ in range(2 * POOL)))
        assert [answer.json() for answer in other] == [{"data": {"stall": None}}] * 2 * POOL
    answer = await post(query, id=lot.public_id)
    assert (answer.status_code, "errors" in answer.json()) == (200, False)
    assert stopped_by_time() == before + POOL


async def test_a_slow_mutation_is_rolled_back_and_says_that_it_may_have_happened(
    post, server, locked, until, outside, lot
):
    token = token_for(server.ring, lot.bidders[0])
    async with locked("stall"):
        asked = asyncio.ensure_future(post(CREATE, token, name="Slow pots"))
        await until(WAITING, 1)
        answer = await asked
        assert answer.status_code == 504
        assert outcome(answer) == ("TIMEOUT", {"timeoutMs": 500, "outcome": "UNKNOWN"})
        await until(WAITING, 0)
        await until(OPEN, 0)
    assert await outside.fetchval("SELECT count(*) FROM stall WHERE name = 'Slow pots'") == 0
    done = await post(CREATE, token, name="Slow pots")
    assert done.json() == {"data": {"createStall": {"__typename": "CreateStallSuccess"}}}


async def test_as_plain_json_a_timeout_is_an_answer_like_any_other(post, locked, lot):
    async with locked("platform"):
        answer = await post(ROOT, accept="application/json")
    assert answer.status_code == 200
    assert outcome(answer)[0] == "TIMEOUT"


async def test_over_a_socket_the_time_is_as_long(server, locked, until):
    async with locked("platform"), open_socket(server.socket_url) as client:
        await client.subscribe("1", ROOT)
        await until(WAITING, 1)
        message = await client.receive()
        assert "TIMEOUT" in str(message)
        await until(WAITING, 0)


async def sent(server, query, token=None, **variables):
    """The open connection of a request, whose answer nobody reads."""
    parts = urlsplit(server.url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    body = orjson.dumps({"query": query, "variables": variables})
    bearer = b"authorization: Bearer %b\r\n" % token.encode() if token else b""
    writer.write(
        b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n%b"
        b"content-length: %d\r\n\r\n%b" % (bearer, len(body), body)
    )
    await writer.drain()
    return writer


def stopped_by_time():
    """Operations of this process that took too long."""
    page, _ = render_metrics()
    wanted = b'mela_graphql_operations_total{kind="query",outcome="TIMEOUT"'
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(wanted))


async def closed(writer):
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("table", "query"), [("platform", ROOT), ("bid", BELOW)], ids=["at the root", "by a loader"]
)
async def test_the_statement_of_a_query_whose_client_has_left_is_stopped(
    server, locked, until, lot, caplog, table, query
):
    async with locked(table):
        before = stopped_by_time()
        writer = await sent(server, query, id=lot.public_id)
        await until(WAITING, 1)
        await closed(writer)
        await until(WAITING, 0)
    assert stopped_by_time() == before
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == []


async def test_a_mutation_goes_on_when_its_client_leaves(server, locked, until, lot):
    token = token_for(server.ring, lot.bidders[0])
    async with locked("stall"):
        writer = await sent(server, CREATE, token, name="Lonely pots")
        await until(WAITING, 1)
        await closed(writer)
        await asyncio.sleep(0.1)  # as long as it takes to stop a query
        await until(WAITING, 1)
    await until("SELECT count(*) FROM stall WHERE name = 'Lonely pots'", 1)


@pytest.mark.parametrize("kind", [b"application/json", b"multipart/form-data; boundary=x"])
async def test_a_body_that_does_not_come_is_not_waited_for(server, lot, kind):
    parts = urlsplit(server.url)
    token = token_for(server.ring, lot.bidders[0]).encode()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(
        b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: %b\r\nauthorization: Bearer %b\r\n"
        b"content-length: 100\r\n\r\n-" % (kind, token)
    )
    async with asyncio.timeout(5):
        answer = await reader.read()  # to its end: the connection is closed
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    [error] = orjson.loads(body)["errors"]
    assert error["extensions"]["details"] == {"timeoutMs": 300}
    await closed(writer)
