"""What platforms tell by webhooks: messages about offers, taken once, however often they are sent.
Who signed them was checked before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Database, ReadSession, Transaction
from core.errors import BadUserInput, InvalidInput
from core.ids import decode_id
from core.jsontext import to_json
from core.money import ASSETS, to_minor
from services.content.availability import TITLES_MAX, apply_reports, checked_report
from services.content.offers import OfferReport

OFFERS_MAX = 1_000
MESSAGE_ID_MAX = 200
KEPT_FOR = timedelta(days=1)
"""A message is refused by its own time long before: within five minutes."""

_TAKE = text(
    """
    INSERT INTO platform_message (platform_id, message_id, part, expires_at)
    VALUES (:platform, :id, :part, CASE WHEN :dated THEN now() + CAST(:kept AS interval) END)
    ON CONFLICT DO NOTHING
    """
)
_KNOWN = text(
    """
    SELECT r.n, t.id
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(n int, id uuid, imdb text, tmdb text,
        wikidata text, kind text)
    JOIN title AS t ON t.id = r.id OR t.imdb_id = r.imdb OR t.wikidata_id = r.wikidata
        OR (t.tmdb_id = r.tmdb AND (t.kind = 'SERIES') = (r.kind = 'SERIES'))
    ORDER BY r.n
    """
)


@dataclass(frozen=True, slots=True)
class NamedOffer:
    """An offer of a message, and how its title is named there: by one of these."""

    report: OfferReport
    title_id: UUID | None = None
    imdb_id: str | None = None
    tmdb_id: str | None = None
    wikidata_id: str | None = None
    kind: str = "MOVIE"


@dataclass(frozen=True, slots=True)
class PlatformMessageTaken:
    """What came of a message: whether any of it was new, how many changes there were, and how many
    of its offers were of titles that we do not have."""

    taken: bool
    changes: int
    unknown: int


_NOBODY = UUID(int=0)


def read_offers(platform_id: UUID, message: Any) -> list[NamedOffer]:
    """The offers of a message: `{"data": {"offers": [{"titleId" | "imdbId" | "tmdbId" (and
    "kind") | "wikidataId", "region", "tier", "available", "price": {"amount", "asset"}, "link",
    "availableFrom", "availableUntil"}]}}`, 1 to 1,000. Raises `InvalidInput`."""
    data = message.get("data") if isinstance(message, dict) else None
    offers = data.get("offers") if isinstance(data, dict) else None
    if not isinstance(offers, list) or not 1 <= len(offers) <= OFFERS_MAX:
        raise InvalidInput("data.offers", f"a list of 1 to {OFFERS_MAX} offers")
    return [_named(platform_id, offer) for offer in offers]


async def take_offers(
    db: Database,
    *,
    platform_id: UUID,
    message_id: str,
    dated: bool,
    offers: Sequence[NamedOffer],
) -> PlatformMessageTaken:
    """Act on a message, ten titles a transaction, each of them once: what a crash left out is done
    when the message comes again. `dated` says that something in it tells when it is too old.

    Raises `InvalidInput` where two offers of it are one and the same.
    """
    async with db.read() as session:
        title_ids = await _title_ids(session, offers)
    by_title: dict[UUID, list[OfferReport]] = {}
    for title_id, offer in zip(title_ids, offers, strict=True):
        if title_id is not None:
            report = replace(offer.report, title_id=title_id)
            by_title.setdefault(title_id, []).append(report)
    _check_each_once(by_title)
    known = sorted(by_title)
    # A message of nothing that we know is taken as well.
    parts = [known[i : i + TITLES_MAX] for i in range(0, len(known), TITLES_MAX)] or [[]]
    taken, changes = False, 0
    for part, ids in enumerate(parts):
        reports = [report for id in ids for report in by_title[id]]
        done = await db.transaction(
            partial(
                _take_part,
                platform_id=platform_id,
                message_id=message_id,
                part=part,
                dated=dated,
                reports=reports,
            )
        )
        taken, changes = taken or done is not None, changes + (done or 0)
    return PlatformMessageTaken(taken, changes, title_ids.count(None))


async def _take_part(
    tx: Transaction,
    *,
    platform_id: UUID,
    message_id: str,
    part: int,
    dated: bool,
    reports: Sequence[OfferReport],
) -> int | None:
    """How many changes there were; None where this part was taken before."""
    row = {"platform": platform_id, "id": message_id, "part": part, "dated": dated}
    taken: Any = await tx.execute(_TAKE, row | {"kept": KEPT_FOR})
    if taken.rowcount != 1:
        return None
    return len(await apply_reports(tx, reports, "WEBHOOK"))


async def _title_ids(session: ReadSession, offers: Sequence[NamedOffer]) -> list[UUID | None]:
    rows = [
        {
            "n": n,
            "id": offer.title_id,
            "imdb": offer.imdb_id,
            "tmdb": offer.tmdb_id,
            "wikidata": offer.wikidata_id,
            "kind": offer.kind,
        }
        for n, offer in enumerate(offers)
    ]
    found: dict[int, UUID] = {}
    for n, id in await session.execute(_KNOWN, {"rows": to_json(rows)}):
        found.setdefault(n, id)
    return [found.get(n) for n in range(len(offers))]


def _check_each_once(by_title: Mapping[UUID, Sequence[OfferReport]]) -> None:
    for reports in by_title.values():
        if len({(report.region, report.tier) for report in reports}) < len(reports):
            raise InvalidInput("data.offers", "each offer once")


def _named(platform_id: UUID, offer: Any) -> NamedOffer:
    if not isinstance(offer, dict):
        raise InvalidInput("data.offers", "objects")
    available = offer.get("available", True)
    if not isinstance(available, bool):
        raise InvalidInput("available", "true or false")
    price_minor, asset = _price(offer.get("price"))
    report = OfferReport(
        title_id=_NOBODY,
        platform_id=platform_id,
        region=_word(offer, "region") or "",
        tier=_word(offer, "tier") or "",
        available=available,
        price_minor=price_minor,
        asset=asset,
        link=_word(offer, "link"),
        available_from=_moment(offer, "availableFrom"),
        available_until=_moment(offer, "availableUntil"),
    )
    names = {name: _word(offer, name) for name in ("titleId", "imdbId", "tmdbId", "wikidataId")}
    if sum(value is not None for value in names.values()) != 1:
        raise InvalidInput("titleId", "one of titleId, imdbId, tmdbId, wikidataId")
    return NamedOffer(
        checked_report(report),
        _title_key(names["titleId"]),
        names["imdbId"],
        names["tmdbId"],
        names["wikidataId"],
        _word(offer, "kind") or "MOVIE",
    )


def _title_key(public_id: str | None) -> UUID | None:
    if public_id is None:
        return None
    try:
        return decode_id(public_id, "ttl")
    except BadUserInput as error:
        raise InvalidInput("titleId", "not a title's id") from error


def _word(offer: Mapping[str, Any], name: str) -> str | None:
    value = offer.get(name)
    if value is not None and (not isinstance(value, str) or "\0" in value):
        raise InvalidInput(name, "text")
    return value


def _price(price: Any) -> tuple[int | None, str | None]:
    if price is None:
        return None, None
    amount, asset = (
        (price.get("amount"), price.get("asset")) if isinstance(price, dict) else (None, None)
    )
    if not isinstance(amount, str) or not isinstance(asset, str) or asset not in ASSETS:
        raise InvalidInput("price", 'an amount as text, and its asset: {"amount": "3.99", …}')
    return to_minor(amount, asset, field="price.amount"), asset


def _moment(offer: Mapping[str, Any], name: str) -> datetime | None:
    value = _word(offer, name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(name, "a moment with its zone: 2030-01-02T03:04:05Z")
    return moment
