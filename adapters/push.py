"""Web push by pywebpush: messages encrypted for one browser (RFC 8291), signed as ours by VAPID
(RFC 8292)."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from core.ports import Push, PushAnswer
from core.tokens import KeyFileError, ensure_keys, key_files

TIMEOUT_S = 10.0
TTL_S = 24 * 3600
"""How long a push service keeps a message for a browser that is not there."""


@dataclass(frozen=True, slots=True)
class WebPushPusher:
    """Asks the push service that a browser named. Make it with `web_pusher`."""

    key: EllipticCurvePrivateKey
    contact: str

    @property
    def public_key(self) -> str:
        """The VAPID key for `applicationServerKey`, base64url without padding."""
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return base64.urlsafe_b64encode(point).rstrip(b"=").decode()

    async def push(self, push: Push) -> PushAnswer:
        """Hand it over. Raises `WebPushException` or `OSError` where it was not taken."""
        return await asyncio.to_thread(self._push, push)

    def _push(self, push: Push) -> PushAnswer:
        # Here, not above: they bring requests and aiohttp along, half a second of every start.
        import requests
        from py_vapid import Vapid02
        from pywebpush import WebPushException, webpush

        keys = {"p256dh": push.p256dh, "auth": push.auth}
        with requests.Session() as session:
            # A push service has no reason to send us anywhere else.
            session.max_redirects = 0
            try:
                webpush(
                    {"endpoint": push.endpoint, "keys": keys},
                    push.body,
                    vapid_private_key=Vapid02(self.key),
                    vapid_claims={"sub": self.contact},
                    timeout=TIMEOUT_S,
                    ttl=TTL_S,
                    headers={"Topic": push.topic},
                    requests_session=session,
                )
            except WebPushException as error:
                answer: Any = error.response
                if answer is not None and answer.status_code in (404, 410):
                    return "GONE"
                raise
        return "TAKEN"


def web_pusher(directory: Path, contact: str, *, make: bool) -> WebPushPusher:
    """The pusher whose VAPID key is the last of a folder by name; `make` one if there is none.

    Raises `KeyFileError` without a usable key.
    """
    if make:
        ensure_keys(directory, "ES256")
    files = key_files(directory)
    if not files:
        raise KeyFileError(f"{directory} holds no P-256 key (*.pem)")
    try:
        key = load_pem_private_key(files[-1].read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise KeyFileError(f"{files[-1]}: not an unencrypted PEM key ({error})") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise KeyFileError(f"{files[-1]}: not a P-256 private key")
    return WebPushPusher(key, contact)
