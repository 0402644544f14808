"""Public ids: a prefix that names the type and a UUIDv7 as hex, `auc_01930c5e…`.

The database holds `uuid`; nothing but this module knows the text form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID
from uuid_utils import uuid7 as _new_uuid
from uuid_utils.compat import uuid7

from core.errors import BadUserInput

_PUBLIC_ID = re.compile(r"([a-z]{3})_([0-9a-f]{32})")


def new_id() -> UUID:
    """A UUIDv7: ordered by time to the millisecond, so that indexes grow at one end."""
    return uuid7()


def new_name() -> str:
    """A UUIDv7 as text, for what is named and kept nowhere."""
    return str(_new_uuid())


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


def keys_of(public_ids: Iterable[str], prefix: str) -> list[UUID | None]:
    """As `decode_id`, of many; None for what is no id with that prefix. The keys are the driver's
    own UUIDs, made and hashed in a fifth of the time; orjson alone does not take them."""
    match, key = _PUBLIC_ID.fullmatch, DriverUUID
    found = map(match, public_ids)
    return [key(m[2]) if m is not None and m[1] == prefix else None for m in found]
