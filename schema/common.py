"""Types that belong to no domain: nodes, pages, money, and the errors every domain may answer.
Domains' own types stand in their own files."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Generic, TypeVar

import strawberry

from execution.caching import INHERITS
from loaders.pages import Page
from loaders.rows import Money as MoneyValue
from schema.fields import attribute, bounded, resolved
from schema.rows import shows
from schema.scalars import AssetCode, BigInt, Cursor

T = TypeVar("T")
PAGE_LIMIT = 100


@strawberry.federation.interface(description="Anything with an id that `node` can find again.")
class Node:
    public_id: strawberry.ID = attribute(
        "Names this object for ever: a prefix that tells its type, and 32 hex digits.",
        name="id",
        cost=None,  # @cost may not stand on an interface
    )


@strawberry.type(description="An exact amount of an asset. Never a float.", directives=[INHERITS])
@shows(MoneyValue)
class Money:
    amount: Decimal = attribute("In whole units, with the asset's number of places: `12.50`.")
    asset: AssetCode = attribute("What is counted.")
    minor_units: BigInt = attribute("The same amount in the asset's smallest unit: `1250`.")


@strawberry.input(description="An amount of an asset, in whole units.")
class MoneyInput:
    amount: Decimal = strawberry.field(description="In whole units: `12.50`.")
    asset: AssetCode = strawberry.field(description="What is counted.")


@strawberry.type(description="Where a page stands in its list (Relay).", directives=[INHERITS])
class PageInfo:
    has_next_page: bool = attribute("Whether there is more after this page.")
    has_previous_page: bool = attribute("Whether there is more before this page.")
    start_cursor: Cursor | None = attribute("The first edge's cursor; null on an empty page.")
    end_cursor: Cursor | None = attribute("The last edge's cursor; null on an empty page.")


@strawberry.type(description="One item of a list, and its place there.", directives=[INHERITS])
class Edge(Generic[T]):
    cursor: Cursor = attribute("Pass it as `after` or `before` to go on from here.")
    node: T = attribute("The item itself.")


@strawberry.type(description="A page of a list (Relay).", directives=[INHERITS])
class Connection(Generic[T]):
    edges: list[Edge[T]] = attribute(
        "The items with their cursors.", list_size=bounded(PAGE_LIMIT), cost=1
    )
    nodes: list[T] = attribute("The items alone.", list_size=bounded(PAGE_LIMIT), cost=1)
    page_info: PageInfo = attribute("Where this page stands.")

    @resolved("How many items the whole list has. Counted only when asked for.", cost=5)
    async def total_count(root: strawberry.Parent[Page]) -> int:
        return await root.count()


@strawberry.enum(description="What went wrong, for programs. `message` says it to people.")
class ErrorCode(Enum):
    INVALID_INPUT = strawberry.enum_value(
        "INVALID_INPUT", description="A value breaks a documented limit."
    )
    NOT_FOUND = strawberry.enum_value(
        "NOT_FOUND", description="It does not exist, or is hidden from you."
    )
    FORBIDDEN = strawberry.enum_value("FORBIDDEN", description="It is not yours to change.")
    IDEMPOTENCY_CONFLICT = strawberry.enum_value(
        "IDEMPOTENCY_CONFLICT", description="The key was used before with other arguments."
    )
    BID_TOO_LOW = strawberry.enum_value(
        "BID_TOO_LOW", description="The maximum is below the minimum bid."
    )
    AUCTION_NOT_OPEN = strawberry.enum_value(
        "AUCTION_NOT_OPEN", description="The auction takes no bids now."
    )
    SELLER_CANNOT_BID = strawberry.enum_value(
        "SELLER_CANNOT_BID", description="A seller cannot bid on their own stall's lots."
    )
    INSUFFICIENT_FUNDS = strawberry.enum_value(
        "INSUFFICIENT_FUNDS", description="Less is available than is required."
    )
    ASSET_MISMATCH = strawberry.enum_value(
        "ASSET_MISMATCH", description="An amount of one asset where another is counted."
    )
    ACCOUNT_CLOSED = strawberry.enum_value(
        "ACCOUNT_CLOSED", description="The account takes part in nothing any more."
    )
    ACCOUNT_FROZEN = strawberry.enum_value(
        "ACCOUNT_FROZEN", description="The account receives, and pays nothing."
    )
    HOLD_ALREADY_RESOLVED = strawberry.enum_value(
        "HOLD_ALREADY_RESOLVED", description="The hold was posted, released or has expired."
    )
    SUPPLY_CAP_EXCEEDED = strawberry.enum_value(
        "SUPPLY_CAP_EXCEEDED", description="More of the token would exist than may."
    )
    INVALID_SIGNATURE = strawberry.enum_value(
        "INVALID_SIGNATURE", description="A signature does not hold."
    )
    ADDRESS_TAKEN = strawberry.enum_value(
        "ADDRESS_TAKEN", description="The address is linked already."
    )
    BUY_NOW_GONE = strawberry.enum_value(
        "BUY_NOW_GONE", description="The auction cannot be bought at once, or not any more."
    )
    PRICE_CHANGED = strawberry.enum_value(
        "PRICE_CHANGED", description="The price is another than the one you named."
    )
    OUT_OF_STOCK = strawberry.enum_value(
        "OUT_OF_STOCK", description="Fewer are left than were asked for."
    )
    SELLER_CANNOT_BUY = strawberry.enum_value(
        "SELLER_CANNOT_BUY", description="A stall's own people cannot buy what it sells."
    )
    WRONG_ORDER_STATUS = strawberry.enum_value(
        "WRONG_ORDER_STATUS", description="The order is past the state that this needs."
    )
    SLUG_TAKEN = strawberry.enum_value("SLUG_TAKEN", description="Another stall has this slug.")
    IMPORT_REFUSED = strawberry.enum_value(
        "IMPORT_REFUSED", description="Rows of the file are wrong; nothing was imported."
    )
    QUEST_NOT_OPEN = strawberry.enum_value(
        "QUEST_NOT_OPEN", description="The quest takes nobody on now."
    )
    QUEST_FULL = strawberry.enum_value(
        "QUEST_FULL", description="All places of the quest are taken."
    )
    PREREQUISITE_MISSING = strawberry.enum_value(
        "PREREQUISITE_MISSING", description="The quest asks first for what you do not have."
    )
    ALREADY_ASSIGNED = strawberry.enum_value(
        "ALREADY_ASSIGNED", description="You have this quest already."
    )
    NOT_YOUR_ASSIGNMENT = strawberry.enum_value(
        "NOT_YOUR_ASSIGNMENT", description="Somebody else took this on."
    )
    WRONG_ASSIGNMENT_STATUS = strawberry.enum_value(
        "WRONG_ASSIGNMENT_STATUS", description="The assignment's state does not allow this."
    )
    WRONG_QUEST_STATUS = strawberry.enum_value(
        "WRONG_QUEST_STATUS", description="The quest's state does not allow this."
    )
    TEAM_FULL = strawberry.enum_value(
        "TEAM_FULL", description="The team has as many members as it may."
    )
    ALREADY_IN_TEAM = strawberry.enum_value(
        "ALREADY_IN_TEAM", description="You are in a team of this quest."
    )
    EVIDENCE_INCOMPLETE = strawberry.enum_value(
        "EVIDENCE_INCOMPLETE", description="The quest asks for more evidence."
    )
    EVIDENCE_REJECTED = strawberry.enum_value(
        "EVIDENCE_REJECTED", description="The evidence is not taken as it is."
    )
    CONFLICT_OF_INTEREST = strawberry.enum_value(
        "CONFLICT_OF_INTEREST", description="It is your own, a friend's or your team's."
    )
    ALREADY_REVIEWED = strawberry.enum_value(
        "ALREADY_REVIEWED", description="You have voted on this."
    )
    ALREADY_DISPUTED = strawberry.enum_value(
        "ALREADY_DISPUTED", description="A rejection is disputed once."
    )
    EMAIL_TAKEN = strawberry.enum_value(
        "EMAIL_TAKEN", description="Another account has this e-mail address."
    )
    USERNAME_TAKEN = strawberry.enum_value(
        "USERNAME_TAKEN", description="Another account has this username."
    )
    INVALID_CREDENTIALS = strawberry.enum_value(
        "INVALID_CREDENTIALS", description="No account has this login and password."
    )
    ACCOUNT_SUSPENDED = strawberry.enum_value(
        "ACCOUNT_SUSPENDED", description="The account is suspended."
    )
    PLATFORM_UNAVAILABLE = strawberry.enum_value(
        "PLATFORM_UNAVAILABLE", description="A platform does not answer, or not us."
    )
    PLATFORM_RATE_LIMITED = strawberry.enum_value(
        "PLATFORM_RATE_LIMITED", description="A platform may not be asked so soon again."
    )
    PLATFORM_INVALID_RESPONSE = strawberry.enum_value(
        "PLATFORM_INVALID_RESPONSE", description="A platform's answer cannot be read."
    )
    IMAGE_QUOTA_EXCEEDED = strawberry.enum_value(
        "IMAGE_QUOTA_EXCEEDED", description="You have as many images as you may."
    )
    TOKEN_REUSED = strawberry.enum_value(
        "TOKEN_REUSED",
        description="The refresh token was used before: all of its session's tokens are revoked.",
    )


@strawberry.interface(description="What every refusal of a mutation says.")
class Error:
    message: str = attribute("What went wrong, in a sentence for people.", cost=None)
    code: ErrorCode = attribute("What went wrong, for programs.", cost=None)


@strawberry.type(description="A value breaks a documented limit. Nothing was changed.")
class InvalidInput(Error):
    field: str = attribute("The input field, in the schema's spelling.")
    reason: str = attribute("What its value must be.")


@strawberry.type(description="What was named does not exist, or is hidden from you.")
class NotFound(Error):
    what: str = attribute("What was looked for: `auction`, `user` …")


@strawberry.type(description="It may be seen, and it is not yours to change.")
class Forbidden(Error):
    pass


@strawberry.type(description="The idempotency key was used before with other arguments.")
class IdempotencyConflict(Error):
    pass
