"""What a replay of recorded auctions needs before its first bid: a database that no server sees,
people, a stall, and the lots. The replay itself stands in replay.py.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from core.database import Database, PoolSettings, Transaction, plain_url
from core.errors import InvalidInput
from core.ids import new_id
from core.jsontext import to_json
from core.migrations import upgrade
from core.text import clean_text
from models.auctions import Auction
from services.auctions.closing import schedule_auction
from services.auctions.recorded import ASSET, RecordedAuction
from services.auctions.selling import announced_event
from services.auctions.stalls import ProductDetails, create_product, create_stall
from services.wallets.endowing import endow

SCRATCH_PREFIX = "mela_replay_"
SCRATCH_STALE_S = 3_600
LOTS_AT_ONCE = 10
"""As many topics as one transaction may touch."""

BIDDER_FUNDS_MINOR = 100_000_000_00
"""What each recorded bidder is given: a hundred million."""
SELLER = "recorded auctions"
SLUG = "recorded-auctions"
_MAIL_DOMAIN = "replay.test"

# Nobody signs in as these people: "!" is no hash, and so no password matches it.
_PEOPLE = text(
    """
    WITH wanted AS (
        SELECT * FROM jsonb_to_recordset(CAST(:people AS jsonb))
            AS p(id uuid, username text, name text)
    ), made AS (
        INSERT INTO user_account (id, email, username, password_hash, display_name)
        SELECT id, username || '@' || :domain, username, '!', name FROM wanted
        ON CONFLICT (lower(email)) DO NOTHING
        RETURNING id, username
    ), profiles AS (
        INSERT INTO profile (user_id) SELECT id FROM made
    )
    SELECT id, username FROM made
    UNION ALL
    SELECT u.id, u.username FROM user_account AS u JOIN wanted AS w
        ON lower(u.email) = lower(w.username || '@' || :domain)
    """
)
_STALL = text("SELECT id FROM stall WHERE slug = :slug AND owner_id = :owner")
_STALE = text(
    "SELECT datname FROM pg_database AS d WHERE datname LIKE :pattern AND NOT EXISTS"
    " (SELECT 1 FROM pg_stat_activity AS a WHERE a.datname = d.datname)"
)


class ScratchRefused(Exception):
    """The server did not let us create a database; the message says what to do."""


@asynccontextmanager
async def scratch_database(server_url: str) -> AsyncIterator[Database]:
    """A migrated database of our own on the server, dropped when the context ends.

    Raises `ScratchRefused`.
    """
    name = f"{SCRATCH_PREFIX}{int(time.time())}_{secrets.token_hex(4)}"
    pool = PoolSettings(maximum=1, statement_timeout_s=120, slow_statement_s=60)
    server = Database(server_url, pool=pool)
    try:
        await _create(server, name)
        try:
            url = make_url(plain_url(server_url)).set(database=name)
            scratch_url = url.render_as_string(hide_password=False)
            await upgrade(scratch_url)
            scratch = Database(
                scratch_url, pool=PoolSettings(statement_timeout_s=30, slow_statement_s=5)
            )
            try:
                yield scratch
            finally:
                await scratch.close()
        finally:
            await _run(server, f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await server.close()


async def _create(server: Database, name: str) -> None:
    async with server.read() as session:
        found = (await session.execute(_STALE, {"pattern": f"{SCRATCH_PREFIX}%"})).scalars().all()
    for stale in filter(_is_stale, found):  # left by a replay that was killed
        await _run(server, f'DROP DATABASE IF EXISTS "{stale}"')
    try:
        await _run(server, f'CREATE DATABASE "{name}" TEMPLATE template0')
    except DBAPIError as error:
        raise ScratchRefused(
            f"the server does not let us create a scratch database ({error.orig}): give the user "
            "the right by ALTER ROLE … CREATEDB, or replay into this database by --speed N"
        ) from error
    # It is dropped in a minute, whatever happens: nothing in it need reach the disk.
    await _run(server, f'ALTER DATABASE "{name}" SET synchronous_commit = off')


def _is_stale(name: str) -> bool:
    began = name.removeprefix(SCRATCH_PREFIX).split("_", 1)[0]
    return began.isdecimal() and time.time() - int(began) > SCRATCH_STALE_S


async def _run(server: Database, statement: str) -> None:
    async with server.read() as session:
        await session.execute(text(statement))


async def stage_people(tx: Transaction, names: Iterable[str]) -> dict[str, UUID]:
    """An account for each recorded name, the same one for the same name in every replay, with more
    money than anybody bid."""
    usernames = {_username(name): name for name in names}
    wanted = [
        {"id": new_id(), "username": username, "name": _display_name(name, username)}
        for username, name in sorted(usernames.items())
    ]
    found = await tx.execute(_PEOPLE, {"people": to_json(wanted), "domain": _MAIL_DOMAIN})
    people = {usernames[row.username]: row.id for row in found}
    await endow(tx, people.values(), asset=ASSET, amount_minor=BIDDER_FUNDS_MINOR)
    return people


def _username(name: str) -> str:
    """Recorded names may be anything; a username may not."""
    return f"replay_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _display_name(name: str, otherwise: str) -> str:
    try:
        return clean_text(name, field="bidder", maximum=100)
    except InvalidInput:
        return otherwise


async def stage_product(tx: Transaction, seller_id: UUID, count: int) -> tuple[UUID, UUID]:
    """The stall of all replays, and a product of which there are `count`, for this one."""
    found: UUID | None = await tx.scalar(_STALL, {"slug": SLUG, "owner": seller_id})
    stall_id = found or await create_stall(
        tx, owner_id=seller_id, name="Recorded auctions", slug=SLUG
    )
    await tx.flush()
    details = ProductDetails(
        kind="PHYSICAL",
        name="Recorded lots",
        category="Recorded",
        asset=ASSET,
        inventory_count=count,
    )
    product_id = await create_product(tx, viewer_id=seller_id, stall_id=stall_id, details=details)
    await tx.flush()
    return stall_id, product_id


def recorded_lot(
    recorded: RecordedAuction,
    *,
    seller_id: UUID,
    stall_id: UUID,
    product_id: UUID,
    starts_at: datetime,
    duration: timedelta,
    status: str,
) -> Auction:
    """The row of a recorded auction: from its opening price, no reserve, soft close off (the
    recorded site had none)."""
    return Auction(
        id=new_id(),
        product_id=product_id,
        stall_id=stall_id,
        seller_id=seller_id,
        title=f"Recorded lot {recorded.id[:100]}",
        category="Recorded",
        asset=ASSET,
        starting_price_minor=recorded.opening_minor,
        current_price_minor=recorded.opening_minor,
        reserve_met=True,
        soft_close_window_s=0,
        soft_close_extension_s=0,
        starts_at=starts_at,
        ends_at=starts_at + duration,
        status=status,
        opened_at=starts_at if status == "OPEN" else None,
    )


async def announce_lots(tx: Transaction, lots: Sequence[Auction]) -> None:
    """Write up to `LOTS_AT_ONCE` lots that are to open, with their wakes and events."""
    tx.add_all(lots)
    await tx.flush()
    for lot in lots:
        await schedule_auction(tx, lot.id, starts_at=lot.starts_at, ends_at=lot.ends_at)
        tx.collect(announced_event(lot))
