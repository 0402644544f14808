"""From the fields of the ledger's log to its proofs, written as clients read them: hex and text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.errors import BadUserInput
from core.ids import split_id
from core.signing import key_id
from resolvers.context import OperationContext
from services.wallets.log import (
    ORIGIN,
    TreeHead,
    newest_head,
    prove_consistency,
    prove_impact,
    prove_inclusion,
)
from services.wallets.report import AuditMark, read_attestation

PROOFS = {"trf": prove_inclusion, "imp": prove_impact}
"""What has a place in the log, by the prefix of its ids."""


@dataclass(frozen=True, slots=True)
class HeadView:
    """A signed tree head as a client sees it."""

    size: int
    root_hash: str
    signed_at: datetime
    key_hash: str
    public_key: str
    signature: str
    note: str


@dataclass(frozen=True, slots=True)
class InclusionView:
    """A transfer's or impact entry's place in the log; a transfer's `leaf` is for its parties."""

    transfer_id: str
    index: int
    leaf_hash: str
    leaf: str | None
    path: list[str]
    head: HeadView


@dataclass(frozen=True, slots=True)
class ConsistencyView:
    """What joins two sizes of the log."""

    from_size: int
    to_size: int
    path: list[str]
    from_head: HeadView | None
    to_head: HeadView | None


@dataclass(frozen=True, slots=True)
class AttestationView:
    """A month as it was signed, and what auditors say of it."""

    period: str
    size: int
    root_hash: str
    attested_at: datetime
    text: str
    public_key: str
    signature: str
    marks: list[AuditMark]


async def attestation(context: OperationContext, period: str) -> AttestationView | None:
    """A month's attestation; None where there is none, or where `period` is no month."""
    if "\0" in period:
        return None
    async with context.server.db.read() as session:
        found = await read_attestation(session, period)
    if found is None:
        return None
    return AttestationView(
        period=found.period,
        size=found.size,
        root_hash=found.root.hex(),
        attested_at=found.attested_at,
        text=found.text,
        public_key=found.signature.public_key.hex(),
        signature=found.signature.value.hex(),
        marks=list(found.marks),
    )


async def tree_head(context: OperationContext) -> HeadView | None:
    """The newest signed head; None while the log is empty."""
    async with context.server.db.read() as session:
        head = await newest_head(session)
    return None if head is None else _head(head)


async def inclusion(context: OperationContext, public_id: str) -> InclusionView | None:
    """The proof of a transfer or an impact entry; None for one that is unknown or not yet in the
    log."""
    named = _named(public_id)
    if named is None:
        return None
    prefix, key = named
    async with context.server.db.read() as session:
        proof = await PROOFS[prefix](session, key)
    if proof is None:
        return None
    shown = prefix == "imp" or context.viewer_id in proof.parties
    return InclusionView(
        transfer_id=proof.subject,
        index=proof.index,
        leaf_hash=proof.leaf_hash.hex(),
        leaf=proof.leaf if shown else None,
        path=[step.hex() for step in proof.path],
        head=_head(proof.head),
    )


async def consistency(context: OperationContext, from_size: int, to_size: int) -> ConsistencyView:
    """That one size of the log begins with another. Raises `BadUserInput` for other sizes."""
    async with context.server.db.read() as session:
        proof = await prove_consistency(session, from_size, to_size)
    return ConsistencyView(
        from_size=proof.from_size,
        to_size=proof.to_size,
        path=[step.hex() for step in proof.path],
        from_head=None if proof.from_head is None else _head(proof.from_head),
        to_head=None if proof.to_head is None else _head(proof.to_head),
    )


def _named(public_id: str) -> tuple[str, UUID] | None:
    try:
        prefix, key = split_id(public_id)
    except BadUserInput:
        return None
    return (prefix, key) if prefix in PROOFS else None


def _head(head: TreeHead) -> HeadView:
    public_key = head.signature.public_key
    return HeadView(
        size=head.size,
        root_hash=head.root.hex(),
        signed_at=head.signed_at,
        key_hash=key_id(ORIGIN, public_key).hex(),
        public_key=public_key.hex(),
        signature=head.signature.value.hex(),
        note=head.note,
    )
