"""The demo: a small world for an empty embedded database, an account to sign in with, and a file
that remembers both. What keeps its lot alive stands in jobs/demo.py.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import orjson
from sqlalchemy import TextClause, text

from core.database import Database, Transaction, database_now
from core.ids import new_id
from core.money import ASSETS, to_minor
from models.users import Profile, UserAccount
from services.auctions.selling import Terms, create_auction
from services.auctions.stalls import ProductDetails, create_product, create_stall
from services.seed.catalogue import seed_catalogue
from services.seed.people import MAIL_DOMAIN
from services.seed.posts import seed_posts
from services.seed.quests import seed_quests
from services.seed.world import SeedRefused, seed_world
from services.users.passwords import Passwords
from services.wallets.endowing import endow

DEMO_USERNAME = "demo"
DEMO_SCALE = 0.02
DEMO_SEED = 2026
DEMO_FILE = "demo.json"
DEMO_ASSET = "USD"

HOST = "demo_host"
BOTS: tuple[tuple[str, str], ...] = (
    ("bot_ada", "Ada (a bot)"),
    ("bot_basho", "Bashō (a bot)"),
    ("bot_chinua", "Chinua (a bot)"),
    ("bot_frida", "Frida (a bot)"),
    ("bot_rumi", "Rumi (a bot)"),
    ("bot_selma", "Selma (a bot)"),
)
PIECES: tuple[tuple[str, str, str], ...] = (
    (
        "Indigo cloth from a narrow loom",
        "Textiles",
        "Strip-woven, eleven strips sewn side by side.",
    ),
    (
        "Moon jar with an ash glaze",
        "Pottery",
        "Thrown in two halves; the seam shows, as it should.",
    ),
    ("Copper coffee pot", "Metalwork", "Hammered from one sheet, tinned inside."),
    (
        "Thumb piano of calabash",
        "Instruments",
        "Eleven keys, tuned by ear to a song of the maker's.",
    ),
    ("Willow basket for bread", "Baskets", "Brown willow, cut in January, woven in March."),
)

_PEOPLE = text("SELECT EXISTS (SELECT 1 FROM user_account)")
_DEMO = text(
    f"SELECT EXISTS (SELECT 1 FROM user_account WHERE lower(username) = '{DEMO_USERNAME}'"
    f" AND email = '{DEMO_USERNAME}@{MAIL_DOMAIN}')"
)
_OURS = text(
    "SELECT id FROM user_account WHERE lower(username) = :username AND lower(email) = :email"
)
_STALL = text("SELECT id FROM stall WHERE owner_id = :owner ORDER BY created_at, id LIMIT 1")
_PRODUCTS = text("SELECT id FROM product WHERE stall_id = :stall ORDER BY created_at, id LIMIT 20")
_NAME = text("SELECT name FROM product WHERE id = :product")
_LOTS_MADE = text("SELECT count(*) FROM auction WHERE seller_id = :seller")
BOT_FUNDS_MINOR = to_minor("100000.00", DEMO_ASSET)
DEMO_FUNDS_MINOR = {asset: to_minor("250000", asset) for asset in ASSETS}
_POOR = text(
    """
    SELECT id FROM unnest(CAST(:people AS uuid[])) AS p(id) WHERE NOT EXISTS (
        SELECT FROM ledger_account AS a WHERE a.owner_id = p.id AND a.asset = :asset
            AND a.credits_posted - a.debits_posted - a.debits_pending >= :least)
    """
)
_NO_PASSWORD = "!"
"""Matches nothing: bots and their host act inside the server and never sign in."""


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """How to sign in to the demo, and the lot that its bots bid on now (`auc_…`), if any."""

    username: str
    password: str
    auction_id: str | None = None


@dataclass(frozen=True, slots=True)
class DemoCast:
    """The rows behind the demo lot: whose it is, what is sold, and who bids."""

    host_id: UUID
    product_ids: tuple[UUID, ...]
    bot_ids: tuple[UUID, ...]


def read_demo(state_dir: Path) -> DemoAccess | None:
    """What the demo's file says; None where there is none that can be read."""
    try:
        return DemoAccess(**orjson.loads((state_dir / DEMO_FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def publish_demo_lot(state_dir: Path, auction_id: str) -> None:
    """Say in the file which lot is the demo's now, if there is a demo."""
    access = read_demo(state_dir)
    if access is not None and access.auction_id != auction_id:
        _draft(state_dir, replace(access, auction_id=auction_id)).replace(state_dir / DEMO_FILE)


async def seed_demo(
    database_url: str,
    *,
    state_dir: Path,
    passwords: Passwords,
    now: datetime | None = None,
) -> DemoAccess | None:
    """Seed the demo into an empty, migrated database; how to sign in. Later: what was said then.

    Its password opens every seeded account. None where the database holds people and no demo: it is
    somebody's own, and stays as it is. Processes that start at once make one world between them.
    Raises OSError if the state folder cannot be written.
    """
    db = Database(database_url)
    try:
        if await _holds(db, _PEOPLE):
            return read_demo(state_dir) if await _holds(db, _DEMO) else None
        # First the file: a world whose password nobody knows would be of no use.
        access = _remembered(state_dir)
        password_hash = await passwords.hash(access.password)
        try:
            await seed_world(
                database_url,
                scale=DEMO_SCALE,
                seed=DEMO_SEED,
                password_hash=password_hash,
                now=now,
                also=lambda tx: _add_demo(tx, password_hash),
            )
        except SeedRefused:
            # Another process was quicker: to seed the demo, or to sign somebody up.
            return access if await _holds(db, _DEMO) else None
        async with db.read() as session:
            ours = {"username": DEMO_USERNAME, "email": f"{DEMO_USERNAME}@{MAIL_DOMAIN}"}
            reader_id = (await session.execute(_OURS, ours)).scalar_one()
        await seed_posts(db, reader_id=reader_id)
        await seed_catalogue(db)
        await seed_quests(db, reader_id=reader_id)
        return access
    finally:
        await db.close()


async def ensure_cast(tx: Transaction) -> DemoCast:
    """The host, the pieces and the bots of the demo lot, made where they are absent."""
    host_id = await _person(tx, HOST, "The demo stall")
    stall_id = await tx.scalar(_STALL, {"owner": host_id})
    if stall_id is None:
        stall_id = await create_stall(
            tx, owner_id=host_id, name="The demo stall", description="Its lots never run out."
        )
    product_ids = list((await tx.execute(_PRODUCTS, {"stall": stall_id})).scalars())
    for piece in PIECES[len(product_ids) :]:
        product_ids.append(await _list_piece(tx, host_id, stall_id, *piece))
    bot_ids = [await _person(tx, username, name) for username, name in BOTS]
    await _fund(tx, bot_ids, BOT_FUNDS_MINOR)
    return DemoCast(host_id, tuple(product_ids), tuple(bot_ids))


async def open_demo_lot(tx: Transaction, cast: DemoCast, *, duration: timedelta) -> UUID:
    """Put the next piece up, from now on, with a soft close of half a minute. Bots that have won
    much get new money for it."""
    await _fund(tx, cast.bot_ids, BOT_FUNDS_MINOR)
    made = await tx.scalar(_LOTS_MADE, {"seller": cast.host_id})
    product_id = cast.product_ids[(made or 0) % len(cast.product_ids)]
    title = f"The demo lot: {await tx.scalar(_NAME, {'product': product_id})}"
    terms = Terms(
        starting_price_minor=to_minor("10.00", DEMO_ASSET),
        ends_at=await database_now(tx) + duration,
        soft_close_window_s=30,
        soft_close_extension_s=30,
        title=title,
    )
    return await create_auction(tx, viewer_id=cast.host_id, product_id=product_id, terms=terms)


async def _add_demo(tx: Transaction, password_hash: str) -> None:
    demo_id = await _add_person(tx, DEMO_USERNAME, "You (demo)", password_hash)
    for asset, funds in DEMO_FUNDS_MINOR.items():
        await endow(tx, [demo_id], asset=asset, amount_minor=funds)


async def _fund(tx: Transaction, people: Sequence[UUID], amount_minor: int) -> None:
    """Give so much to those who have less than a tenth of it."""
    asked = {"people": list(people), "asset": DEMO_ASSET, "least": amount_minor // 10}
    poor = (await tx.execute(_POOR, asked)).scalars().all()
    await endow(tx, poor, asset=DEMO_ASSET, amount_minor=amount_minor)


async def _list_piece(
    tx: Transaction, host_id: UUID, stall_id: UUID, name: str, category: str, description: str
) -> UUID:
    details = ProductDetails(
        kind="PHYSICAL",
        name=name,
        category=category,
        asset=DEMO_ASSET,
        description=description,
        tags=("demo",),
        inventory_count=100_000,
    )
    return await create_product(tx, viewer_id=host_id, stall_id=stall_id, details=details)


async def _person(tx: Transaction, username: str, name: str) -> UUID:
    # By the address too: somebody of that name may have signed up, whom we must not impersonate.
    ours = {"username": username, "email": f"{username}@{MAIL_DOMAIN}"}
    found: UUID | None = await tx.scalar(_OURS, ours)
    return found or await _add_person(tx, username, name, _NO_PASSWORD)


async def _add_person(tx: Transaction, username: str, name: str, password_hash: str) -> UUID:
    person = UserAccount(
        id=new_id(),
        username=username,
        email=f"{username}@{MAIL_DOMAIN}",
        display_name=name,
        password_hash=password_hash,
    )
    tx.add(person)
    await tx.flush()
    tx.add(Profile(user_id=person.id, bio="Part of the demo."))
    await tx.flush()
    return person.id


async def _holds(db: Database, statement: TextClause) -> bool:
    async with db.read() as session:
        return bool(await session.scalar(statement, {}))


def _remembered(state_dir: Path) -> DemoAccess:
    """What the file says, made if need be; whoever comes second keeps what the first made."""
    known = read_demo(state_dir)
    if known is not None:
        return known
    draft = _draft(state_dir, DemoAccess(DEMO_USERNAME, secrets.token_urlsafe(9)))
    try:
        os.link(draft, state_dir / DEMO_FILE)
    except FileExistsError:
        if read_demo(state_dir) is None:  # there, and of no use
            draft.replace(state_dir / DEMO_FILE)
    finally:
        draft.unlink(missing_ok=True)
    made = read_demo(state_dir)
    assert made is not None
    return made


def _draft(state_dir: Path, access: DemoAccess) -> Path:
    draft = state_dir / f"{DEMO_FILE}.{secrets.token_hex(4)}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(asdict(access)))
    return draft
