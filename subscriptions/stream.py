"""The one generator behind every subscription field: a topic's events from a cursor on, each once,
in order, whatever happens to Redis, to PostgreSQL or to a publication.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from core.database import Database
from core.errors import BadUserInput
from subscriptions.crowds import Boarding
from subscriptions.cursors import decode_cursor, encode_cursor
from subscriptions.fanout import ConflateKey, Subscription
from subscriptions.hub import Hub
from subscriptions.log import LogEvent


async def stream(
    hub: Hub,
    db: Database,
    topic: str,
    *,
    after: str | None = None,
    types: frozenset[str] | None = None,
    conflate_key: ConflateKey | None = None,
    boarding: Boarding | None = None,
    begun: Callable[[str], None] | None = None,
) -> AsyncGenerator[LogEvent, None]:
    """Events of `topic` after the cursor, without end; after the log's head when there is none.

    Begins with the first `anext`. `types` passes only those types. With `conflate_key`, a consumer
    that falls behind gets the newest event of each key; without it, `SlowConsumer` with the cursor
    to resume from. With `boarding` it ends where a crowd takes the subscriber on. `begun` is told
    the cursor that everything to come is after.
    Raises `BadUserInput` for a cursor that is not of this topic, `CursorExpired` for one older than
    the log, `Unavailable` when the server goes down. Close it (`aclosing`) to give up early.
    """
    position = None if after is None else decode_cursor(after, topic)
    subscription = await hub.join(topic, types=types, conflate_key=conflate_key)
    try:
        position = await _start(hub, db, subscription, position)
        if begun is not None:
            begun(encode_cursor(topic, position))
        while not subscription.topic.go_live(subscription, position):
            # History is read page by page at the consumer's own pace; nothing is buffered for it.
            for event in await hub.reader.page(db, topic, after=position):
                position = event.sequence
                if types is None or event.type in types:
                    yield event
            subscription.check()
        if boarding is not None and boarding.board(subscription, position):
            return
        while True:
            while (live := subscription.take()) is not None:
                if live.sequence > position:
                    position = live.sequence
                    yield live
            await subscription.wait()
    finally:
        hub.leave(subscription)


async def _start(hub: Hub, db: Database, subscription: Subscription, position: int | None) -> int:
    delivered = subscription.topic.delivered
    if position is not None and delivered is not None and position <= delivered:
        return position
    head = await hub.reader.head(db, subscription.topic.name)
    if position is None:
        return head
    if position > head:
        raise BadUserInput("this cursor is ahead of the log")
    return position
