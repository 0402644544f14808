"""Value types, interfaces and directives that belong to no domain, as `schema/common.py` does."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Generic, NewType, TypeVar

import strawberry
from strawberry.schema_directive import Location

Cursor = NewType("Cursor", str)
SCALARS = {Cursor: strawberry.scalar(name="Cursor", serialize=str, parse_value=str)}


@strawberry.enum(description="Who may keep an answer.")
class CacheScope(Enum):
    PUBLIC = "PUBLIC"
    PRIVATE = "PRIVATE"


@strawberry.schema_directive(
    name="cacheControl", locations=[Location.FIELD_DEFINITION, Location.OBJECT]
)
class CacheControl:
    max_age: int
    scope: CacheScope = CacheScope.PUBLIC


@strawberry.enum(description="Why a mutation was refused.")
class ErrorCode(Enum):
    NOT_FOUND = "NOT_FOUND"
    BID_TOO_LOW = "BID_TOO_LOW"


@strawberry.interface(description="A refusal.")
class Error:
    message: str = strawberry.field(description="For people.")
    code: ErrorCode = strawberry.field(description="For programs.")


@strawberry.type(description="What was named is not there.")
class NotFound(Error):
    what: str = strawberry.field(description="What was looked for.")


@strawberry.interface(description="Anything with a global id.")
class Node:
    public_id: strawberry.ID = strawberry.field(name="id", description="Prefixed id.")


@strawberry.interface(description="Anything that can be shown by a title.")
class Titled(Node):
    title: str = strawberry.field(description="What it is called.")


@strawberry.type(description="An amount of one asset.")
class Money:
    amount: Decimal = strawberry.field(description="In major units.")
    asset: str = strawberry.field(description="Asset code.")


@strawberry.type(description="Where a page ends.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there is more.")
    end_cursor: Cursor | None = strawberry.field(description="To go on from.")


T = TypeVar("T")


@strawberry.type(description="One item of a page.")
class Edge(Generic[T]):
    node: T = strawberry.field(description="The item.")
    cursor: Cursor = strawberry.field(description="To go on from.")


@strawberry.type(description="A page.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The items.")
    page_info: PageInfo = strawberry.field(description="Where it ends.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        return len(self.edges)


def page_of(nodes: list[T]) -> Connection[T]:
    """All of `nodes` as one page."""
    edges = [Edge(node=node, cursor=Cursor(str(at))) for at, node in enumerate(nodes)]
    return Connection(edges=edges, page_info=PageInfo(has_next_page=False, end_cursor=None))
