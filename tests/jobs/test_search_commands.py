"""`mela search` at a terminal: the index built anew and looked at, and the exit codes."""

import asyncio
import io
import time
from contextlib import contextmanager

import asyncpg
import pytest
from rich.console import Console
from typer.testing import CliRunner

from core.settings import Settings
from jobs.search_commands import search_commands
from services.search.reindexing import _TRY_LOCK
from tests.conftest import execute


@pytest.fixture
def mela(database_url):
    """`mela(args…)`: the exit code and what was shown."""

    @contextmanager
    def servers(folder):
        yield Settings(profile="test", database_url=database_url), None

    def run(*arguments: str) -> tuple[int, str]:
        screen = io.StringIO()
        commands = search_commands(servers, Console(file=screen, width=120), grace_s=0)
        result = CliRunner().invoke(commands, list(arguments))
        return result.exit_code, " ".join(screen.getvalue().split())

    return run


def test_the_index_is_built_anew_and_shown(mela, database_url):
    code, shown = mela("status")
    assert (code, shown.split(" behind")[0]) == (
        0,
        "generation 0, in slot 0 built fed by events alone documents 0",
    )
    execute(
        database_url,
        "INSERT INTO person (id, name) VALUES (gen_random_uuid(), 'Amara Venn'),"
        " (gen_random_uuid(), 'Teo Brask')",
    )
    code, shown = mela("reindex")
    assert code == 0
    assert "generation 1: 2 documents in" in shown
    code, shown = mela("status")
    assert shown.startswith("generation 1, in slot 1 built 20")
    assert "documents 2 2 person behind 0 events" in shown


def test_a_second_build_is_refused(mela, database_url):
    execute(
        database_url,
        "UPDATE search_slot SET state = 'BUILDING', begun_at = now(),"
        " builds_until = now() + interval '1 minute' WHERE slot = 1",
    )
    with asyncio.Runner() as builder:
        connection = builder.run(asyncpg.connect(database_url))
        builder.run(connection.execute(_TRY_LOCK.text))
        assert mela("reindex") == (1, "mela: the index is being built already")
        assert "next being built since" in mela("status")[1]
        # As when its process was killed: nobody says that it is gone.
        connection.terminate()
        builder.run(asyncio.sleep(0))
    deadline = time.monotonic() + 10
    while mela("reindex")[0]:
        assert time.monotonic() < deadline, "not given up"
    assert mela("status")[1].startswith("generation 1, in slot 1 built 20")
