"""What follows for the index from what happened: which things each event of the log touches. They
are built anew from their tables, so an event that is taken twice, or late, does no harm.

What changes without an event (an import's titles, popularity, offers that begin by time) stands in
sweeping.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from models.search import SearchKind
from services.following import FollowedEvent
from services.jobs import enqueue
from services.search.indexing import Thing, index_entities

CONSUMER = "search"
CATCH_UP = "search_catch_up"
"""The job that looks through all tables for what the index lacks."""
TAKEN_MAX = 500
"""Things written for one batch of events; the next batch goes on."""


@dataclass(slots=True)
class Touched:
    """What some events touch: things, all that people own, all that stalls sell, or anything."""

    things: set[Thing] = field(default_factory=set)
    owners: set[UUID] = field(default_factory=set)
    stalls: set[UUID] = field(default_factory=set)
    anything: bool = False


Touch = Callable[[FollowedEvent, Touched], None]


def _of_topic(kind: SearchKind) -> Touch:
    """The event is on the thing's own topic."""
    return lambda event, touched: touched.things.add((kind, _topic_id(event)))


def _of_payload(kind: SearchKind, name: str) -> Touch:
    return lambda event, touched: touched.things.add((kind, UUID(hex=str(event.payload[name]))))


def _person(event: FollowedEvent, touched: Touched) -> None:
    """Whether someone may be found decides of what is theirs as well."""
    touched.things.add(("USER", _topic_id(event)))
    touched.owners.add(_topic_id(event))


def _stall(event: FollowedEvent, touched: Touched) -> None:
    touched.stalls.add(_topic_id(event))


def _anything(event: FollowedEvent, touched: Touched) -> None:
    touched.anything = True


_POST, _PRODUCT = _of_payload("POST", "post"), _of_payload("PRODUCT", "product")
_AUCTION, _QUEST = _of_topic("AUCTION"), _of_topic("QUEST")
TOUCHES: Mapping[str, Touch] = MappingProxyType(
    {
        "TitlesImported": _anything,
        "AvailabilityChanged": _of_payload("TITLE", "title"),
        "PostPublished": _POST,
        "PostChanged": _POST,
        "PostDeleted": _POST,
        "PostStatusChanged": _POST,
        "SignedUp": _of_topic("USER"),
        "UsernameChanged": _person,
        "ProfileUpdated": _person,
        "StatusChanged": _person,
        "Followed": _of_topic("USER"),
        "Unfollowed": _of_topic("USER"),
        "StallChanged": _stall,
        "ProductCreated": _PRODUCT,
        "ProductChanged": _PRODUCT,
        "ProductDeleted": _PRODUCT,
        "OrderPlaced": _PRODUCT,
        "AuctionScheduled": _AUCTION,
        "AuctionOpened": _AUCTION,
        "AuctionClosed": _AUCTION,
        "AuctionCancelled": _AUCTION,
        "BidPlaced": _AUCTION,
        "QuestCreated": _QUEST,
        "QuestChanged": _QUEST,
        "QuestOpened": _QUEST,
        "QuestPaused": _QUEST,
        "QuestClosed": _QUEST,
    }
)
"""Events by type, and what they touch."""

IRRELEVANT: Mapping[str, str] = MappingProxyType(
    {
        "AssignmentChanged": "a player's own",
        "BidsOpened": "bids are not searched",
        "CommentAdded": "comments are not searched; popularity is swept",
        "CommentChanged": "comments are not searched",
        "CommentStatusChanged": "comments are not searched; popularity is swept",
        "LowStock": "stock is not searched",
        "NewContentAvailable": "a viewer's own",
        "NotificationCreated": "a viewer's own",
        "NotificationPreferencesChanged": "a viewer's own",
        "NotificationsRead": "a viewer's own",
        "OrderFulfilled": "the order was counted when it was placed",
        "OrderRefunded": "the order was counted when it was placed",
        "PostFeatured": "a mark of moderators that search does not know",
        "PostShared": "popularity is swept",
        "PostUnfeatured": "a mark of moderators that search does not know",
        "PrivacySettingsChanged": "presence is not searched",
        "QuestAccepted": "popularity is swept",
        "QuestPlaceFreed": "popularity is swept",
        "QuestRewarded": "a player's own",
        "ReactionsChanged": "popularity is swept",
        "StallOpened": "a stall is found by what it sells, which has events of its own",
        "StockChanged": "stock is not searched",
        "TeamInvited": "teams are not searched",
        "TeamJoined": "teams are not searched",
        "TeamLeft": "teams are not searched",
        "TitleRated": "a viewer's own; popularity is swept",
        "TitleReviewed": "a viewer's own; popularity is swept",
        "WalletChanged": "money is not searched",
        "WalletStatusChanged": "money is not searched",
        "WatchlistAvailabilityChanged": "a viewer's own",
        "ZoneCreated": "a zone is found by its quests",
    }
)
"""Events that the index need not know of, and why. Every type is in one of the two
(tests/conventions)."""

# What ought to be in the index and is not, or is and ought not to be: rarely more than nothing, so
# that a change of one's picture does not write a thousand posts.
_OF_OWNERS = text(
    """
    WITH owner AS (
        SELECT u.id, u.status = 'ACTIVE' AS active, f.visibility = 'PUBLIC' AS public
        FROM user_account AS u JOIN profile AS f ON f.user_id = u.id
        WHERE u.id = ANY (CAST(:owners AS uuid[]))
    ), had AS MATERIALIZED (
        SELECT d.kind, d.entity_id, d.owner_id FROM search_document AS d
        WHERE d.slot = (SELECT slot FROM search_slot WHERE state = 'ACTIVE')
          AND d.owner_id = ANY (CAST(:owners AS uuid[]))
    ), ought AS (
        SELECT 'POST' AS kind, p.id FROM owner AS o JOIN post AS p ON p.author_id = o.id
        WHERE o.active AND o.public AND p.status = 'PUBLISHED' AND p.deleted_at IS NULL
        UNION ALL
        SELECT 'PRODUCT', p.id FROM owner AS o
        JOIN stall AS s ON s.owner_id = o.id JOIN product AS p ON p.stall_id = s.id
        WHERE o.active AND s.active AND p.deleted_at IS NULL
        UNION ALL
        SELECT 'AUCTION', a.id FROM owner AS o
        JOIN auction AS a ON a.seller_id = o.id JOIN stall AS s ON s.id = a.stall_id
        WHERE o.active AND s.active AND a.status <> 'CANCELLED'
        UNION ALL
        SELECT 'QUEST', q.id FROM owner AS o JOIN quest AS q ON q.creator_id = o.id
        WHERE q.status <> 'DRAFT'
    )
    SELECT kind, id FROM ought
    WHERE NOT EXISTS (SELECT FROM had WHERE had.kind = ought.kind AND had.entity_id = ought.id)
    UNION ALL
    SELECT kind, entity_id FROM had WHERE kind <> 'USER'
      AND NOT EXISTS (SELECT FROM ought WHERE ought.kind = had.kind AND ought.id = had.entity_id)
    """
)
# Their names are in labels of what they sell: shown as they are now, without writing it all.
_NAME_SELLERS = text(
    """
    UPDATE search_facet_value AS v SET label = u.display_name FROM user_account AS u
    WHERE u.id = ANY (CAST(:owners AS uuid[])) AND v.facet = 'SELLER'
      AND v.value = CAST(u.id AS text) AND v.label <> u.display_name
    """
)
_OF_STALLS = text(
    """
    SELECT 'PRODUCT' AS kind, id FROM product WHERE stall_id = ANY (CAST(:stalls AS uuid[]))
    UNION ALL
    SELECT 'AUCTION', id FROM auction WHERE stall_id = ANY (CAST(:stalls AS uuid[]))
    """
)


async def take_events(tx: Transaction, events: Sequence[FollowedEvent]) -> int:
    """Bring the index up to what these events touch; how many of them were taken."""
    touched, taken = touched_by(events)
    things = touched.things
    if touched.stalls:
        things |= await _found(tx, _OF_STALLS, {"stalls": list(touched.stalls)})
    if touched.owners:
        owners = {"owners": sorted(touched.owners)}
        things |= await _found(tx, _OF_OWNERS, owners)
    if touched.anything:
        await enqueue(tx, CATCH_UP, {}, dedupe_key=CATCH_UP)
    await index_entities(tx, things)
    if touched.owners:
        await tx.execute(_NAME_SELLERS, owners)
    return taken


def touched_by(events: Iterable[FollowedEvent]) -> tuple[Touched, int]:
    """What the first of some events touch, as many as one transaction should write, and how many
    events those are."""
    touched, taken = Touched(), 0
    for event in events:
        touch = TOUCHES.get(event.type)
        if touch is not None:
            touch(event, touched)
        taken += 1
        if len(touched.things) + len(touched.owners) + len(touched.stalls) >= TAKEN_MAX:
            break
    return touched, taken


_BEGIN = text(
    """
    INSERT INTO log_consumer (name, transaction_id, row_id, taken)
    VALUES (:consumer, pg_snapshot_xmin(pg_current_snapshot()), CAST(:row AS uuid), 0)
    ON CONFLICT (name) DO NOTHING RETURNING name
    """
)


async def begin_following(tx: Transaction) -> bool:
    """Follow the log from now on, where nobody did before; what was before is found by the job that
    looks through the tables. Whether this was the beginning."""
    row = {"consumer": CONSUMER, "row": UUID(int=0)}
    if (await tx.execute(_BEGIN, row)).first() is None:
        return False
    await enqueue(tx, CATCH_UP, {}, dedupe_key=CATCH_UP)
    return True


async def _found(
    tx: Transaction, statement: object, asked: Mapping[str, Sequence[UUID]]
) -> set[Thing]:
    rows = await tx.execute(statement, asked)  # type: ignore[call-overload]
    return {(kind, id) for kind, id in rows}


def _topic_id(event: FollowedEvent) -> UUID:
    return UUID(hex=event.topic.rpartition(":")[2])
