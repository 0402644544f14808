"""A crowd on two server processes, one of which is killed: who goes, who comes back, and what a
watcher is told of each. `python -m tests.concurrency.presence_crowd` runs it at full size."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from websockets.exceptions import ConnectionClosed

from core.database import Database
from core.ids import new_id
from core.tasks import stop_all
from core.tokens import KeyRing, ensure_keys
from services.users.access import user_public_id
from tests.concurrency.serving import ServerProcess, Socket, open_socket, start_server, token_for

WATCH = """
subscription Presences($users: [ID!]!) {
  presenceChanged(userIds: $users) { status lastSeenAt user { id } }
}
"""
PAGE = 500


async def make_people(db: Database, count: int) -> list[UUID]:
    """Accounts that can be watched, each with a public profile."""
    ids = [new_id() for _ in range(count)]
    names = [f"crowd_{n}" for n in range(count)]
    async with db.engine.begin() as session:
        await session.execute(
            text(
                "INSERT INTO user_account (id, email, username, password_hash, display_name)"
                " SELECT id, name || '@mela.test', name, 'x', name"
                " FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[])) AS p(id, name)"
            ),
            {"ids": ids, "names": names},
        )
        await session.execute(
            text("INSERT INTO profile (user_id) SELECT unnest(CAST(:ids AS uuid[]))"), {"ids": ids}
        )
    return ids


@dataclass
class Crowd:
    """The people, where each is connected, and what was said of each: (seconds, status)."""

    people: list[UUID]
    ring: KeyRing
    sockets: dict[UUID, Socket] = field(default_factory=dict)
    said: dict[str, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))

    def statuses(self, user_id: UUID) -> list[str]:
        """All that was said of someone, in order."""
        return [status for _, status in self.said[user_public_id(user_id)]]

    async def connect(
        self, stack: AsyncExitStack, server: ServerProcess, people: Sequence[UUID]
    ) -> None:
        """A socket for each of these, twenty at a time, that answers pings and asks nothing."""
        limit = asyncio.Semaphore(20)

        async def one(user_id: UUID) -> None:
            async with limit:
                token = token_for(self.ring, user_id)
                opening = open_socket(server.socket_url, token=token, open_timeout=60)
                self.sockets[user_id] = await stack.enter_async_context(opening)

        await asyncio.gather(*(one(user_id) for user_id in people))

    async def watch(self, stack: AsyncExitStack, server: ServerProcess, watcher: UUID) -> None:
        """Note all that is said of anyone, from now on; 500 people a subscription."""
        token = token_for(self.ring, watcher)
        socket = await stack.enter_async_context(open_socket(server.socket_url, token=token))
        for n in range(0, len(self.people), PAGE):
            users = [user_public_id(user_id) for user_id in self.people[n : n + PAGE]]
            await socket.subscribe(f"w{n}", WATCH, users=users)
        task = asyncio.create_task(self._note(socket))
        stack.push_async_callback(stop_all, [task])

    async def _note(self, socket: Socket) -> None:
        with suppress(ConnectionClosed):
            while True:
                message = await socket.receive(within_s=600)
                assert message["type"] == "next", message
                told = message["payload"]["data"]["presenceChanged"]
                self.said[told["user"]["id"]].append((time.monotonic(), told["status"]))

    async def until(self, condition: Callable[[], bool], within_s: float, what: str) -> None:
        """Return when the condition holds."""
        try:
            async with asyncio.timeout(within_s):
                while not condition():  # noqa: ASYNC110 (others make it true)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not within {within_s:.0f} s: {what}") from None


@dataclass(frozen=True)
class Outcome:
    """What a killed process's people were told as. `slowest_s` is from the kill to the last of
    those who were gone."""

    gone: int
    back: int
    untouched: int
    slowest_s: float


async def kill_one_of_two(
    settings: dict[str, Any], folder: Path, *, count: int, expiry_s: float, limit_s: float
) -> Outcome:
    """Half of `count` people on each of two processes; one is killed, and a third of its people
    come to the other. Raises `AssertionError` unless each of the others is told OFFLINE just once,
    within `limit_s`, and nobody else at all."""
    db = Database(settings["database_url"])
    async with AsyncExitStack() as stack:
        stack.push_async_callback(db.close)
        people = await make_people(db, count + 1)
        watcher, people = people[0], people[1:]
        ring = ensure_keys(Path(str(settings["signing_keys_dir"])), "EdDSA")
        crowd = Crowd(people, ring)
        servers = [await start_server(settings, folder / f"{n}.log") for n in range(2)]
        for server in servers:
            stack.push_async_callback(server.stop)
        dying, living = servers
        on_dying, on_living = people[: count // 2], people[count // 2 :]
        await crowd.watch(stack, living, watcher)
        await crowd.connect(stack, dying, on_dying)
        await crowd.connect(stack, living, on_living)
        await crowd.until(
            lambda: all(crowd.statuses(p)[-1:] == ["ONLINE"] for p in people), 60, "all online"
        )
        begun = {p: len(crowd.statuses(p)) for p in people}
        back, gone = on_dying[: count // 6], on_dying[count // 6 :]
        killed_at = time.monotonic()
        dying.kill()
        await crowd.connect(stack, living, back)
        await crowd.until(
            lambda: all(len(crowd.statuses(p)) > begun[p] for p in gone), limit_s, "all gone"
        )
        slowest_s = max(crowd.said[user_public_id(p)][-1][0] for p in gone) - killed_at
        # Everybody's connections of the dead process are past their time by now; whoever is going
        # to be told wrongly is told within one more.
        await asyncio.sleep(expiry_s)
        for p in gone:
            assert crowd.statuses(p)[begun[p] :] == ["OFFLINE"], crowd.said[user_public_id(p)]
        for p in [*back, *on_living]:
            assert len(crowd.statuses(p)) == begun[p], crowd.said[user_public_id(p)]
    return Outcome(len(gone), len(back), len(on_living), slowest_s)


def main() -> None:
    """A thousand people at the real times: it takes some minutes."""
    import tempfile

    from rich.console import Console

    from bench.processes import allow_many_sockets
    from core.embedded import start_embedded
    from core.migrations import upgrade

    allow_many_sockets()
    with tempfile.TemporaryDirectory(prefix="mela-presence-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with start_embedded(folder / "state", durable=False) as handle:
            assert handle.database_url is not None
            asyncio.run(upgrade(handle.database_url))
            settings = settings_for(handle.database_url, str(handle.redis_url), folder)
            outcome = asyncio.run(
                kill_one_of_two(settings, folder, count=1_000, expiry_s=60, limit_s=75)
            )
    Console().print(outcome)


def settings_for(database_url: str, redis_url: str, folder: Path, **others: Any) -> dict[str, Any]:
    """Of the servers: what is not said is as people have it."""
    keys = folder / "signing-keys"
    ensure_keys(keys, "EdDSA")
    return {
        "profile": "test",
        "database_url": database_url,
        "redis_url": redis_url,
        "state_dir": folder / "servers",
        "signing_keys_dir": keys,
        "signing_algorithm": "EdDSA",
        "jobs": "false",
        **others,
    }


if __name__ == "__main__":
    main()
