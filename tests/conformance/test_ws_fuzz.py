"""Frames of any kind, in any order, whole and broken: none of them ends the process, says anything
in the log of errors, or leaves a socket, an operation or a task behind."""

import asyncio
import json
from contextlib import suppress

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.concurrency.serving import open_socket, serve_here
from tests.conformance.ws_table import BUSY, LEGACY, LIVE, NOT_DONE, QUERY, SERVED, TWO

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = 40
GAUGES = ("mela_websockets_open", "mela_subscriptions_active")
MAX_MESSAGE_BYTES = 20_000

IDS = st.sampled_from(["a", "b", "c", "", "ü" * 100, "a" * 3_000])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALARS, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part)
)
PAYLOADS = st.sampled_from([QUERY, LIVE, LIVE, BUSY, TWO, NOT_DONE, {"query": "{ "}, {}]) | JSON
KINDS = st.sampled_from(
    ["subscribe", "subscribe", "complete", "ping", "pong", "start", "start", "stop", "next"]
)
SAID = st.builds(
    lambda kind, id, payload: {"type": kind, "id": id, "payload": payload}, KINDS, IDS, PAYLOADS
)
WELL = st.builds(
    lambda kind, id, payload: {"type": kind, "id": id, "payload": payload},
    st.sampled_from(["subscribe", "complete", "start", "stop"]),
    st.sampled_from("abc"),
    st.sampled_from([QUERY, LIVE, BUSY, {"query": "{ "}]),
)
FRAMES = st.one_of(
    WELL.map(json.dumps),
    WELL.map(json.dumps),
    SAID.map(json.dumps),
    JSON.map(json.dumps),
    st.text(max_size=50),
    st.binary(max_size=50),
    st.lists(st.text(max_size=10), min_size=2, max_size=4),  # one text in several frames
    st.just("x" * (MAX_MESSAGE_BYTES + 1)),
    st.builds(Exception, st.binary(min_size=1, max_size=40)),  # no frame at all
    st.builds(ConnectionAbortedError),
)
INITS = st.sampled_from(
    [[], *[['{"type":"connection_init"}']] * 5, ['{"type":"connection_init","payload":[]}']]
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(served):
    settings = served(
        max_body_bytes=MAX_MESSAGE_BYTES,
        max_operations_per_socket=2,
        socket_init_s=1,
    )
    async with serve_here(settings) as here:
        yield here


@given(
    subprotocol=st.sampled_from([SERVED, SERVED, LEGACY]),
    first=INITS,
    frames=st.lists(FRAMES, max_size=12),
    leaves=st.booleans(),
)
@hypothesis_settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_no_frames_do_any_harm(server, caplog, subprotocol, first, frames, leaves):
    caplog.clear()
    opened = connect(server.socket_url, subprotocols=[subprotocol], proxy=None, compression=None)
    async with opened as connection:
        with suppress(ConnectionClosed):
            for frame in first + frames:
                await throw(connection, frame)
            await asyncio.sleep(0)
        if not leaves:
            connection.transport.abort()
    async with asyncio.timeout(10):
        await nothing_is_left(server)
        while tasks_of_sockets():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    said = [r.getMessage() for r in caplog.records if r.levelname in ("ERROR", "CRITICAL")]
    assert said == []
    async with open_socket(server.socket_url) as socket:
        assert tasks_of_sockets() != []
        await socket.subscribe("a", "{ __typename }")
        assert (await socket.receive())["type"] == "next"


def tasks_of_sockets():
    """What runs for a socket in the server, by the names of its coroutines."""
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
    return [name for name in names if "SansIO" in name or "Handler." in name]


async def throw(connection, frame):
    if isinstance(frame, ConnectionAbortedError):
        connection.transport.abort()
    elif isinstance(frame, Exception):
        connection.transport.write(frame.args[0])
    else:
        await connection.send(frame)


async def nothing_is_left(server):
    """Return when no socket and no subscription is counted."""
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            page = (await client.get(server.url.replace("/graphql", "/metrics"))).text
            found = dict(line.split(" ") for line in page.splitlines() if line.startswith(GAUGES))
            if len(found) == len(GAUGES) and not any(float(value) for value in found.values()):
                return
            await asyncio.sleep(0.01)
