"""Who is told of a title that has become watchable for them and fits their tastes: asked for where
offers are reported, told by a job, page by page. When a job runs stands in jobs/catalogue.py.

The rule: it goes with a title that they rated well, or it is of a genre that they chose. No event
tells what someone has watched, so viewings and watchlists do not count here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.events import NewEvent
from core.ids import encode_id
from services.content.offers import Change
from services.content.recommendations import BY_THEIR_PLATFORMS
from services.content.tastes import LIKED_FROM
from services.idempotency import claim_new, idempotent_request, kept_since
from services.jobs import enqueue
from services.users.accounts import user_topic
from services.users.notifications import TOLD_MAX, notify

NEW_TITLES_A_DAY = 5
"""Titles that one viewer is told of in any 24 hours, however many come in; of the others they hear
nothing."""
DAY = timedelta(days=1)
VIEWERS_PAGE = 250
"""Accounts looked at in one transaction; eight of them at most are told."""
TELL_NEW_TITLE = "tell_new_title"
NEW_CONTENT = "NewContentAvailable"
FIRST = UUID(int=0)
"""The place before the first account."""

NewContentReason = Literal["BECAUSE_YOU_LIKED", "GENRE_YOU_CHOSE"]

_LIVE = """
    o.available AND coalesce(o.available_from <= clock_timestamp(), true)
    AND coalesce(o.available_until > clock_timestamp(), true)
"""
_LIVE_BEFORE = text(
    f"""
    SELECT o.title_id, o.id FROM availability AS o
    WHERE o.title_id = ANY (CAST(:titles AS uuid[])) AND o.region = ANY (CAST(:regions AS text[]))
      AND o.id <> ALL (CAST(:added AS uuid[])) AND {_LIVE}
    ORDER BY o.title_id, o.id
    """
)
# Of viewer w: offers of their region, as recommendations see them.
_THEIRS = f"""
    SELECT 1 FROM availability AS o JOIN platform AS f ON f.id = o.platform_id
    WHERE o.title_id = t.id AND o.region = w.region AND {BY_THEIR_PLATFORMS}
"""
_PAGE = text(
    f"""
    WITH page AS MATERIALIZED (
        SELECT id FROM user_account WHERE id > :after AND status = 'ACTIVE'
        ORDER BY id LIMIT :page
    ), alike AS MATERIALIZED (
        SELECT r.id, r.place, l.maturity
        FROM title_neighbours AS n
        CROSS JOIN LATERAL unnest(n.neighbours) WITH ORDINALITY AS r(id, place)
        JOIN title AS l ON l.id = r.id WHERE n.title_id = :title
    ), of_genre AS MATERIALIZED (
        SELECT coalesce(array_agg(g.slug), '{{}}') AS slugs
        FROM title_genre AS tg JOIN genre AS g ON g.id = tg.genre_id WHERE tg.title_id = :title
    ), w AS (
        SELECT page.id, coalesce(p.region, h.region) AS region, p.maturity_limit,
            coalesce(p.platforms, '{{}}') AS platforms,
            coalesce(p.memberships, '{{}}') AS memberships, coalesce(p.genres, '{{}}') AS genres
        FROM page
        LEFT JOIN user_preference AS p ON p.user_id = page.id
        LEFT JOIN profile AS h ON h.user_id = page.id
    ), told AS (
        SELECT w.id AS user_id, liked.id AS because_id
        FROM w CROSS JOIN of_genre JOIN title AS t ON t.id = :title
        LEFT JOIN LATERAL (
            SELECT a.id FROM alike AS a
            JOIN rating AS x ON x.user_id = w.id AND x.title_id = a.id
            WHERE x.value_tenths >= {100 * LIKED_FROM:.0f}
                AND coalesce(a.maturity <= w.maturity_limit, true)
            ORDER BY a.place LIMIT 1
        ) AS liked ON true
        WHERE (liked.id IS NOT NULL OR w.genres && of_genre.slugs)
          AND coalesce(t.maturity <= w.maturity_limit, true)
          AND EXISTS ({_THEIRS} AND o.id = ANY (CAST(:added AS uuid[])) AND {_LIVE})
          AND NOT EXISTS ({_THEIRS} AND o.id = ANY (CAST(:before AS uuid[])))
          AND NOT EXISTS (SELECT 1 FROM rating AS x WHERE x.user_id = w.id AND x.title_id = t.id)
          AND NOT EXISTS (
              SELECT 1 FROM watchlist_item AS x WHERE x.user_id = w.id AND x.title_id = t.id)
          AND NOT EXISTS (
              SELECT 1 FROM view_record AS x WHERE x.user_id = w.id AND x.title_id = t.id)
          AND NOT EXISTS (
              SELECT 1 FROM idempotency_key AS k
              WHERE k.user_id = w.id AND k.operation = :operation AND k.key = :key)
          AND :a_day > (
              SELECT count(*) FROM idempotency_key AS k
              WHERE k.user_id = w.id AND k.operation = :operation
                AND k.created_at > clock_timestamp() - CAST(:day AS interval))
        ORDER BY w.id LIMIT :first
    )
    SELECT told.user_id, told.because_id,
        (SELECT id FROM page ORDER BY id OFFSET :page - 1) AS further
    FROM (SELECT 1) AS always LEFT JOIN told ON true ORDER BY told.user_id
    """
)
_LOCK_VIEWERS = text(
    "SELECT id FROM user_account WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id"
    " FOR NO KEY UPDATE"
)


async def ask_to_tell(tx: Transaction, changes: Sequence[Change], now: datetime) -> None:
    """Ask for the jobs that tell of what these changes make watchable: one a title and moment at
    which offers of it begin. Call it while the titles' rows are locked and the changes written:
    what else is live then decides for whom a title is new."""
    added: dict[tuple[UUID, datetime | None], list[UUID]] = defaultdict(list)
    before: dict[UUID, set[UUID]] = defaultdict(set)
    for change in changes:
        report = change.report
        if change.kind == "ADDED":
            begins = report.available_from
            later = begins if begins is not None and begins > now else None
            added[report.title_id, later].append(change.offer_id)
        elif change.kind == "REMOVED":
            # Until now: who could watch it here and can there has nothing new.
            before[report.title_id].add(change.offer_id)
    if not added:
        return
    asked = {
        "titles": list({title_id for title_id, _ in added}),
        "regions": list({change.report.region for change in changes if change.kind == "ADDED"}),
        "added": [offer_id for offers in added.values() for offer_id in offers],
    }
    for title_id, offer_id in await tx.execute(_LIVE_BEFORE, asked):
        before[title_id].add(offer_id)
    for (title_id, later), offers in added.items():
        job = {
            "title": title_id.hex,
            "added": [offer_id.hex for offer_id in offers],
            "before": sorted(offer_id.hex for offer_id in before[title_id]),
            "after": FIRST.hex,
        }
        await enqueue(tx, TELL_NEW_TITLE, job, run_at=later)


async def tell_new_title(
    tx: Transaction,
    *,
    title_id: UUID,
    added: Sequence[UUID],
    before: Sequence[UUID],
    after: UUID,
) -> UUID | None:
    """Tell the next eight viewers at most, of 250 accounts after `after`, for whom an offer
    of `added` is live and none of `before` was; where to go on, or None at the end.

    A viewer is told of a title once in a week, and of five titles in 24 hours, however often and
    by how many jobs at once this runs.
    """
    asked = {
        "title": title_id,
        "added": list(added),
        "before": list(before),
        "after": after,
        "page": VIEWERS_PAGE,
        "first": TOLD_MAX,
        "operation": TELL_NEW_TITLE,
        "key": title_id.hex,
        "a_day": NEW_TITLES_A_DAY,
        "day": DAY,
    }
    rows = (await tx.execute(_PAGE, asked)).all()
    found = {row.user_id: row.because_id for row in rows if row.user_id is not None}
    if found:
        await _tell(tx, title_id, found)
    further: UUID | None = rows[0].further
    return max(found) if len(found) == TOLD_MAX else further


async def _tell(tx: Transaction, title_id: UUID, found: dict[UUID, UUID | None]) -> None:
    # Locked, so that jobs of several titles cannot each be a viewer's last of the day.
    await tx.execute(_LOCK_VIEWERS, {"ids": sorted(found)})
    told_today = await kept_since(tx, TELL_NEW_TITLE, user_ids=list(found), age=DAY)
    requests = [
        idempotent_request(user_id, title_id.hex, {})
        for user_id in sorted(found)
        if told_today.get(user_id, 0) < NEW_TITLES_A_DAY
    ]
    told = sorted(request.user_id for request in await claim_new(tx, TELL_NEW_TITLE, requests))
    for user_id in told:
        because_id = found[user_id]
        reason: NewContentReason = "GENRE_YOU_CHOSE" if because_id is None else "BECAUSE_YOU_LIKED"
        payload = {
            "title": title_id.hex,
            "reason": reason,
            "because": None if because_id is None else because_id.hex,
        }
        tx.collect(NewEvent(user_topic(user_id), NEW_CONTENT, payload))
    title = encode_id("ttl", title_id)
    key = f"new-title:{title}"
    await notify(tx, kind="NEW_TITLE", user_ids=told, dedupe_key=key, reference=title)
