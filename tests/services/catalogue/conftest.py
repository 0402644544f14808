"""A database with a catalogue, people, and ways to change both by the services."""

import gzip
import itertools

import asyncpg
import orjson
import pytest
from sqlalchemy import text

from core.ids import new_id
from services.content.importing import import_titles
from services.content.platforms import PlatformDetails, upsert_platform

TABLES = (
    "title person credit genre title_genre platform availability rating rating_stats review"
    " watchlist_item view_record user_preference title_trend event"
)


@pytest.fixture
def snapshot(database_url):
    """`await snapshot()`: every row of the catalogue with the transaction that wrote it."""

    async def read():
        connection = await asyncpg.connect(database_url)
        try:
            return {
                table: sorted(
                    map(
                        tuple,
                        await connection.fetch(f"SELECT t.xmin::text, t::text FROM {table} t"),
                    )
                )
                for table in TABLES.split()
            }
        finally:
            await connection.close()

    return read


@pytest.fixture
def write_file(tmp_path):
    """`write_file([…], "json")`: a path; also "jsonl", "csv" (lines), "gz" (JSON lines)."""

    def write(content, form="json"):
        path = tmp_path / f"titles-{new_id().hex}.{form}"
        lines = b"\n".join(orjson.dumps(one) for one in content) if form != "csv" else b""
        path.write_bytes(
            {
                "json": lambda: orjson.dumps(content),
                "jsonl": lambda: lines,
                "gz": lambda: gzip.compress(lines),
                "csv": lambda: "\n".join(content).encode(),
            }[form]()
        )
        return path

    return write


@pytest.fixture
def load(database_url, write_file):
    """`await load([…], "json")`: the report of importing these records."""

    async def run(content, form="json", **options):
        path = write_file(content, form) if isinstance(content, list) else content
        return await import_titles(database_url, path, **options)

    return run


@pytest.fixture
def make_user(db):
    """`await make_user(region=None)`: the id of a new account."""
    numbers = itertools.count(1)

    async def make(region=None):
        user_id, name = new_id(), f"user_{next(numbers)}"

        async def work(tx):
            await tx.execute(
                text(
                    "INSERT INTO user_account (id, email, username, password_hash, display_name)"
                    " VALUES (:id, :email, :name, '-', :name)"
                ),
                {"id": user_id, "email": f"{name}@mela.test", "name": name},
            )
            await tx.execute(
                text("INSERT INTO profile (user_id, region) VALUES (:id, :region)"),
                {"id": user_id, "region": region},
            )

        await db.transaction(work)
        return user_id

    return make


@pytest.fixture
def titles(load, sql):
    """`await titles(3)`: the ids of new titles, `Title 1` … of 2001 …, in this order."""
    numbers = itertools.count(1)

    async def make(count=1, **fields):
        names = [f"Title {next(numbers)}" for _ in range(count)]
        records = [{"title": name, "year": 2000 + int(name.split()[1]), **fields} for name in names]
        assert (await load(records)).added == count
        found = await sql("SELECT name, id FROM title WHERE name = ANY(:names)", names=names)
        ids = {row.name: row.id for row in found}
        return [ids[name] for name in names]

    return make


@pytest.fixture
def platform(do):
    """`await platform("moon")`: its id."""

    async def make(slug="moon"):
        return await do(upsert_platform, details=PlatformDetails(slug, slug.title()))

    return make
