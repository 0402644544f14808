"""Offers of titles as they are reported and stored, and what happens to them: values alone. What is
done with them stands in `services/content/availability.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


@dataclass(frozen=True, slots=True)
class OfferReport:
    """What a source says of one offer. `available=False` is a statement that it is gone."""

    title_id: UUID
    platform_id: UUID
    region: str
    tier: str
    available: bool = True
    price_minor: int | None = None
    asset: str | None = None
    link: str | None = None
    available_from: datetime | None = None
    available_until: datetime | None = None


class Offer(NamedTuple):
    """An offer as it is stored."""

    id: UUID
    title_id: UUID
    platform_id: UUID
    region: str
    tier: str
    available: bool
    price_minor: int | None
    asset: str | None
    available_until: datetime | None
    leaving_told_for: datetime | None


class Change(NamedTuple):
    """What happened to an offer: ADDED, REMOVED, PRICE_CHANGED or LEAVING_SOON."""

    kind: str
    offer_id: UUID
    report: OfferReport
    old_price_minor: int | None = None
    old_asset: str | None = None
