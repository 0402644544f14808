"""What the transparency log says of a transfer, of an impact entry (what a quest gave) and of an
account, byte for byte. Pure; no tree.

Changing a word here makes every tree head of the past wrong: a new form needs a new `v`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from core.ids import encode_id
from core.jsontext import to_json

VERSION = 1
IMPACT_VERSION = 2
SALT_BYTES = 16


def moment_sql(column: str) -> str:
    """SQL for what `moment_text` says. Auditors read moments so: a spoilt one may lie outside of
    Python's years."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


TRANSFER_COLUMNS = f"""
    t.id, t.row_id, t.transaction_id, t.kind, t.code, t.debit_account_id, t.credit_account_id,
    t.asset, t.amount_minor, t.pending_id, t.reference, t.actor_id,
    t.debit_balance_after, t.debit_held_after, t.credit_balance_after, t.credit_held_after,
    {moment_sql("t.created_at")} AS created_text, {moment_sql("t.expires_at")} AS expires_text
"""
"""What `leaf_text` reads of `transfer AS t`."""


def leaf_text(row: Any, *, salt: bytes, debit_seal: bytes, credit_seal: bytes) -> str:
    """A transfer's leaf: JSON with sorted keys, no spaces, every number a string.

    `row` has `TRANSFER_COLUMNS`. What both parties may see stands in it as it is; who acted,
    the balances after, the place in the database and the accounts' seals stand behind `private`:
    the SHA-256 of the salt and of their JSON.
    """
    private = {
        "actor": _id("usr", row.actor_id),
        "creditBalanceAfter": str(row.credit_balance_after),
        "creditHeldAfter": str(row.credit_held_after),
        "creditSeal": credit_seal.hex(),
        "debitBalanceAfter": str(row.debit_balance_after),
        "debitHeldAfter": str(row.debit_held_after),
        "debitSeal": debit_seal.hex(),
        "row": str(row.row_id),
        "transaction": str(row.transaction_id),
    }
    public = {
        "amount": str(row.amount_minor),
        "asset": row.asset,
        "code": row.code,
        "createdAt": row.created_text,
        "credit": _id("acc", row.credit_account_id),
        "debit": _id("acc", row.debit_account_id),
        "expiresAt": row.expires_text,
        "id": _id("trf", row.id),
        "kind": row.kind,
        "pending": _id("trf", row.pending_id),
        "private": sha256(salt + to_json(private, sort_keys=True).encode()).hexdigest(),
        "reference": row.reference,
        "v": VERSION,
    }
    return to_json(public, sort_keys=True)


IMPACT_COLUMNS = f"""
    i.id AS impact_id, i.row_id AS impact_row_id, i.transaction_id AS impact_transaction_id,
    i.assignment_id, i.player_id, i.quest_id, i.sponsor_id, i.category, i.region, i.xp_awarded,
    i.token_minor, i.asset AS impact_asset, i.transfer_id AS impact_transfer_id,
    i.impact_hundredths, CAST(i.breakdown AS text) AS breakdown,
    {moment_sql("i.created_at")} AS impact_created_text
"""
"""What `impact_leaf_text` reads of `impact_entry AS i`; no name is one of `TRANSFER_COLUMNS`."""


def impact_leaf_text(row: Any, *, salt: bytes) -> str:
    """An impact entry's leaf, as a transfer's is. `row` has `IMPACT_COLUMNS`.

    All that the reward follows from is public in it, the breakdown as the text that is kept; the
    place in the database stands behind `private`.
    """
    place = {"row": str(row.impact_row_id), "transaction": str(row.impact_transaction_id)}
    public = {
        "asset": row.impact_asset,
        "assignment": _id("asg", row.assignment_id),
        "breakdown": row.breakdown,
        "category": row.category,
        "createdAt": row.impact_created_text,
        "id": _id("imp", row.impact_id),
        "impactHundredths": str(row.impact_hundredths),
        "kind": "IMPACT",
        "player": _id("usr", row.player_id),
        "private": sha256(salt + to_json(place, sort_keys=True).encode()).hexdigest(),
        "quest": _id("qst", row.quest_id),
        "region": row.region,
        "sponsor": _id("usr", row.sponsor_id),
        "tokens": str(row.token_minor),
        "transfer": _id("trf", row.impact_transfer_id),
        "v": IMPACT_VERSION,
        "xp": str(row.xp_awarded),
    }
    return to_json(public, sort_keys=True)


def account_seal(row: Any) -> bytes:
    """What never changes of an account, hashed; the same as the database's `ledger_seal`.

    `row` has the columns of `ledger_account`, and `created_text` by `moment_sql`.
    """
    owner = "" if row.owner_id is None else str(row.owner_id)
    parts = (row.id, row.kind, row.holder_id, owner, row.asset, row.created_text)
    return sha256("|".join(str(part) for part in parts).encode()).digest()


def moment_text(moment: datetime) -> str:
    """A moment in UTC to the microsecond, always of one length."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _id(prefix: str, key: UUID | None) -> str | None:
    return None if key is None else encode_id(prefix, key)
