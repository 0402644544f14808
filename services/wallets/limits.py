"""The limits of an asset: rows, so that they change while servers run, and hold for the next
transfer of every process. What they keep people from stands in book.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import InvalidInput
from core.money import ASSETS, INT64_MAX, to_decimal
from core.text import clean_text
from services.users.audit import audit
from services.wallets.accounts import REASON_MAX
from services.wallets.funds import TOKENS
from services.wallets.terms import PLATFORM_ID

Limit = Literal["supplyCap", "transferMaximum"]
"""Named as the schema names them, so that a refusal does."""
LIMITS: tuple[Limit, ...] = get_args(Limit)

# Before its limits are read: a mint that has this lock has counted, and one that waits for it looks
# at the limits again (`open_book`), so that never more exists than the cap allows.
_LOCK_ISSUANCE = text(
    "SELECT debits_posted + debits_pending - credits_posted FROM ledger_account"
    " WHERE holder_id = :platform AND kind = 'ISSUANCE' AND asset = :asset FOR NO KEY UPDATE"
)
_READ = text(
    "SELECT supply_cap_minor, transfer_max_minor FROM ledger_asset WHERE asset = :asset FOR UPDATE"
)
_WRITE = text(
    "UPDATE ledger_asset SET supply_cap_minor = :cap, transfer_max_minor = :most"
    " WHERE asset = :asset"
)


async def set_limits(
    tx: Transaction,
    *,
    asset: str,
    limits: Mapping[Limit, int | None],
    reason: str,
    actor_id: UUID,
) -> bool:
    """Change the given limits of an asset (minor units; None: no limit) for every transfer that
    begins from now on, in all processes. False if they were so already.

    Raises `InvalidInput`: a cap on what is no token or below what exists, a limit of nothing,
    none given, a reason outside 1 to 500 characters.
    """
    said = clean_text(reason, field="reason", minimum=1, maximum=REASON_MAX)
    _check(asset, limits)
    issuance = {"asset": asset, "platform": PLATFORM_ID}
    supply = int((await tx.execute(_LOCK_ISSUANCE, issuance)).scalar_one())
    row = (await tx.execute(_READ, {"asset": asset})).one()
    before = {"cap": row.supply_cap_minor, "most": row.transfer_max_minor}
    cap = limits.get("supplyCap", row.supply_cap_minor)
    if "supplyCap" in limits and cap is not None and cap < supply:
        raise InvalidInput("supplyCap", f"{to_decimal(supply, asset)} {asset} exist already")
    after = {"cap": cap, "most": limits.get("transferMaximum", row.transfer_max_minor)}
    if after == before:
        return False
    await tx.execute(_WRITE, {"asset": asset, **after})
    await audit(
        tx,
        "LEDGER_LIMITS_CHANGED",
        user_id=None,
        actor_id=actor_id,
        details={"asset": asset, **after, "before": before, "reason": said},
    )
    return True


def _check(asset: str, limits: Mapping[Limit, int | None]) -> None:
    if asset not in ASSETS:
        raise InvalidInput("asset", "unknown")
    if not limits:
        raise InvalidInput("supplyCap", "give a limit to change: this one, or transferMaximum")
    if limits.get("supplyCap") is not None and asset not in TOKENS:
        raise InvalidInput("supplyCap", f"{asset} is not minted here, so nothing would heed a cap")
    for field in LIMITS:
        value = limits.get(field)
        if value is not None and not 0 < value <= INT64_MAX:
            raise InvalidInput(field, "must be more than zero and fit in 64 bits")
