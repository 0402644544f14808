"""The search domain of the toy schema: it owns no entity, and names those of others."""

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry
from toy_common import Connection, Cursor, Money, Titled, page_of

if TYPE_CHECKING:
    from toy_auctions import Auction
    from toy_users import User

Found = Annotated[
    Annotated["User", strawberry.lazy("toy_users")]
    | Annotated["Auction", strawberry.lazy("toy_auctions")],
    strawberry.union("Found", description="What search can find."),
]


@strawberry.enum(description="What comes first.")
class SearchOrder(Enum):
    BEST = "BEST"
    NEWEST = "NEWEST"


@strawberry.input(one_of=True, description="What to look for: one of these.")
class SearchBy:
    text: str | None = strawberry.field(default=strawberry.UNSET, description="Words.")
    tag: str | None = strawberry.field(default=strawberry.UNSET, description="A tag.")


@strawberry.type(description="A hit.")
class Hit:
    found: Found = strawberry.field(description="What was found.")
    price: Money | None = strawberry.field(description="What it costs.")


@strawberry.type
class SearchQuery:
    @strawberry.field(description="What to look at today.")
    def featured(self) -> Titled:
        from toy_auctions import auction

        return auction("auc_8")

    @strawberry.field(description="Finds things.")
    def search(
        self,
        by: SearchBy,
        order: SearchOrder = SearchOrder.BEST,
        after: Cursor | None = None,
    ) -> Connection[Hit]:
        from toy_users import User

        return page_of([Hit(found=User.of("usr_1"), price=None)])
