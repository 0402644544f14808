"""Data that tests take from beside the repository, where it is: MELA_TEST_DATA names another
folder. Tests skip without what they need of it."""

import asyncio
import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("MELA_TEST_DATA", ROOT.parent / "shared" / "data"))
REAL_AUCTIONS = DATA / "auctions" / "ebay-palm-pilot.csv.gz"
NAUGHTY = 515
"""Naughty strings in their list."""
AT_ONCE = 4


def naughty_strings() -> list[str]:
    """Strings that break software (blns.json)."""
    path = DATA / "strings" / "blns.json"
    if not path.is_file():
        pytest.skip("the list of naughty strings (blns.json) is not beside the repository")
    found: list[str] = json.loads(path.read_text(encoding="utf-8"))
    assert len(found) == NAUGHTY
    return found


async def at_once(work, items):
    """`await work(number, item)` for each, a few at a time; the answers in order."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number, item):
        async with slots:
            return await work(number, item)

    async with asyncio.TaskGroup() as group:  # the first failure ends the others
        tasks = [group.create_task(one(n, item)) for n, item in enumerate(items)]
    return [task.result() for task in tasks]
