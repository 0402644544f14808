"""JSON text for the database: orjson, that also takes the driver's own UUIDs."""

from __future__ import annotations

from uuid import UUID

import orjson


def to_json(value: object, *, sort_keys: bool = False) -> str:
    """JSON text; UUIDs as hyphenated strings, datetimes as RFC 3339. Raises `TypeError`."""
    option = orjson.OPT_SORT_KEYS if sort_keys else 0
    return orjson.dumps(value, default=_driver_type, option=option).decode()


def _driver_type(value: object) -> str:
    # asyncpg's UUID is a subclass of uuid.UUID, and orjson takes no subclasses.
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
