"""Assets and exact amounts: int64 minor units inside, decimals at the edge, never a float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from core.errors import InvalidInput

INT64_MAX = 2**63 - 1
_INT64_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Asset:
    """Something counted. `scale` is the number of decimal places (ISO 4217 for fiat)."""

    code: str
    scale: int
    name: str


ASSETS: Mapping[str, Asset] = MappingProxyType(
    {
        asset.code: asset
        for asset in (
            Asset("USD", 2, "US dollar"),
            Asset("EUR", 2, "euro"),
            Asset("INR", 2, "Indian rupee"),
            Asset("JPY", 0, "yen"),
            Asset("SPARK", 6, "the platform's token"),
        )
    }
)


def to_minor(amount: Decimal | str, asset_code: str, *, field: str = "amount") -> int:
    """`("12.50", "USD")` → `1250`.

    Raises `InvalidInput(field)` for what is not a finite decimal, has more places than the asset,
    or does not fit a non-negative int64.
    """
    asset = ASSETS[asset_code]
    try:
        value = Decimal(amount)
    except (InvalidOperation, ValueError):
        raise InvalidInput(field, "not a decimal number") from None
    if not value.is_finite():
        raise InvalidInput(field, "not a decimal number")
    # By its magnitude first: a huge exponent must not become a huge integer below.
    if value < 0 or value.adjusted() + asset.scale >= _INT64_DIGITS:
        raise InvalidInput(field, "out of range")
    minor_units = _exact(value, asset.scale)
    if minor_units is None:
        raise InvalidInput(field, f"{asset_code} has {asset.scale} decimal places at most")
    if minor_units > INT64_MAX:
        raise InvalidInput(field, "out of range")
    return minor_units


def _exact(value: Decimal, scale: int) -> int | None:
    """`value` with `scale` places as a whole number, None where it has more places. In integers:
    a decimal context would round what has more digits than its precision."""
    if not value:
        return 0
    if value.adjusted() < -scale:
        return None
    numerator, denominator = value.as_integer_ratio()
    minor_units, rest = divmod(numerator * 10**scale, denominator)
    return None if rest else minor_units


def to_decimal(minor_units: int, asset_code: str) -> Decimal:
    """`(1250, "USD")` → `Decimal("12.50")`: always with the asset's full number of places."""
    return Decimal(minor_units).scaleb(-ASSETS[asset_code].scale)
