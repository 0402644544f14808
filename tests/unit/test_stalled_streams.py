"""A stream whose client takes nothing ends, whatever else its operations do meanwhile."""

import asyncio

from web import streams
from web.streams import Exchange, Stream
from web.streams_framing import EVENTS, EventFraming


async def test_operations_that_come_and_go_do_not_hide_that_a_piece_waits(monkeypatch):
    monkeypatch.setattr(streams, "STALLED_S", 0.3)
    monkeypatch.setattr(streams, "PARTING_S", 0.05)
    monkeypatch.setattr(EventFraming, "heartbeat_s", 0.05)
    begun, forever = asyncio.Event(), asyncio.Event()

    async def send(message):
        if begun.is_set():
            await forever.wait()

    async def receive():
        await forever.wait()

    stream = Stream(EVENTS, revocations=None, viewer=None, request_id="x")
    exchange = Exchange({"type": "http"}, {}, receive, send)
    serving = asyncio.create_task(stream.serve(exchange, begun.set))
    await begun.wait()
    stuck = asyncio.create_task(stream.send(b"one"))
    async with asyncio.timeout(10):
        while not serving.done():
            other = asyncio.create_task(stream.send(b"of one that is stopped"))
            await asyncio.wait(
                (serving,), timeout=0.1
            )  # sooner than it would be given up by itself
            other.cancel()
    assert stream.ended
    assert not stuck.done()
    stuck.cancel()
    await serving
