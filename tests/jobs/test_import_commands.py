"""`mela import titles` at a terminal: what is shown, what is written, and the exit code."""

import io
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from rich.console import Console
from typer.testing import CliRunner

from core.settings import Settings
from jobs.import_commands import import_commands

GOOD = {"title": "Kiln", "year": 2021, "cast": ["Ada Quist"], "genres": ["Drama"]}


@pytest.fixture
def mela(database_url):
    """`mela(args…)`: the exit code and what was shown."""

    @contextmanager
    def servers(folder):
        yield Settings(profile="test", database_url=database_url), None

    def run(*arguments: object) -> tuple[int, str]:
        screen = io.StringIO()
        commands = import_commands(servers, Console(file=screen, width=120))
        result = CliRunner().invoke(commands, ["titles", *map(str, arguments)])
        return result.exit_code, " ".join(screen.getvalue().split())

    return run


def written(path: Path, content: object) -> Path:
    path.write_bytes(orjson.dumps(content))
    return path


def test_a_file_is_imported_and_again_changes_nothing(mela, tmp_path):
    file = written(tmp_path / "titles.json", [GOOD])
    code, shown = mela(file)
    assert code == 0
    assert "titles added 1 " in shown
    assert "people, credits 1 and 1 added" in shown
    code, shown = mela(file)
    assert code == 0
    assert "titles added 0 " in shown
    assert "unchanged 1 " in shown


def test_rejected_rows_are_shown_written_and_said_by_the_exit_code(mela, tmp_path):
    rows = [GOOD, {"title": 5}, *({"year": 2000} for _ in range(30))]
    rejected = tmp_path / "rejected.csv"
    code, shown = mela(written(tmp_path / "titles.json", rows), "--rejected", rejected)
    assert code == 1
    assert "titles added 1 " in shown
    assert "row 2: title: not text" in shown
    assert "row 3: title: missing" in shown
    assert "… and 11 more" in shown
    lines = rejected.read_text().splitlines()
    assert lines[:3] == ["row,reason", "2,title: not text", "3,title: missing"]
    assert len(lines) == 32


def test_a_file_that_breaks_off_says_so(mela, tmp_path):
    file = tmp_path / "titles.json"
    file.write_bytes(orjson.dumps([GOOD])[:-1])
    code, shown = mela(file)
    assert code == 1
    assert "not read to the end: row 2: the array is broken off" in shown


def test_no_file_is_a_refusal(mela, tmp_path):
    code, _ = mela(tmp_path / "nothing.json")
    assert code == 2
