"""Assets and exact amounts: int64 minor units inside, decimals at the edge, never a float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from core.errors import InvalidInput

INT64_MAX = 2**63 - 1


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
        scaled = value.scaleb(asset.scale) if value.is_finite() else None
    except (InvalidOperation, ValueError):
        scaled = None
    if scaled is None:
        raise InvalidInput(field, "not a decimal number")
    if not 0 <= scaled <= INT64_MAX:
        raise InvalidInput(field, "out of range")
    if scaled != scaled.to_integral_value():
        raise InvalidInput(field, f"{asset_code} has {asset.scale} decimal places at most")
    return int(scaled)


def to_decimal(minor_units: int, asset_code: str) -> Decimal:
    """`(1250, "USD")` → `Decimal("12.50")`: always with the asset's full number of places."""
    return Decimal(minor_units).scaleb(-ASSETS[asset_code].scale)
