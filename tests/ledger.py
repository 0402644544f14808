"""What must hold of the ledger's rows and of every lot's money, whatever happened: read from the
rows alone, with nothing of the services' own reckoning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

# Each counter as the transfers alone make it: what was posted, and what is held and unresolved.
FOLD = """
    WITH legs AS (
        SELECT t.debit_account_id AS account, 'd' AS side, t.* FROM transfer AS t
        UNION ALL SELECT t.credit_account_id, 'c', t.* FROM transfer AS t
    ), folded AS MATERIALIZED (
        SELECT account,
            coalesce(sum(amount_minor) FILTER (WHERE side = 'd' AND posts), 0) AS debits_posted,
            coalesce(sum(amount_minor) FILTER (WHERE side = 'c' AND posts), 0) AS credits_posted,
            coalesce(sum(amount_minor) FILTER (WHERE side = 'd' AND stands), 0) AS debits_pending,
            coalesce(sum(amount_minor) FILTER (WHERE side = 'c' AND stands), 0) AS credits_pending
        FROM (SELECT l.*, kind IN ('SINGLE', 'POST') AS posts,
                     kind = 'PENDING' AND NOT EXISTS (
                         SELECT FROM transfer AS r WHERE r.pending_id = l.id) AS stands
              FROM legs AS l) AS judged
        GROUP BY account
    )
    SELECT a.id FROM ledger_account AS a LEFT JOIN folded AS f ON f.account = a.id
    WHERE (a.debits_pending, a.debits_posted, a.credits_pending, a.credits_posted)
        IS DISTINCT FROM (coalesce(f.debits_pending, 0), coalesce(f.debits_posted, 0),
                          coalesce(f.credits_pending, 0), coalesce(f.credits_posted, 0))
"""
SUMS = """
    SELECT asset FROM ledger_account GROUP BY asset
    HAVING sum(debits_posted) <> sum(credits_posted)
        OR sum(debits_pending) <> sum(credits_pending)
"""
HOLDS = """
    SELECT transfer_id FROM ledger_hold
    EXCEPT SELECT id FROM transfer AS t WHERE kind = 'PENDING'
        AND NOT EXISTS (SELECT FROM transfer AS r WHERE r.pending_id = t.id)
    UNION
    (SELECT id FROM transfer AS t WHERE kind = 'PENDING'
        AND NOT EXISTS (SELECT FROM transfer AS r WHERE r.pending_id = t.id)
     EXCEPT SELECT transfer_id FROM ledger_hold)
"""
OVERDRAWN = """
    SELECT id FROM ledger_account WHERE kind NOT IN ('ISSUANCE', 'EXTERNAL')
        AND credits_posted - debits_posted - debits_pending < 0
"""
RULES = (FOLD, SUMS, HOLDS, OVERDRAWN)
"""Each finds the rows that break a rule of the ledger; nothing is what is wanted."""

_HELD = """
    SELECT c.holder_id AS lot, d.holder_id AS person, h.amount_minor AS amount
    FROM ledger_hold AS h
    JOIN ledger_account AS d ON d.id = h.debit_account_id
    JOIN ledger_account AS c ON c.id = h.credit_account_id
    WHERE c.kind = 'ESCROW'
"""
_MOVED = """
    SELECT t.id, t.kind, t.amount_minor AS amount, d.kind AS payer, d.holder_id AS payer_id,
           c.kind AS payee, c.holder_id AS payee_id
    FROM transfer AS t
    JOIN ledger_account AS d ON d.id = t.debit_account_id
    JOIN ledger_account AS c ON c.id = t.credit_account_id
    WHERE t.kind IN ('SINGLE', 'POST') AND 'ESCROW' IN (d.kind, c.kind)
    ORDER BY t.row_id
"""
_BIDS = "SELECT auction_id, bidder_id, sequence, maximum_minor FROM bid"
_ORDERS = "SELECT * FROM sale_order WHERE auction_id IS NOT NULL AND status = 'PAID'"


async def check_ledger(connection: Any) -> None:
    """Rules 1 and 2 of the ledger, and that counters and open holds are the transfers' fold."""
    for rule in RULES:
        assert await connection.fetch(rule) == []


async def check_lots(connection: Any) -> None:
    """Each lot's money is what its row and bids make of it, and no other lot's.

    OPEN: the leader's maximum is held or, sealed, each bidder's highest. SOLD: the price came from
    the winner, the fee by the lot's basis points went to the platform and the rest to the seller,
    once, and one order says so. Otherwise nothing is held, nothing moved and nothing was ordered.
    """
    lots = await connection.fetch("SELECT * FROM auction")
    bids, held, moved = defaultdict(list), defaultdict(dict), defaultdict(list)
    for bid in await connection.fetch(_BIDS):
        bids[bid["auction_id"]].append(bid)
    for hold in await connection.fetch(_HELD):
        assert hold["person"] not in held[hold["lot"]], "two holds of one bidder on one lot"
        held[hold["lot"]][hold["person"]] = hold["amount"]
    for transfer in await connection.fetch(_MOVED):
        lot = transfer["payee_id" if transfer["payee"] == "ESCROW" else "payer_id"]
        moved[lot].append(transfer)
    orders = await connection.fetch(_ORDERS)
    assert {order["auction_id"]: 1 for order in orders} == {
        lot["id"]: 1 for lot in lots if lot["status"] == "SOLD"
    }
    assert len(orders) == sum(lot["status"] == "SOLD" for lot in lots)
    by_lot = {order["auction_id"]: order for order in orders}
    for lot in lots:
        wanted = wanted_holds(lot, bids[lot["id"]])
        assert held[lot["id"]] == wanted, (lot["id"], lot["status"])
        _check_moved(lot, by_lot.get(lot["id"]), moved[lot["id"]])
    assert set(held) | set(moved) <= {lot["id"] for lot in lots}


def wanted_holds(lot: Mapping[str, Any], bids: list[Any]) -> dict[UUID, int]:
    """What a lot must hold of whom."""
    if lot["status"] != "OPEN" or not bids:
        return {}
    if lot["format"] == "SEALED_SECOND_PRICE":
        highest: dict[UUID, int] = defaultdict(int)
        for bid in bids:
            highest[bid["bidder_id"]] = max(highest[bid["bidder_id"]], bid["maximum_minor"])
        return dict(highest)
    best = winning_bid(bids)
    return {best["bidder_id"]: best["maximum_minor"]}


def winning_bid(bids: list[Any]) -> Any:
    """Who must win: the highest maximum; of equal ones, the earliest."""
    return min(bids, key=lambda bid: (-bid["maximum_minor"], bid["sequence"]))


def _check_moved(lot: Any, order: Any, moved: list[Any]) -> None:
    if lot["status"] != "SOLD":
        assert moved == [], (lot["id"], lot["status"])
        return
    id, price = lot["id"], lot["current_price_minor"]
    fee = price * lot["fee_basis_points"] // 10_000
    legs = [
        ("POST", "USER", lot["winner_id"], "ESCROW", id, price),
        ("SINGLE", "ESCROW", id, "USER", lot["seller_id"], price - fee),
        ("SINGLE", "ESCROW", id, "FEES", UUID(int=0), fee),
    ]
    assert [
        (t["kind"], t["payer"], t["payer_id"], t["payee"], t["payee_id"], t["amount"])
        for t in moved
    ] == [leg for leg in legs if leg[-1]]
    assert (order["buyer_id"], order["seller_id"]) == (lot["winner_id"], lot["seller_id"])
    assert (order["price_minor"], order["fee_minor"], order["quantity"]) == (price, fee, 1)
    assert order["transfer_ids"] == [t["id"] for t in moved]
