"""What people do with their money: pay others, and make and destroy tokens."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from core.database import Transaction
from core.errors import DomainError
from services.idempotency import IdempotentRequest, claim, idempotent_request
from services.wallets.errors import AssetMismatch
from services.wallets.ledger import Written, transfer_all
from services.wallets.terms import AccountRef, Transfer, platform, user_account
from services.wallets.transfers import Leg, read_transfers, take_transfers, transfer_request

TOKENS = frozenset({"SPARK"})
"""Assets that the platform makes; the others come in from outside, through payments."""


async def transfer_funds(
    tx: Transaction, *, payer_id: UUID, legs: Sequence[Leg], idempotency_key: str
) -> list[Written]:
    """Pay 1 to 100 legs, all or none, in this transaction; `queue.TransferQueue` takes those of
    several people together. Raises what `transfer_request` and `take_transfers` refuse with."""
    request = transfer_request(payer_id=payer_id, legs=legs, idempotency_key=idempotency_key)
    [outcome] = await take_transfers(tx, [request])
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


async def mint_tokens(
    tx: Transaction,
    *,
    actor_id: UUID,
    to_user_id: UUID,
    asset: str,
    amount_minor: int,
    idempotency_key: str,
) -> Written:
    """Make tokens for somebody. Raises `SupplyCapExceeded`, `AssetMismatch` for what is no token,
    `AccountClosed`, `NotFound("user")`, `IdempotencyConflict`."""
    arguments = {"to": to_user_id, "asset": asset, "amount": amount_minor}
    step = Transfer(
        debit=_issuance(asset),
        credit=user_account(to_user_id, asset),
        amount_minor=amount_minor,
        code="MINT",
        actor_id=actor_id,
    )
    request = idempotent_request(actor_id, idempotency_key, arguments)
    return (await _once(tx, "mintTokens", request, [step]))[0]


async def burn_tokens(
    tx: Transaction, *, user_id: UUID, asset: str, amount_minor: int, idempotency_key: str
) -> Written:
    """Destroy tokens of one's own. Raises as `mint_tokens`, and `InsufficientFunds`,
    `AccountFrozen`."""
    arguments = {"asset": asset, "amount": amount_minor}
    step = Transfer(
        debit=user_account(user_id, asset),
        credit=_issuance(asset),
        amount_minor=amount_minor,
        code="BURN",
        actor_id=user_id,
    )
    request = idempotent_request(user_id, idempotency_key, arguments)
    return (await _once(tx, "burnTokens", request, [step]))[0]


def _issuance(asset: str) -> AccountRef:
    if asset not in TOKENS:
        raise AssetMismatch("SPARK", asset)
    return platform("ISSUANCE", asset)


async def _once(
    tx: Transaction, operation: str, request: IdempotentRequest, steps: Sequence[Transfer]
) -> list[Written]:
    """Take the steps, or read what they were when the same request was answered before."""
    answer = {"transfers": [step.id.hex for step in steps]}
    kept = await claim(tx, operation, request, answer)
    if kept is not None:
        return await read_transfers(tx, [UUID(hex=id) for id in kept["transfers"]])
    return await transfer_all(tx, steps)
