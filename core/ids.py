"""Public ids: a prefix that names the type and a UUIDv7 as hex, `auc_01930c5e…`.

The database holds `uuid`; nothing but this module knows the text form.
"""

from __future__ import annotations

import re
from uuid import UUID

from uuid_utils.compat import uuid7

from core.errors import BadUserInput

_PUBLIC_ID = re.compile(r"([a-z]{3})_([0-9a-f]{32})")


def new_id() -> UUID:
    """A UUIDv7: ordered by time to the millisecond, so that indexes grow at one end."""
    return uuid7()


def encode_id(prefix: str, key: UUID) -> str:
    """`("auc", UUID)` → `"auc_<32 hex digits>"`."""
    return f"{prefix}_{key.hex}"


def split_id(public_id: str) -> tuple[str, UUID]:
    """`"auc_…"` → `("auc", UUID)`. Raises `BadUserInput` on any other form."""
    match = _PUBLIC_ID.fullmatch(public_id)
    if match is None:
        raise BadUserInput("not an id: expected a prefix and 32 hex digits, as in auc_01930c5e…")
    return match[1], UUID(hex=match[2])


def decode_id(public_id: str, prefix: str) -> UUID:
    """The UUID of an id that must carry `prefix`. Raises `BadUserInput` otherwise."""
    found, key = split_id(public_id)
    if found != prefix:
        raise BadUserInput(f"expected an id that begins with {prefix}_, not {found}_")
    return key
