"""What ties a GraphQL type to rows: which rows it shows, and where a gateway's reference to one of
them leads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from resolvers.auctions import find
from resolvers.references import referred

T = TypeVar("T", bound=type)


def shows(*rows: type) -> Callable[[T], T]:
    """Under a type's decorator: which rows are shown as it. Without it, unions and interfaces could
    not tell what they have, for a row is no instance of its GraphQL type."""

    def is_type_of(cls: Any, obj: Any, info: Any) -> bool:
        return isinstance(obj, rows)

    def mark(type_: T) -> T:
        type_.is_type_of = classmethod(is_type_of)  # type: ignore[attr-defined]
        return type_

    return mark


def found_by(loader: Any, prefix: str, *, shown_as: str | None = None) -> Callable[[T], T]:
    """Under an entity's decorator: references are found by this loader, by ids of this prefix, many
    in one batch. `shown_as` as in `Loaders.show_all`: the type itself, if it is shown alone."""

    async def resolve_reference(cls: Any, info: Any, id: str) -> Any:
        return await find(info.context, loader, id, prefix, shown_as)

    async def resolve_references(cls: Any, info: Any, ids: list[str]) -> list[Any]:
        return await referred(info.context, loader, ids, prefix, shown_as)

    def mark(type_: T) -> T:
        type_.resolve_reference = classmethod(resolve_reference)  # type: ignore[attr-defined]
        type_.resolve_references = classmethod(resolve_references)  # type: ignore[attr-defined]
        return type_

    return mark
