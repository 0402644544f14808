"""The world of a load: what `mela seed` and the demo make, for all six domains, and people with
money and tokens in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from bench.load_operations import Ids
from bench.processes import BenchError
from core.clock import utc_now
from core.database import Database
from core.ids import encode_id, new_id
from core.tokens import Algorithm, TokenPolicy, ensure_keys, issue_access_token
from services.search.reindexing import reindex
from services.seed.catalogue import seed_catalogue
from services.seed.posts import seed_posts
from services.seed.quests import seed_quests
from services.users.access import scopes_of, session_public_id, user_public_id
from services.wallets.endowing import endow

RICH_MINOR = 10**11
LOTS = 20
"""So many lots take the bids of a load; the others are looked at."""
KNOWN = 100
TOKEN_S = 3_600

_PEOPLE = """
    SELECT id FROM user_account u WHERE status = 'ACTIVE'
      AND NOT EXISTS (SELECT 1 FROM stall s WHERE s.owner_id = u.id)
      AND NOT EXISTS (SELECT 1 FROM stall_member m WHERE m.user_id = u.id)
      AND NOT EXISTS (SELECT 1 FROM auction a WHERE a.seller_id = u.id)
    ORDER BY md5(id::text) LIMIT $1
"""
_LOTS = """
    SELECT id FROM auction WHERE status = 'OPEN' AND asset = 'USD' AND format = 'ENGLISH'
      AND ends_at > now() + interval '1 hour'
    ORDER BY ends_at DESC, id LIMIT $1
"""
ASK_IDS = """query { auctions(filter: {status: [OPEN]}, first: 100) { nodes { id } }
  titles(first: 100) { nodes { id } } posts(first: 100) { nodes { id } }
  quests(first: 100) { nodes { id } } }"""


async def fill(url: str) -> None:
    """Add films, posts and quests to seeded people and auctions, and build the search index."""
    connection = await asyncpg.connect(url)
    try:
        reader_id = await connection.fetchval("SELECT id FROM user_account ORDER BY id DESC")
    finally:
        await connection.close()
    if reader_id is None:
        raise BenchError("there are no people to write posts")
    db = Database(url)
    try:
        await seed_posts(db, reader_id=reader_id)
        await seed_catalogue(db)
        await seed_quests(db, reader_id=reader_id)
    finally:
        await db.close()
    await reindex(url, grace_s=0)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def people_of(url: str, count: int) -> list[UUID]:
    """Who takes part: people who sell nothing, rich in dollars. Raises `BenchError` where there
    are fewer."""
    connection = await asyncpg.connect(url)
    try:
        people = [row["id"] for row in await connection.fetch(_PEOPLE, count)]
    finally:
        await connection.close()
    if len(people) < count:
        raise BenchError(f"there are {len(people)} people who sell nothing, and not {count}")
    db = Database(url)
    try:
        await db.transaction(lambda tx: endow(tx, people, asset="USD", amount_minor=RICH_MINOR))
    finally:
        await db.close()
    return people


async def lots_of(url: str) -> list[str]:
    """The lots that are bid on."""
    connection = await asyncpg.connect(url)
    try:
        found = [encode_id("auc", row["id"]) for row in await connection.fetch(_LOTS, LOTS)]
    finally:
        await connection.close()
    if not found:
        raise BenchError("no lot takes bids long enough")
    return found


def tokens_for(people: list[UUID], keys: Path, algorithm: Algorithm) -> list[str]:
    """An access token of each, as signing in gives one, for an hour."""
    ring = ensure_keys(keys, algorithm)
    return [
        issue_access_token(
            ring,
            TokenPolicy(lifetime_s=TOKEN_S),
            subject=user_public_id(person),
            session_id=session_public_id(new_id()),
            scopes=scopes_of(("USER",)),
            tier="FREE",
            now=utc_now(),
        ).token
        for person in people
    ]


def ids_of(found: dict[str, Any], lots: list[str], people: list[UUID]) -> Ids:
    """What `ASK_IDS` found, with the lots and the people."""

    def listed(name: str) -> list[str]:
        known = [node["id"] for node in found[name]["nodes"]]
        if not known:
            raise BenchError(f"there are no {name}")
        return known

    users = [user_public_id(person) for person in people[:KNOWN]]
    return Ids(listed("auctions"), lots, listed("titles"), listed("posts"), users, listed("quests"))
