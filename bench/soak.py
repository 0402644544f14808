"""`python -m bench.soak`: subscribers for minutes on a busy log, while everything below them fails.

Several topics are written at a steady pace. In turn the server is killed, Redis and PostgreSQL are
restarted, and clients stop reading. Each subscriber comes back with its last cursor; at the end
each one's record must equal the log: every event, once, in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import typer
from rich.console import Console
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from bench.narrow import narrow_socket
from bench.processes import COMMANDS, ROOT, BenchError, allow_many_sockets, free_port, memory_mib
from bench.workloads import W4
from bench.world import World, seeded_world
from core.embedded import EmbeddedError
from core.ids import encode_id
from services.auctions.state import auction_topic
from subscriptions.cursors import decode_cursor, encode_cursor

out = Console()
RESUME_S = 1.0
CATCH_UP_S = 60.0
STALL_S = 15.0
BUFFER = 50
"""Events that may wait for a subscriber: so many that a stall outlasts them at this pace."""
BATCH_S = 0.05
FORGIVEN = {"SLOW_CONSUMER", "UNAVAILABLE", "SERVICE_UNAVAILABLE"}
"""What a server may say while its database is away; whoever is told so resumes."""


@dataclass(slots=True)
class Follower:
    """One subscriber: what it got, and how often it had to come back."""

    auction_id: UUID
    got: list[int] = field(default_factory=list)
    cursor: str | None = None
    returns: int = -1
    stalled_until: float = 0.0

    @property
    def topic(self) -> str:
        return auction_topic(self.auction_id)


@dataclass(slots=True)
class Soak:
    """What all tasks share."""

    world: World
    port: int
    followers: list[Follower]
    process: asyncio.subprocess.Process | None = None
    over: bool = False
    ended: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    most_mib: float = 0.0


async def follow(soak: Soak, follower: Follower) -> None:
    """Subscribe from the last cursor, again and again, until the soak is over."""
    uri = f"ws://127.0.0.1:{soak.port}/graphql"
    options: dict[str, Any] = {"subprotocols": ["graphql-transport-ws"], "compression": None}
    while not soak.over:
        follower.returns += 1
        try:
            narrow = await narrow_socket(soak.port)
            async with connect(uri, sock=narrow, max_queue=4, **options) as wire:
                await _subscribe(wire, follower)
                async for text in wire:
                    if text == '{"type":"ping"}':
                        await wire.send('{"type":"pong"}')
                        continue
                    if not _take(soak, follower, json.loads(text)):
                        break
                    if (stall_s := follower.stalled_until - time.monotonic()) > 0:
                        await asyncio.sleep(stall_s)
        except (OSError, WebSocketException, TimeoutError) as error:
            soak.ended[type(error).__name__] += 1
        await asyncio.sleep(random.uniform(0, RESUME_S))


async def _subscribe(wire: ClientConnection, follower: Follower) -> None:
    await wire.send('{"type":"connection_init"}')
    acknowledged = json.loads(await asyncio.wait_for(wire.recv(), 10))
    if acknowledged["type"] != "connection_ack":
        raise BenchError(f"not acknowledged: {acknowledged}")
    text = W4.replace("$id: ID!", "$id: ID!, $after: Cursor").replace(
        "auctionId: $id", "auctionId: $id, after: $after"
    )
    variables = {"id": encode_id("auc", follower.auction_id), "after": follower.cursor}
    payload = {"query": text, "variables": variables}
    await wire.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))


def _take(soak: Soak, follower: Follower, message: dict[str, Any]) -> bool:
    """Record an event; False where the stream ended. Raises `BenchError` for what may not be."""
    if message["type"] == "next" and (data := message["payload"].get("data")):
        follower.cursor = data["bidPlaced"]["cursor"]
        follower.got.append(decode_cursor(data["bidPlaced"]["cursor"], follower.topic))
        return True
    errors = message.get("payload") or []
    errors = errors.get("errors", []) if isinstance(errors, dict) else errors
    codes = {str((error.get("extensions") or {}).get("code")) for error in errors}
    if message["type"] == "complete" or (codes and codes <= FORGIVEN):
        soak.ended[", ".join(sorted(codes)) or "complete"] += 1
        return False
    raise BenchError(f"a subscriber was told: {str(message)[:500]}")


async def write(soak: Soak, rate: float, stop_at: float) -> int:
    """`rate` bids a second over all lots, by a publisher a lot; a fault delays, never ends it."""
    lots = sorted({follower.auction_id for follower in soak.followers})
    made = 0
    writers = {lot: await _writer(soak, lot) for lot in lots}
    turns = itertools.cycle(lots)
    owed = 0.0
    before = time.monotonic()
    while (now := time.monotonic()) < stop_at:
        owed += (now - before) * rate
        before = now
        while owed >= 1:
            lot = next(turns)
            if writers[lot].returncode is not None:
                writers[lot] = await _writer(soak, lot)
            with contextlib.suppress(OSError):
                stdin = writers[lot].stdin
                assert stdin is not None
                stdin.write(b"1\n")
            owed -= 1
            made += 1
        await asyncio.sleep(BATCH_S)
    for writer in writers.values():
        assert writer.stdin is not None
        writer.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(writer.wait(), 30)
    return made


async def _writer(soak: Soak, lot: UUID) -> asyncio.subprocess.Process:
    bidders = [str(id) for id in soak.world.bidder_ids]
    spec = {
        "server": "mela",
        "database_url": soak.world.database_url,
        "redis_url": soak.world.redis_url,
        "auction_id": str(lot),
        "bidder_ids": bidders,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.publish",
        json.dumps(spec),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=(soak.world.folder / "writers.log").open("ab"),
    )


async def start_server(soak: Soak) -> None:
    """Start Mela on the soak's port and wait until it takes connections."""
    soak.process = await asyncio.create_subprocess_exec(
        *COMMANDS["mela"](soak.port),
        cwd=ROOT,
        env={**_environment(), **soak.world.environment()},
        stdout=(soak.world.folder / "mela.log").open("ab"),
        stderr=asyncio.subprocess.STDOUT,
    )
    for _ in range(600):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", soak.port)
            writer.close()
            return
        if soak.process.returncode is not None:
            break
        await asyncio.sleep(0.1)
    log = (soak.world.folder / "mela.log").read_text(errors="replace")
    raise BenchError(f"Mela did not start:\n{log[-2_000:]}")


def _environment() -> dict[str, str]:
    return os.environ | {"MELA_SUBSCRIBER_BUFFER": str(BUFFER)}


async def kill_server(soak: Soak) -> None:
    """SIGKILL amid deliveries, and a new server."""
    assert soak.process is not None
    soak.process.kill()
    await soak.process.wait()
    await start_server(soak)


async def restart_redis(soak: Soak) -> None:
    """Redis goes and comes back empty."""
    await asyncio.to_thread(soak.world.handle.restart_valkey)


async def restart_postgres(soak: Soak) -> None:
    """Every connection breaks; transactions in flight are lost, and none that was committed."""
    await asyncio.to_thread(soak.world.handle.restart_postgres)


async def stall_clients(soak: Soak) -> None:
    """Some clients stop reading for a while, so that their buffers fill."""
    for follower in random.sample(soak.followers, max(1, len(soak.followers) // 20)):
        follower.stalled_until = time.monotonic() + STALL_S
    await asyncio.sleep(STALL_S)


FAULTS: tuple[tuple[str, Callable[[Soak], Awaitable[None]]], ...] = (
    ("server killed", kill_server),
    ("Redis restarted", restart_redis),
    ("clients stalled", stall_clients),
    ("PostgreSQL restarted", restart_postgres),
)


async def break_things(soak: Soak, stop_at: float, pause_s: float) -> None:
    """One fault after the other, with time to recover between them."""
    for name, fault in itertools.cycle(FAULTS):
        await asyncio.sleep(pause_s)
        if time.monotonic() > stop_at - 2 * pause_s:
            return
        out.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {name}")
        soak.faults[name] += 1
        await fault(soak)
        if soak.process is not None and soak.process.returncode is None:
            soak.most_mib = max(soak.most_mib, memory_mib(soak.process.pid))


async def soak_for(world: World, minutes: float, count: int, lots: int, rate: float) -> Soak:
    """Run it all; returns when everybody has had time to catch up."""
    auctions = await _lots(world, lots)
    chosen = [Follower(auctions[n % len(auctions)]) for n in range(count)]
    soak = Soak(world, free_port(), chosen)
    heads = await _heads(world)
    for follower in soak.followers:
        # From a cursor from the start, so that nothing depends on who subscribed when.
        follower.cursor = encode_cursor(follower.topic, heads.get(follower.topic, 0))
    try:
        await start_server(soak)
        await _run(soak, minutes, rate)
    finally:
        if soak.process is not None and soak.process.returncode is None:
            soak.process.kill()
            await soak.process.wait()
    return soak


async def _run(soak: Soak, minutes: float, rate: float) -> None:
    stop_at = time.monotonic() + minutes * 60
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follow(soak, follower)) for follower in soak.followers]
        pause_s = min(20.0, minutes * 60 / 12)
        breaking = group.create_task(break_things(soak, stop_at, pause_s))
        await write(soak, rate, stop_at)
        await breaking
        await _caught_up(soak)
        soak.over = True
        for task in tasks:
            task.cancel()


async def _caught_up(soak: Soak) -> None:
    heads = await _heads(soak.world)
    deadline = time.monotonic() + CATCH_UP_S
    while time.monotonic() < deadline:
        if all(f.got and f.got[-1] >= heads[f.topic] for f in soak.followers):
            return
        await asyncio.sleep(0.2)


async def _query(world: World, statement: str, *arguments: object) -> list[Any]:
    connection = await asyncpg.connect(world.database_url)
    try:
        found: list[Any] = await connection.fetch(statement, *arguments)
        return found
    finally:
        await connection.close()


async def _lots(world: World, count: int) -> list[UUID]:
    rows = await _query(
        world,
        "SELECT id FROM auction a WHERE status = 'OPEN' AND seller_id <> ALL($1) AND NOT EXISTS ("
        " SELECT FROM stall_member m WHERE m.stall_id = a.stall_id AND m.user_id = ANY($1))"
        " ORDER BY ends_at DESC, id LIMIT $2",
        world.bidder_ids,
        count,
    )
    return [row["id"] for row in rows]


async def _heads(world: World) -> dict[str, int]:
    rows = await _query(world, "SELECT topic, head FROM event_topic")
    return {row["topic"]: row["head"] for row in rows}


async def faults_of(soak: Soak, began: dict[str, int]) -> list[str]:
    """Each subscriber whose record is not the log, in words; empty is what is wanted."""
    wrong = []
    logs: dict[str, list[int]] = {}
    for follower in soak.followers:
        topic = follower.topic
        if topic not in logs:
            rows = await _query(
                soak.world,
                "SELECT sequence FROM event WHERE topic = $1 AND sequence > $2"
                " AND type = 'BidPlaced' ORDER BY sequence",
                topic,
                began.get(topic, 0),
            )
            logs[topic] = [row["sequence"] for row in rows]
        if follower.got != logs[topic]:
            wrong.append(f"{topic}: {_difference(follower.got, logs[topic])}")
    return wrong


def _difference(got: list[int], log: list[int]) -> str:
    """A stream that is only too slow is another fault than one that lost something."""
    if got == log[: len(got)]:
        return f"nothing lost, and {len(log) - len(got)} of {len(log)} still to come"
    missing = len(set(log[: log.index(got[-1]) + 1] if got[-1] in log else log) - set(got))
    twice = len(got) - len(set(got))
    return f"LOST {missing}, doubled {twice}, of {len(log)}"


def main(
    minutes: Annotated[float, typer.Option(min=0.5, help="How long to write.")] = 10.0,
    subscribers: Annotated[int, typer.Option(min=1, help="How many follow.")] = 200,
    lots: Annotated[int, typer.Option(min=1, max=50, help="Over how many auctions.")] = 5,
    rate: Annotated[float, typer.Option(min=1, help="Bids a second in all.")] = 100.0,
    scale: Annotated[float, typer.Option(help="Of the seeded world.")] = 0.1,
) -> None:
    """Follow a busy log through faults, and compare what each subscriber got with the log."""
    allow_many_sockets()
    try:
        with seeded_world(scale=scale) as world:
            try:
                wrong = asyncio.run(_main(world, minutes, subscribers, lots, rate))
            finally:
                _keep_log(world.folder / "mela.log")
    except* (BenchError, EmbeddedError) as errors:
        wrong = [str(error) for error in errors.exceptions]
    if wrong:
        for line in wrong[:20]:
            out.print(line, style="red", markup=False)
        raise typer.Exit(1)


async def _main(
    world: World, minutes: float, subscribers: int, lots: int, rate: float
) -> list[str]:
    began = await _heads(world)
    soak = await soak_for(world, minutes, subscribers, lots, rate)
    wrong = await faults_of(soak, began)
    delivered = sum(len(follower.got) for follower in soak.followers)
    events = sum(len(f.got) for f in {f.topic: f for f in soak.followers}.values())
    returns = sum(max(0, follower.returns) for follower in soak.followers)
    out.print(f"{events:,} events, {delivered:,} deliveries, {returns:,} resumptions")
    out.print(f"faults: {dict(soak.faults)}; streams ended by: {dict(soak.ended)}", markup=False)
    out.print(f"memory of the server after faults: {soak.most_mib:.0f} MiB at most")
    verdict = f"{len(wrong)} differ" if wrong else "every record equals the log"
    out.print(f"[bold]{subscribers} subscribers: {verdict}[/bold]")
    return wrong


def _keep_log(path: Path) -> None:
    folder = ROOT / "bench" / "results"
    folder.mkdir(exist_ok=True)
    if path.exists():
        (folder / "soak-server.log").write_bytes(path.read_bytes()[-1_000_000:])


if __name__ == "__main__":
    typer.run(main)
