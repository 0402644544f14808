"""What the audit reads of the ledger: statements alone, in the order of its checks (verify.py)."""

from __future__ import annotations

from sqlalchemy import text

from services.wallets.leaves import IMPACT_COLUMNS, TRANSFER_COLUMNS, moment_sql

ACCOUNTS = text(
    f"""
    SELECT a.id, a.kind, a.holder_id, a.owner_id, a.asset, a.status, a.debits_pending,
           a.debits_posted, a.credits_pending, a.credits_posted,
           {moment_sql("a.created_at")} AS created_text, s.account_id, s.seal,
           coalesce(said.kind, 'LEDGER_ACCOUNT_OPEN') AS audited
    FROM ledger_account AS a FULL JOIN ledger_account_seal AS s ON s.account_id = a.id
    LEFT JOIN (
        SELECT DISTINCT ON (details ->> 'account') CAST(details ->> 'account' AS uuid) AS id, kind
        FROM security_event
        WHERE kind IN ('LEDGER_ACCOUNT_FROZEN', 'LEDGER_ACCOUNT_UNFROZEN', 'LEDGER_ACCOUNT_CLOSED')
        ORDER BY details ->> 'account', at DESC, id DESC
    ) AS said ON said.id = a.id
    ORDER BY a.id
    """
)
HEADS = text(
    f"""
    SELECT size, root, {moment_sql("signed_at")} AS signed_text, public_key, signature
    FROM ledger_tree_head ORDER BY size
    """
)
LEAVES = text(
    f"""
    SELECT l.index AS place, l.transfer_id, l.impact_entry_id, l.salt, l.hash,
           {TRANSFER_COLUMNS}, {IMPACT_COLUMNS}
    FROM ledger_leaf AS l LEFT JOIN transfer AS t ON t.id = l.transfer_id
    LEFT JOIN impact_entry AS i ON i.id = l.impact_entry_id
    ORDER BY l.index
    """
)
# In the order in which the leaves complete them.
NODES = text(
    "SELECT level, index AS place, hash FROM ledger_node ORDER BY (index + 1) << level, level"
)
LEFT_OUT = text(
    """
    WITH last AS (
        SELECT coalesce(t.transaction_id, i.transaction_id) AS transaction_id,
               (i.id IS NOT NULL)::int AS kind, coalesce(t.row_id, i.row_id) AS row_id
        FROM ledger_leaf AS x LEFT JOIN transfer AS t ON t.id = x.transfer_id
        LEFT JOIN impact_entry AS i ON i.id = x.impact_entry_id
        ORDER BY x.index DESC LIMIT 1
    ), missing AS (
        SELECT t.transaction_id, 0 AS kind, t.row_id, t.id FROM transfer AS t
        LEFT JOIN ledger_leaf AS l ON l.transfer_id = t.id WHERE l.index IS NULL
        UNION ALL
        SELECT i.transaction_id, 1, i.row_id, i.id FROM impact_entry AS i
        LEFT JOIN ledger_leaf AS l ON l.impact_entry_id = i.id WHERE l.index IS NULL
    )
    SELECT CASE m.kind WHEN 0 THEN 'transfer ' ELSE 'impact_entry ' END || m.id
    FROM missing AS m JOIN last ON
        (m.transaction_id, m.kind, m.row_id) < (last.transaction_id, last.kind, last.row_id)
    ORDER BY m.transaction_id, m.kind, m.row_id LIMIT 1
    """
)
TRANSFERS = text(
    f"""
    SELECT {TRANSFER_COLUMNS}, p.kind AS held_kind, p.amount_minor AS held,
           p.asset AS held_asset, p.debit_account_id AS held_debit,
           p.credit_account_id AS held_credit
    FROM transfer AS t LEFT JOIN transfer AS p ON p.id = t.pending_id
    ORDER BY t.row_id
    """
)
RESOLVED_TWICE = text(
    """
    SELECT pending_id FROM transfer WHERE pending_id IS NOT NULL
    GROUP BY pending_id HAVING count(*) > 1 ORDER BY pending_id LIMIT 1
    """
)
HOLDS = text(
    """
    WITH standing AS (
        SELECT t.* FROM transfer AS t
        WHERE t.kind = 'PENDING'
          AND NOT EXISTS (SELECT FROM transfer AS r WHERE r.pending_id = t.id)
    )
    SELECT coalesce(h.transfer_id, s.id) AS id, h.transfer_id IS NOT NULL AS kept,
           s.id IS NOT NULL AS standing,
           (h.debit_account_id, h.credit_account_id, h.amount_minor, h.expires_at)
           IS NOT DISTINCT FROM
           (s.debit_account_id, s.credit_account_id, s.amount_minor, s.expires_at) AS same
    FROM ledger_hold AS h FULL JOIN standing AS s ON s.id = h.transfer_id
    ORDER BY 1
    """
)
