"""`python -m bench.idle`: what an idle subscriber costs in memory. The server's resident memory is
read before and after so many sockets, each with one subscription, have come in; the first of them
are not counted, for they pay for what all share."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import typer
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.processes import BenchError, ServerProcess, allow_many_sockets, memory_mib, serving
from bench.workloads import W4
from bench.world import seeded_world
from core.embedded import EmbeddedError
from core.ids import encode_id

FIRST = 200
AT_ONCE = 25
SETTLE_S = 2.0


async def _open(port: int, auction: str, text: str) -> ClientConnection:
    uri = f"ws://127.0.0.1:{port}/graphql"
    protocol = Subprotocol("graphql-transport-ws")
    wire = await connect(uri, subprotocols=[protocol], compression=None, ping_interval=None)
    variables = f'{{"id":"{auction}"}}'
    asked = f'{{"query":{text},"variables":{variables}}}'
    await wire.send('{"type":"connection_init"}')
    await wire.recv()
    await wire.send(f'{{"id":"1","type":"subscribe","payload":{asked}}}')
    # It is not acknowledged; what comes after it on the socket is.
    await wire.send('{"id":"2","type":"subscribe","payload":{"query":"{ __typename }"}}')
    await wire.recv()
    return wire


async def _open_events(port: int, auction: str, text: str) -> asyncio.StreamWriter:
    """A stream of server-sent events, begun: its id has come."""
    body = f'{{"query":{text},"variables":{{"id":"{auction}"}}}}'
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Accept: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body) + body.encode()
    )
    await reader.readuntil(b"id: ")
    return writer


async def _measure(server: ServerProcess, auction: str, count: int, *, events: bool) -> float:
    text = '"' + W4.replace("\n", " ") + '"'
    kept: list[Any] = []
    opened = _open_events if events else _open

    async def open_some(number: int) -> float:
        for start in range(0, number, AT_ONCE):
            some = min(AT_ONCE, number - start)
            kept.extend(
                await asyncio.gather(*(opened(server.port, auction, text) for _ in range(some)))
            )
        await asyncio.sleep(SETTLE_S)
        return memory_mib(server.pid)

    before_mib = await open_some(FIRST)
    after_mib = await open_some(count)
    for wire in kept:
        wire.transport.abort()
    return (after_mib - before_mib) * 1024 / count


def main(
    subscribers: Annotated[int, typer.Option(min=100, help="How many are weighed.")] = 2_000,
    scale: Annotated[float, typer.Option(help="Of the seeded world.")] = 0.05,
    events: Annotated[bool, typer.Option(help="By server-sent events, not sockets.")] = False,
) -> None:
    """Weigh idle subscribers of one auction's bids, by the server's resident memory."""
    allow_many_sockets()
    try:
        with seeded_world(scale=scale) as world:
            log_file = world.folder / "mela.log"
            # None of them answers pings, and each has the timer of the next.
            environment = world.environment() | {"MELA_SOCKET_PING_S": "3600"}
            with serving("mela", environment, log_file) as server:
                auction = encode_id("auc", world.auction_id)
                kib = asyncio.run(_measure(server, auction, subscribers, events=events))
    except (BenchError, EmbeddedError) as error:
        sys.exit(f"bench: {error}")
    sys.stdout.write(f"{kib:.1f} KiB for each of {subscribers:,} idle subscribers\n")


if __name__ == "__main__":
    typer.run(main)
