"""Opaque cursors: where a reader of one topic's log stands. No reads of the log here."""

from __future__ import annotations

import base64
import binascii

from core.errors import BadUserInput

MAX_CURSOR = 512
"""Characters; a topic is a word and an id, so a real cursor has about seventy."""

_LAST_SEQUENCE = 2**63 - 1


def encode_cursor(topic: str, sequence: int) -> str:
    """The cursor just after event `sequence` of `topic`; 0 stands before the first."""
    raw = f"{sequence}@{topic}".encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_cursor(cursor: str, topic: str) -> int:
    """The sequence in a cursor of `topic`.

    Raises `BadUserInput` for what is not a cursor, and for a cursor of another topic.
    """
    sequence, found = _split(cursor)
    if found != topic:
        raise BadUserInput("this cursor belongs to another subscription")
    return sequence


def _split(cursor: str) -> tuple[int, str]:
    if len(cursor) > MAX_CURSOR:
        raise BadUserInput("not a cursor")
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digits, mark, topic = raw.decode().partition("@")
    except (binascii.Error, ValueError):
        raise BadUserInput("not a cursor") from None
    # isdecimal alone would let other scripts' digits and signs through int().
    if not mark or not (digits.isascii() and digits.isdecimal()) or len(digits) > 19:
        raise BadUserInput("not a cursor")
    sequence = int(digits)
    if sequence > _LAST_SEQUENCE:
        raise BadUserInput("not a cursor")
    return sequence, topic
