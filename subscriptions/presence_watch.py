"""Who watches whose presence in this process, and what they have not been told yet: one entry for
each person however often they come and go. All of it is synchronous; no Redis and no SQL here."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from uuid import UUID

from core.errors import RequestError
from subscriptions.presence_store import Standing


class Watch:
    """One subscription on some people: filled by `Watchers`, emptied by one consumer. It holds
    people and not events, so it is bounded by their number and a slow consumer gets the newest."""

    def __init__(self, user_ids: Iterable[UUID]) -> None:
        self.user_ids = frozenset(user_ids)
        self.to_recheck: set[UUID] = set()
        self._pending: OrderedDict[UUID, None] = OrderedDict()
        self._changed = asyncio.Event()
        self._error: RequestError | None = None

    def mark(self, user_id: UUID) -> None:
        """There is something to tell of this person."""
        self._pending[user_id] = None
        self._changed.set()

    def end(self, error: RequestError) -> None:
        """Let the consumer end with `error`."""
        self._error = error
        self._changed.set()

    async def take(self) -> UUID:
        """The next person to tell of. Raises what ended the watch."""
        while True:
            if self._error is not None:
                raise self._error.with_traceback(None)
            if self._pending:
                return self._pending.popitem(last=False)[0]
            self._changed.clear()
            await self._changed.wait()


class Watchers:
    """What this process knows of everyone that somebody here watches."""

    def __init__(self) -> None:
        self._by_user: dict[UUID, set[Watch]] = {}
        self._known: dict[UUID, Standing] = {}

    @property
    def watched(self) -> list[UUID]:
        """Everyone that somebody here watches."""
        return list(self._by_user)

    def add(self, watch: Watch) -> list[UUID]:
        """Fill a watch from now on; those of its people of whom nothing is known yet."""
        for user_id in watch.user_ids:
            self._by_user.setdefault(user_id, set()).add(watch)
        return [user_id for user_id in watch.user_ids if user_id not in self._known]

    def remove(self, watch: Watch) -> None:
        """Fill it no longer. Twice is harmless."""
        for user_id in watch.user_ids:
            watches = self._by_user.get(user_id)
            if watches is not None:
                watches.discard(watch)
                if not watches:
                    del self._by_user[user_id]
                    self._known.pop(user_id, None)

    def known(self, user_id: UUID) -> Standing | None:
        """The newest that is known; None before anything is."""
        return self._known.get(user_id)

    def hear(self, user_id: UUID, standing: Standing) -> None:
        """Take what was published; older than what is known, it is dropped."""
        watches = self._by_user.get(user_id)
        if watches is None:
            return
        before = self._known.get(user_id)
        if before is not None and standing.version <= before.version:
            return
        self._known[user_id] = standing
        if before is None or before.status != standing.status:
            for watch in watches:
                watch.mark(user_id)

    def recheck(self, user_id: UUID) -> None:
        """Whoever watches this person looks again whether they may."""
        for watch in self._by_user.get(user_id, ()):
            watch.to_recheck.add(user_id)
            watch.mark(user_id)

    def begin_anew(self) -> None:
        """Redis may have another clock now, and what it forgot is not known: whatever is published
        next counts."""
        self._known = {user: s._replace(version=0) for user, s in self._known.items()}

    def compare(self, user_ids: Sequence[UUID], read: Sequence[Standing]) -> None:
        """Take what was read from Redis, unless something newer was published meanwhile."""
        for user_id, standing in zip(user_ids, read, strict=True):
            self.hear(user_id, standing)

    def end(self, error: RequestError) -> None:
        """End every watch."""
        for watch in {watch for watches in self._by_user.values() for watch in watches}:
            watch.end(error)
