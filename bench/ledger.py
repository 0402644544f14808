"""Money and bids under load: what is measured, against what, and what must come of it. Transfers go
straight at the ledger; bids go over GraphQL to a server process, two hundred bidders at once."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from bench.figures import median
from bench.processes import ServerProcess, run_client, serving
from bench.world import World
from core.database import Database
from core.ids import encode_id, new_id
from core.tokens import TokenPolicy, ensure_keys, issue_access_token
from services.users.access import ROLES, SESSION_PREFIX, USER_PREFIX
from services.wallets.endowing import endow

ASSET = "USD"
PEOPLE = 1_000
FUNDS_MINOR = 10**14
BIDDERS = 200
LOTS = 200
"""Of bids that are spread."""
LEGS = 500
CLIENTS = 16
PACE, CALM_PACE = 0.7, 0.33
"""Of what the hot lot's closed loop answered: where its latency is looked at."""
KEY = "ledger"

Tell = Callable[[str], None]
Found = dict[str, Any]

# Lots like a seeded one, but open for long, of an ordinary price, and without bids.
_LOTS = """
    INSERT INTO auction
    SELECT (jsonb_populate_record(a, jsonb_build_object(
        'id', n.id, 'status', 'OPEN', 'bid_count', 0, 'extension_count', 0,
        'starting_price_minor', 100, 'current_price_minor', 100, 'reserve_minor', null,
        'reserve_nonce', null, 'buy_now_minor', null, 'increments', null, 'leader_id', null,
        'leader_bid_id', null, 'leader_maximum_minor', null, 'runner_up_maximum_minor', null,
        'reserve_met', false, 'starts_at', now() - interval '1 hour',
        'ends_at', now() + interval '9 days'))).*
    FROM auction AS a CROSS JOIN unnest($1::uuid[]) AS n(id)
    WHERE a.id = (
        SELECT id FROM auction AS b
        WHERE b.asset = 'USD' AND b.format = 'ENGLISH' AND b.status = 'OPEN'
          AND b.seller_id <> ALL ($2)
          AND NOT EXISTS (SELECT FROM stall_member AS m
                          WHERE m.stall_id = b.stall_id AND m.user_id = ANY ($2))
        ORDER BY b.id LIMIT 1)
"""


@dataclass(frozen=True, slots=True)
class Transfers:
    """So many clients, each of whom moves so many legs at once. `way`: of `ledger_load.ACTS`, where
    it is not the server's name."""

    key: str
    server: str
    title: str
    legs: int
    clients: int
    seconds: float = 3.0
    way: str = ""


@dataclass(frozen=True, slots=True)
class Bids:
    """Two hundred bidders on so many lots; `pace`: at this share of what the hot lot answered."""

    key: str
    server: str
    title: str
    lots: int
    pace: float | None = None
    seconds: float = 6.0


HOT, SPREAD = "one hot lot", f"{LOTS} lots"
TRANSFERS = (
    Transfers("single", "mela", "one by one, 1 client", 1, 1),
    Transfers("single", "plain", "one by one, 1 client", 1, 1),
    Transfers("batch", "mela", f"{LEGS} legs at once, 1 client", LEGS, 1),
    Transfers("clients", "mela", f"one by one, {CLIENTS} clients", 1, CLIENTS, way="queued"),
    Transfers("clients", "plain", f"one by one, {CLIENTS} clients", 1, CLIENTS),
)
BIDS = (
    Bids("hot", "mela", f"{BIDDERS} bidders, {HOT}", 1),
    Bids("calm", "mela", f"{HOT} at {CALM_PACE:.0%} of its most", 1, pace=CALM_PACE),
    Bids("paced", "mela", f"{HOT} at {PACE:.0%} of its most", 1, pace=PACE),
    Bids("spread", "mela", f"{BIDDERS} bidders, {SPREAD}", LOTS),
    Bids("hot", "plain", f"{BIDDERS} bidders, {HOT}", 1),
    Bids("spread", "plain", f"{BIDDERS} bidders, {SPREAD}", LOTS),
)
SERVERS = {"mela": "mela", "plain": "plain-bids"}


@dataclass(slots=True)
class LedgerMeasured:
    """Each case's rounds, by key and server."""

    transfers: dict[str, dict[str, list[Found]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    bids: dict[str, dict[str, list[Found]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )


@dataclass(frozen=True, slots=True)
class _Crowd:
    """People with money: their accounts, and the bidders' tokens."""

    people: list[tuple[UUID, UUID]]
    tokens: list[str]


def steps(rounds: int) -> int:
    """How often `tell` is called."""
    return rounds * (len(TRANSFERS) + len(BIDS))


def measure_ledger(world: World, *, rounds: int, stretch: float, tell: Tell) -> LedgerMeasured:
    """Run all cases, the servers by turns. Raises `BenchError` where an answer is none."""
    measured = LedgerMeasured()
    crowd = asyncio.run(_crowd(world))
    for number in range(rounds):
        forward = number % 2 == 0
        for way in TRANSFERS if forward else TRANSFERS[::-1]:
            tell(f"round {number + 1}: transfers {way.title} on {way.server}")
            found = _transfer(world, crowd, way, stretch, seed=number)
            measured.transfers[way.key][way.server].append(found)
        for name in ("mela", "plain") if forward else ("plain", "mela"):
            cases = [case for case in BIDS if case.server == name]
            for case, found in _bid(world, crowd, cases, stretch, number, tell):
                measured.bids[case.key][name].append(found)
    return measured


def _transfer(world: World, crowd: _Crowd, case: Transfers, stretch: float, *, seed: int) -> Found:
    spec = {
        "way": case.way or case.server,
        "database_url": world.database_url,
        "postgres": world.handle.postgres_pid,
        "people": [(str(user), str(account)) for user, account in crowd.people],
        "seed": seed,
        "legs": case.legs,
        "clients": case.clients,
        "seconds": case.seconds * stretch,
    }
    return run_client("ledger_load", spec, timeout_s=300)


def _bid(
    world: World,
    crowd: _Crowd,
    cases: Sequence[Bids],
    stretch: float,
    number: int,
    tell: Tell,
) -> list[tuple[Bids, Found]]:
    name = cases[0].server
    done: list[tuple[Bids, Found]] = []
    log_file = world.folder / f"{name}-bids.log"
    with serving(SERVERS[name], world.environment(), log_file) as server:
        most = 0.0
        for case in cases:
            tell(f"round {number + 1}: {case.title} on {name}")
            rate = None if case.pace is None else max(1.0, case.pace * most)
            found = _bid_case(world, crowd, server, case, rate, stretch)
            if case.key == "hot":
                most = found["per_s"]
            done.append((case, found))
    return done


def _bid_case(
    world: World,
    crowd: _Crowd,
    server: ServerProcess,
    case: Bids,
    rate: float | None,
    stretch: float,
) -> Found:
    bidders = [user for user, _ in crowd.people[:BIDDERS]]
    spec = {
        "port": server.port,
        "pid": server.pid,
        "postgres": world.handle.postgres_pid,
        "tokens": crowd.tokens,
        "auction_ids": asyncio.run(_lots(world, case.lots, bidders)),
        "rate": rate,
        "seconds": case.seconds * stretch,
    }
    return run_client("bid_load", spec, timeout_s=300) | {"rate": rate}


async def _crowd(world: World) -> _Crowd:
    users = world.user_ids[:PEOPLE]
    db = Database(world.database_url)
    try:
        await db.transaction(lambda tx: endow(tx, users, asset=ASSET, amount_minor=FUNDS_MINOR))
    finally:
        await db.close()
    connection = await asyncpg.connect(world.database_url)
    try:
        rows = await connection.fetch(
            "SELECT holder_id, id FROM ledger_account"
            " WHERE kind = 'USER' AND asset = $1 AND holder_id = ANY ($2::uuid[])",
            ASSET,
            users,
        )
    finally:
        await connection.close()
    accounts = {row["holder_id"]: row["id"] for row in rows}
    people = [(user, accounts[user]) for user in users]
    return _Crowd(people, _tokens(world.folder / "server" / "keys", users[:BIDDERS]))


def _tokens(keys: Path, users: Sequence[UUID]) -> list[str]:
    """What signing in would give: hashing two hundred passwords is not what is measured."""
    ring, policy = ensure_keys(keys), TokenPolicy(lifetime_s=7_200)
    now = datetime.now(UTC)
    return [
        issue_access_token(
            ring,
            policy,
            subject=encode_id(USER_PREFIX, user),
            session_id=encode_id(SESSION_PREFIX, new_id()),
            scopes=ROLES["USER"].adds,
            tier="FREE",
            now=now,
        ).token
        for user in users
    ]


async def _lots(world: World, count: int, bidders: Sequence[UUID]) -> list[str]:
    ids: list[uuid.UUID] = [new_id() for _ in range(count)]
    connection = await asyncpg.connect(world.database_url)
    try:
        await connection.execute(_LOTS, ids, list(bidders))
    finally:
        await connection.close()
    return [encode_id("auc", id) for id in ids]


def middle(rounds: Sequence[Found], name: str) -> float:
    """The median of one figure over the rounds."""
    return median([found[name] for found in rounds])
