"""Money in and out of the platform: a payment is begun, carried out by a provider, resolved once.

No transaction is open while the provider is asked. A withdrawal's amount is held from the start.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from uuid import UUID

import structlog
from sqlalchemy import text

from core.database import Database, Transaction
from core.errors import InvalidInput
from core.ids import encode_id, new_id
from core.ports import PaymentOrder, PaymentProvider, PaymentReply
from services.idempotency import IdempotentRequest, claim, idempotent_request
from services.wallets.book import account_of
from services.wallets.errors import AccountClosed
from services.wallets.funds import TOKENS
from services.wallets.ledger import hold, open_book, post_hold, release, transfer_all
from services.wallets.terms import Transfer, platform, user_account

log = structlog.get_logger(__name__)

PAYMENT_PREFIX = "pay"
PROVIDER_TIMEOUT_S = 10.0
PUT_OFF_MAX_S = 3_600
Direction = Literal["DEPOSIT", "WITHDRAWAL"]
_OPERATIONS = {"DEPOSIT": "depositFunds", "WITHDRAWAL": "withdrawFunds"}

_INSERT = text(
    """
    INSERT INTO payment (id, user_id, direction, asset, amount_minor, provider, hold_id)
    VALUES (:id, :user_id, :direction, :asset, :amount, :provider, :hold_id)
    RETURNING *
    """
)
_READ = text("SELECT * FROM payment WHERE id = :id")
_LOCK = text("SELECT * FROM payment WHERE id = :id FOR NO KEY UPDATE")
_NAME = text(
    "UPDATE payment SET provider_reference = :reference"
    " WHERE id = :id AND status = 'PENDING' RETURNING *"
)
_RESOLVE = text(
    """
    UPDATE payment SET status = :status, transfer_id = :transfer_id,
        provider_reference = coalesce(:reference, provider_reference),
        resolved_at = clock_timestamp()
    WHERE id = :id RETURNING *
    """
)
# Claimed by being put off: a process that dies while it asks leaves the payment to a later sweep.
_CLAIM = text(
    """
    WITH due AS (
        SELECT id FROM payment
        WHERE status = 'PENDING' AND provider = :provider
          AND created_at <= statement_timestamp() - make_interval(secs => :after)
          AND (ask_again_at IS NULL OR ask_again_at <= statement_timestamp())
        ORDER BY created_at, id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE payment AS p SET times_asked_again = p.times_asked_again + 1,
        ask_again_at = statement_timestamp() + make_interval(secs => greatest(:after,
            least(:after * 2 ^ least(p.times_asked_again, 12), :most)))
    FROM due WHERE p.id = due.id
    RETURNING p.*
    """
)
_TAKE_MESSAGE = text(
    "INSERT INTO payment_message (provider, id) VALUES (:provider, :id) ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """Somebody's wish to pay in or be paid out, under their idempotency key."""

    user_id: UUID
    direction: Direction
    asset: str
    amount_minor: int
    idempotency: IdempotentRequest


def payment_request(
    *,
    user_id: UUID,
    direction: Direction,
    asset: str,
    amount_minor: int,
    idempotency_key: str,
) -> PaymentRequest:
    """A checked request. Raises `InvalidInput` for a token, which no payment can make or destroy,
    for nothing, or a bad key."""
    if asset in TOKENS:
        raise InvalidInput("asset", "tokens are minted and burned, not paid in or out")
    if amount_minor <= 0:
        raise InvalidInput("amount", "must be more than zero")
    arguments = {"asset": asset, "amount": amount_minor}
    request = idempotent_request(user_id, idempotency_key, arguments)
    return PaymentRequest(user_id, direction, asset, amount_minor, request)


async def make_payment(db: Database, provider: PaymentProvider, request: PaymentRequest) -> Any:
    """Begin the payment, let the provider carry it out, and resolve it if it could at once.

    The payment's row: PENDING where the provider needs longer or cannot be reached; its webhook,
    a sweep (`claim_stuck`), or this call again with the same key, goes on from there. Raises
    `InsufficientFunds` (withdrawals), `AccountFrozen` (withdrawals), `AccountClosed`,
    `InvalidInput`, `IdempotencyConflict`.
    """
    payment = await db.transaction(partial(_begin, request=request, provider=provider.name))
    if payment.status != "PENDING":
        return payment
    reply = await ask_provider(provider, payment)
    if reply is None:
        return payment
    return await db.transaction(partial(take_reply, payment_id=payment.id, reply=reply))


async def _begin(tx: Transaction, request: PaymentRequest, provider: str) -> Any:
    payment_id = new_id()
    operation = _OPERATIONS[request.direction]
    kept = await claim(tx, operation, request.idempotency, {"payment": payment_id.hex})
    if kept is not None:
        return (await tx.execute(_READ, {"id": UUID(hex=kept["payment"])})).one()
    hold_id = None
    if request.direction == "WITHDRAWAL":
        hold_id = (await hold(tx, _out(request, payment_id))).id
    else:
        await _check_open(tx, request)
    inserted = await tx.execute(
        _INSERT,
        {
            "id": payment_id,
            "user_id": request.user_id,
            "direction": request.direction,
            "asset": request.asset,
            "amount": request.amount_minor,
            "provider": provider,
            "hold_id": hold_id,
        },
    )
    return inserted.one()


def _out(request: PaymentRequest, payment_id: UUID) -> Transfer:
    return Transfer(
        debit=user_account(request.user_id, request.asset),
        credit=platform("EXTERNAL", request.asset),
        amount_minor=request.amount_minor,
        code="WITHDRAWAL",
        pending=True,
        reference=encode_id(PAYMENT_PREFIX, payment_id),
        actor_id=request.user_id,
    )


async def _check_open(tx: Transaction, request: PaymentRequest) -> None:
    """Before money is taken from somebody: it must be possible to credit them."""
    ref = user_account(request.user_id, request.asset)
    account = account_of(await open_book(tx, [ref]), ref)
    if account.status == "CLOSED":
        raise AccountClosed(account.id)


async def claim_stuck(tx: Transaction, *, provider: str, after_s: int, limit: int) -> list[Any]:
    """Up to `limit` of this provider's payments that have been PENDING for `after_s` and whose next
    asking is due, the oldest first; each is put off by `after_s`, twice as long each further time,
    an hour (or `after_s`, if that is longer) at most.

    Safe beside other sweeps, which see a claimed payment as put off, and beside webhooks: what is
    being resolved at this moment is passed over.
    """
    asked = {"provider": provider, "after": after_s, "most": PUT_OFF_MAX_S, "limit": limit}
    return list((await tx.execute(_CLAIM, asked)).all())


async def ask_provider(provider: PaymentProvider, payment: Any) -> PaymentReply | None:
    """Its word on a payment; None where it has none within ten seconds. No transaction is to be
    open meanwhile."""
    order = PaymentOrder(encode_id(PAYMENT_PREFIX, payment.id), payment.asset, payment.amount_minor)
    carry_out = provider.deposit if payment.direction == "DEPOSIT" else provider.withdraw
    try:
        return await asyncio.wait_for(carry_out(order), PROVIDER_TIMEOUT_S)
    except Exception as error:
        # Whether it was done is not known: only the provider's word resolves the payment.
        log.warning("payment_provider_failed", payment=order.id, error=repr(error))
        return None


async def take_reply(tx: Transaction, *, payment_id: UUID, reply: PaymentReply) -> Any:
    """Resolve a payment as the provider says; the row, or None where there is no such payment.

    Exactly one reply resolves it, whoever comes with it and however often.
    """
    payment = (await tx.execute(_LOCK, {"id": payment_id})).one_or_none()
    if payment is None or payment.status != "PENDING":
        return payment
    if reply.status == "PENDING":
        named = await tx.execute(_NAME, {"id": payment_id, "reference": reply.reference})
        return named.one()
    transfer_id = await _move(tx, payment, settled=reply.status == "SETTLED")
    resolved = await tx.execute(
        _RESOLVE,
        {
            "id": payment_id,
            "status": reply.status,
            "transfer_id": transfer_id,
            "reference": reply.reference,
        },
    )
    return resolved.one()


async def _move(tx: Transaction, payment: Any, *, settled: bool) -> UUID | None:
    if payment.direction == "WITHDRAWAL":
        if not settled:
            await release(tx, payment.hold_id)
            return None
        return (await post_hold(tx, payment.hold_id)).id
    if not settled:
        return None
    step = Transfer(
        debit=platform("EXTERNAL", payment.asset),
        credit=user_account(payment.user_id, payment.asset),
        amount_minor=payment.amount_minor,
        code="DEPOSIT",
        reference=encode_id(PAYMENT_PREFIX, payment.id),
        actor_id=payment.user_id,
    )
    return (await transfer_all(tx, [step]))[0].id


async def take_message(
    tx: Transaction, *, provider: str, message_id: str, payment_id: UUID, reply: PaymentReply
) -> bool:
    """Act on a webhook whose signature was checked; False where this message was taken before, or
    names no payment of this provider."""
    taken: Any = await tx.execute(_TAKE_MESSAGE, {"provider": provider, "id": message_id})
    if taken.rowcount != 1:
        return False
    payment = (await tx.execute(_READ, {"id": payment_id})).one_or_none()
    if payment is None or payment.provider != provider:
        return False
    await take_reply(tx, payment_id=payment_id, reply=reply)
    return True
