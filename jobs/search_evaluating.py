"""Runs test collections and known items through search as servers run it: a database of its own on
the same server, made for it and dropped, the catalogue and index filled as ever."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from sqlalchemy import text
from sqlalchemy.engine import make_url

from core.database import Database, PoolSettings, plain_url
from core.ids import new_id
from core.jsontext import to_json
from core.migrations import upgrade
from core.ports import Embedder
from core.settings import Settings
from jobs.search_vectors import encode
from services.content.importing import import_titles
from services.search.contract import Mode, SearchFilters, SearchQuery
from services.search.encoding import Encoder
from services.search.engine import SearchEngine, make_engine
from services.search.evaluating import DEPTH, Collection, Measures, bm25_rankings, measure
from services.search.known_items import Outcome, sentence_cases, try_cases, typo_cases
from services.search.reindexing import reindex

Tell = Callable[[str], None]

_FILL = text(
    """
    INSERT INTO title (id, kind, name, sort_name, description)
    SELECT d.id, 'DOCUMENTARY',
        left(coalesce(nullif(btrim(d.title), ''), nullif(left(d.text, 60), ''), '-'), 500),
        'document', left(d.text, 10000)
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS d(id uuid, title text, text text)
    """
)
_NAMES = text("SELECT id, name FROM title WHERE id = ANY(CAST(:ids AS uuid[]))")


@asynccontextmanager
async def scratch_database(database_url: str) -> AsyncIterator[str]:
    """An empty database with all tables, gone afterwards. Its user must be able to create some."""
    name = f"mela_evaluate_{new_id().hex}"
    owner = await asyncpg.connect(plain_url(database_url))
    try:
        await owner.execute(f'CREATE DATABASE "{name}"')
        url = make_url(database_url).set(database=name).render_as_string(hide_password=False)
        try:
            await upgrade(url)
            yield url
        finally:
            await owner.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await owner.close()


async def evaluate(
    settings: Settings,
    database_url: str,
    collection: Collection,
    *,
    embedder: Embedder | None = None,
    tell: Tell = lambda step: None,
) -> dict[str, Measures]:
    """The measures of each retriever and of the fusion, and of bm25s where it is installed, over
    one collection in one run."""
    found: dict[str, Measures] = {}
    try:
        found["BM25 (bm25s)"] = measure(bm25_rankings(collection), collection)
    except ImportError:
        tell("bm25s is not installed: without its figure")
    async with scratch_database(database_url) as url:
        tell(f"indexing {len(collection.documents):,} documents")
        ids = await fill(url, collection)
        async with searching(settings, url, embedder) as engine:
            for name, mode in _modes(embedder):
                tell(f"{len(collection.queries):,} queries: {name}")
                rankings = await run_queries(engine, collection, ids, mode=mode)
                found[name] = measure(rankings, collection)
    return found


async def fill(database_url: str, collection: Collection) -> Mapping[Any, str]:
    """The collection's documents as titles of an empty database, indexed; their ids by key."""
    ids = {new_id(): document.id for document in collection.documents}
    rows = [
        {"id": key, "title": d.title, "text": d.text}
        for key, d in zip(ids, collection.documents, strict=True)
    ]
    db = Database(database_url, pool=PoolSettings(statement_timeout_s=60, slow_statement_s=60))
    try:
        await db.transaction(lambda tx: tx.execute(_FILL, {"rows": to_json(rows)}))
    finally:
        await db.close()
    await reindex(database_url, grace_s=0)
    return ids


@asynccontextmanager
async def searching(
    settings: Settings, database_url: str, embedder: Embedder | None = None
) -> AsyncIterator[SearchEngine]:
    """Search over a database as a server does it."""
    db = Database(database_url, pool=PoolSettings(slow_statement_s=60))
    encoder = Encoder(embedder, capacity=settings.encode_queue_size)
    try:
        if embedder is not None:
            await encode(db, embedder)
        yield make_engine(settings, db, encoder)
    finally:
        await db.close()


async def run_queries(
    engine: SearchEngine, collection: Collection, ids: Mapping[Any, str], *, mode: Mode
) -> dict[str, list[str]]:
    """The ranking of each query, `DEPTH` places deep. Queries are taken by their words alone: of
    what other collections hold, the catalogue's dictionaries know nothing."""
    found = {}
    for key, words in collection.queries.items():
        asked = SearchQuery(words[:500], first=DEPTH, mode=mode, understand=False, highlights=False)
        page = await engine.search(asked)
        found[key] = [ids[hit.entity_id] for hit in page.hits]
    return found


def _modes(embedder: Embedder | None) -> list[tuple[str, Mode]]:
    modes: list[tuple[str, Mode]] = [("lexical", "LEXICAL"), ("fuzzy", "FUZZY")]
    if embedder is not None:
        modes.append(("semantic", "SEMANTIC"))
    return [*modes, ("fusion", "ALL")]


def read_films(path: Path) -> list[Mapping[str, Any]]:
    """Films of a file of JSON lines (`title`, `extract` …), also .gz."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        return [orjson.loads(line) for line in lines if line.strip()]


async def try_known_items(
    settings: Settings,
    database_url: str,
    path: Path,
    *,
    cases: int,
    seed: int,
    tell: Tell = lambda step: None,
) -> dict[str, Outcome]:
    """Titles with one or two typos, and sentences of what is told of a film: how many find it
    first, of so many cases each, drawn by the seed from all films of a file."""
    films = read_films(path)
    async with scratch_database(database_url) as url:
        tell(f"importing {len(films):,} films")
        await import_titles(url, path)
        tell("indexing")
        await reindex(url, grace_s=0)
        async with searching(settings, url) as engine:
            tell(f"{cases:,} titles with typos")
            typos = await try_films(engine, typo_cases(films, count=cases, seed=seed))
            tell(f"{cases:,} sentences")
            sentences = await try_films(engine, sentence_cases(films, count=cases, seed=seed))
    return {"title with 1 or 2 typos": typos, "sentence of the extract": sentences}


async def try_films(engine: SearchEngine, cases: Sequence[Any]) -> Outcome:
    """Each case typed as people do, among titles."""

    async def first(words: str) -> str | None:
        asked = SearchQuery(
            words, filters=SearchFilters(kinds=("TITLE",)), first=1, highlights=False
        )
        page = await engine.search(asked)
        if not page.hits:
            return None
        async with engine.db.read() as session:
            rows = await session.execute(_NAMES, {"ids": [page.hits[0].entity_id]})
            return str(rows.one().name)

    return await try_cases(cases, first)
