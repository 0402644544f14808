"""What a glance at the auctions tells, for /metrics: one statement each, over the few rows that
should not be there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from core.database import ReadSession, Transaction

COUNTED_MAX: Final = 10_000
"""Rows that are counted: more is said to be this many."""

_OVERDUE = text(
    """
    SELECT count(*) AS found, extract(epoch FROM clock_timestamp() - min(ends_at)) AS most_s
    FROM (SELECT ends_at FROM auction
          WHERE status IN ('SCHEDULED', 'OPEN') AND ends_at <= statement_timestamp()
          ORDER BY ends_at LIMIT :most) AS overdue
    """
)
# Only lots that were opened since sales write orders: those have their unit of stock set aside.
_WITHOUT_ORDER = text(
    """
    SELECT count(*) FROM (
        SELECT FROM auction AS a
        WHERE a.status = 'SOLD' AND a.stock_reserved
          AND a.ends_at > statement_timestamp() - interval '30 days'
          AND NOT EXISTS (SELECT FROM sale_order AS o WHERE o.auction_id = a.id)
        LIMIT :most) AS missing
    """
)


@dataclass(frozen=True, slots=True)
class OverdueAuctions:
    """Lots whose end has passed and which nobody has closed, and by how far the most overdue."""

    count: int
    most_s: float


async def overdue_auctions(session: ReadSession | Transaction) -> OverdueAuctions:
    """At most 10,000 are counted, the most overdue first."""
    row = (await session.execute(_OVERDUE, {"most": COUNTED_MAX})).one()
    return OverdueAuctions(row.found, max(0.0, float(row.most_s or 0)))


async def sold_without_order(session: ReadSession | Transaction) -> int:
    """Lots that ended sold within 30 days and have no order; at most 10,000 are counted."""
    return int(await session.scalar(_WITHOUT_ORDER, {"most": COUNTED_MAX}) or 0)
