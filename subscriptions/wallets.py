"""The stream of a user's own wallet: each transfer that touched one of their accounts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from core.database import Database
from loaders.rows import Money
from services.users.accounts import user_topic
from services.wallets.changes import WALLET_CHANGED
from subscriptions.hub import Hub
from subscriptions.log import LogEvent
from subscriptions.stream import stream

_TYPES = frozenset({WALLET_CHANGED})


async def wallet_changes(
    hub: Hub, db: Database, user_id: UUID, *, asset: str | None, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Changes of all accounts, or of the account of one asset. Errors as `stream`."""
    events = stream(hub, db, user_topic(user_id), after=after, types=_TYPES)
    async with aclosing(events):
        async for event in events:
            if asset in (None, event.payload["asset"]):
                yield event


class WalletChangeRow(NamedTuple):
    """One change; the amounts are as of right after its transfer."""

    cursor: str
    occurred_at: datetime
    transfer_id: UUID
    account_id: UUID
    side: str
    amount: Money
    balance: Money
    available: Money
    held: Money


def change_of(event: LogEvent) -> WalletChangeRow:
    """What an event says."""
    payload = event.payload
    asset, balance, held = payload["asset"], payload["balance"], payload["held"]
    return WalletChangeRow(
        cursor=event.cursor,
        occurred_at=event.occurred_at,
        transfer_id=UUID(hex=payload["transfer"]),
        account_id=UUID(hex=payload["account"]),
        side=payload["side"],
        amount=Money(payload["amount"], asset),
        balance=Money(balance, asset),
        available=Money(balance - held, asset),
        held=Money(held, asset),
    )
