"""An index to search, and what can be put into it."""

import pytest

from tests.services.search.index_world import IndexWorld


@pytest.fixture
async def world(settings):
    made = IndexWorld(settings.database_url.get_secret_value())
    await made.begin()
    yield made
    await made.db.close()
