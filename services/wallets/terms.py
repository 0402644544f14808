"""The ledger's words: accounts, holds, the steps that are asked for and the entries that are made.

No rule stands here, and no SQL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from core.errors import DomainError
from core.ids import new_id
from models.wallets import AccountKind, Code, TransferKind
from services.wallets.errors import Resolution

UNLIMITED = frozenset({"ISSUANCE", "EXTERNAL"})
"""Kinds that stand for what is outside the ledger: they may go negative."""
PLATFORM_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class AccountRef:
    """Names an account by its holder. Users' and lots' accounts are made when first named."""

    kind: AccountKind
    holder_id: UUID
    asset: str


def user_account(user_id: UUID, asset: str) -> AccountRef:
    """A user's account of an asset."""
    return AccountRef("USER", user_id, asset)


def escrow(lot_id: UUID, asset: str) -> AccountRef:
    """Where what is held or staked for one lot (auction, quest) goes. One for each lot: a shared
    one would make every bid wait for every other."""
    return AccountRef("ESCROW", lot_id, asset)


def platform(kind: Literal["ISSUANCE", "EXTERNAL", "FEES", "REWARDS"], asset: str) -> AccountRef:
    """An account of the platform itself."""
    return AccountRef(kind, PLATFORM_ID, asset)


@dataclass(slots=True)
class Account:
    """An account's counters, in minor units; all only grow but for the pending ones."""

    id: UUID
    kind: AccountKind
    holder_id: UUID
    asset: str
    status: str = "OPEN"
    debits_pending: int = 0
    debits_posted: int = 0
    credits_pending: int = 0
    credits_posted: int = 0
    supply_cap: int | None = None
    transfer_max: int | None = None

    @property
    def balance(self) -> int:
        """What was credited less what was debited; of ISSUANCE, its negative is the supply."""
        return self.credits_posted - self.debits_posted

    @property
    def available(self) -> int:
        """The balance less what is held."""
        return self.balance - self.debits_pending

    @property
    def counters(self) -> tuple[int, int, int, int]:
        """Debits pending and posted, credits pending and posted."""
        return (self.debits_pending, self.debits_posted, self.credits_pending, self.credits_posted)


@dataclass(frozen=True, slots=True)
class Hold:
    """A PENDING transfer; `resolution` says what became of it, None while it stands."""

    id: UUID
    debit_account_id: UUID
    credit_account_id: UUID
    asset: str
    amount_minor: int
    code: Code
    reference: str | None = None
    expired: bool = False
    resolution: Resolution | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Move an amount at once or, if `pending`, hold it for a later `Post` or `Void`.

    `linked`: this step and the next stand or fall together; a chain ends with a step that is not.
    """

    debit: AccountRef
    credit: AccountRef
    amount_minor: int
    code: Code
    pending: bool = False
    expires_at: datetime | None = None
    reference: str | None = None
    actor_id: UUID | None = None
    linked: bool = False
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Move what a hold holds: all of it, or `amount_minor`, and the rest is released."""

    hold_id: UUID
    amount_minor: int | None = None
    code: Code | None = None
    reference: str | None = None
    actor_id: UUID | None = None
    linked: bool = False
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Void:
    """Release a hold. `expiry`: because its time is over, and only then."""

    hold_id: UUID
    expiry: bool = False
    actor_id: UUID | None = None
    linked: bool = False
    id: UUID = field(default_factory=new_id)


Step = Transfer | Post | Void


@dataclass(frozen=True, slots=True)
class Entry:
    """A transfer as the ledger keeps it, with both balances (posted) and what both hold (pending
    debits) right after it. Amounts in minor units."""

    id: UUID
    kind: TransferKind
    code: Code
    debit_account_id: UUID
    credit_account_id: UUID
    asset: str
    amount_minor: int
    pending_id: UUID | None
    expires_at: datetime | None
    reference: str | None
    actor_id: UUID | None
    debit_balance_after: int
    debit_held_after: int
    credit_balance_after: int
    credit_held_after: int


Outcome = Entry | DomainError
