"""From a field of notifications to one unit of work: the viewer's own, and nobody else's."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any
from uuid import UUID

from core.errors import BadUserInput, InvalidInput, NotFound
from core.ids import decode_id
from loaders import notifications as loaders
from loaders.base import ManyBy
from loaders.notifications import PREFERENCES_MAX, NotificationRow, PreferenceRow
from resolvers.context import OperationContext
from services.users import notifications as service
from services.users import push_subscriptions
from services.users.accounts import user_topic
from services.users.notifications import CHANGES_MAX, NOTIFICATION_CREATED, NOTIFICATION_PREFIX
from subscriptions.cursors import encode_cursor
from subscriptions.log import LogEvent
from subscriptions.stream import stream

_CREATED = frozenset({NOTIFICATION_CREATED})


async def own_notifications(
    context: OperationContext, user_id: UUID, unread_only: bool, *page: Any
) -> Any:
    """A page of the viewer's notifications; None for anyone else's."""
    if user_id != context.viewer_id:
        return None
    request = context.page_request(loaders.NEWEST_NOTIFICATIONS, *page)
    return await loaders.notifications_page(
        context.server.db, user_id, request, unread_only=unread_only
    )


async def unread_count(context: OperationContext, user_id: UUID) -> int | None:
    """How many the viewer has not read; None for anyone else."""
    if user_id != context.viewer_id:
        return None
    return int(await context.loaders.load(loaders.unread_by_user_id, user_id))


async def own_preferences(context: OperationContext, user_id: UUID) -> list[PreferenceRow] | None:
    """The viewer's preferences; None for anyone else's."""
    return await _preferences(context, user_id) if user_id == context.viewer_id else None


async def _preferences(context: OperationContext, user_id: UUID) -> list[PreferenceRow]:
    loader: ManyBy = loaders.chosen_by_user_id
    chosen = await context.loaders.load(loader, (user_id, PREFERENCES_MAX))
    return loaders.preferences_of(chosen)


async def own_cursor(context: OperationContext, user_id: UUID) -> str | None:
    """Where the viewer's own stream stands; None for anyone else's."""
    if user_id != context.viewer_id:
        return None
    sequence = await context.loaders.load(loaders.event_sequence_by_user_id, user_id)
    return encode_cursor(user_topic(user_id), sequence)


async def mark_read(
    context: OperationContext, ids: Sequence[str] | None, *, everything: bool
) -> tuple[int, int]:
    """Mark some or all as read; how many were not before, and how many are not now. Raises
    `InvalidInput`, `NotFound`."""
    if (ids is None) != everything:
        raise InvalidInput("ids", "give ids, or all: one of them")
    user_id = context.signed_in().user_id
    keys = None if ids is None else [_named(public_id) for public_id in ids]
    marked = await context.transact(partial(service.mark_read, user_id=user_id, ids=keys))
    context.forget()
    return marked, int(await context.loaders.load(loaders.unread_by_user_id, user_id))


async def update_preferences(
    context: OperationContext, changes: Sequence[tuple[str, str, bool]]
) -> list[PreferenceRow]:
    """Change the viewer's preferences; all of them. Raises `InvalidInput`."""
    if len(changes) > CHANGES_MAX:
        raise InvalidInput("changes", f"{CHANGES_MAX} at most")
    user_id = context.signed_in().user_id
    wanted = {(kind, channel): enabled for kind, channel, enabled in changes}
    await context.transact(partial(service.set_preferences, user_id=user_id, changes=wanted))
    context.forget()
    return await _preferences(context, user_id)


def push_public_key(context: OperationContext) -> str | None:
    """What a browser subscribes with; None where there is no web push."""
    pusher = context.server.couriers.pusher
    return None if pusher is None else pusher.public_key


async def add_browser(context: OperationContext, *, endpoint: str, p256dh: str, auth: str) -> None:
    """Send the viewer's pushes to a browser too. Raises `InvalidInput`."""
    await context.transact(
        partial(
            push_subscriptions.add_browser,
            user_id=context.signed_in().user_id,
            endpoint=endpoint,
            p256dh=p256dh,
            auth=auth,
            hosts=context.server.settings.push_hosts,
        )
    )


async def remove_browser(context: OperationContext, endpoint: str) -> bool:
    """Send a browser nothing more; whether it was sent anything."""
    user_id = context.signed_in().user_id
    return await context.transact(
        partial(push_subscriptions.remove_browser, user_id=user_id, endpoint=endpoint)
    )


async def watch_notifications(
    context: OperationContext, after: str | None
) -> AsyncGenerator[tuple[LogEvent, NotificationRow], None]:
    """The viewer's notifications from a cursor on. One that is no longer kept is passed over."""
    user_id = context.signed_in().user_id
    server = context.server
    topic = user_topic(user_id)
    after = context.resume_after(after)
    events = stream(server.hub, server.db, topic, after=after, types=_CREATED)
    async with aclosing(events):
        async for event in events:
            context.begin_event(event)
            key = UUID(hex=event.payload["notification"])
            row = await context.loaders.load(loaders.own_notification_by_id, key)
            if row is not None:
                yield event, row


def _named(public_id: str) -> UUID:
    try:
        return decode_id(public_id, NOTIFICATION_PREFIX)
    except BadUserInput:
        raise NotFound("notification") from None
