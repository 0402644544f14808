"""Tables of the ledger: accounts, transfers, open holds, payments and linked addresses.

`transfer` is the truth; an account's counters and `ledger_hold` are its fold, kept beside it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from models.auctions import ASSET_KNOWN
from models.columns import key, minor_units, moment, reference, words
from models.events import TransactionId

AccountKind = Literal["USER", "ESCROW", "ISSUANCE", "EXTERNAL", "FEES", "REWARDS"]
ACCOUNT_KINDS = get_args(AccountKind)
TransferKind = Literal["SINGLE", "PENDING", "POST", "VOID", "EXPIRE"]
TRANSFER_KINDS = get_args(TransferKind)
Code = Literal[
    "DEPOSIT",
    "WITHDRAWAL",
    "TRANSFER",
    "MINT",
    "BURN",
    "BID",
    "SALE",
    "FEE",
    "PURCHASE",
    "REFUND",
    "STAKE",
    "REWARD",
    "SPONSORSHIP",
    "ADJUSTMENT",
]
TRANSFER_CODES = get_args(Code)
PUBLIC_ID_FORM = "'^[a-z]{3}_[0-9a-f]{32}$'"


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _counter() -> Any:
    return Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})


class LedgerAsset(SQLModel, table=True):
    """The limits of an asset. Rows, so that they change while servers run."""

    __tablename__ = "ledger_asset"
    __table_args__ = (
        CheckConstraint(ASSET_KNOWN, name="asset_known"),
        CheckConstraint("supply_cap_minor > 0", name="supply_cap_positive"),
        CheckConstraint("transfer_max_minor > 0", name="transfer_max_positive"),
    )

    asset: str = Field(primary_key=True)
    supply_cap_minor: int | None = minor_units(nullable=True)
    transfer_max_minor: int | None = minor_units(nullable=True)


class LedgerAccount(SQLModel, table=True):
    """Holds one asset for one holder: a user, a lot (ESCROW), or the platform (the nil UUID).

    ISSUANCE and EXTERNAL stand for what is outside the ledger and may go negative; nobody else may.
    """

    __tablename__ = "ledger_account"
    __table_args__ = (
        CheckConstraint(ASSET_KNOWN, name="asset_known"),
        CheckConstraint(_one_of("kind", ACCOUNT_KINDS), name="kind_known"),
        CheckConstraint("status IN ('OPEN', 'FROZEN', 'CLOSED')", name="status_known"),
        CheckConstraint("(kind = 'USER') = (owner_id IS NOT NULL)", name="owner_if_user"),
        CheckConstraint("owner_id = holder_id", name="owner_is_holder"),
        CheckConstraint("debits_pending >= 0", name="debits_pending_not_negative"),
        CheckConstraint("debits_posted >= 0", name="debits_posted_not_negative"),
        CheckConstraint("credits_pending >= 0", name="credits_pending_not_negative"),
        CheckConstraint("credits_posted >= 0", name="credits_posted_not_negative"),
        CheckConstraint(
            "kind IN ('ISSUANCE', 'EXTERNAL') OR credits_posted - debits_posted >= debits_pending",
            name="not_overdrawn",
        ),
        CheckConstraint(
            "status <> 'CLOSED' OR (credits_posted = debits_posted"
            " AND debits_pending = 0 AND credits_pending = 0)",
            name="empty_if_closed",
        ),
        UniqueConstraint("holder_id", "asset", "kind"),
        # What `transfer` refers to, so that the database itself refuses a transfer across assets.
        UniqueConstraint("id", "asset"),
        Index("ix_ledger_account_owner", "owner_id"),
        # Room for the new version of a row beside the old: no index is touched by a transfer.
        {"postgresql_with": {"fillfactor": "50"}},
    )

    id: UUID = key()
    kind: str = words()
    holder_id: UUID
    owner_id: UUID | None = reference("user_account.id", nullable=True)
    asset: str = words()
    status: str = words(default="OPEN")
    debits_pending: int = _counter()
    debits_posted: int = _counter()
    credits_pending: int = _counter()
    credits_posted: int = _counter()
    created_at: datetime = moment(now=True)


class Transfer(SQLModel, table=True):
    """Value from one account to another. Append-only, by trigger; corrections are new rows.

    SINGLE moves at once. PENDING holds; then one of POST (all or part, the rest is released), VOID
    or EXPIRE names it in `pending_id`, and a unique index lets there be one alone.
    `…_balance_after` (posted) and `…_held_after` (pending debits) are of both accounts right after
    this row. The order of the log is `(transaction_id, row_id)`.
    """

    __tablename__ = "transfer"
    __table_args__ = (
        CheckConstraint(ASSET_KNOWN, name="asset_known"),
        CheckConstraint(_one_of("kind", TRANSFER_KINDS), name="kind_known"),
        CheckConstraint(_one_of("code", TRANSFER_CODES), name="code_known"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("debit_account_id <> credit_account_id", name="two_accounts"),
        CheckConstraint(
            "(kind IN ('POST', 'VOID', 'EXPIRE')) = (pending_id IS NOT NULL)",
            name="pending_if_resolution",
        ),
        CheckConstraint("expires_at IS NULL OR kind = 'PENDING'", name="expiry_if_pending"),
        CheckConstraint(f"reference ~ {PUBLIC_ID_FORM}", name="reference_form"),
        ForeignKeyConstraint(
            ["debit_account_id", "asset"],
            ["ledger_account.id", "ledger_account.asset"],
            name="fk_transfer_debit_account",
        ),
        ForeignKeyConstraint(
            ["credit_account_id", "asset"],
            ["ledger_account.id", "ledger_account.asset"],
            name="fk_transfer_credit_account",
        ),
        Index(
            "uq_transfer_pending_id",
            "pending_id",
            unique=True,
            postgresql_where=text("pending_id IS NOT NULL"),
        ),
        Index("ix_transfer_log", "transaction_id", "row_id", unique=True),
        Index("ix_transfer_debit_account", "debit_account_id", "row_id"),
        Index("ix_transfer_credit_account", "credit_account_id", "row_id"),
    )

    id: UUID = key()
    row_id: int = Field(
        default=None, sa_type=BigInteger, sa_column_args=[Identity(always=True)], nullable=False
    )
    transaction_id: int = Field(
        default=None,
        sa_type=TransactionId,
        nullable=False,
        sa_column_kwargs={"server_default": text("pg_current_xact_id()")},
    )
    kind: str = words()
    code: str = words()
    debit_account_id: UUID
    credit_account_id: UUID
    asset: str = words()
    amount_minor: int = minor_units()
    pending_id: UUID | None = reference("transfer.id", nullable=True)
    expires_at: datetime | None = moment(nullable=True)
    reference: str | None = words(nullable=True)
    actor_id: UUID | None = Field(default=None)
    debit_balance_after: int = minor_units()
    debit_held_after: int = minor_units()
    credit_balance_after: int = minor_units()
    credit_held_after: int = minor_units()
    created_at: datetime = moment(now=True)


class LedgerHold(SQLModel, table=True):
    """A PENDING transfer that nothing has resolved yet: one row, gone with its resolution."""

    __tablename__ = "ledger_hold"
    __table_args__ = (
        Index("ix_ledger_hold_credit_account", "credit_account_id"),
        Index("ix_ledger_hold_debit_account", "debit_account_id", "transfer_id"),
        Index(
            "ix_ledger_hold_expires_at",
            "expires_at",
            "transfer_id",
            postgresql_where=text("expires_at IS NOT NULL"),
        ),
    )

    transfer_id: UUID = reference("transfer.id", primary_key=True)
    debit_account_id: UUID = reference("ledger_account.id")
    credit_account_id: UUID = reference("ledger_account.id")
    amount_minor: int = minor_units()
    expires_at: datetime | None = moment(nullable=True)


class Payment(SQLModel, table=True):
    """Money that comes in from outside or goes out, as the provider sees it. While it is PENDING,
    the provider is asked again at `ask_again_at`; null: when it has been pending for a while."""

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint(ASSET_KNOWN, name="asset_known"),
        CheckConstraint("direction IN ('DEPOSIT', 'WITHDRAWAL')", name="direction_known"),
        CheckConstraint("status IN ('PENDING', 'SETTLED', 'FAILED')", name="status_known"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("(status = 'PENDING') = (resolved_at IS NULL)", name="resolved_at_if_done"),
        CheckConstraint(
            "direction = 'DEPOSIT' OR hold_id IS NOT NULL", name="withdrawal_holds_its_amount"
        ),
        CheckConstraint(
            "(status = 'SETTLED') = (transfer_id IS NOT NULL)", name="transfer_if_settled"
        ),
        CheckConstraint("char_length(provider_reference) <= 200", name="provider_reference_length"),
        CheckConstraint("times_asked_again >= 0", name="times_asked_again_not_negative"),
        Index("ix_payment_user", "user_id", "created_at", "id"),
        Index("ix_payment_pending", "created_at", postgresql_where=text("status = 'PENDING'")),
    )

    id: UUID = key()
    user_id: UUID = reference("user_account.id")
    direction: str = words()
    asset: str = words()
    amount_minor: int = minor_units()
    status: str = words(default="PENDING")
    provider: str = words()
    provider_reference: str | None = words(nullable=True)
    hold_id: UUID | None = reference("transfer.id", nullable=True)
    transfer_id: UUID | None = reference("transfer.id", nullable=True)
    created_at: datetime = moment(now=True)
    resolved_at: datetime | None = moment(nullable=True)
    times_asked_again: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    ask_again_at: datetime | None = moment(nullable=True)


class PaymentMessage(SQLModel, table=True):
    """A provider's webhook message that was taken: the same id is not taken twice."""

    __tablename__ = "payment_message"
    __table_args__ = (
        CheckConstraint("char_length(id) BETWEEN 1 AND 200", name="id_length"),
        Index("ix_payment_message_received_at", "received_at"),
    )

    provider: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    received_at: datetime = moment(now=True)


class WalletChallenge(SQLModel, table=True):
    """The one-time nonce of a sign-in message (EIP-4361) that somebody was asked to sign."""

    __tablename__ = "wallet_challenge"
    __table_args__ = (
        CheckConstraint("address ~ '^0x[0-9a-fA-F]{40}$'", name="address_form"),
        CheckConstraint("nonce ~ '^[0-9A-Za-z]{8,64}$'", name="nonce_form"),
        CheckConstraint("chain_id > 0", name="chain_id_positive"),
        UniqueConstraint("nonce"),
        Index("ix_wallet_challenge_user", "user_id", "expires_at"),
        Index("ix_wallet_challenge_expires_at", "expires_at"),
    )

    id: UUID = key()
    user_id: UUID = reference("user_account.id")
    address: str = words()
    chain_id: int = Field(sa_type=BigInteger)
    nonce: str = words()
    issued_at: datetime = moment()
    expires_at: datetime = moment()
    used_at: datetime | None = moment(nullable=True)


class LinkedAddress(SQLModel, table=True):
    """An outside address whose owner proved it with a signature. It is one user's alone."""

    __tablename__ = "linked_address"
    __table_args__ = (
        CheckConstraint("address ~ '^0x[0-9a-fA-F]{40}$'", name="address_form"),
        CheckConstraint("chain_id > 0", name="chain_id_positive"),
        Index("uq_linked_address_address", text("lower(address)"), unique=True),
        Index("ix_linked_address_user", "user_id", "linked_at", "id"),
    )

    id: UUID = key()
    user_id: UUID = reference("user_account.id")
    address: str = words()
    chain_id: int = Field(sa_type=BigInteger)
    linked_at: datetime = moment(now=True)
