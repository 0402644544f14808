"""What a glance at the ledger tells, for /metrics: one statement each, cheap enough to be taken
every few seconds. `verify.py` is what proves a ledger right; this only raises an alarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from core.money import INT64_MAX
from services.wallets.funds import TOKENS
from services.wallets.log import Reader
from services.wallets.terms import PLATFORM_ID

COUNTED_MAX: Final = 100_000
"""Waiting rows that are counted: more is said to be this many."""

# One statement is one snapshot, and a transfer writes both its sides in one statement: the sums
# agree at any moment, however busy the ledger is.
_SUMS = text(
    """
    SELECT asset, sum(debits_posted) - sum(credits_posted) AS posted,
           sum(debits_pending) - sum(credits_pending) AS pending
    FROM ledger_account GROUP BY asset ORDER BY asset
    """
)
_SUPPLIES = text(
    """
    SELECT asset, debits_posted - credits_posted AS supply, supply_cap_minor AS cap
    FROM ledger_account AS a JOIN ledger_asset AS l USING (asset)
    WHERE a.holder_id = :platform AND a.kind = 'ISSUANCE' AND asset = ANY (:tokens)
    ORDER BY asset
    """
)
# The oldest by its id, which begins with its time: by the transfers' own times every hold's
# transfer would have to be read.
_HOLDS = text(
    """
    SELECT (SELECT count(*) FROM ledger_hold) AS open,
           (SELECT extract(epoch FROM clock_timestamp() - created_at) FROM transfer
            WHERE id = (SELECT transfer_id FROM ledger_hold ORDER BY transfer_id LIMIT 1))
               AS oldest_s,
           (SELECT extract(epoch FROM clock_timestamp() - min(expires_at)) FROM ledger_hold)
               AS overdue_s
    """
)
_PAYMENTS = text(
    """
    SELECT count(*) AS pending, extract(epoch FROM clock_timestamp() - min(created_at)) AS oldest_s
    FROM payment WHERE status = 'PENDING'
    """
)
_LOG = text(
    """
    WITH last AS (
        SELECT coalesce(t.transaction_id, i.transaction_id) AS transaction_id,
               t.row_id AS transfer_row, i.row_id AS impact_row
        FROM (SELECT * FROM ledger_leaf ORDER BY index DESC LIMIT 1) AS l
        LEFT JOIN transfer AS t ON t.id = l.transfer_id
        LEFT JOIN impact_entry AS i ON i.id = l.impact_entry_id
    ), since AS (
        SELECT coalesce((SELECT transaction_id FROM last), '0') AS transaction_id,
               CASE WHEN EXISTS (SELECT FROM last WHERE impact_row IS NOT NULL) THEN :greatest
                    ELSE coalesce((SELECT transfer_row FROM last), 0) END AS transfer_row,
               coalesce((SELECT impact_row FROM last), 0) AS impact_row
    ), waiting AS (
        (SELECT created_at FROM transfer
         WHERE (transaction_id, row_id) > (
             (SELECT transaction_id FROM since), (SELECT transfer_row FROM since))
         ORDER BY transaction_id, row_id LIMIT :most)
        UNION ALL
        (SELECT created_at FROM impact_entry
         WHERE (transaction_id, row_id) > (
             (SELECT transaction_id FROM since), (SELECT impact_row FROM since))
         ORDER BY transaction_id, row_id LIMIT :most)
    )
    SELECT least(count(*), :most) AS waiting,
           extract(epoch FROM clock_timestamp() - min(created_at)) AS oldest_s
    FROM waiting
    """
)


@dataclass(frozen=True, slots=True)
class AssetSums:
    """Debits less credits of an asset over all accounts, in minor units: always 0, both."""

    asset: str
    posted: int
    pending: int


@dataclass(frozen=True, slots=True)
class TokenSupply:
    """How much of a token exists and may exist, in minor units; None: no cap."""

    asset: str
    supply: int
    cap: int | None


@dataclass(frozen=True, slots=True)
class HoldHealth:
    """Holds that stand, the age of the oldest, and how far the most overdue one is past its
    expiry; 0 for none."""

    open: int
    oldest_s: float
    overdue_s: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait (payments for their provider, transfers for the log), and the oldest's age."""

    count: int
    oldest_s: float


async def ledger_sums(session: Reader) -> list[AssetSums]:
    """One pass over all accounts."""
    rows = (await session.execute(_SUMS)).all()
    return [AssetSums(row.asset, int(row.posted), int(row.pending)) for row in rows]


async def token_supplies(session: Reader) -> list[TokenSupply]:
    """Of each asset that the platform mints."""
    wanted = {"tokens": sorted(TOKENS), "platform": PLATFORM_ID}
    rows = (await session.execute(_SUPPLIES, wanted)).all()
    return [TokenSupply(row.asset, row.supply, row.cap) for row in rows]


async def open_holds_health(session: Reader) -> HoldHealth:
    """Of all holds: bids, withdrawals, stakes."""
    row = (await session.execute(_HOLDS)).one()
    return HoldHealth(row.open, _seconds(row.oldest_s), _seconds(row.overdue_s))


async def pending_payments(session: Reader) -> Waiting:
    """Payments whose provider has not said how they ended."""
    row = (await session.execute(_PAYMENTS)).one()
    return Waiting(row.pending, _seconds(row.oldest_s))


async def log_lag(session: Reader) -> Waiting:
    """Transfers and impact entries that are not in the transparency log yet; at most 100,000 are
    counted."""
    row = (await session.execute(_LOG, {"most": COUNTED_MAX, "greatest": INT64_MAX})).one()
    return Waiting(row.waiting, _seconds(row.oldest_s))


def _seconds(found: Any) -> float:
    """An age: 0 where there is nothing, or where it lies in the future."""
    return 0.0 if found is None else max(0.0, float(found))
