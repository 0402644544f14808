"""What a process keeps of the moment, none of it in the log: presence, viewers, typing, ends that
come near, leaderboards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.database import Database
from core.settings import Settings
from services.quests.board_store import BoardStore
from subscriptions.ending import Endings
from subscriptions.leaderboards import BoardWatch
from subscriptions.presence import Presence, PresenceTimes
from subscriptions.signals import Signals
from subscriptions.typing import Typing
from subscriptions.viewing import Viewing


@dataclass(frozen=True, slots=True)
class Live:
    """The parts, which start and end together."""

    signals: Signals
    presence: Presence
    viewing: Viewing
    typing: Typing
    endings: Endings
    boards: BoardWatch

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep them going while the context lasts. Redis may be away."""
        await self.signals.start()
        await self.presence.start()
        await self.viewing.start()
        await self.endings.start()
        try:
            yield
        finally:
            await self.boards.close()
            await self.endings.close()
            await self.typing.close()
            await self.viewing.close()
            await self.presence.close()
            await self.signals.close()


def make_live(settings: Settings, db: Database, redis_url: str) -> Live:
    """The parts of a process, made and not yet started."""
    signals = Signals(redis_url)
    prefix = settings.bus_prefix
    times = PresenceTimes(
        heartbeat_s=settings.presence_heartbeat_s,
        expiry_s=settings.presence_expiry_s,
        sweep_s=settings.presence_sweep_s,
        write_s=settings.presence_write_s,
    )
    return Live(
        signals=signals,
        presence=Presence(db, signals, redis_url, prefix=prefix, times=times),
        viewing=Viewing(
            redis_url,
            prefix=prefix,
            expiry_s=settings.presence_expiry_s,
            heartbeat_s=settings.presence_heartbeat_s,
        ),
        typing=Typing(signals, redis_url, prefix=prefix, ends_s=settings.typing_s),
        endings=Endings(db),
        boards=BoardWatch(db, BoardStore(redis_url, prefix=prefix)),
    )
