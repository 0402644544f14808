"""Payments in and out, through providers of several tempers, and the webhooks that resolve them."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import orjson
import pytest
from standardwebhooks.webhooks import Webhook
from starlette.applications import Starlette

from adapters.payments import SandboxPaymentProvider
from core.errors import IdempotencyConflict, InvalidInput
from core.ids import encode_id, new_id
from core.ports import PaymentReply
from core.settings import Settings
from services.wallets.errors import InsufficientFunds
from services.wallets.payments import make_payment, payment_request
from web.webhooks import webhook_routes

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Provider:
    """Answers what it is told to; an exception is raised."""

    name = "tests"

    def __init__(self, *replies):
        self.replies = list(replies)
        self.orders = []

    async def deposit(self, order):
        self.orders.append(order)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    withdraw = deposit


def asked(user_id, amount=500, direction="DEPOSIT", key="k", asset="USD"):
    return payment_request(
        user_id=user_id,
        direction=direction,
        asset=asset,
        amount_minor=amount,
        idempotency_key=key,
    )


async def test_sandbox_deposit_and_withdrawal_settle_at_once(db, money):
    ada, sandbox = await money.user(), SandboxPaymentProvider()
    paid = await make_payment(db, sandbox, asked(ada))
    assert (paid.status, await money.state(ada)) == ("SETTLED", (500, 0))
    out = await make_payment(db, sandbox, asked(ada, 200, "WITHDRAWAL"))
    assert (out.status, await money.state(ada)) == ("SETTLED", (300, 0))
    assert out.transfer_id != out.hold_id
    await money.check()


async def test_withdrawal_of_more_than_there_is_asks_no_provider(db, money):
    ada, provider = await money.user(USD=10), Provider()
    with pytest.raises(InsufficientFunds):
        await make_payment(db, provider, asked(ada, 11, "WITHDRAWAL"))
    assert provider.orders == []
    assert await money.count("payment") == 0


async def test_tokens_are_not_paid_in(money):
    with pytest.raises(InvalidInput):
        asked(new_id(), asset="SPARK")


async def test_retries_pay_once(db, money):
    ada, sandbox = await money.user(), SandboxPaymentProvider()
    made = await asyncio.gather(*(make_payment(db, sandbox, asked(ada)) for _ in range(6)))
    assert len({payment.id for payment in made}) == 1
    assert await money.state(ada) == (500, 0)
    with pytest.raises(IdempotencyConflict):
        await make_payment(db, sandbox, asked(ada, 501))


async def test_provider_that_fails_leaves_the_payment_to_a_retry(db, money):
    ada = await money.user(USD=900)
    provider = Provider(ConnectionError("down"), PaymentReply("SETTLED", "p-1"))
    request = asked(ada, 400, "WITHDRAWAL")
    first = await make_payment(db, provider, request)
    assert (first.status, await money.state(ada)) == ("PENDING", (900, 400))
    again = await make_payment(db, provider, request)
    assert (again.id, again.status, again.provider_reference) == (first.id, "SETTLED", "p-1")
    assert await money.state(ada) == (500, 0)
    assert len({order.id for order in provider.orders}) == 1
    await money.check()


async def test_failed_withdrawal_gives_the_money_back(db, money):
    ada = await money.user(USD=900)
    provider = Provider(PaymentReply("FAILED"))
    failed = await make_payment(db, provider, asked(ada, 400, "WITHDRAWAL"))
    assert (failed.status, failed.transfer_id) == ("FAILED", None)
    assert await money.state(ada) == (900, 0)


@pytest.fixture
async def post(db):
    """`await post(message, …)`: the answer to a webhook, signed by our secret unless said."""
    settings = Settings(payment_webhook_secret=SECRET)
    server = SimpleNamespace(db=db, settings=settings, payments=Provider())
    app = Starlette(routes=webhook_routes(server))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:

        async def post(message, *, id="msg_1", at=None, secret=SECRET, sent=None, **headers):
            body = orjson.dumps(message).decode()
            at = at or datetime.now(UTC)
            signed = {
                "webhook-id": id,
                "webhook-timestamp": str(int(at.timestamp())),
                "webhook-signature": Webhook(secret).sign(id, at, body),
            } | {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.post("/webhooks/payments", content=sent or body, headers=signed)

        yield post


@pytest.fixture
async def pending(db, money):
    """A deposit of 500 that waits for its provider's word: its user and its public id."""
    ada = await money.user()
    payment = await make_payment(db, Provider(PaymentReply("PENDING", "p-1")), asked(ada))
    assert payment.status == "PENDING"
    return ada, encode_id("pay", payment.id)


def settled(payment_id, **more):
    return {"type": "payment.settled", "data": {"paymentId": payment_id, **more}}


async def test_signed_message_settles_once_however_often_it_is_sent(money, post, pending):
    ada, payment = pending
    answers = [await post(settled(payment, reference="p-2")) for _ in range(2)]
    answers.append(await post(settled(payment), id="msg_2"))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["taken"] for answer in answers] == [True, False, True]
    assert await money.state(ada) == (500, 0)
    rows = await money.read("SELECT status, provider_reference FROM payment")
    assert rows == [("SETTLED", "p-2")]
    await money.check()


async def test_racing_messages_settle_once(money, post, pending):
    ada, payment = pending
    await asyncio.gather(*(post(settled(payment), id=f"msg_{n % 3}") for n in range(9)))
    assert await money.state(ada) == (500, 0)


@pytest.mark.parametrize(
    "forged",
    [
        {"secret": "whsec_" + "A" * 32},
        {"at": datetime.now(UTC) - timedelta(minutes=6)},
        {"at": datetime.now(UTC) + timedelta(minutes=60)},
        {"sent": b'{"type":"payment.settled","data":{}}'},
        {"sent": b"\xff\xfe"},
        {"webhook_signature": "v1"},
        {"webhook_signature": "v1,!!"},
        {"webhook_signature": "v2,AAAA"},
        {"webhook_id": "msg_other"},
        {"webhook_timestamp": "yesterday"},
    ],
    ids=lambda forged: next(iter(forged)),
)
async def test_forged_old_or_malformed_messages_change_nothing(money, post, pending, forged):
    ada, payment = pending
    answer = await post(settled(payment), **forged)
    assert answer.status_code == 401
    assert await money.state(ada) is not None
    assert (await money.state(ada))[0] == 0
    assert await money.count("payment_message") == 0


@pytest.mark.parametrize(
    "message",
    [
        [],
        {"type": "payment.settled"},
        {"type": "payment.exploded", "data": {"paymentId": "pay_" + "0" * 32}},
        {"type": "payment.settled", "data": {"paymentId": "usr_" + "0" * 32}},
        {"type": "payment.settled", "data": {"paymentId": 7}},
        {"type": "payment.settled", "data": {"paymentId": "pay_" + "0" * 32, "reference": 1}},
    ],
)
async def test_signed_nonsense_is_refused(post, message):
    assert (await post(message)).status_code == 422


async def test_message_about_no_payment_of_ours_is_not_taken(post):
    answer = await post(settled(encode_id("pay", new_id())))
    assert (answer.status_code, answer.json()) == (200, {"taken": False})


async def test_without_a_secret_there_is_no_webhook(db):
    server = SimpleNamespace(db=db, settings=Settings(), payments=Provider())
    transport = httpx.ASGITransport(Starlette(routes=webhook_routes(server)))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        assert (await client.post("/webhooks/payments", content="{}")).status_code == 404
