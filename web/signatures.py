"""Whether a webhook's message comes from who shares a secret with us, and is not an old one."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from standardwebhooks.webhooks import Webhook

TOLERANCE = timedelta(minutes=5)
"""How far a message's time may be from ours; Standard Webhooks' own."""


def is_signed(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """By Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`, within five
    minutes of now."""
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except Exception:
        # Beside its own error the library raises what decoding a malformed header or body raises.
        return False
    return True


def has_hex_signature(secret: str, body: bytes, signature: str) -> bool:
    """Whether this is the hex HMAC-SHA256 of the raw bytes, by the secret's bytes as they are
    written. It says nothing of the message's age."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    # Bytes: text that is not ASCII would raise.
    return hmac.compare_digest(expected.encode(), signature.strip().lower().encode())


def is_of_now(moment: datetime) -> bool:
    """Whether it is within five minutes of now."""
    return abs(datetime.now(UTC) - moment) <= TOLERANCE
