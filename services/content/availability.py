"""Where titles can be watched, kept true: reports of offers, compared with what is stored and told
as changes.

Polls, webhooks and hands all come through `apply_reports`. An error of a platform is no report:
nothing here makes an offer unavailable because it could not be asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import MAX_TOPICS, Transaction, database_now
from core.errors import InvalidInput, NotFound
from core.events import NewEvent
from core.ids import new_id
from core.jsontext import to_json
from core.money import ASSETS, INT64_MAX
from models.content.availability import SOURCES, TIERS
from services.content.new_titles import ask_to_tell
from services.content.offers import Change, Offer, OfferReport
from services.content.titles import title_topic
from services.jobs import enqueue
from services.users.profiles import REGIONS, clean_url

TITLES_MAX = MAX_TOPICS
"""Titles of one call: each may get an event, and a transaction has so many topics."""
REPORTS_MAX = 2_000
LEAVING_WITHIN = timedelta(days=7)
"""How near a known end is told of."""
AVAILABILITY_CHANGED = "AvailabilityChanged"
TELL_WATCHERS = "tell_watchers"
_LOCK_TITLES = text(
    "SELECT id FROM title WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE"
)
_PLATFORMS = text("SELECT id FROM platform WHERE id = ANY (CAST(:ids AS uuid[]))")
_STORED = text(
    """
    SELECT id, title_id, platform_id, region, tier, available, price_minor, asset,
           available_until, leaving_told_for
    FROM availability WHERE title_id = ANY (CAST(:titles AS uuid[]))
      AND platform_id = ANY (CAST(:platforms AS uuid[]))
    """
)
_WRITE = text(
    """
    INSERT INTO availability AS a (id, title_id, platform_id, region, tier, price_minor, asset,
        link, available, available_from, available_until, leaving_told_for, last_verified_at,
        source, stale)
    SELECT id, title_id, platform_id, region, tier, price_minor, asset, link, available,
        available_from, available_until, leaving_told_for, CAST(:now AS timestamptz), :source,
        false
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, title_id uuid, platform_id uuid,
        region text, tier text, price_minor bigint, asset text, link text, available boolean,
        available_from timestamptz, available_until timestamptz, leaving_told_for timestamptz)
    ON CONFLICT (title_id, platform_id, region, tier) DO UPDATE SET
        price_minor = excluded.price_minor, asset = excluded.asset, link = excluded.link,
        available = excluded.available, available_from = excluded.available_from,
        available_until = excluded.available_until,
        leaving_told_for = excluded.leaving_told_for,
        last_verified_at = excluded.last_verified_at, source = excluded.source, stale = false
    """
)


async def apply_reports(
    tx: Transaction, reports: Sequence[OfferReport], source: str
) -> list[Change]:
    """Store what a source reports, and tell each change once: an event on `title:{id}`, and a job
    that tells who watch-lists the title in that region; for what is added also one that tells whom
    it may interest. What did not change gets a new `last_verified_at` and no event.

    10 titles and 2,000 reports at most; of two reports on one offer the last counts. Raises
    `NotFound("title" | "platform")`, `InvalidInput`.
    """
    if source not in SOURCES:
        raise ValueError(f"unknown source {source}")
    if len(reports) > REPORTS_MAX:
        raise InvalidInput("reports", f"{REPORTS_MAX} at most")
    by_offer = {_offer_key(report): checked_report(report) for report in reports}
    title_ids = {report.title_id for report in reports}
    if len(title_ids) > TITLES_MAX:
        raise InvalidInput("reports", f"of {TITLES_MAX} titles at most")
    if not by_offer:
        return []
    stored = await _locked(tx, title_ids, {report.platform_id for report in reports})
    now = await database_now(tx)
    changes: list[Change] = []
    rows = []
    for key, told in sorted(by_offer.items()):
        over = told.available_until is not None and told.available_until <= now
        report = replace(told, available=False) if over else told
        old = stored.get(key)
        offer_id = new_id() if old is None else old.id
        found = changes_of(old, report, offer_id, now)
        changes += found
        rows.append(_row(report, offer_id, _told_for(old, report, found)))
    await tx.execute(_WRITE, {"now": now, "source": source, "rows": to_json(rows)})
    await tell(tx, changes)
    await ask_to_tell(tx, changes, now)
    return changes


def changes_of(
    old: Offer | None, report: OfferReport, offer_id: UUID, now: datetime
) -> list[Change]:
    """What a report changes in an offer. Pure."""
    was = old is not None and old.available
    is_now = report.available
    found: list[Change] = []
    if is_now and not was:
        found.append(Change("ADDED", offer_id, report))
    if was and not is_now:
        found.append(Change("REMOVED", offer_id, report))
    if old is not None and was and is_now:
        before = (old.price_minor, old.asset)
        if before != (report.price_minor, report.asset):
            found.append(Change("PRICE_CHANGED", offer_id, report, *before))
    if is_now and _leaves_soon(report.available_until, now):
        told_for = old.leaving_told_for if old is not None else None
        if told_for != report.available_until:
            found.append(Change("LEAVING_SOON", offer_id, report))
    return found


def _leaves_soon(until: datetime | None, now: datetime) -> bool:
    return until is not None and now < until <= now + LEAVING_WITHIN


def _told_for(old: Offer | None, report: OfferReport, found: Sequence[Change]) -> datetime | None:
    if any(change.kind == "LEAVING_SOON" for change in found):
        return report.available_until
    return None if old is None else old.leaving_told_for


def _offer_key(report: OfferReport | Offer) -> tuple[UUID, UUID, str, str]:
    return (report.title_id, report.platform_id, report.region, report.tier)


def checked_report(report: OfferReport) -> OfferReport:
    """The report, which can be applied. Raises `InvalidInput`."""
    if report.region not in REGIONS:
        raise InvalidInput("region", "not an ISO 3166 country code of two letters")
    if report.tier not in TIERS:
        raise InvalidInput("tier", "one of " + ", ".join(TIERS))
    if (report.price_minor is None) != (report.asset is None):
        raise InvalidInput("price", "an amount and its asset, or neither")
    if report.asset is not None and report.asset not in ASSETS:
        raise InvalidInput("price", "unknown asset")
    if report.price_minor is not None and not 0 <= report.price_minor <= INT64_MAX:
        raise InvalidInput("price", "out of range")
    if report.link is not None:
        clean_url("link", report.link)
    begin, end = report.available_from, report.available_until
    if begin is not None and end is not None and end <= begin:
        raise InvalidInput("availableUntil", "after availableFrom")
    return report


async def _locked(
    tx: Transaction, title_ids: set[UUID], platform_ids: set[UUID]
) -> dict[tuple[UUID, UUID, str, str], Offer]:
    """The stored offers; their titles' rows are locked, so that reports take turns."""
    ids = list((await tx.execute(_LOCK_TITLES, {"ids": sorted(title_ids)})).scalars())
    if len(ids) < len(title_ids):
        raise NotFound("title")
    known = list((await tx.execute(_PLATFORMS, {"ids": list(platform_ids)})).scalars())
    if len(known) < len(platform_ids):
        raise NotFound("platform")
    asked = {"titles": list(title_ids), "platforms": list(platform_ids)}
    offers = (Offer._make(row) for row in await tx.execute(_STORED, asked))
    return {_offer_key(offer): offer for offer in offers}


def _row(report: OfferReport, offer_id: UUID, told_for: datetime | None) -> dict[str, Any]:
    return {
        "id": offer_id,
        "title_id": report.title_id,
        "platform_id": report.platform_id,
        "region": report.region,
        "tier": report.tier,
        "price_minor": report.price_minor,
        "asset": report.asset,
        "link": report.link,
        "available": report.available,
        "available_from": report.available_from,
        "available_until": report.available_until,
        "leaving_told_for": told_for,
    }


async def tell(tx: Transaction, changes: Sequence[Change]) -> None:
    """One event for each change on its title's topic, and the job that tells watchers."""
    by_title: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for change in changes:
        title_id = change.report.title_id
        payload = payload_of(change)
        by_title[title_id].append(payload)
        tx.collect(NewEvent(title_topic(title_id), AVAILABILITY_CHANGED, payload))
    for title_id, told in by_title.items():
        # Not by title alone: each job tells its own changes.
        job = {"key": new_id().hex, "title": title_id.hex, "changes": told, "after": None}
        await enqueue(tx, TELL_WATCHERS, job)


def payload_of(change: Change) -> dict[str, Any]:
    """A change as an event tells it: as of right after it."""
    report = change.report
    return {
        "kind": change.kind,
        "offer": change.offer_id.hex,
        "title": report.title_id.hex,
        "platform": report.platform_id.hex,
        "region": report.region,
        "tier": report.tier,
        "price": report.price_minor,
        "asset": report.asset,
        "oldPrice": change.old_price_minor,
        "oldAsset": change.old_asset,
        "availableUntil": None
        if report.available_until is None
        else report.available_until.isoformat(),
    }
