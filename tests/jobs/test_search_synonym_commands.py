"""`mela search synonyms` at a terminal: what is shown, and the exit code."""

import io
from contextlib import contextmanager

import pytest
from rich.console import Console
from typer.testing import CliRunner

from core.settings import Settings
from jobs.search_synonym_commands import synonym_commands


@pytest.fixture
def mela(database_url):
    """`mela(args…)`: the exit code and what was shown."""

    @contextmanager
    def servers(folder):
        yield Settings(profile="test", database_url=database_url), None

    def run(*arguments):
        screen = io.StringIO()
        commands = synonym_commands(servers, Console(file=screen, width=120))
        result = CliRunner().invoke(commands, list(map(str, arguments)))
        return result.exit_code, " ".join(screen.getvalue().split())

    return run


def test_synonyms_are_imported_listed_and_removed(mela, tmp_path):
    path = tmp_path / "synonyms.txt"
    path.write_text("# of crafts\nclay: earthenware, terracotta\nrug: carpet\n")
    assert mela("import", path) == (0, "2 terms, 2 of them new or changed")
    assert mela("import", path) == (0, "2 terms, 0 of them new or changed")
    assert mela("list") == (0, "clay earthenware, terracotta rug carpet")
    assert "science fiction" in mela("list", "--own")[1]
    assert mela("remove", "rug", "unknown") == (0, "1 of 2 terms removed")
    assert mela("list") == (0, "clay earthenware, terracotta")


def test_a_file_with_a_wrong_line_sets_nothing(mela, tmp_path):
    path = tmp_path / "synonyms.txt"
    path.write_text("clay: earthenware\nno colon\n")
    code, shown = mela("import", path)
    assert code == 1
    assert shown == "mela: line 2: not of the form term: meaning, meaning"
    assert mela("list") == (0, "")
    path.write_bytes(b"\xff\xfe")
    assert mela("import", path) == (1, "mela: the file is not UTF-8")
