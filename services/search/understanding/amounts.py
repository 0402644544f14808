"""Prices and running times: an amount, its unit, and on which side of it. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from core.money import ASSETS as KNOWN_ASSETS
from core.money import INT64_MAX
from services.search.contract import SearchFilters
from services.search.understanding.lexicon import (
    ABOUT,
    ASSETS,
    HOURS,
    LESS,
    MINUTES,
    MORE,
    NUMBERS,
)
from services.search.understanding.readings import EITHER, TITLES, Reading, Scan, Trust

DIGITS_MAX = 12
LONGEST_MINUTES = 100_000
_PLAIN_MAX_MINUTES = 600
_NEAR = Decimal("0.11")


class Amount(NamedTuple):
    """An amount in a unit: an asset's code, `MINUTES`, or none that was named."""

    value: Decimal
    unit: str | None
    end: int


def number_at(scan: Scan, at: int) -> tuple[Decimal, int] | None:
    """The number at a place, in digits or as a word, and where it ends."""
    key = scan.key(at)
    if key in NUMBERS:
        return Decimal(NUMBERS[key]), at + 1
    if not key[:1].isdigit() or len(key) > DIGITS_MAX or not key.isascii():
        return None
    return _decimal(key), at + 1


def _decimal(digits: str) -> Decimal:
    """`1,000` and `1.000,50` are as people write them; the last sign is the decimal one unless
    three digits follow it."""
    parts = digits.replace(",", ".").split(".")
    if len(parts) > 1 and len(parts[-1]) != 3:
        return Decimal("".join(parts[:-1]) + "." + parts[-1])
    return Decimal("".join(parts))


def _amount_at(scan: Scan, at: int) -> Amount | None:
    """`$5`, `5 dollars`, `90 minutes`, `an hour and a half`, `2h 30m`, `20`."""
    sign = ASSETS.get(scan.key(at)) if scan.key(at) in ("$", "€", "₹", "¥") else None
    found = number_at(scan, at + 1 if sign else at)
    if scan.key(at) == "half" and scan.run(at + 1, at + 3) == "an hour":
        return Amount(Decimal(30), "MINUTES", at + 3)
    if found is None:
        return None
    value, end = found
    if sign:
        return Amount(value, sign, end)
    unit = scan.key(end)
    if asset := ASSETS.get(scan.run(end, end + 2)):
        return Amount(value, asset, end + 2)
    if asset := ASSETS.get(unit):
        return Amount(value, asset, end + 1)
    if unit in HOURS:
        return _hours(scan, value, end + 1)
    if unit in MINUTES:
        return Amount(value, "MINUTES", end + 1)
    if scan.run(end, end + 4) == "and a half hours":
        return Amount((value + Decimal("0.5")) * 60, "MINUTES", end + 4)
    return Amount(value, None, end)


def _hours(scan: Scan, hours: Decimal, end: int) -> Amount:
    if scan.run(end, end + 3) == "and a half":
        return Amount(hours * 60 + 30, "MINUTES", end + 3)
    start = end + 1 if scan.key(end) == "and" else end
    rest = number_at(scan, start) if scan.key(start)[:1].isdigit() or start > end else None
    if rest and (scan.key(rest[1]) in MINUTES):
        return Amount(hours * 60 + rest[0], "MINUTES", rest[1] + 1)
    return Amount(hours * 60, "MINUTES", end)


def amounts(scan: Scan, at: int) -> Reading | None:
    """`under 20 euros`, `between 10 and 50 coins`, `about 90 minutes`, `$10-$20`. A number without
    a unit says nothing, and neither does an amount without a side (`88 minutes` is a film)."""
    if scan.key(at) == "between":
        return _span(scan, at, at + 1, ("and", "to"))
    if scan.key(at) == "from" and (both := _span(scan, at, at + 1, ("to",))):
        return both
    for cues, side in ((LESS, "LESS"), (MORE, "MORE"), (ABOUT, "ABOUT")):
        after = scan.after(at, cues)
        amount = _amount_at(scan, after) if after > at else None
        if amount and amount.unit:
            return _reading(at, amount.end, amount.unit, *_sides(amount, side))
    if both := _span(scan, at, at, ("to",)):
        return both
    return _plain(scan, at)


def _sides(amount: Amount, side: str) -> tuple[Decimal | None, Decimal | None]:
    if side == "LESS":
        return None, amount.value
    if side == "MORE":
        return amount.value, None
    return amount.value * (1 - _NEAR), amount.value * (1 + _NEAR)


def _span(scan: Scan, first: int, at: int, joints: tuple[str, ...]) -> Reading | None:
    low = _amount_at(scan, at)
    if low is None or low.end >= len(scan.words):
        return None
    if scan.key(low.end) in joints:
        high = _amount_at(scan, low.end + 1)
    elif scan.dashed(low.end):
        high = _amount_at(scan, low.end)
    else:
        return None
    if high is None:
        return None
    unit = high.unit or low.unit
    if unit is None or (low.unit not in (None, unit)) or high.value < low.value:
        return None
    value = low.value
    if low.unit is None and unit == "MINUTES" and scan.key(high.end - 1) in HOURS:
        value *= 60
    if value > high.value:
        return None
    return _reading(first, high.end, unit, value, high.value)


def _plain(scan: Scan, at: int) -> Reading | None:
    """`90 minute films`: beside what is looked for, it is about that long."""
    if scan.key(at) in ("a", "an"):
        return None
    amount = _amount_at(scan, at)
    if amount is None or amount.unit != "MINUTES" or amount.value > _PLAIN_MAX_MINUTES:
        return None
    low, high = _sides(amount, "ABOUT")
    return _reading(at, amount.end, "MINUTES", low, high, Trust.BESIDE)


def _reading(
    first: int,
    end: int,
    unit: str,
    low: Decimal | None,
    high: Decimal | None,
    trust: Trust = Trust.SURE,
) -> Reading | None:
    if unit == "MINUTES":
        return _runtime(first, end, low, high, trust)
    scale = KNOWN_ASSETS[unit].scale
    minor = [None if side is None else int(side.scaleb(scale)) for side in (low, high)]
    if any(side is not None and side > INT64_MAX for side in minor):
        return None
    filters = SearchFilters(price_from_minor=minor[0], price_to_minor=minor[1], price_asset=unit)
    return Reading(
        first, end, "PRICE", f"{_said(low)}-{_said(high)} {unit}", trust, filters, (), EITHER
    )


def _runtime(
    first: int, end: int, low: Decimal | None, high: Decimal | None, trust: Trust
) -> Reading | None:
    sides = [None if side is None else round(side) for side in (low, high)]
    if any(side is not None and not 0 < side <= LONGEST_MINUTES for side in sides):
        return None
    filters = SearchFilters(runtime_from_minutes=sides[0], runtime_to_minutes=sides[1])
    value = f"{'' if sides[0] is None else sides[0]}-{'' if sides[1] is None else sides[1]}"
    return Reading(first, end, "RUNTIME", value, trust, filters, (), TITLES)


def _said(side: Decimal | None) -> str:
    return "" if side is None else format(side.normalize(), "f")
