"""`POST /webhooks/availability/{platform}`: what platforms tell of their offers, signed as Standard
Webhooks says, or by `x-platform-signature`. A message is taken once, however often it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.errors import InvalidInput
from resolvers.context import Server
from services.content.feeds import platform_named
from services.content.platform_messages import MESSAGE_ID_MAX, read_offers, take_offers
from web.route_errors import refusal
from web.signatures import has_hex_signature, is_of_now, is_signed

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Signed:
    """A message whose signature holds; `dated` where something that was signed tells its age."""

    id: str
    dated: bool
    message: Any


def availability_webhook_routes(server: Server) -> list[Route]:
    """One route; 404 for a platform that does not exist or shares no secret with us."""

    async def availability(request: Request) -> Response:
        slug = request.path_params["platform"]
        secret = server.settings.platform_webhook_secrets.get(slug)
        if secret is None:
            return refusal(404, "no such platform is configured to call here")
        signed = _signed(secret.get_secret_value(), await request.body(), request.headers)
        if isinstance(signed, Response):
            log.warning("webhook_refused", platform=slug, status=signed.status_code)
            return signed
        async with server.db.read() as session:
            platform_id = await platform_named(session, slug)
        if platform_id is None:
            return refusal(404, "no such platform is configured to call here")
        return await _take(server, platform_id, signed)

    path = "/webhooks/availability/{platform}"
    return [Route(path, availability, methods=["POST"])]


async def _take(server: Server, platform_id: UUID, signed: _Signed) -> Response:
    try:
        done = await take_offers(
            server.db,
            platform_id=platform_id,
            message_id=signed.id,
            dated=signed.dated,
            offers=read_offers(platform_id, signed.message),
        )
    except InvalidInput as error:
        return refusal(422, error.message)
    return JSONResponse({"taken": done.taken, "changes": done.changes, "unknown": done.unknown})


def _signed(secret: str, body: bytes, headers: Mapping[str, str]) -> _Signed | Response:
    """The message, or why it is not taken: nothing is read before the signature holds."""
    by_hand = headers.get("x-platform-signature")
    standard = "webhook-signature" in headers
    if standard or by_hand is None:
        holds = is_signed(secret, body, headers)
    else:
        holds = has_hex_signature(secret, body, by_hand)
    if not holds:
        return refusal(401, "the signature does not hold")
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return refusal(422, "not JSON")
    if standard:
        return _identified(headers["webhook-id"], True, message)
    sent_at = _sent_at(message)
    if sent_at is not None and not is_of_now(sent_at):
        return refusal(401, "too old, or not yet")
    # The header signs no id and no time. The message's own id, if it has one, is signed with it;
    # without, the same bytes are the same message.
    own = message.get("id") if isinstance(message, dict) else None
    id = own if isinstance(own, str) and own else hashlib.sha256(body).hexdigest()
    return _identified(id, sent_at is not None, message)


def _identified(id: str, dated: bool, message: Any) -> _Signed | Response:
    if len(id) > MESSAGE_ID_MAX or "\0" in id:
        return refusal(422, f"its id: {MESSAGE_ID_MAX} characters at most")
    return _Signed(id, dated, message)


def _sent_at(message: Any) -> datetime | None:
    """A message's `timestamp`: RFC 3339, or seconds since 1970."""
    told = message.get("timestamp") if isinstance(message, dict) else None
    try:
        if isinstance(told, str):
            moment = datetime.fromisoformat(told)
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        if isinstance(told, int | float) and not isinstance(told, bool):
            return datetime.fromtimestamp(told, UTC)
    except (ValueError, OverflowError, OSError):
        # A time that cannot be read is no reason to take a message for ever.
        return datetime.min.replace(tzinfo=UTC)
    return None
