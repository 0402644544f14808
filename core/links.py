"""Signed links: an address that opens one thing for a short time, for whoever has it.

They are JWTs of the ring that signs access tokens, told apart by their audience, so that neither
passes for the other.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from core.tokens import KeyRing, read_claims, sign_claims

AUDIENCE_PREFIX = "mela:link:"


class LinkRefused(Exception):
    """The link opens nothing: `expired`, or never one of ours."""

    def __init__(self, *, expired: bool) -> None:
        super().__init__("the link has expired" if expired else "not a link of ours")
        self.expired = expired


def sign_link(ring: KeyRing, purpose: str, subject: UUID, *, expires_at: datetime) -> str:
    """A token that names `subject` for one `purpose` until `expires_at` (whole seconds)."""
    claims = {
        "aud": AUDIENCE_PREFIX + purpose,
        "sub": subject.hex,
        "exp": int(expires_at.timestamp()),
    }
    return sign_claims(ring, claims)


def read_link(ring: KeyRing, purpose: str, token: str, *, now: datetime) -> UUID:
    """What the link names. Raises `LinkRefused`."""
    try:
        claims = read_claims(ring, token)
        subject, expires_at = UUID(hex=claims["sub"]), claims["exp"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LinkRefused(expired=False) from None
    if claims.get("aud") != AUDIENCE_PREFIX + purpose or type(expires_at) is not int:
        raise LinkRefused(expired=False)
    if now.timestamp() >= expires_at:
        raise LinkRefused(expired=True)
    return subject
