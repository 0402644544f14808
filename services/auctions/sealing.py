"""Commitments: bind a bidder's secret maximum at the moment of the bid, so that the result can be
checked at the end without having told it before (auctions.md, What must be shown)."""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple
from uuid import UUID

NONCE_BYTES = 16


class Seal(NamedTuple):
    """The nonce is as secret as the maximum until the auction is over; the commitment is public."""

    nonce: bytes
    commitment: bytes


def seal(bid_id: UUID, maximum_minor: int, *, nonce: bytes | None = None) -> Seal:
    """A fresh seal for a bid; `nonce` is for data that must come out the same again."""
    nonce = secrets.token_bytes(NONCE_BYTES) if nonce is None else nonce
    return Seal(nonce, commitment(nonce, bid_id, maximum_minor))


def commitment(nonce: bytes, bid_id: UUID, maximum_minor: int) -> bytes:
    """SHA-256(nonce ‖ bid id, 16 bytes ‖ maximum, 8 bytes big-endian)."""
    return hashlib.sha256(nonce + bid_id.bytes + maximum_minor.to_bytes(8, "big")).digest()
