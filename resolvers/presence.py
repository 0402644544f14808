"""Presence for GraphQL: what Redis says, what the database keeps, and what the viewer may see of
both, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from strawberry.dataloader import DataLoader

from core.errors import BadUserInput, InvalidInput, Unavailable
from core.ids import decode_id
from loaders import auctions, presence
from loaders.presence import SeenRow, read_seen
from resolvers.context import OperationContext
from services.users.access import USER_PREFIX
from services.users.settings import PresenceAudience, set_presence_audience
from subscriptions.presence import USERS_MAX
from subscriptions.presence_seen import moment_of
from subscriptions.presence_store import Device, Standing, Status

WINDOW_MIN_S, WINDOW_MAX_S = 10, 24 * 3600


class PresenceRow(NamedTuple):
    """How someone is here, as the viewer may know."""

    user_id: UUID
    status: Status
    last_seen_at: datetime | None


class DeviceRow(NamedTuple):
    """An open connection of the viewer's."""

    device: str
    session_id: UUID
    connected_at: datetime


class ViewersRow(NamedTuple):
    """How many look at an auction."""

    auction_id: UUID
    watchers: int


def _row(seen: SeenRow, standing: Standing) -> PresenceRow:
    """Redis knows who left before the database does."""
    if standing.status != "OFFLINE":
        return PresenceRow(seen.user_id, standing.status, None)
    left = moment_of(standing.seen_ms) if standing.seen_ms else None
    moments = [at for at in (left, seen.seen_at) if at is not None]
    return PresenceRow(seen.user_id, "OFFLINE", max(moments, default=None))


async def presence_of(context: OperationContext, user_id: UUID) -> PresenceRow | None:
    """Someone's presence; None where it is hidden from the viewer, or cannot be known now. For all
    people of one level it is one statement and one call to Redis."""
    if context.standings is None:
        context.standings = DataLoader(
            load_fn=partial(_standings, context), max_batch_size=USERS_MAX
        )
    seen, standing = await asyncio.gather(
        context.loaders.load(presence.seen_by_user_id, user_id), context.standings.load(user_id)
    )
    return None if seen is None or standing is None else _row(seen, standing)


async def _standings(context: OperationContext, user_ids: list[UUID]) -> Sequence[Standing | None]:
    try:
        return await context.server.live.presence.read(user_ids)
    except Unavailable:
        # A list of people is worth showing without it.
        return [None] * len(user_ids)


async def presences(context: OperationContext, public_ids: Sequence[str]) -> list[PresenceRow]:
    """The presence of some people, in order, without those that are hidden. Raises `BadUserInput`
    past 500, `Unavailable`."""
    user_ids = _keys(public_ids)
    seen, standings = await asyncio.gather(
        read_seen(context.server.db, context.viewer_id, user_ids),
        context.server.live.presence.read(user_ids),
    )
    found = zip(seen, standings, strict=True)
    return [_row(one, standing) for one, standing in found if one is not None]


async def own_devices(context: OperationContext, user_id: UUID) -> list[DeviceRow] | None:
    """The viewer's own open connections; None for anyone else's."""
    if user_id != context.viewer_id:
        return None
    devices: list[Device] = await context.server.live.presence.devices(user_id)
    return [
        DeviceRow(d.device, d.session_id, datetime.fromtimestamp(d.since, UTC)) for d in devices
    ]


async def set_presence(context: OperationContext, status: Status) -> PresenceRow:
    """Say of oneself ONLINE or AWAY. Raises `InvalidInput` without an open connection."""
    user_id = context.signed_in().user_id
    if not await context.server.live.presence.set_status(user_id, status):
        raise InvalidInput("status", "no connection of yours is open")
    return PresenceRow(user_id, status, None)


async def update_privacy(context: OperationContext, audience: PresenceAudience) -> UUID:
    """Choose who sees the viewer's presence; whoever watches them looks again."""
    user_id = context.signed_in().user_id
    await context.transact(partial(set_presence_audience, user_id=user_id, audience=audience))
    context.forget()
    context.server.live.presence.tell_recheck(user_id)
    return user_id


async def own_audience(context: OperationContext, user_id: UUID) -> str | None:
    """Who sees the viewer's presence; None for anyone else's."""
    if user_id != context.viewer_id:
        return None
    row = await context.loaders.load(presence.privacy_by_user_id, user_id)
    return "EVERYONE" if row is None else str(row.presence)


async def watch_presence(
    context: OperationContext, user_ids: Sequence[str] | None, user_id: str | None
) -> AsyncGenerator[PresenceRow, None]:
    """Everyone's presence now, then each change; a slow consumer gets the newest of each person.
    Raises `BadUserInput` unless one of the two is given, and past 500."""
    if (user_ids is None) == (user_id is None):
        raise BadUserInput("give userIds or userId: one of them")
    keys = _keys([user_id] if user_id is not None else user_ids or [])
    live, db = context.server.live.presence, context.server.db
    watch = await live.watch(keys)
    try:
        rows = await read_seen(db, context.viewer_id, keys)
        seen = {row.user_id: row for row in rows if row is not None}
        told: dict[UUID, Status] = {}
        while True:
            key = await watch.take()
            if key in watch.to_recheck:
                watch.to_recheck.discard(key)
                [again] = await read_seen(db, context.viewer_id, [key])
                seen.pop(key, None)
                if again is not None:
                    seen[key] = again
            row = _told(seen.get(key), live.watchers.known(key), key, told)
            if row is not None:
                told[key] = row.status
                context.renew()
                yield row
    finally:
        live.unwatch(watch)


def _told(
    seen: SeenRow | None, standing: Standing | None, key: UUID, told: dict[UUID, Status]
) -> PresenceRow | None:
    """What to tell of someone; None where it is what was told last. Who hides has left."""
    if seen is None:
        before = told.get(key, "OFFLINE")
        return None if before == "OFFLINE" else PresenceRow(key, "OFFLINE", None)
    if standing is None or told.get(key) == standing.status:
        return None
    return _row(seen, standing)


async def watch_viewers(
    context: OperationContext, auction_id: str
) -> AsyncGenerator[ViewersRow, None]:
    """How many look at an auction, this subscriber among them. Raises `BadUserInput` for one that
    is not there."""
    key = _key(auction_id, "auc")
    if key is None or await context.loaders.load(auctions.auction_by_id, key) is None:
        raise BadUserInput("no such auction")
    viewing = context.server.live.viewing
    with viewing.looking(key, context.socket):
        numbers = viewing.numbers(key)
        try:
            async for number in numbers:
                context.renew()
                yield ViewersRow(key, number)
        finally:
            await numbers.aclose()


async def watch_endings(context: OperationContext, window_s: int) -> AsyncGenerator[UUID, None]:
    """The viewer's watched auctions as their ends come near. Raises `BadUserInput` for a window
    that is not of 10 seconds to a day."""
    if not WINDOW_MIN_S <= window_s <= WINDOW_MAX_S:
        raise BadUserInput(f"window must be from {WINDOW_MIN_S} to {WINDOW_MAX_S} seconds")
    user_id = context.signed_in().user_id
    lots = context.server.live.endings.watched(user_id, timedelta(seconds=window_s))
    async with aclosing(lots):
        async for lot in lots:
            context.renew()
            yield lot


def _keys(public_ids: Sequence[str]) -> list[UUID]:
    if len(public_ids) > USERS_MAX:
        raise BadUserInput(f"{USERS_MAX} people at most", {"maximum": USERS_MAX})
    return list(dict.fromkeys(decode_id(public_id, USER_PREFIX) for public_id in public_ids))


def _key(public_id: str, prefix: str) -> UUID | None:
    try:
        return decode_id(public_id, prefix)
    except BadUserInput:
        return None
