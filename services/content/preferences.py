"""What viewers want of the catalogue: the limits of each field, and `update_preferences`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert

from core.database import Transaction
from core.errors import InvalidInput
from models.content.titles import CONTENT_RATINGS
from models.content.viewing import UserPreference
from services.users.profiles import REGIONS

ITEMS_MAX = 50
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_GENRES = text("SELECT slug FROM genre WHERE slug = ANY (CAST(:slugs AS text[]))")
_PLATFORMS = text("SELECT slug FROM platform WHERE slug = ANY (CAST(:slugs AS text[]))")
_KNOWN = {"genres": _GENRES, "platforms": _PLATFORMS, "memberships": _PLATFORMS}


def _several(field: str, value: Any) -> list[str]:
    items = list(dict.fromkeys(value))
    if len(items) > ITEMS_MAX:
        raise InvalidInput(field, f"{ITEMS_MAX} at most")
    if any("\0" in item for item in items):
        raise InvalidInput(field, "contains a NUL character")
    return items


def _languages(field: str, value: Sequence[str]) -> list[str]:
    items = _several(field, value)
    if not all(_LANGUAGE.fullmatch(item) for item in items):
        raise InvalidInput(field, "language codes as in en (ISO 639)")
    return items


def _limit(field: str, value: str | None) -> int | None:
    if value is None:
        return None
    if value not in CONTENT_RATINGS:
        raise InvalidInput(field, "one of " + ", ".join(CONTENT_RATINGS))
    return CONTENT_RATINGS.index(value)


def _region(field: str, value: str | None) -> str | None:
    if value is not None and value not in REGIONS:
        raise InvalidInput(field, "not an ISO 3166 country code of two letters")
    return value


RULES: Mapping[str, tuple[str, Callable[[str, Any], Any]]] = {
    "genres": ("genres", _several),
    "languages": ("languages", _languages),
    "contentRatingLimit": ("maturity_limit", _limit),
    "platforms": ("platforms", _several),
    "memberships": ("memberships", _several),
    "region": ("region", _region),
}
"""Every field that `update_preferences` takes, by its name in the input: its column, its check."""


async def update_preferences(
    tx: Transaction, *, user_id: UUID, changes: Mapping[str, object | None]
) -> None:
    """Set the named fields and leave the others; genres, platforms and memberships are slugs.
    Raises `InvalidInput(field)`."""
    values = {}
    for field, value in changes.items():
        column, check = RULES[field]
        values[column] = check(field, value)
        if field in _KNOWN:
            await _refuse_unknown(tx, field, values[column])
    statement = insert(UserPreference).values(user_id=user_id, **values)
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["user_id"], set_={**values, "updated_at": func.clock_timestamp()}
        )
    )


async def _refuse_unknown(tx: Transaction, field: str, slugs: Sequence[str]) -> None:
    known = set((await tx.execute(_KNOWN[field], {"slugs": list(slugs)})).scalars())
    if not known.issuperset(slugs):
        raise InvalidInput(field, "names one that does not exist")
