"""What the people of a load do, and how often: operations over all six domains."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

FIRST_CENTS = 1_000_000
STEP_CENTS = 20_000
"""Bids begin above what seeded ones reach, and rise by more than the increment at such prices."""
_WORDS = (
    "dance film indigo river night quest copper lamp rhythm table weaver summer clay drum forest "
    "music story garden light silver harbour bread city moon"
)
WORDS = tuple(_WORDS.split())
PREFIXES = ("co", "in", "mo", "the", "ri", "da", "bo", "ch", "sa", "qu")


class Ids(NamedTuple):
    """Public ids of what there is to look at; `lots` take bids."""

    auctions: list[str]
    lots: list[str]
    titles: list[str]
    posts: list[str]
    users: list[str]
    quests: list[str]


@dataclass(slots=True)
class Choosing:
    """What variables are drawn from: dice, ids, and the offers that were made so far."""

    dice: random.Random
    ids: Ids
    offers: int = 0
    made: int = 0
    session: str = field(default_factory=lambda: random.SystemRandom().randbytes(6).hex())

    def of(self, kind: str) -> dict[str, Any]:
        """`{"id": …}` of something of a kind; the first are looked at most, as everywhere."""
        known = getattr(self.ids, kind)
        return {"id": known[min(int(self.dice.expovariate(8 / len(known))), len(known) - 1)]}

    def key(self) -> str:
        """A name for a write of one's own."""
        self.made += 1
        return f"load-{self.session}-{self.made}"


Variables = Callable[[Choosing], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that people do. `weight` is its part of all; `fine` are members of its union that
    are an answer and no error, beside those whose name ends in Success."""

    name: str
    domain: str
    weight: int
    text: str
    variables: Variables = field(default=lambda choosing: {})
    fine: frozenset[str] = frozenset()


def _bid(choosing: Choosing) -> dict[str, Any]:
    lots = choosing.ids.lots
    lap, lot = divmod(choosing.offers, len(lots))
    choosing.offers += 1
    cents = FIRST_CENTS + lap * STEP_CENTS
    maximum = f"{cents // 100}.{cents % 100:02d}"
    key = choosing.key()
    return {"input": {"auctionId": lots[lot], "maximum": maximum, "idempotencyKey": key}}


def _post(choosing: Choosing) -> dict[str, Any]:
    text = " ".join(choosing.dice.choices(WORDS, k=30))
    blocks = [{"type": "paragraph", "text": text}]
    given = {"title": text[:40], "blocks": blocks, "publish": True}
    return {"input": {**given, "idempotencyKey": choosing.key()}}


def _comment(choosing: Choosing) -> dict[str, Any]:
    text = " ".join(choosing.dice.choices(WORDS, k=8))
    post = choosing.of("posts")["id"]
    return {"input": {"postId": post, "text": text, "idempotencyKey": choosing.key()}}


OPERATIONS = (
    Operation(
        "auctions",
        "auctions",
        14,
        """query auctions { auctions(filter: {status: [OPEN]}, orderBy: ENDING_SOON, first: 20) {
        nodes { id title endsAt bidCount currentPrice { amount asset } seller { displayName } }
        pageInfo { hasNextPage endCursor } } }""",
    ),
    Operation(
        "auction",
        "auctions",
        12,
        """query auction($id: ID!) { auction(id: $id) { id title description status timeLeft
        eventCursor currentPrice { amount asset } minimumBid { amount } viewerIsLeading
        seller { displayName } bids(first: 10) { nodes { id sequence placedAt amount { amount }
        bidder { displayName } } } } }""",
        lambda choosing: choosing.of("auctions"),
    ),
    Operation(
        "placeBid",
        "auctions",
        5,
        """mutation placeBid($input: PlaceBidInput!) { placeBid(input: $input) { __typename
        ... on PlaceBidSuccess { bid { sequence } auction { currentPrice { amount } } } } }""",
        _bid,
        frozenset({"BidTooLow"}),
    ),
    Operation(
        "titles",
        "content",
        8,
        """query titles { titles(orderBy: POPULAR, first: 20) { nodes { id name year kind
        genres { name } ratingStats { mean count } } pageInfo { hasNextPage } } }""",
    ),
    Operation(
        "title",
        "content",
        8,
        """query title($id: ID!) { title(id: $id) { id name description year runtimeMinutes
        inWatchlist viewerRating cast { person { name } } ratingStats { mean count }
        availability(first: 10) { region tier platform { name } }
        reviews(first: 5) { nodes { id author { displayName } } } } }""",
        lambda choosing: choosing.of("titles"),
    ),
    Operation(
        "trending",
        "content",
        4,
        "query trending { trending(first: 10) { rank score title { id name year } } }",
    ),
    Operation(
        "posts",
        "content",
        8,
        """query posts { posts(first: 10) { nodes { id title excerpt tags readingTimeSeconds
        commentCount reactionCount publishedAt author { displayName } } } }""",
    ),
    Operation(
        "post",
        "content",
        6,
        """query post($id: ID!) { post(id: $id) { id title blocks viewerReactions
        author { username displayName } comments(first: 10) { nodes { id text createdAt
        author { displayName } } } } }""",
        lambda choosing: choosing.of("posts"),
    ),
    Operation(
        "homeFeed",
        "content",
        4,
        "query homeFeed { homeFeed(first: 10) { nodes { id title author { displayName } } } }",
    ),
    Operation(
        "addComment",
        "content",
        2,
        """mutation addComment($input: AddCommentInput!) { addComment(input: $input) { __typename
        ... on AddCommentSuccess { comment { id } } } }""",
        _comment,
    ),
    Operation(
        "createPost",
        "content",
        1,
        """mutation createPost($input: CreatePostInput!) { createPost(input: $input) { __typename
        ... on CreatePostSuccess { post { id slug } } } }""",
        _post,
    ),
    Operation(
        "rateTitle",
        "content",
        2,
        "mutation rateTitle($input: RateTitleInput!) { rateTitle(input: $input) { __typename } }",
        lambda choosing: {
            "input": {
                "titleId": choosing.of("titles")["id"],
                "value": str(choosing.dice.randint(1, 10)),
            }
        },
    ),
    Operation(
        "search",
        "search",
        8,
        """query search($text: String!) { search(query: $text, first: 10) { totalCount
        edges { node { score node { __typename ... on Node { id } } } } } }""",
        lambda choosing: {"text": " ".join(choosing.dice.sample(WORDS, k=2))},
    ),
    Operation(
        "suggest",
        "search",
        4,
        "query suggest($prefix: String!) { suggest(prefix: $prefix) { text type nodeId } }",
        lambda choosing: {"prefix": choosing.dice.choice(PREFIXES)},
    ),
    Operation(
        "quests",
        "quests",
        6,
        """query quests { quests(filter: {status: [OPEN]}, first: 10) { nodes { id title story
        difficulty placesLeft reward { amount asset } category { name } zone { name } } } }""",
    ),
    Operation(
        "quest",
        "quests",
        3,
        """query quest($id: ID!) { quest(id: $id) { id title story closesAt taken
        viewerAssignment { id status } creator { displayName } } }""",
        lambda choosing: choosing.of("quests"),
    ),
    Operation(
        "leaderboard",
        "quests",
        3,
        """query leaderboard { leaderboard(window: ALL_TIME, first: 10) { totalCount own { rank }
        entries { rank xp player { displayName } } } }""",
    ),
    Operation(
        "me",
        "users",
        6,
        """query me { me { id username displayName unreadCount
        notifications(first: 5) { nodes { id } } } }""",
    ),
    Operation(
        "user",
        "users",
        4,
        """query user($id: ID!) { user(id: $id) { id username displayName viewerFollows
        profile { bio } presence { status } } }""",
        lambda choosing: choosing.of("users"),
    ),
    Operation(
        "setPresence",
        "users",
        5,
        """mutation setPresence($input: SetPresenceInput!) { setPresence(input: $input) {
        __typename } }""",
        lambda choosing: {"input": {"status": choosing.dice.choice(("ONLINE", "AWAY"))}},
    ),
    Operation(
        "wallet",
        "wallets",
        7,
        """query wallet { wallet { accounts { asset balance { amount } available { amount } }
        transfers(first: 10) { nodes { id code createdAt amount { amount } } } } }""",
    ),
)
