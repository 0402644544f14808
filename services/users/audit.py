"""The audit log of accounts: who did what to whose rights, and from where. Append-only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from sqlalchemy import insert

from core.database import Transaction
from core.ids import new_id
from models.user_tables import security_events

Kind = Literal[
    "SIGNED_UP",
    "SIGNED_IN",
    "SIGN_IN_FAILED",
    "SIGNED_OUT",
    "TOKEN_REUSED",
    "SESSION_REVOKED",
    "PASSWORD_CHANGED",
    "PASSWORD_CHANGE_FAILED",
    "USERNAME_CHANGED",
    "STATUS_CHANGED",
    "CONTENT_MODERATED",
    "REPORT_DISMISSED",
    "LEDGER_ACCOUNT_FROZEN",
    "LEDGER_ACCOUNT_UNFROZEN",
    "LEDGER_ACCOUNT_CLOSED",
    "LEDGER_LIMITS_CHANGED",
    "WALLET_LINKED",
    "WALLET_UNLINKED",
    "PARAMETER_CHANGED",
]


async def audit(
    tx: Transaction,
    kind: Kind,
    *,
    user_id: UUID | None,
    actor_id: UUID | None = None,
    session_id: UUID | None = None,
    address: str | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Append a row about `user_id` (None: nobody known), done by `actor_id`."""
    await tx.execute(
        insert(security_events).values(
            id=new_id(),
            user_id=user_id,
            actor_id=actor_id,
            session_id=session_id,
            kind=kind,
            address=address,
            details=dict(details or {}),
        )
    )
