"""What a glance at the ledger tells, for /metrics: cheap enough to be taken every few seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text

from services.wallets.log import Reader

_IMBALANCES = text(
    """
    SELECT asset, sum(debits_posted - credits_posted)
                  + sum(debits_pending - credits_pending) AS imbalance
    FROM ledger_account GROUP BY asset
    """
)
_UNSEQUENCED = text(
    """
    WITH last AS (
        SELECT t.transaction_id, t.row_id
        FROM ledger_leaf AS l JOIN transfer AS t ON t.id = l.transfer_id
        ORDER BY l.index DESC LIMIT 1
    )
    SELECT count(*) FROM transfer
    WHERE (transaction_id, row_id) > (
        coalesce((SELECT transaction_id FROM last), '0'),
        coalesce((SELECT row_id FROM last), 0))
    """
)
_OLDEST_HOLD = text(
    """
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(t.created_at)), 0)
    FROM ledger_hold AS h JOIN transfer AS t ON t.id = h.transfer_id
    """
)


@dataclass(frozen=True, slots=True)
class LedgerHealth:
    """Debits less credits by asset (minor units; anything but 0 is an alarm), transfers that wait
    for the log, and the age of the oldest hold that stands."""

    imbalances: Mapping[str, int]
    unsequenced: int
    oldest_hold_s: float


async def ledger_health(session: Reader) -> LedgerHealth:
    """Three reads; the sums are one pass over the accounts."""
    rows = (await session.execute(_IMBALANCES)).all()
    return LedgerHealth(
        imbalances={row.asset: int(row.imbalance) for row in rows},
        unsequenced=await unsequenced(session),
        oldest_hold_s=float(await session.scalar(_OLDEST_HOLD) or 0),
    )


async def unsequenced(session: Reader) -> int:
    """Transfers that are not in the log yet."""
    return int(await session.scalar(_UNSEQUENCED) or 0)
