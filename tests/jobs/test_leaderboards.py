"""The boards by themselves, and `mela quests rebuild-leaderboards` at a terminal."""

import asyncio
import io
from contextlib import contextmanager

import pytest
from rich.console import Console
from typer.testing import CliRunner

from core.clock import utc_now
from core.database import Database, PoolSettings
from core.settings import Settings
from jobs.leaderboards import run_boards
from jobs.quest_commands import quest_commands
from services.quests.board_store import BoardStore
from services.quests.boards import window_at
from tests.services.quests.impact_world import ImpactWorld

NAME = "ALL_TIME::GLOBAL:"


@pytest.fixture
def settings(database_url, redis_url, redis_prefix):
    return Settings(
        profile="test", database_url=database_url, redis_url=redis_url, bus_prefix=redis_prefix
    )


@pytest.fixture
async def db(database_url):
    made = Database(database_url, pool=PoolSettings(maximum=3))
    yield made
    await made.close()


async def total(store):
    window = window_at("ALL_TIME", utc_now())
    board = await store.read(NAME, window, first=1, viewer_id=None)
    return None if board is None else board.total


async def test_boards_follow_the_entries_and_a_command_makes_them_anew(
    settings, db, redis_url, redis_prefix
):
    world = ImpactWorld(db)
    store = BoardStore(redis_url, prefix=redis_prefix)
    players = await world.players(2)
    quest = await world.quest()
    async with run_boards(settings, db):
        for count, player in enumerate(players, 1):
            await world.gain(player, quest, 5)
            async with asyncio.timeout(10):
                while await total(store) != count:  # noqa: ASYNC110 (another task's)
                    await asyncio.sleep(0.02)
    before = await store.begin()

    @contextmanager
    def servers(folder):
        yield settings, None

    screen = io.StringIO()
    commands = quest_commands(servers, Console(file=screen, width=120))
    result = await asyncio.to_thread(CliRunner().invoke, commands, ["rebuild-leaderboards"])
    assert (result.exit_code, screen.getvalue()) == (
        0,
        "leaderboards rebuilt from 2 impact entries\n",
    )
    assert (await store.begin()).generation != before.generation
    assert await total(store) == 2
    await store.close()
