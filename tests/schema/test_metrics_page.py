"""`/metrics` of a whole application: what was gathered is on the page, with jobs or without."""

import asyncio

import pytest

from core.metrics import set_gathered

NAME = "mela_auctions_overdue"


@pytest.fixture
def said_before():
    """As another database had it, before the application starts: this one has no such lots."""
    set_gathered([(NAME, 12_345.0, ())])


async def test_the_application_gathers_the_health_of_its_database(said_before, client, settings):
    assert not settings.jobs
    async with asyncio.timeout(20):
        while f"\n{NAME} 0.0\n" not in (await client.get("/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
