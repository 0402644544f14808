"""What a person at a terminal is shown of a replay and of a seeded world."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from jobs.console import progress_bars, replay_shown, seed_shown
from services.auctions.recorded import read_recorded
from services.auctions.replay import ReplayReport, replay_at_once
from services.seed.world import seed_world

ROOT = Path(__file__).resolve().parents[2]
THREE = ROOT / "tests" / "services" / "fixtures" / "three-auctions.csv"


def terminal() -> Console:
    return Console(file=io.StringIO(), width=150, force_terminal=False)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def replayed(url: str, limit: int | None = None) -> tuple[ReplayReport, str]:
    console = terminal()
    with progress_bars(console) as tell:
        report = await replay_at_once(url, read_recorded(THREE)[:limit], progress=tell)
    console.print(replay_shown(report))
    return report, shown(console)


async def test_a_replay_ends_with_the_share_and_the_reasons(database_url):
    report, text = await replayed(database_url)
    assert report.at_recorded_price == 2
    assert "closed at the recorded price  2 of 3 (66.7%)" in text
    assert "as the rules in memory say    3 of 3" in text
    assert "bids placed                   6" in text
    assert "bids refused                  1 (BID_TOO_LOW 1)" in text
    [line] = [line for line in text.splitlines() if "2003" in line]
    assert "40.00" in line
    assert "31.00" in line
    assert "the best rival's 30.00 USD plus the increment: a reserve lifted it" in line
    assert "7/7" in text
    assert "3/3" in text


async def test_of_lots_that_all_closed_as_recorded_no_other_is_told(database_url):
    report, text = await replayed(database_url, limit=1)
    assert report.at_recorded_price == 1
    assert "closed at the recorded price  1 of 1 (100.0%)" in text
    assert "Closed elsewhere" not in text


@pytest.mark.parametrize(
    ("speed", "message"),
    [
        ("max", "a.csv, line 1: missing columns: bidtime"),
        ("fast", "--speed must be max or a number from 1 to 100,000, not fast"),
        ("0.1", "--speed must be max or a number from 1 to 100,000, not 0.1"),
    ],
)
async def test_a_bad_file_or_speed_is_said_in_a_line(tmp_path, speed, message):
    file = tmp_path / "a.csv"
    file.write_text("auctionid,bid\n")
    command = ["-c", "from cli import main; main()", "replay", "ebay", str(file), "--speed", speed]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, "--state-dir", str(tmp_path / "state")),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert (process.returncode, said.decode().count("\n")) == (1, 1)
    assert said.decode().startswith(f"mela: {message}")


async def test_a_seeded_world_is_summed_up(database_url):
    console = terminal()
    with progress_bars(console) as tell:
        summary = await seed_world(
            database_url, scale=0.02, seed=1, password_hash="!", progress=tell
        )
    console.print(seed_shown(summary))
    text = shown(console)
    assert "people    100, following" in text
    assert "stalls    10 with 60 products" in text
    assert "auctions  40 (" in text
    assert f"bids      {summary.bids:,}" in text
    assert "100/100" in text
