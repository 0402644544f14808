"""Titles from a file into the catalogue: batches go by COPY into staging tables, and from there by
statements over whole sets. An import adds what is missing and overwrites nothing, so that the same
file again writes no row, and what people corrected by hand stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text

from core.database import Database, PoolSettings, Transaction
from core.events import NewEvent
from core.ids import new_id
from services.content.drafts import RowRefused, TitleDraft, draft_of, sort_name_of
from services.content.records import ImportFailed, Record, Source, open_source, records

BATCH = 5_000
"""Titles in one transaction: what memory and locks are bounded by."""
REJECTED_MAX = 10_000
"""Rejected rows that are named; more are counted only."""
CATALOGUE_TOPIC = "catalogue"

Progress = Callable[[int, int, int], None]
"""Told of the records read, the bytes read, and the bytes there are."""


class Rejected(NamedTuple):
    """A record that was not imported: its number in the file, from 1, and why."""

    row: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What an import did. `completed` are titles that were there and lacked something; `failure`
    says why the file could not be read to its end: what came before is in."""

    read: int = 0
    added: int = 0
    completed: int = 0
    unchanged: int = 0
    rejected: int = 0
    people: int = 0
    credits: int = 0
    genres: int = 0
    took_s: float = 0.0
    named: list[Rejected] = field(default_factory=list)
    failure: str | None = None

    @property
    def written(self) -> int:
        """Titles that were added or completed: 0 where the file brought nothing new."""
        return self.added + self.completed

    @property
    def titles_per_s(self) -> float:
        """How many records were read a second."""
        return self.read / self.took_s if self.took_s else 0.0

    def take(self, size: int, done: BatchDone) -> None:
        """Add what became of a batch of `size` titles."""
        self.added += done.titles
        self.completed += done.completed
        self.unchanged += size - done.titles - done.completed
        self.people += done.people
        self.credits += done.credits
        self.genres += done.genres

    def reject(self, row: int, reason: str) -> None:
        """Count a record that is not taken, and name it while there is room."""
        self.rejected += 1
        if len(self.named) < REJECTED_MAX:
            self.named.append(Rejected(row, reason))


async def import_titles(
    database_url: str, path: Path, *, progress: Progress | None = None
) -> ImportReport:
    """Import a file, a batch a transaction. Imports that run at once take turns. Raises
    `ImportFailed` for a file that cannot be opened."""
    pool = PoolSettings(maximum=1, statement_timeout_s=300, slow_statement_s=60)
    db = Database(database_url, pool=pool)
    began = time.perf_counter()
    report = ImportReport()
    try:
        source = open_source(path)
        with closing(source.raw):
            await _import(db, source, report, progress or (lambda read, done, size: None))
    finally:
        report.took_s = time.perf_counter() - began
        await db.close()
    return report


async def _import(db: Database, source: Source, report: ImportReport, tell: Progress) -> None:
    numbered = _drafts(records(source), report)
    batch = await _next(numbered)
    while batch:
        # The next batch is read while the database works on this one.
        reading = asyncio.create_task(_next(numbered))
        try:
            done = await db.transaction(partial(take_batch, batch=batch))
        finally:
            await asyncio.wait({reading})
        report.take(len(batch), done)
        tell(report.read, source.position, source.size)
        batch = await reading
    if report.written:
        await db.transaction(lambda tx: tx.execute(_ANALYSE_CATALOGUE))


async def _next(numbered: Iterator[tuple[int, TitleDraft]]) -> list[tuple[int, TitleDraft]]:
    return await asyncio.to_thread(lambda: list(islice(numbered, BATCH)))


def _drafts(found: Iterable[Record], report: ImportReport) -> Iterator[tuple[int, TitleDraft]]:
    try:
        for record in found:
            report.read += 1
            if record.fault is not None:
                report.reject(record.row, record.fault)
                continue
            try:
                draft = draft_of(record.value)
            except RowRefused as refusal:
                report.reject(record.row, str(refusal))
            else:
                yield record.row, draft
    except ImportFailed as failure:
        report.failure = str(failure)


class BatchDone(NamedTuple):
    """Rows that a batch wrote."""

    titles: int
    completed: int
    people: int
    credits: int
    genres: int


_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('mela.import', 0))")
_STAGING = (
    text(
        """
        CREATE TEMP TABLE IF NOT EXISTS import_title (
            row_number int, id uuid, title_id uuid, kind text, name text, sort_name text,
            original_name text, description text,
            year smallint, released_on date, runtime_minutes int, maturity smallint,
            languages text[], countries text[], imdb_id text, tmdb_id text, wikidata_id text,
            fingerprint bytea
        ) ON COMMIT DELETE ROWS
        """
    ),
    text(
        """
        CREATE TEMP TABLE IF NOT EXISTS import_credit (
            row_number int, position smallint, role text, person text, character text
        ) ON COMMIT DELETE ROWS
        """
    ),
    text(
        """
        CREATE TEMP TABLE IF NOT EXISTS import_person (id uuid, name_key text, name text)
        ON COMMIT DELETE ROWS
        """
    ),
    text(
        """
        CREATE TEMP TABLE IF NOT EXISTS import_genre (row_number int, slug text)
        ON COMMIT DELETE ROWS
        """
    ),
    text(
        """
        CREATE TEMP TABLE IF NOT EXISTS import_genre_name (id uuid, slug text, name text)
        ON COMMIT DELETE ROWS
        """
    ),
)
# The planner knows nothing of what has just been copied, or of tables that have just been filled.
_ANALYSE = text("ANALYZE import_title, import_credit")
_ANALYSE_CATALOGUE = text("ANALYZE title, person, credit, genre, title_genre")
_DRAFT_COLUMNS = tuple(name for name in TitleDraft._fields if name not in ("credits", "genres"))
_TITLE_COLUMNS = ("id", "sort_name", *_DRAFT_COLUMNS)

# A number of another catalogue names a title more surely than its words do.
_FOUND = """
    SELECT s.row_number, coalesce(
        (SELECT t.id FROM title AS t WHERE t.imdb_id = s.imdb_id),
        (SELECT t.id FROM title AS t WHERE t.wikidata_id = s.wikidata_id),
        (SELECT t.id FROM title AS t WHERE t.tmdb_id = s.tmdb_id AND t.kind = s.kind),
        (SELECT t.id FROM title AS t WHERE t.fingerprint = s.fingerprint)) AS id
    FROM import_title AS s
"""
_MATCH = text(
    f"""
    UPDATE import_title AS s SET title_id = found.id FROM ({_FOUND}) AS found
    WHERE found.row_number = s.row_number AND found.id IS NOT NULL
    """
)
# In the file's order, so that of two that are one the first is taken.
_ADD_TITLES = text(
    f"""
    INSERT INTO title ({", ".join(_TITLE_COLUMNS)})
    SELECT {", ".join(_TITLE_COLUMNS)} FROM import_title
    WHERE title_id = id ORDER BY row_number
    ON CONFLICT DO NOTHING
    """
)
_REPEATED = text(
    f"""
    UPDATE import_title AS s SET title_id = found.id FROM ({_FOUND}) AS found
    WHERE found.row_number = s.row_number AND s.title_id = s.id AND found.id <> s.id
    """
)
_FIRST = "(SELECT DISTINCT ON (title_id) * FROM import_title ORDER BY title_id, row_number)"
_COMPLETE = text(
    f"""
    UPDATE title AS t SET
        original_name = coalesce(t.original_name, s.original_name),
        description = CASE t.description WHEN '' THEN s.description ELSE t.description END,
        year = coalesce(t.year, s.year),
        released_on = coalesce(t.released_on, s.released_on),
        runtime_minutes = coalesce(t.runtime_minutes, s.runtime_minutes),
        maturity = coalesce(t.maturity, s.maturity),
        languages = CASE t.languages WHEN '{{}}' THEN s.languages ELSE t.languages END,
        countries = CASE t.countries WHEN '{{}}' THEN s.countries ELSE t.countries END,
        updated_at = clock_timestamp()
    FROM {_FIRST} AS s
    WHERE t.id = s.title_id AND t.id <> s.id
      AND coalesce(t.year = s.year OR t.year = extract(year FROM s.released_on), true)
      AND (t.original_name IS NULL AND s.original_name IS NOT NULL
        OR t.description = '' AND s.description <> ''
        OR t.year IS NULL AND s.year IS NOT NULL
        OR t.released_on IS NULL AND s.released_on IS NOT NULL
        OR t.runtime_minutes IS NULL AND s.runtime_minutes IS NOT NULL
        OR t.maturity IS NULL AND s.maturity IS NOT NULL
        OR t.languages = '{{}}' AND s.languages <> '{{}}'
        OR t.countries = '{{}}' AND s.countries <> '{{}}')
    RETURNING t.id
    """
)
_ADD_PEOPLE = text(
    """
    INSERT INTO person (id, name, name_key)
    SELECT s.id, s.name, s.name_key FROM import_person AS s
    WHERE NOT EXISTS (SELECT FROM person AS p WHERE p.name_key = s.name_key)
    ON CONFLICT DO NOTHING
    """
)
# How many rows were added, and which titles had been there before.
_COUNTED = """
    SELECT (SELECT count(*) FROM done), ARRAY(
        SELECT DISTINCT d.title_id FROM done AS d
        WHERE NOT EXISTS (SELECT FROM import_title AS s WHERE s.id = d.title_id))
"""
_ADD_CREDITS = text(
    f"""
    WITH done AS (
        INSERT INTO credit (title_id, position, person_id, role, character)
        SELECT s.title_id, c.position, p.id, c.role, c.character
        FROM {_FIRST} AS s
        JOIN import_credit AS c USING (row_number)
        JOIN person AS p ON p.name_key = c.person
        WHERE NOT EXISTS (SELECT FROM credit AS k WHERE k.title_id = s.title_id)
        RETURNING title_id
    ) {_COUNTED}
    """
)
_ADD_GENRES = text(
    """
    INSERT INTO genre (id, slug, name)
    SELECT s.id, s.slug, s.name FROM import_genre_name AS s
    WHERE NOT EXISTS (SELECT FROM genre AS g WHERE g.slug = s.slug)
    ON CONFLICT DO NOTHING
    """
)
_ADD_TITLE_GENRES = text(
    f"""
    WITH done AS (
        INSERT INTO title_genre (title_id, genre_id)
        SELECT DISTINCT s.title_id, g.id
        FROM import_title AS s
        JOIN import_genre AS i USING (row_number)
        JOIN genre AS g ON g.slug = i.slug
        ON CONFLICT DO NOTHING
        RETURNING title_id
    ) {_COUNTED}
    """
)
_CHANGED = text(
    """
    UPDATE title SET updated_at = clock_timestamp()
    WHERE id = ANY (CAST(:ids AS uuid[]))
    """
)


async def take_batch(tx: Transaction, *, batch: Sequence[tuple[int, TitleDraft]]) -> BatchDone:
    """Add what is missing of numbered titles; `BATCH` of them are meant at most."""
    await tx.execute(_ALONE)
    await _stage(tx, batch)
    await tx.execute(_MATCH)
    titles = await _count(tx, _ADD_TITLES)
    await tx.execute(_REPEATED)
    completed = set((await tx.execute(_COMPLETE)).scalars())
    people = await _count(tx, _ADD_PEOPLE)
    credits, credited = (await tx.execute(_ADD_CREDITS)).one()
    genres = await _count(tx, _ADD_GENRES)
    _, classed = (await tx.execute(_ADD_TITLE_GENRES)).one()
    completed.update(credited, classed)
    if completed:
        # Credits and genres are the title's too: whoever keeps a copy goes by `updated_at`.
        await tx.execute(_CHANGED, {"ids": list(completed)})
    if titles or completed:
        tx.collect(NewEvent(CATALOGUE_TOPIC, "TitlesImported", {"titles": titles}))
    return BatchDone(titles, len(completed), people, credits, genres)


async def _count(tx: Transaction, statement: object) -> int:
    result = await tx.execute(statement)  # type: ignore[call-overload]
    return int(result.rowcount)


async def _stage(tx: Transaction, batch: Sequence[tuple[int, TitleDraft]]) -> None:
    for table in _STAGING:
        await tx.execute(table)
    people: dict[str, str] = {}
    genres: dict[str, str] = {}
    for _, draft in batch:
        for credit in draft.credits:
            people.setdefault(credit.name_key, credit.name)
        for slug, name in draft.genres:
            genres.setdefault(slug, name)
    titles = ((row, id := new_id(), id, *_columns(draft)) for row, draft in batch)
    await _copy(tx, "import_title", ("row_number", "title_id", *_TITLE_COLUMNS), titles)
    credits = (
        (row, position, credit.role, credit.name_key, credit.character)
        for row, draft in batch
        for position, credit in enumerate(draft.credits)
    )
    columns = ("row_number", "position", "role", "person", "character")
    await _copy(tx, "import_credit", columns, credits)
    named = ((new_id(), key, name) for key, name in people.items())
    await _copy(tx, "import_person", ("id", "name_key", "name"), named)
    of_genres = ((row, slug) for row, draft in batch for slug, _ in draft.genres)
    await _copy(tx, "import_genre", ("row_number", "slug"), of_genres)
    slugs = ((new_id(), slug, name) for slug, name in genres.items())
    await _copy(tx, "import_genre_name", ("id", "slug", "name"), slugs)
    await tx.execute(_ANALYSE)


_drawn = attrgetter(*_DRAFT_COLUMNS)


def _columns(draft: TitleDraft) -> tuple[object, ...]:
    return (sort_name_of(draft.name), *_drawn(draft))


async def _copy(
    tx: Transaction, table: str, columns: Sequence[str], rows: Iterable[tuple[object, ...]]
) -> None:
    connection = await (await tx.connection()).get_raw_connection()
    driver = connection.driver_connection
    assert driver is not None
    await driver.copy_records_to_table(table, columns=columns, records=rows)
