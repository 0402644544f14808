"""The operations that are measured, as texts; both servers get the same ones. Nothing runs here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Workload:
    """A query to be repeated. `connections` are kept alive, each with one request at a time."""

    key: str
    title: str
    text: str
    connections: int
    seconds: float
    by_user: bool = False

    def bodies(self, user_ids: Sequence[str]) -> list[dict[str, Any]]:
        """What to post, in turn."""
        if not self.by_user:
            return [{"query": self.text}]
        return [{"query": self.text, "variables": {"id": id}} for id in user_ids]


QUERIES = (
    Workload("w1", "one user by id", W1, connections=16, seconds=3, by_user=True),
    Workload("w2", "50 auctions, sellers, top bids, bidders", W2, connections=8, seconds=4),
    Workload("w3", "1,000 auctions with sellers", W3, connections=4, seconds=5),
)
FAN_OUT_TITLE = "a bid to {} subscribers"
ALL = ("w1", "w2", "w3", "w4")
