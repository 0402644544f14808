"""What an auction's events mean to people: who is outbid, who has won, what was sold; and whose
watched lots end soon. Found in the log and in the rows; told by services/users/notifications.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from core.database import ReadSession, Transaction
from core.ids import encode_id
from services.following import FollowedEvent
from services.users.notifications import Notice, notify

AUCTION_PREFIX = "auc"
_TOPIC = "auction:"

# Who led before: the last bid before this one says so. The log is per lot without gaps, so it is
# one step back in the index, or a few where other events lie between.
_LEADERS = text(
    """
    SELECT e.id, before.leader
    FROM unnest(CAST(:ids AS uuid[]), CAST(:topics AS text[]), CAST(:sequences AS bigint[]))
        AS e(id, topic, sequence)
    CROSS JOIN LATERAL (
        SELECT b.payload ->> 'leader' AS leader FROM event AS b
        WHERE b.topic = e.topic AND b.sequence < e.sequence AND b.type = 'BidPlaced'
        ORDER BY b.sequence DESC LIMIT 1) AS before
    """
)
_SELLERS = text("SELECT id, seller_id FROM auction WHERE id = ANY (:ids)")
_TITLES = text("SELECT id, title FROM auction WHERE id = ANY (:ids)")
_ENDING = text(
    """
    SELECT a.id, a.ends_at, array_agg(w.user_id ORDER BY w.user_id) AS watchers
    FROM auction AS a
    CROSS JOIN LATERAL (
        SELECT w.user_id FROM auction_watch AS w
        WHERE w.auction_id = a.id AND NOT EXISTS (
            SELECT FROM notification AS n
            WHERE n.user_id = w.user_id AND n.dedupe_key = 'ending:' || replace(a.id::text, '-', '')
        ) LIMIT :watchers) AS w
    WHERE a.status = 'OPEN' AND a.ends_at > statement_timestamp()
      AND a.ends_at <= statement_timestamp() + CAST(:window AS interval)
      AND a.id > :after
    GROUP BY a.id ORDER BY a.id LIMIT 1
    """
)


async def auction_notices(
    tx: Transaction, events: Sequence[FollowedEvent]
) -> dict[UUID, list[Notice]]:
    """What these events are to be told as, by the event's id: OUTBID, AUCTION_WON, AUCTION_SOLD,
    AUCTION_UNSOLD. Sealed bids tell nothing before the end. Two statements at most."""
    outbid = await _outbid(tx, [e for e in events if _takes_lead(e)])
    closed = await _closed(
        tx, [e for e in events if e.type == "AuctionClosed" and e.topic.startswith(_TOPIC)]
    )
    return {**outbid, **closed}


def leader_of(event: FollowedEvent) -> tuple[str, UUID] | None:
    """The lot (public id) and the person who leads on it from this event on, if it says so."""
    if not _takes_lead(event):
        return None
    return _public_id(event), UUID(hex=event.payload["leader"])


def _takes_lead(event: FollowedEvent) -> bool:
    if event.type != "BidPlaced" or not event.topic.startswith(_TOPIC):
        return False
    leader = event.payload["leader"]
    return leader is not None and leader == event.payload["bidder"]


def _public_id(event: FollowedEvent) -> str:
    return encode_id(AUCTION_PREFIX, _lot(event))


def _lot(event: FollowedEvent) -> UUID:
    return UUID(hex=event.topic.removeprefix(_TOPIC))


async def _outbid(tx: Transaction, events: Sequence[FollowedEvent]) -> Mapping[UUID, list[Notice]]:
    if not events:
        return {}
    asked = {
        "ids": [e.id for e in events],
        "topics": [e.topic for e in events],
        "sequences": [e.sequence for e in events],
    }
    before = {row.id: row.leader for row in await tx.execute(_LEADERS, asked)}
    found: dict[UUID, list[Notice]] = {}
    for event in events:
        leader = before.get(event.id)
        if leader is not None and leader != event.payload["leader"]:
            found[event.id] = [
                Notice(
                    "OUTBID",
                    (UUID(hex=leader),),
                    f"outbid:{event.payload['bid']}",
                    reference=_public_id(event),
                    facts={"amount": event.payload["price"], "asset": event.payload["asset"]},
                )
            ]
    return found


async def _closed(tx: Transaction, events: Sequence[FollowedEvent]) -> Mapping[UUID, list[Notice]]:
    if not events:
        return {}
    rows = await tx.execute(_SELLERS, {"ids": [_lot(event) for event in events]})
    sellers = {row.id: row.seller_id for row in rows}
    return {event.id: _endings(event, sellers.get(_lot(event))) for event in events}


def _endings(event: FollowedEvent, seller_id: UUID | None) -> list[Notice]:
    payload = event.payload
    lot, reference = _lot(event).hex, _public_id(event)
    if payload["status"] != "SOLD":
        if seller_id is None:
            return []
        return [Notice("AUCTION_UNSOLD", (seller_id,), f"unsold:{lot}", reference=reference)]
    facts = {"amount": int(payload["price"]), "asset": payload["asset"]}
    winner = UUID(hex=payload["winnerId"])
    found = [
        Notice("AUCTION_WON", (winner,), f"won:{lot}", reference=reference, facts=facts),
    ]
    if seller_id is not None:
        found.append(
            Notice("AUCTION_SOLD", (seller_id,), f"sold:{lot}", reference=reference, facts=facts)
        )
    return found


async def tell_ending_soon(
    tx: Transaction, *, window: timedelta, after: UUID, watchers: int = 1_000
) -> UUID | None:
    """Tell watchers that have not heard it yet of the next lot, by id after `after`, that ends
    within the window; that lot, or None when there is none. A soft close that moves the end later
    tells nobody again."""
    asked = {"window": window, "after": after, "watchers": watchers}
    row = (await tx.execute(_ENDING, asked)).one_or_none()
    if row is None:
        return None
    lot: UUID = row.id
    await notify(
        tx,
        kind="AUCTION_ENDING_SOON",
        user_ids=row.watchers,
        dedupe_key=f"ending:{lot.hex}",
        reference=encode_id(AUCTION_PREFIX, lot),
        facts={"endsAt": row.ends_at.isoformat()},
    )
    return lot


async def lot_titles(session: ReadSession, ids: Sequence[UUID]) -> dict[UUID, str]:
    """What lots are called, for messages about them."""
    return {row.id: row.title for row in await session.execute(_TITLES, {"ids": list(ids)})}
