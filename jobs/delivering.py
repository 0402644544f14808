"""Hands mails and pushes over, outside any transaction: claimed before, settled after, tried again
later where that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from uuid import UUID

import orjson
import structlog

from core.database import Database, ReadSession
from core.errors import BadUserInput
from core.ids import split_id
from core.ports import Couriers, Mail, Push
from models.notification_kinds import Channel
from services.auctions.telling import lot_titles
from services.content.naming import post_titles, title_names
from services.users.deliveries import (
    Browser,
    Claimed,
    Content,
    Outcome,
    browsers_of,
    claim,
    contents_of,
    due,
    forget_browsers,
    names_of,
    recover,
    settle,
)
from services.users.notification_texts import Words, words_of

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Messages that one job hands over at once."""
PAGE = 100
PAGES_MAX = 100

Names = Callable[[ReadSession, Sequence[UUID]], Awaitable[Mapping[UUID, str]]]

NAMES: Mapping[str, Names] = {
    "usr": names_of,
    "auc": lot_titles,
    "ttl": title_names,
    "pst": post_titles,
}
"""What tells the name of a thing, by its id's prefix; other things have none in messages."""


async def deliver_asked(db: Database, couriers: Couriers, payload: bytes | None) -> None:
    """Deliver the notifications of a job's payload. A message that is not taken waits for the
    sweep."""
    ids = orjson.loads(payload or b'{"notifications": []}')["notifications"]
    await deliver(db, couriers, [UUID(hex=id) for id in ids])


async def redeliver(
    db: Database, couriers: Couriers, *, stopping: Callable[[], bool] = bool
) -> int:
    """Deliver what waits for too long, and decide about what a killed process was sending; how
    many notifications were looked at."""
    await db.transaction(partial(recover, repeatable=_repeatable(couriers)))
    looked = 0
    for _ in range(PAGES_MAX):
        async with db.read() as session:
            ids = await due(session, limit=PAGE)
        if not ids or stopping():
            break
        await deliver(db, couriers, ids)
        looked += len(ids)
    return looked


async def deliver(db: Database, couriers: Couriers, ids: Sequence[UUID]) -> None:
    """Hand over what waits of these notifications, each once."""
    claimed = await db.transaction(partial(claim, ids=ids))
    if not claimed:
        return
    async with db.read() as session:
        contents = await contents_of(session, [c.notification_id for c in claimed])
        things = await _things(session, list(contents.values()))
        users = {contents[c.notification_id].user_id for c in claimed if c.channel == "PUSH"}
        browsers = await browsers_of(session, list(users)) if users else {}
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(each: Claimed) -> None:
        content = contents[each.notification_id]
        words = _words(content, things.get(content.reference or ""))
        async with limit:
            outcome = await _hand_over(
                db, couriers, each, content, words, browsers.get(content.user_id, [])
            )
            await db.transaction(partial(settle, claimed=each, outcome=outcome))

    await asyncio.gather(*(one(each) for each in claimed))


async def _hand_over(
    db: Database,
    couriers: Couriers,
    claimed: Claimed,
    content: Content,
    words: Words,
    browsers: Sequence[Browser],
) -> Outcome:
    if not content.active:
        return "SKIPPED"
    try:
        if claimed.channel == "EMAIL":
            await couriers.mailer.send(_mail(content, words))
            return "SENT"
        return await _push(db, couriers, content, words, browsers)
    except Exception as error:
        # Whatever it was, the message has not been taken: the others beside it still may be.
        log.warning(
            "delivery_failed",
            notification=content.id.hex,
            channel=claimed.channel,
            tries=claimed.tries,
            error=type(error).__name__,
        )
        return "PENDING"


async def _push(
    db: Database, couriers: Couriers, content: Content, words: Words, browsers: Sequence[Browser]
) -> Outcome:
    """To each browser. Where one has taken it nothing is repeated: it must not be shown twice."""
    pusher = couriers.pusher
    if pusher is None or not browsers:
        return "SKIPPED"
    pushes = (pusher.push(_push_of(content, words, browser)) for browser in browsers)
    answers = await asyncio.gather(*pushes, return_exceptions=True)
    gone = [b.id for b, answer in zip(browsers, answers, strict=True) if answer == "GONE"]
    if gone:
        await db.transaction(partial(forget_browsers, ids=gone))
    failed = [answer for answer in answers if isinstance(answer, BaseException)]
    if "TAKEN" not in answers and failed:
        raise failed[0]
    return "SENT" if "TAKEN" in answers else "SKIPPED"


def _mail(content: Content, words: Words) -> Mail:
    text = f"Hello {content.name},\n\n{words.text}\n"
    return Mail(f"ntf_{content.id.hex}", content.email, content.name, words.subject, text)


def _push_of(content: Content, words: Words, browser: Browser) -> Push:
    body = {
        "id": f"ntf_{content.id.hex}",
        "kind": content.kind,
        "reference": content.reference,
        "title": words.subject[:200],
        "body": words.text[:1_000],
    }
    told = orjson.dumps(body).decode()
    return Push(browser.endpoint, browser.p256dh, browser.auth, content.id.hex, told)


def _words(content: Content, thing: str | None) -> Words:
    return words_of(
        content.kind, content.facts, name=content.name, actor=content.actor, thing=thing
    )


async def _things(session: ReadSession, contents: Sequence[Content]) -> dict[str, str]:
    """The names of what the notifications are about, by reference: one statement a kind of id."""
    wanted: dict[str, dict[UUID, str]] = {}
    for content in contents:
        try:
            prefix, key = split_id(content.reference or "")
        except BadUserInput:
            continue
        wanted.setdefault(prefix, {})[key] = content.reference or ""
    found: dict[str, str] = {}
    for prefix, keys in wanted.items():
        if prefix in NAMES:
            names = await NAMES[prefix](session, list(keys))
            found |= {keys[key]: name for key, name in names.items()}
    return found


def _repeatable(couriers: Couriers) -> list[Channel]:
    return ["EMAIL"] if couriers.mailer.repeatable else []
