"""`/webhooks/payments`: what a payment provider tells, signed as Standard Webhooks says. A message
is taken once, however often it is sent; what is not signed by the shared secret changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.errors import BadUserInput
from core.ids import decode_id
from core.ports import PaymentReply, PaymentStatus
from resolvers.context import Server
from services.wallets.payments import PAYMENT_PREFIX, take_message
from web.route_errors import refusal
from web.signatures import is_signed

log = structlog.get_logger(__name__)

MAX_MESSAGE_ID = 200
MAX_REFERENCE = 200
_STATUS: Mapping[str, PaymentStatus] = {
    "payment.settled": "SETTLED",
    "payment.failed": "FAILED",
    "payment.pending": "PENDING",
}


def webhook_routes(server: Server) -> list[Route]:
    """`POST /webhooks/payments`; 404 where no secret is configured."""
    secret = server.settings.payment_webhook_secret

    async def payments(request: Request) -> Response:
        if secret is None:
            return refusal(404, "no payment provider is configured to call here")
        return await _take(server, secret.get_secret_value(), request)

    return [Route("/webhooks/payments", payments, methods=["POST"])]


async def _take(server: Server, secret: str, request: Request) -> Response:
    body = await request.body()
    if not is_signed(secret, body, request.headers):
        log.warning("webhook_refused", reason="signature")
        return refusal(401, "the signature does not hold")
    message_id = request.headers["webhook-id"]
    try:
        payment_id, reply = _read(orjson.loads(body))
    except (ValueError, KeyError, TypeError, BadUserInput):
        return refusal(422, "not a message about a payment")
    if len(message_id) > MAX_MESSAGE_ID:
        return refusal(422, f"webhook-id: {MAX_MESSAGE_ID} characters at most")
    taken = await server.db.transaction(
        partial(
            take_message,
            provider=server.payments.name,
            message_id=message_id,
            payment_id=payment_id,
            reply=reply,
        )
    )
    return JSONResponse({"taken": taken})


def _read(message: Any) -> tuple[UUID, PaymentReply]:
    data = message["data"]
    reference = data.get("reference")
    if reference is not None and (
        not isinstance(reference, str) or len(reference) > MAX_REFERENCE or "\0" in reference
    ):
        raise ValueError("reference")
    reply = PaymentReply(_STATUS[message["type"]], reference)
    return decode_id(data["paymentId"], PAYMENT_PREFIX), reply
