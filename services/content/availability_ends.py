"""What happens to offers by themselves: a known end comes near, and passes. And who is told of a
change: those who have the title on their watchlist, in the region it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction, database_now
from core.events import NewEvent
from core.ids import encode_id
from services.content.availability import LEAVING_WITHIN, TELL_WATCHERS, TITLES_MAX, tell
from services.content.offers import Change, OfferReport
from services.idempotency import claim, idempotent_request
from services.jobs import enqueue
from services.users.accounts import user_topic
from services.users.notifications import TOLD_MAX, notify

WATCHERS_PAGE = TOLD_MAX
"""Watchers told in one transaction: each is a topic."""
OFFERS_PAGE = 200
WATCHLIST_CHANGED = "WatchlistAvailabilityChanged"

_DUE_TITLES = text(
    """
    SELECT title_id FROM availability
    WHERE available AND available_until <= CAST(:now AS timestamptz) + CAST(:within AS interval)
      AND (available_until <= :now OR leaving_told_for IS DISTINCT FROM available_until)
    GROUP BY title_id ORDER BY min(available_until), title_id LIMIT :limit
    """
)
_LOCK_TITLES = text(
    "SELECT id FROM title WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE"
)
_DUE = text(
    """
    UPDATE availability SET
        available = available_until > :now,
        leaving_told_for = available_until
    WHERE id IN (
        SELECT id FROM availability
        WHERE title_id = ANY (CAST(:ids AS uuid[])) AND available
          AND available_until <= CAST(:now AS timestamptz) + CAST(:within AS interval)
          AND (available_until <= :now OR leaving_told_for IS DISTINCT FROM available_until)
        ORDER BY id LIMIT :limit)
    RETURNING id, title_id, platform_id, region, tier, available, price_minor, asset, link,
        available_from, available_until
    """
)
# Below a viewer's rating limit: who cannot see a title hears nothing of it.
_WATCHERS = text(
    """
    SELECT w.user_id, coalesce(p.region, f.region) AS region
    FROM watchlist_item AS w
    JOIN title AS t ON t.id = w.title_id
    LEFT JOIN user_preference AS p ON p.user_id = w.user_id
    LEFT JOIN profile AS f ON f.user_id = w.user_id
    WHERE w.title_id = :title AND (CAST(:after AS uuid) IS NULL OR w.user_id > :after)
      AND coalesce(p.region, f.region) = ANY (CAST(:regions AS text[]))
      AND coalesce(t.maturity <= p.maturity_limit, true)
    ORDER BY w.user_id LIMIT :limit
    """
)


async def tell_of_ends(tx: Transaction, *, limit: int = TITLES_MAX) -> int:
    """LEAVING_SOON for offers whose known end came within seven days, once for each end; REMOVED
    for those whose end passed. 10 titles at most; how many titles there were."""
    now = await database_now(tx)
    asked = {"now": now, "within": LEAVING_WITHIN}
    found = await tx.execute(_DUE_TITLES, asked | {"limit": min(limit, TITLES_MAX)})
    title_ids = sorted(found.scalars())
    if not title_ids:
        return 0
    await tx.execute(_LOCK_TITLES, {"ids": title_ids})
    rows = await tx.execute(_DUE, asked | {"ids": title_ids, "limit": OFFERS_PAGE})
    changes = []
    for id, title_id, platform_id, *rest in sorted(rows, key=lambda row: (row[1], row[0])):
        report = OfferReport(title_id, platform_id, *rest)
        changes.append(Change("LEAVING_SOON" if report.available else "REMOVED", id, report))
    await tell(tx, changes)
    return len(title_ids)


async def tell_watchers(
    tx: Transaction,
    *,
    key: str,
    title_id: UUID,
    changes: Sequence[Mapping[str, Any]],
    after: UUID | None,
) -> int:
    """Tell the next eight watchers after `after` of changes in their region, and ask for the job
    that goes on; once a `key` and place, however often it runs. How many were told."""
    by_region: dict[str, list[Mapping[str, Any]]] = {}
    for change in changes:
        by_region.setdefault(change["region"], []).append(change)
    asked = {
        "title": title_id,
        "after": after,
        "regions": list(by_region),
        "limit": WATCHERS_PAGE,
    }
    watchers = (await tx.execute(_WATCHERS, asked)).all()
    if not watchers:
        return 0
    # The place is in the key: watchers who come or go meanwhile do not move it.
    place = f"{key}:{after.hex if after else ''}"
    request = idempotent_request(title_id, place, {})
    if await claim(tx, TELL_WATCHERS, request, {}) is not None:
        return 0
    for user_id, region in watchers:
        for change in by_region[region]:
            tx.collect(NewEvent(user_topic(user_id), WATCHLIST_CHANGED, change))
    for region, some in by_region.items():
        told = [user_id for user_id, theirs in watchers if theirs == region]
        await _notify(tx, told, key, some)
    if len(watchers) == WATCHERS_PAGE:
        further = {
            "key": key,
            "title": title_id.hex,
            "changes": list(changes),
            "after": watchers[-1].user_id.hex,
        }
        await enqueue(tx, TELL_WATCHERS, further)
    return len(watchers)


async def _notify(
    tx: Transaction, user_ids: Sequence[UUID], key: str, changes: Sequence[Mapping[str, Any]]
) -> None:
    for change in changes:
        await notify(
            tx,
            kind="AVAILABILITY",
            user_ids=user_ids,
            dedupe_key=f"availability:{key}:{change['offer']}:{change['kind']}",
            reference=encode_id("ttl", UUID(hex=change["title"])),
            facts={name: change[name] for name in ("kind", "platform", "region", "tier")},
        )
