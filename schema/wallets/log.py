"""The ledger's transparency log: its signed head, proofs that anyone can check, signed months.

`docs/verify_ledger.py` checks an answer of these fields as it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

import strawberry

from resolvers.ledger_log import attestation, consistency, inclusion, tree_head
from schema.fields import Context, argument, attribute, bounded, resolved
from schema.scalars import BigInt
from services.wallets.report import MARKS_MAX

PATH_MAX = 64
"""Hashes in a proof: one or two a level of the tree, and it has 62 levels at most."""

PROOF_COST = 5


@strawberry.type(
    description="What the log was at some moment, signed. Hashes, keys and signatures are in hex."
)
class LedgerTreeHead:
    size: BigInt = attribute("How many leaves the log had: transfers, and what quests gave.")
    root_hash: str = attribute("The root of the Merkle tree over them (RFC 6962, SHA-256).")
    signed_at: datetime = attribute("When it was signed.")
    key_hash: str = attribute("The four bytes, in hex, by which signed notes name the key.")
    public_key: str = attribute(
        "The Ed25519 key that signed. Compare it with one from elsewhere: alone it proves nothing."
    )
    signature: str = attribute("The Ed25519 signature of the note's text.")
    note: str = attribute("The head as a signed note (C2SP): what was signed, and the signature.")


@strawberry.type(
    description="The proof that a transfer, or what a quest gave, is in the log (RFC 6962, 2.1.1)."
)
class LedgerInclusionProof:
    transfer_id: strawberry.ID = attribute("The transfer, or the impact entry.")
    index: BigInt = attribute("Its place in the log, from 0.")
    leaf_hash: str = attribute("The hash of its leaf, in hex.")
    leaf: str | None = attribute(
        "The leaf itself: SHA-256 of a zero byte and this text is `leafHash`. Only for the two"
        " parties of a transfer, null for others; an impact entry's is for everybody."
    )
    path: list[str] = attribute(
        "The hashes, in hex, that lead from the leaf to the root, the lowest first.",
        list_size=bounded(PATH_MAX),
    )
    head: LedgerTreeHead = attribute("The head whose root it leads to.")


@strawberry.type(
    description="The proof that a later log begins with an earlier one (RFC 6962, 2.1.2)."
)
class LedgerConsistencyProof:
    from_size: BigInt = attribute("The size of the earlier log.")
    to_size: BigInt = attribute("The size of the later log.")
    path: list[str] = attribute(
        "The hashes, in hex, that join the two roots, the lowest first.",
        list_size=bounded(PATH_MAX * 2),
    )
    from_head: LedgerTreeHead | None = attribute("The earlier head, where that size was signed.")
    to_head: LedgerTreeHead | None = attribute("The later head, where that size was signed.")


@strawberry.type(description="An auditor's word on an attested month. Nobody can change it.")
class LedgerAuditMark:
    auditor: str = attribute("Who says it.")
    statement: str = attribute("What they say.")
    marked_at: datetime = attribute("When it was written down.")


@strawberry.type(description="A month of the ledger, signed. Nobody can change it.")
class LedgerAttestation:
    period: str = attribute("The month: `2026-01`.")
    size: BigInt = attribute("How many transfers the log had when it was signed.")
    root_hash: str = attribute("The root of the Merkle tree over them, in hex.")
    attested_at: datetime = attribute("When it was signed.")
    text: str = attribute(
        "What is signed, byte by byte. Its last line has the month's sums by asset as JSON, in"
        " minor units: opening, closing, and count, volume and change of each code."
    )
    public_key: str = attribute("The Ed25519 key that signed, in hex.")
    signature: str = attribute("The Ed25519 signature of `text`, in hex.")
    marks: list[LedgerAuditMark] = attribute(
        "What auditors say of it, the oldest first.", list_size=bounded(MARKS_MAX)
    )


@strawberry.type
class LedgerLogQuery:
    @resolved(
        "A month's signed sums; null where it is not attested.", scopes=["analytics:view"], cost=2
    )
    async def ledger_attestation(
        self, info: Context, period: Annotated[str, argument("The month, as in `2026-01`.")]
    ) -> LedgerAttestation | None:
        return cast("LedgerAttestation | None", await attestation(info.context, period))

    @resolved("The newest signed head of the ledger's log; null while that is empty.")
    async def ledger_tree_head(self, info: Context) -> LedgerTreeHead | None:
        return cast("LedgerTreeHead | None", await tree_head(info.context))

    @resolved(
        "The proof that a transfer, or an impact entry, is in the ledger's log; null for one that"
        " is unknown or not yet in it (it takes about a second).",
        cost=PROOF_COST,
        viewer=True,
    )
    async def ledger_inclusion_proof(
        self,
        info: Context,
        transfer_id: Annotated[
            strawberry.ID, argument("Begins with `trf_`; or with `imp_`, for an impact entry.")
        ],
    ) -> LedgerInclusionProof | None:
        return cast("LedgerInclusionProof | None", await inclusion(info.context, transfer_id))

    @resolved(
        "The proof that the ledger's log of `toSize` begins with its log of `fromSize`.",
        cost=PROOF_COST,
    )
    async def ledger_consistency_proof(
        self,
        info: Context,
        from_size: Annotated[BigInt, argument("At least 1; as in a head that you kept.")],
        to_size: Annotated[BigInt, argument("From `fromSize` to the newest head's size.")],
    ) -> LedgerConsistencyProof:
        return cast(LedgerConsistencyProof, await consistency(info.context, from_size, to_size))
