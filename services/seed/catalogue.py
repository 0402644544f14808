"""A small catalogue of made-up titles for the demo: by the real rules, with platforms, offers, and
people who rate, review and watch. Nothing of it exists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from random import Random
from uuid import UUID

from sqlalchemy import text

from core.database import Database, Transaction, database_now
from services.content.availability import TITLES_MAX, apply_reports
from services.content.drafts import draft_of
from services.content.importing import take_batch
from services.content.offers import OfferReport
from services.content.platforms import PlatformDetails, upsert_platform
from services.content.ratings import rate_title, review_title
from services.content.trends import refresh_trends
from services.content.viewing import add_to_watchlist, record_view

SEED = 2026
VIEWERS = 24
PLATFORMS = (("moonlamp", "Moonlamp"), ("tidepool", "Tidepool"), ("oldkino", "Old Kino"))
REGIONS = ("US", "FR", "IN", "JP")
_SUBJECTS = (
    ("The Ferryman's Ledger", "A ferryman writes down what each passenger leaves behind."),
    ("Salt Road", "Three sisters take their mother's caravan across a dry sea."),
    ("Nine Looms", "A village weaves one cloth, and quarrels over its pattern."),
    ("The Clay Parliament", "Potters vote by breaking bowls."),
    ("Lanterns at Low Tide", "Children light the way for boats that do not come."),
    ("A Grammar of Bells", "A foundry casts its last bell and looks for a note."),
    ("Monsoon Radio", "A station that only works when it rains."),
    ("The Cartographer's Wife", "She draws what he leaves out."),
    ("Small Hours of the Bakery", "One night, one oven, eleven apprentices."),
    ("Indigo", "The dyer, the debt and the river."),
    ("The Weight of Feathers", "A falconer teaches a judge to wait."),
    ("Paper Harbour", "A town of folded boats votes to sail."),
    ("Winter Apples", "Two old rivals share one cellar."),
    ("The Night Archive", "What libraries do when nobody reads."),
    ("Copper and Rain", "A roofer hears music in gutters."),
    ("Seven Kinds of Dust", "A restorer cleans the same picture for a life."),
)
_PEOPLE = (
    "Amara Venn", "Ilse Kowari", "Teo Brask", "Noor Sandoval", "Juno Adeyar", "Piet Halloway",
    "Suri Maekawa", "Dov Lindqvist", "Rhea Castellane", "Omar Tillery", "Yuki Brandt", "Ines Okoro",
)  # fmt: skip
_GENRES = ("Drama", "Comedy", "Mystery", "Documentary", "Adventure", "Romance", "Family")
_RATINGS = ("G", "PG", "PG-13", "R", None)
_WORDS = (
    "Slow in the best way.",
    "I did not expect the ending, and I liked that.",
    "Well made. A little long.",
    "My grandmother's trade, shown as it is.",
)
_FOLK = text("SELECT id FROM user_account WHERE status = 'ACTIVE' ORDER BY created_at, id LIMIT :n")
_MADE = text("SELECT id FROM title WHERE fingerprint = ANY (CAST(:prints AS bytea[])) ORDER BY id")


async def seed_catalogue(db: Database) -> int:
    """Add the made-up titles and what people do with them; how many titles there are. Doing it
    again adds none."""
    dice = Random(SEED)
    drafts = [draft_of(record) for record in _records(dice)]

    async def add(tx: Transaction) -> list[UUID]:
        await take_batch(tx, batch=list(enumerate(drafts, start=1)))
        prints = [draft.fingerprint for draft in drafts]
        return list((await tx.execute(_MADE, {"prints": prints})).scalars())

    titles = await db.transaction(add)
    platforms = await db.transaction(_add_platforms)
    for i in range(0, len(titles), TITLES_MAX):
        some = titles[i : i + TITLES_MAX]
        await db.transaction(partial(_offer, titles=some, platforms=platforms, dice=dice))
    people = await db.transaction(_people)
    for title_id in titles:
        await db.transaction(partial(_watch, title_id=title_id, people=people, dice=dice))
    await db.transaction(refresh_trends)
    return len(titles)


def _records(dice: Random) -> list[dict[str, object]]:
    """Two titles a subject: a film, and what was made of it."""
    found: list[dict[str, object]] = []
    for name, about in _SUBJECTS:
        year = dice.randint(1961, 2020)
        for again, kind in ((False, "MOVIE"), (True, dice.choice(("SERIES", "SHORT")))):
            found.append(
                {
                    "title": f"{name}: The Return" if again else name,
                    "year": min(year + dice.randint(2, 6) * again, 2026),
                    "kind": kind,
                    "extract": about,
                    "genres": dice.sample(_GENRES, 2),
                    "cast": dice.sample(_PEOPLE, dice.randint(3, 6)),
                    "director": dice.choice(_PEOPLE),
                    "runtime": dice.randint(12, 170),
                    "content_rating": dice.choice(_RATINGS),
                    "language": dice.choice(("en", "fr", "hi", "ja", "sw")),
                }
            )
    return found


async def _add_platforms(tx: Transaction) -> list[UUID]:
    details = (
        PlatformDetails(slug, name, home_url=f"https://{slug}.example") for slug, name in PLATFORMS
    )
    return [await upsert_platform(tx, details=each) for each in details]


async def _offer(
    tx: Transaction, *, titles: Sequence[UUID], platforms: Sequence[UUID], dice: Random
) -> None:
    now = await database_now(tx)
    reports = []
    for title_id in titles:
        for platform_id in dice.sample(list(platforms), dice.randint(1, 2)):
            for region in dice.sample(REGIONS, 2):
                tier = dice.choice(("FREE", "SUBSCRIPTION", "RENT", "BUY"))
                reports.append(_report(title_id, platform_id, region, tier, now, dice))
    await apply_reports(tx, reports, "MANUAL")


def _report(
    title_id: UUID, platform_id: UUID, region: str, tier: str, now: datetime, dice: Random
) -> OfferReport:
    paid = tier in ("RENT", "BUY")
    leaves = dice.random() < 0.2
    return OfferReport(
        title_id=title_id,
        platform_id=platform_id,
        region=region,
        tier=tier,
        price_minor=dice.choice((299, 399, 999)) if paid else None,
        asset="USD" if paid else None,
        available_until=now + timedelta(days=dice.randint(3, 40)) if leaves else None,
    )


async def _people(tx: Transaction) -> list[UUID]:
    return list((await tx.execute(_FOLK, {"n": VIEWERS})).scalars())


async def _watch(tx: Transaction, *, title_id: UUID, people: Sequence[UUID], dice: Random) -> None:
    now = await database_now(tx)
    for viewer_id in dice.sample(list(people), min(len(people), dice.randint(0, 6))):
        since = now - timedelta(hours=dice.randint(1, 400))
        acts: list[Callable[..., Awaitable[object]]] = [
            partial(record_view, watched_at=since, progress=dice.randint(10, 100))
        ]
        if dice.random() < 0.6:
            acts.append(partial(rate_title, value_tenths=dice.randint(40, 100)))
        if dice.random() < 0.2:
            acts.append(partial(review_title, body=dice.choice(_WORDS)))
        if dice.random() < 0.3:
            acts.append(partial(add_to_watchlist, priority=dice.randint(1, 3)))
        for act in acts:
            await act(tx, viewer_id=viewer_id, title_id=title_id)
