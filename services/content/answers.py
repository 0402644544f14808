"""What platforms answered, made into reports. What an answer does not speak of stays as it is, and
an error is no answer: it only marks what is stored as stale."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import text

from core.database import Transaction
from core.errors import InvalidInput
from core.ports import PlatformAnswer
from services.content.availability import REPORTS_MAX, TITLES_MAX, apply_reports, checked_report
from services.content.offers import Change, OfferReport

log = structlog.get_logger(__name__)

STALE_MAX = 100

_LOCK_TITLES = text(
    "SELECT id FROM title WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE"
)
_STORED = text(
    """
    SELECT title_id, tier, available, price_minor, asset,
        last_verified_at > CAST(:asked_at AS timestamptz) AS newer
    FROM availability
    WHERE title_id = ANY (CAST(:ids AS uuid[])) AND platform_id = :platform AND region = :region
    """
)
_STALE = text(
    """
    UPDATE availability SET stale = true
    WHERE title_id = ANY (CAST(:ids AS uuid[])) AND platform_id = :platform AND region = :region
      AND available AND NOT stale
    """
)


def answered_titles(answer: PlatformAnswer) -> list[UUID]:
    """The titles of which an answer says anything."""
    return sorted(answer.covered | {offer.title_id for offer in answer.offers})


async def take_answer(
    tx: Transaction,
    *,
    platform_id: UUID,
    region: str,
    answer: PlatformAnswer,
    title_ids: Sequence[UUID],
    asked_at: datetime,
    source: str,
) -> list[Change]:
    """Store what an answer says of ten titles at most. A stored offer of a covered title that it
    leaves out is gone; what another way verified since `asked_at` is newer than the answer, and
    stays. What cannot be an offer says nothing of its title."""
    if len(title_ids) > TITLES_MAX:
        raise ValueError(f"{TITLES_MAX} titles at most")
    about = set(title_ids)
    # As `apply_reports` does, only sooner: what is read here must still hold there.
    found = await tx.execute(_LOCK_TITLES, {"ids": sorted(about)})
    about &= set(found.scalars())
    reports, spoilt = _reports(platform_id, region, answer, about)
    asked = {"ids": list(about), "platform": platform_id, "region": region, "asked_at": asked_at}
    stored = (await tx.execute(_STORED, asked)).all()
    newer = {(row.title_id, row.tier) for row in stored if row.newer}
    told = {(report.title_id, report.tier) for report in reports}
    gone = [
        OfferReport(row.title_id, platform_id, region, row.tier, False, row.price_minor, row.asset)
        for row in stored
        if row.available
        and row.title_id in answer.covered - spoilt
        and (row.title_id, row.tier) not in told
    ]
    kept = [r for r in (*reports, *gone) if (r.title_id, r.tier) not in newer]
    return await apply_reports(tx, kept[:REPORTS_MAX], source)


def _reports(
    platform_id: UUID, region: str, answer: PlatformAnswer, about: set[UUID]
) -> tuple[list[OfferReport], set[UUID]]:
    """The offers that can be stored, and the titles with others."""
    reports, spoilt = [], set()
    for offer in answer.offers:
        if offer.title_id not in about or offer.region != region:
            continue
        try:
            reports.append(
                checked_report(
                    OfferReport(
                        title_id=offer.title_id,
                        platform_id=platform_id,
                        region=offer.region,
                        tier=offer.tier,
                        available=offer.available,
                        price_minor=offer.price_minor,
                        asset=offer.asset,
                        link=offer.link,
                        available_from=offer.available_from,
                        available_until=offer.available_until,
                    )
                )
            )
        except InvalidInput as error:
            spoilt.add(offer.title_id)
            log.info("offer_refused", platform=platform_id.hex, field=error.field)
    return reports, spoilt


async def mark_stale(
    tx: Transaction, *, platform_id: UUID, region: str, title_ids: Sequence[UUID]
) -> int:
    """Mark what is stored as not verified lately; nothing else changes, and nobody is told. 100
    titles at most; how many offers."""
    ids = sorted(title_ids)[:STALE_MAX]
    await tx.execute(_LOCK_TITLES, {"ids": ids})
    marked = await tx.execute(_STALE, {"ids": ids, "platform": platform_id, "region": region})
    return int(marked.rowcount)  # type: ignore[attr-defined]
