"""Titles, platforms and offers for the schema's tests."""

import itertools
from functools import partial

import orjson
import pytest

from core.ids import encode_id
from services.content.availability import apply_reports
from services.content.importing import import_titles
from services.content.offers import OfferReport
from services.content.platforms import PlatformDetails, upsert_platform


@pytest.fixture
def add_titles(settings, sql, tmp_path):
    """`await add_titles({"title": …}, …)`: their keys, in this order."""
    files = itertools.count(1)

    async def add(*records):
        path = tmp_path / f"titles-{next(files)}.json"
        path.write_bytes(orjson.dumps(records))
        report = await import_titles(settings.database_url.get_secret_value(), path)
        assert (report.added, report.rejected) == (len(records), 0)
        rows = await sql("SELECT name, id FROM title")
        ids = {row.name: row.id for row in rows}
        return [ids[record["title"]] for record in records]

    return add


@pytest.fixture
def add_platform(server):
    """`await add_platform("mooncast")`: its key."""

    async def add(slug, **fields):
        details = PlatformDetails(slug, slug.title(), **fields)
        return await server.db.transaction(partial(upsert_platform, details=details))

    return add


@pytest.fixture
def report(server):
    """`await report(title, platform, region, tier, …)`: what changed."""

    async def say(title_id, platform_id, region="FR", tier="SUBSCRIPTION", **fields):
        given = OfferReport(title_id, platform_id, region, tier, **fields)
        return await server.db.transaction(partial(apply_reports, reports=[given], source="POLL"))

    return say


@pytest.fixture
def ttl():
    """The public id of a title."""
    return partial(encode_id, "ttl")


@pytest.fixture
def plt():
    """The public id of a platform."""
    return partial(encode_id, "plt")
