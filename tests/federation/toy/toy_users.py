"""The users domain of the toy schema: users, and `node`."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.federation.schema_directives import ListSize
from strawberry.types.field import StrawberryField
from toy_auctions import AuctionUserFields, Seller, auction
from toy_common import CacheControl, ErrorCode, Node, NotFound


@strawberry.type(description="A mark of honour: a value type another domain uses too.")
class Badge:
    name: str = strawberry.field(description="What is honoured.")


@strawberry.federation.type(
    keys=["id", "handle"],
    description="A member.",
    directives=[CacheControl(max_age=60)],
)
class User(AuctionUserFields, Node, Seller):
    handle: str = strawberry.field(description="Unique name.")
    email: str = strawberry.federation.field(
        description="Private.", authenticated=True, requires_scopes=[["user:read"]]
    )
    badges: list[Badge] = strawberry.federation.field(
        default_factory=list,
        description="Honours.",
        directives=[
            ListSize(
                assumed_size=10,
                slicing_arguments=None,
                sized_fields=None,
                require_one_slicing_argument=False,
            )
        ],
    )

    @classmethod
    def of(cls, id: str) -> User:
        return cls(public_id=strawberry.ID(id), handle=f"h{id[-1]}", email=f"{id}@example.org")

    @classmethod
    def resolve_reference(
        cls, id: strawberry.ID | None = None, handle: str | None = None
    ) -> User | None:
        return cls.of(id or f"usr_{str(handle)[-1]}")


RenameResult = Annotated[User | NotFound, strawberry.union("RenameResult", description="So.")]


@strawberry.type
class UserQuery:
    @strawberry.field(description="Anything by its id.")
    def node(self, id: strawberry.ID) -> Node | None:
        return User.of(id) if id.startswith("usr_") else auction(id)

    @strawberry.field(description="Who asks.")
    def me(self) -> User:
        return User.of("usr_1")


@strawberry.type
class UserMutation:
    @strawberry.field(description="Renames.")
    def rename(self, handle: str) -> RenameResult:
        raise LookupError(handle)


class Missing(strawberry.ExceptionHandler[LookupError, NotFound]):
    def handle(
        self, exception: LookupError, *, field: StrawberryField, info: strawberry.Info
    ) -> NotFound:
        return NotFound(message="no such user", code=ErrorCode.NOT_FOUND, what=str(exception))
