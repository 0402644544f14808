"""100,000 documents for the search bench: titles and people of made-up words, the same each time.
Words are as frequent as in texts: the n-th about 1/n as often as the first."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from uuid import UUID

import asyncpg

from core.embedded import EmbeddedHandle, start_embedded
from core.migrations import upgrade
from services.search.reindexing import reindex

TITLES, PEOPLE = 85_000, 15_000
WORDS = 30_000
TEXT_WORDS = 60
SEED = 2026
_GENRES_TEXT = (
    "drama comedy war western horror romance thriller crime fantasy adventure animation musical "
    "mystery documentary biography family history sport noir action"
)
GENRES = tuple(_GENRES_TEXT.split())
_PLATFORMS_TEXT = "alpha beta gamma delta epsilon zeta eta theta iota kappa"
PLATFORMS = tuple(_PLATFORMS_TEXT.split())
REGIONS = ("US", "FR", "DE", "JP", "IN")
TIERS = ("FREE", "ADS", "SUBSCRIPTION", "RENT", "BUY")
# Those that the queries are made of, among the first thousands by their frequency.
_REAL_TEXT = (
    "story life world man woman family night love city war river house friend death summer winter "
    "island train doctor soldier king queen garden letter dream secret stranger road mountain sea "
    "captain detective murder wedding village teacher dancer painter thief ghost robot planet "
    "desert harbor bridge castle forest storm silver golden broken hidden silent lost last first "
    "crimson midnight shadow mirror window lantern whisper thunder horizon compass voyage anchor "
    "lighthouse orchard sparrow falcon tiger wolf serpent dragon violin piano orchestra carnival "
    "circus magician prisoner escape revolution empire treasure pirate gambler outlaw sheriff "
    "ranch prairie canyon frontier railway telegraph newspaper reporter lawyer judge verdict "
    "witness alibi inspector constable burglar jewel necklace portrait sculpture cathedral "
    "monastery pilgrim prophet miracle angel demon curse ritual potion wizard knight tournament "
    "crown throne exile betrayal revenge justice mercy courage honor glory victory defeat"
)
REAL = tuple(_REAL_TEXT.split())
_SYLLABLES_TEXT = (
    "ba be bi bo ca ce co da de di do fa fe fi ga go ha hi ja ka ke ki la le li lo ma me mi mo na "
    "ne ni no pa pe pi po ra re ri ro sa se si so ta te ti to va ve vi vo za zo"
)
_SYLLABLES = tuple(_SYLLABLES_TEXT.split())


@dataclass(frozen=True, slots=True)
class SearchWorld:
    """A database with an index, and the servers beside it."""

    folder: Path
    handle: EmbeddedHandle
    database_url: str

    def environment(self) -> dict[str, str]:
        """What a server under test is started with."""
        assert self.handle.redis_url is not None
        return {
            "MELA_DATABASE_URL": self.database_url,
            "MELA_REDIS_URL": self.handle.redis_url,
            "MELA_STATE_DIR": str(self.folder / "server"),
            "MELA_LOG_LEVEL": "warning",
        }


@contextmanager
def indexed_world(*, scale: float = 1.0) -> Iterator[SearchWorld]:
    """Start the servers, fill the catalogue, build the index; all of it is gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="mela-bench-"))
    folder.chmod(0o711)  # root's servers run under another account, which must get through
    try:
        with start_embedded(folder / "state", durable=False) as handle:
            assert handle.database_url is not None
            asyncio.run(fill(handle.database_url, scale=scale))
            yield SearchWorld(folder, handle, handle.database_url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def fill(url: str, *, scale: float = 1.0) -> None:
    """Migrate, fill, index."""
    await upgrade(url)
    connection = await asyncpg.connect(url)
    try:
        await _fill(connection, scale)
        await connection.execute(_PLAIN)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    await reindex(url, grace_s=0)


# What search is compared with: the same titles and words by PostgreSQL's own means.
_PLAIN = """
CREATE TABLE plain_document AS SELECT id, name, description,
    setweight(to_tsvector('english', name), 'A') || to_tsvector('english', description) AS words
FROM title;
CREATE INDEX ON plain_document USING gin (words);
"""


def vocabulary() -> list[str]:
    """Words by falling frequency; the real ones stand at even distances among the first 5,000."""
    dice = random.Random(SEED)
    made: dict[str, None] = {}
    while len(made) < WORDS:
        made["".join(dice.choice(_SYLLABLES) for _ in range(dice.randint(2, 4)))] = None
    words = list(made)
    for number, word in enumerate(REAL):
        words[number * 3 if number < 40 else 120 + (number - 40) * 30] = word
    return words


async def _fill(connection: asyncpg.Connection, scale: float) -> None:
    dice = random.Random(SEED)
    words = vocabulary()
    sums = list(accumulate(1 / (rank + 10) for rank in range(len(words))))

    def some(count: int) -> list[str]:
        return dice.choices(words, cum_weights=sums, k=count)

    def ids(count: int) -> list[UUID]:
        return [UUID(int=dice.getrandbits(128), version=4) for _ in range(count)]

    async def copy(table: str, columns: str, rows: list[tuple[object, ...]]) -> None:
        await connection.copy_records_to_table(table, records=rows, columns=columns.split())

    genres, platforms = ids(len(GENRES)), ids(len(PLATFORMS))
    titles, people = ids(int(TITLES * scale)), ids(int(PEOPLE * scale))
    named = [(id, *_title(dice, words, some)) for id in titles]
    await copy("genre", "id slug name", [*zip(genres, GENRES, map(str.title, GENRES), strict=True)])
    await copy("platform", "id slug name", [*zip(platforms, PLATFORMS, PLATFORMS, strict=True)])
    await copy(
        "title",
        "id name sort_name year description popularity kind",
        [(*n, "MOVIE") for n in named],
    )
    await copy("person", "id name", [(id, " ".join(some(2)).title()) for id in people])
    await copy(
        "title_genre", "title_id genre_id", [(t, g) for t in titles for g in dice.sample(genres, 2)]
    )
    await copy(
        "credit",
        "title_id position person_id role",
        [(t, n, p, "ACTOR") for t in titles for n, p in enumerate(dice.sample(people, 3))],
    )
    await _offer(connection, dice, titles, platforms)


def _title(dice: random.Random, words: list[str], some: object) -> tuple[object, ...]:
    """Name, its key for sorting, year, text, popularity."""
    name = " ".join(dice.choices(words[:6_000], k=dice.randint(2, 4))).title()
    if dice.random() < 0.3:
        name = f"The {name}"
    text = " ".join(some(TEXT_WORDS))  # type: ignore[operator]
    return name, name.lower()[:40], dice.randint(1930, 2025), text, int(dice.expovariate(0.01))


async def _offer(
    connection: asyncpg.Connection, dice: random.Random, titles: list[UUID], platforms: list[UUID]
) -> None:
    rows = {
        (title, dice.choice(platforms), dice.choice(REGIONS), dice.choice(TIERS))
        for title in titles[::3]
        for _ in range(3)
    }
    await connection.execute("CREATE TEMP TABLE offer (t uuid, p uuid, r text, k text)")
    await connection.copy_records_to_table("offer", records=sorted(rows, key=str))
    await connection.execute(
        "INSERT INTO availability (id, title_id, platform_id, region, tier, source,"
        " last_verified_at) SELECT gen_random_uuid(), t, p, r, k, 'MANUAL', now() FROM offer"
    )
