"""The ledger's transparency log: leaves, inner nodes, signed heads, accounts' seals, monthly
attestations and auditors' marks. Triggers refuse UPDATE, DELETE and TRUNCATE on all of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from models.columns import UUID, datetime, json, key, moment, reference, words


def digest() -> Any:
    """Bytes of a fixed length, which is a CHECK on the table."""
    return Field(sa_type=LargeBinary)


def number(sa_type: Any = BigInteger) -> Any:
    """Part of a key: a count or a place, given by the log and by no sequence."""
    return Field(primary_key=True, sa_type=sa_type, sa_column_kwargs={"autoincrement": False})


class LedgerAccountSeal(SQLModel, table=True):
    """The SHA-256 of what never changes of an account, written by a trigger when it is opened."""

    __tablename__ = "ledger_account_seal"
    __table_args__ = (CheckConstraint("octet_length(seal) = 32", name="seal_sha256"),)

    account_id: UUID = reference("ledger_account.id", primary_key=True)
    seal: bytes = digest()


class LedgerLeaf(SQLModel, table=True):
    """The place of a transfer, or of an impact entry, in the log, without gaps from 0. Its content
    is that row.

    `salt` keeps what is private of the row from being guessed from its hash.
    """

    __tablename__ = "ledger_leaf"
    __table_args__ = (
        UniqueConstraint("transfer_id", name="uq_ledger_leaf_transfer"),
        UniqueConstraint("impact_entry_id", name="uq_ledger_leaf_impact_entry"),
        CheckConstraint("num_nonnulls(transfer_id, impact_entry_id) = 1", name="one_row"),
        CheckConstraint("index >= 0", name="index_not_negative"),
        CheckConstraint("octet_length(salt) = 16", name="salt_length"),
        CheckConstraint("octet_length(hash) = 32", name="hash_sha256"),
    )

    index: int = number()
    transfer_id: UUID | None = reference("transfer.id", nullable=True)
    impact_entry_id: UUID | None = reference("impact_entry.id", nullable=True)
    salt: bytes = digest()
    hash: bytes = digest()


class LedgerNode(SQLModel, table=True):
    """A perfect subtree over `2 ** level` leaves, from leaf `index << level` on."""

    __tablename__ = "ledger_node"
    __table_args__ = (
        CheckConstraint("level BETWEEN 1 AND 62", name="level_inner"),
        CheckConstraint("index >= 0", name="index_not_negative"),
        CheckConstraint("octet_length(hash) = 32", name="hash_sha256"),
    )

    level: int = number(SmallInteger)
    index: int = number()
    hash: bytes = digest()


class LedgerTreeHead(SQLModel, table=True):
    """What the log was at some moment, signed."""

    __tablename__ = "ledger_tree_head"
    __table_args__ = (
        CheckConstraint("size >= 1", name="size_positive"),
        CheckConstraint("octet_length(root) = 32", name="root_sha256"),
        CheckConstraint("octet_length(public_key) = 32", name="public_key_ed25519"),
        CheckConstraint("octet_length(signature) = 64", name="signature_ed25519"),
    )

    size: int = number()
    root: bytes = digest()
    signed_at: datetime = moment()
    public_key: bytes = digest()
    signature: bytes = digest()


class LedgerAttestation(SQLModel, table=True):
    """A month's sums and the log's head after it, signed; see services/wallets/report.py."""

    __tablename__ = "ledger_attestation"
    __table_args__ = (
        ForeignKeyConstraint(
            ["size"], ["ledger_tree_head.size"], name="fk_ledger_attestation_size_ledger_tree_head"
        ),
        CheckConstraint(r"period ~ '^\d{4}-(0[1-9]|1[0-2])$'", name="period_month"),
        CheckConstraint("octet_length(root) = 32", name="root_sha256"),
        CheckConstraint("octet_length(public_key) = 32", name="public_key_ed25519"),
        CheckConstraint("octet_length(signature) = 64", name="signature_ed25519"),
    )

    period: str = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)
    root: bytes = digest()
    sums: dict[str, Any] = json()
    attested_at: datetime = moment()
    public_key: bytes = digest()
    signature: bytes = digest()


class LedgerAuditMark(SQLModel, table=True):
    """An auditor's word on an attested month."""

    __tablename__ = "ledger_audit_mark"
    __table_args__ = (
        ForeignKeyConstraint(
            ["period"],
            ["ledger_attestation.period"],
            name="fk_ledger_audit_mark_period_ledger_attestation",
        ),
        CheckConstraint("char_length(auditor) BETWEEN 1 AND 200", name="auditor_length"),
        CheckConstraint("char_length(statement) BETWEEN 1 AND 2000", name="statement_length"),
    )

    id: UUID = key()
    period: str = words()
    auditor: str = words()
    statement: str = words()
    marked_at: datetime = moment(now=True)
