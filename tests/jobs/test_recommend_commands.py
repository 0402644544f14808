"""`mela recommend` at a terminal: what is shown, and the exit code."""

import io
from contextlib import contextmanager

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from core.settings import Settings
from jobs.recommend_commands import recommend_commands


@pytest.fixture
def mela(database_url):
    """`mela(args…)`: the exit code and what was shown."""

    @contextmanager
    def servers(folder):
        yield Settings(profile="test", database_url=database_url), None

    def run(*arguments: object) -> tuple[int, str]:
        screen = io.StringIO()
        commands = recommend_commands(servers, Console(file=screen, width=120))
        result = CliRunner().invoke(commands, list(map(str, arguments)))
        return result.exit_code, " ".join(screen.getvalue().split())

    return run


@pytest.fixture
def ratings(tmp_path):
    """Forty people of two tastes who disagree, and a title that everybody has seen."""
    random = np.random.default_rng(3)
    path = tmp_path / "ratings.csv"
    lines = ["user,title,rating,timestamp"]
    for person in range(40):
        mine = [f"{person % 2}-{n}" for n in random.permutation(30)[:15]]
        lines += [f"u{person},{title},5,{time}" for time, title in enumerate(mine)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_both_ways_to_rank_are_shown(mela, ratings):
    code, shown = mela("evaluate", ratings)
    assert code == 0
    assert "40 viewers, 60 titles, 600 ratings" in shown
    assert "HR@10" in shown
    assert "nDCG@10" in shown
    assert "popularity │ 0." in shown
    assert "ours │ 0." in shown
    assert "100%" in shown


def test_too_small_a_gain_is_an_exit_code(mela, ratings):
    assert mela("evaluate", ratings, "--at-least", "1")[0] == 0
    code, shown = mela("evaluate", ratings, "--at-least", "1000")
    assert code == 1
    assert "times popularity" in shown


def test_a_file_that_cannot_be_used_is_one_line(mela, tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("user,title,rating,timestamp\nada,Kiln,5,now\n")
    code, shown = mela("evaluate", path)
    assert code == 1
    assert shown.endswith("mela: ratings.csv: row 2: not a user, a title, a rating and a time")
    assert mela("evaluate", tmp_path / "nothing.csv")[0] == 2


def test_nobody_who_likes_anything_is_no_trial(mela, tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("user,title,rating,timestamp\nada,Kiln,5,1\nada,Kiln,1,2\nbo,Salt,2,1\n")
    code, shown = mela("evaluate", path)
    assert code == 1
    assert "0 viewers, 2 titles, 2 ratings" in shown


def test_refresh_says_what_it_did(mela):
    assert mela("refresh") == (0, "0 titles, 0 of them with other neighbours than before")
    assert mela("refresh") == (0, "nothing to do: another run is on, or nothing changed")
    assert mela("refresh", "--again")[0] == 0
