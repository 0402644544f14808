"""Browsers that take pushes: checked when they are registered, so that nobody makes the server call
other addresses than those of push services."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from sqlalchemy import text

from core.database import Transaction
from core.errors import InvalidInput
from core.ids import new_id

BROWSERS_MAX = 10
"""Browsers of one person: one more takes the oldest's place."""
ENDPOINT_MAX = 1_000

_ADD = text(
    """
    INSERT INTO push_subscription AS s (id, user_id, endpoint, p256dh, auth)
    VALUES (:id, :user, :endpoint, :p256dh, :auth)
    ON CONFLICT (endpoint) DO UPDATE
        SET user_id = :user, p256dh = :p256dh, auth = :auth, created_at = clock_timestamp()
    """
)
_TRIM = text(
    """
    DELETE FROM push_subscription WHERE id IN (
        SELECT id FROM push_subscription WHERE user_id = :user
        ORDER BY created_at DESC, id DESC OFFSET :maximum)
    """
)
_REMOVE = text(
    "DELETE FROM push_subscription WHERE user_id = :user AND endpoint = :endpoint RETURNING id"
)


async def add_browser(
    tx: Transaction,
    *,
    user_id: UUID,
    endpoint: str,
    p256dh: str,
    auth: str,
    hosts: Sequence[str],
) -> None:
    """Send this person's pushes to a browser too; one that another person used is theirs no more.

    Raises `InvalidInput` for `endpoint` (an https address of one of `hosts` or below), `p256dh` (a
    P-256 point) and `auth` (16 bytes), both base64url.
    """
    _check_endpoint(endpoint, hosts)
    point = _bytes("p256dh", p256dh)
    try:
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
    except ValueError:
        raise InvalidInput("p256dh", "not a P-256 public key") from None
    if len(_bytes("auth", auth)) != 16:
        raise InvalidInput("auth", "must be 16 bytes")
    values = {"endpoint": endpoint, "p256dh": _plain(point), "auth": _plain(_bytes("auth", auth))}
    await tx.execute(_ADD, {"id": new_id(), "user": user_id, **values})
    await tx.execute(_TRIM, {"user": user_id, "maximum": BROWSERS_MAX})


async def remove_browser(tx: Transaction, *, user_id: UUID, endpoint: str) -> bool:
    """Send nothing more to a browser; False where nothing was sent to it."""
    if "\0" in endpoint:
        raise InvalidInput("endpoint", "must not contain a NUL character")
    gone = await tx.execute(_REMOVE, {"user": user_id, "endpoint": endpoint})
    return gone.first() is not None


def _check_endpoint(endpoint: str, hosts: Sequence[str]) -> None:
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if not (endpoint.isascii() and endpoint.isprintable()) or " " in endpoint:
        raise InvalidInput("endpoint", "not an address")
    if len(endpoint) > ENDPOINT_MAX:
        raise InvalidInput("endpoint", f"{ENDPOINT_MAX} characters at most")
    if parts.scheme != "https" or port not in (None, 443) or "@" in parts.netloc:
        raise InvalidInput("endpoint", "must be an https address of a push service")
    if not any(host == known or host.endswith(f".{known}") for known in hosts):
        raise InvalidInput("endpoint", "not the address of a push service that is known here")


def _bytes(field: str, value: str) -> bytes:
    try:
        padded = value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(field, "not base64url") from None


def _plain(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
