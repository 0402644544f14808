"""The operations that are measured, as texts, in the words of each kind of server: Mela and plain
Strawberry get the same ones, the peers on Node theirs, which have money as numbers. Nothing runs
here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from core.ids import encode_id

Dialect = Literal["mela", "plain", "flat", "limit"]
"""`plain` is Mela's words with bare ids; `limit` names the workload in place of a query."""

W1 = "query W1($id: ID!) { user(id: $id) { id username displayName } }"
W2 = """query W2 { auctions(first: 50) { edges { cursor node { id title
  currentPrice { minorUnits asset } bidCount status endsAt
  seller { id username displayName avatarUrl }
  topBids(first: 3) { id amount { minorUnits } placedAt bidder { id username } } } }
  pageInfo { hasNextPage endCursor } } }"""
W3 = """query W3 { auctions(first: 1000) { edges { node { id title description
  currentPrice { minorUnits asset } startingPrice { minorUnits } bidCount status
  startsAt endsAt createdAt seller { id username } } } } }"""
W4 = """subscription W4($id: ID!) { bidPlaced(auctionId: $id) { cursor
  bid { id amount { minorUnits } placedAt bidder { id username } } } }"""
W5 = """query W5($representations: [_Any!]!) { _entities(representations: $representations) {
  ... on User { id username displayName } } }"""
FLAT_W2 = """query W2 { auctions(first: 50) { edges { cursor node { id title currency
  currentPrice bidCount status endsAt seller { id username displayName avatarUrl }
  topBids(first: 3) { id amount placedAt bidder { id username } } } }
  pageInfo { hasNextPage endCursor } } }"""
FLAT_W3 = """query W3 { auctions(first: 1000) { edges { node { id title description currency
  currentPrice startingPrice bidCount status startsAt endsAt createdAt
  seller { id username } } } } }"""
FLAT_W4 = """subscription W4($id: ID!) { bidPlaced(auctionId: $id) {
  id amount placedAt bidder { id username } } }"""
FAN_OUT: dict[Dialect, str] = {"mela": W4, "plain": W4, "flat": FLAT_W4, "limit": "w4"}
REFERENCES = 1_000


@dataclass(frozen=True, slots=True)
class Workload:
    """A query to be repeated. `connections` are kept alive, each with one request at a time.
    At least `fewest` are sent before it is measured, and then. `asks` says what its variables are
    made of; `flat` is its text where money is a number."""

    key: str
    title: str
    text: str
    flat: str
    connections: int
    seconds: float
    fewest: int
    asks: Literal["nothing", "user", "entities"] = "nothing"

    def bodies(self, user_ids: Sequence[UUID], dialect: Dialect) -> list[dict[str, Any]]:
        """What to post, in turn."""
        texts = {"flat": self.flat, "limit": self.key}
        query = texts.get(dialect, self.text)
        ids = [id_in(dialect, "usr", id) for id in user_ids]
        if self.asks == "user":
            return [{"query": query, "variables": {"id": id}} for id in ids]
        if self.asks == "entities":
            asked = [{"__typename": "User", "id": id} for id in ids[:REFERENCES]]
            return [{"query": query, "variables": {"representations": asked}}]
        return [{"query": query}]


QUERIES = (
    Workload("w1", "one user by id", W1, W1, 16, seconds=3, fewest=1_500, asks="user"),
    Workload("w2", "50 auctions, sellers, top bids, bidders", W2, FLAT_W2, 8, 4, fewest=60),
    Workload("w3", "1,000 auctions with sellers", W3, FLAT_W3, 4, seconds=5, fewest=12),
    Workload("entities", "1,000 users by reference", W5, W5, 4, 3, fewest=40, asks="entities"),
)
FAN_OUT_TITLE = "a bid to {} subscribers"
ALL = ("w1", "w2", "w3", "entities", "w4", "inside")


def id_in(dialect: Dialect, prefix: str, id: UUID) -> str:
    """An id as a server of that kind knows it."""
    return encode_id(prefix, id) if dialect == "mela" else str(id)
