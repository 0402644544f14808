"""What a person at a terminal is shown of a replay and of a seeded world."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from core.settings import Settings
from jobs.console import print_seed_summary, replay_ebay, seed_progress
from services.seed.world import seed_world

THREE = Path(__file__).parents[1] / "services" / "fixtures" / "three-auctions.csv"


def terminal() -> Console:
    return Console(file=io.StringIO(), width=150, force_terminal=False)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def run(url: str, file: Path, speed: str, console: Console, limit: int | None = None):
    settings = Settings(profile="test", database_url=url)
    return await replay_ebay(
        settings, file, speed=speed, headroom=False, limit=limit, console=console
    )


async def test_a_replay_ends_with_the_share_and_the_reasons(database_url):
    console = terminal()
    report = await run(database_url, THREE, "max", console)
    assert report.at_recorded_price == 2
    text = shown(console)
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


async def test_a_live_replay_brings_its_own_jobs(database_url):
    console = terminal()
    report = await run(database_url, THREE, "40000", console, limit=1)
    assert (report.at_recorded_price, report.closed_late) == (1, 0)
    assert "closed at the recorded price  1 of 1 (100.0%)" in shown(console)
    assert "Closed elsewhere" not in shown(console)


@pytest.mark.parametrize(
    ("content", "speed", "message"),
    [
        ("auctionid,bid\n", "max", "a.csv, line 1: missing columns: bidtime"),
        (None, "fast", "the speed is max or a number, not 'fast'"),
        (None, "0.1", "the speed must be from 1 to 100,000, or max"),
    ],
)
async def test_a_bad_file_or_speed_is_said_in_a_line(
    database_url, tmp_path, content, speed, message
):
    file = THREE
    if content is not None:
        file = tmp_path / "a.csv"
        file.write_text(content)
    console = terminal()
    with pytest.raises(SystemExit) as end:
        await run(database_url, file, speed, console)
    assert end.value.code == 1
    assert f"mela: {message}" in shown(console)


async def test_a_seeded_world_is_summed_up(database_url):
    console = terminal()
    with seed_progress(console) as tell:
        summary = await seed_world(
            database_url, scale=0.02, seed=1, password_hash="!", progress=tell
        )
    print_seed_summary(console, summary)
    text = shown(console)
    assert "people    100, following" in text
    assert "stalls    10 with 60 products" in text
    assert "auctions  40 (" in text
    assert f"bids      {summary.bids:,}" in text
    assert "100/100" in text
