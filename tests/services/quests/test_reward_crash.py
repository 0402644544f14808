"""Processes that reward the same assignments, killed again and again (SIGKILL) and begun anew: each
is rewarded once, none by half, and what was acknowledged is there."""

import asyncio
import re
import signal
import sys
from pathlib import Path
from uuid import UUID

import pytest

from core.database import Database
from core.signing import ensure_note_keys
from services.quests.auditing import verify_impact
from tests.services.quests.reward_world import SPARK, World

ROOT = Path(__file__).resolve().parents[3]
REWARDER = """
import asyncio, random, sys
from functools import partial
from uuid import UUID
from core.database import Database
from services.quests.rewards import Rewarded, reward

async def go_on(db, assignments):
    while True:
        one = random.choice(assignments)
        found = await db.transaction(partial(reward, assignment_id=one))
        if isinstance(found, Rewarded):
            sys.stdout.write(f"{one.hex} {found.entry_id.hex} {int(found.again)}\\n")
            sys.stdout.flush()
        await asyncio.sleep(random.random() / 20)

async def main():
    db = Database(sys.argv[1])
    assignments = [UUID(hex=one) for one in sys.stdin.read().split()]
    await asyncio.gather(*(go_on(db, assignments) for _ in range(4)))

asyncio.run(main())
"""
LINE = re.compile(rb"^([0-9a-f]{32}) ([0-9a-f]{32}) ([01])\n$")
IN_FLIGHT = """
    SELECT count(*) AS n FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND state <> 'idle' AND application_name = 'mela'
"""
KILLS = 2
PLAYERS, QUESTS = 6, 10


@pytest.fixture
async def world(database_url, tmp_path):
    db = Database(database_url)
    yield World(db, ensure_note_keys(tmp_path))
    await db.close()


async def prepared(world):
    """Half paid by a sponsor whose budget is for some of them only, half by the platform."""
    sponsor = await world.player(spark=100 * SPARK)
    await world.budget(sponsor, 20 * SPARK)
    players = [await world.player() for _ in range(PLAYERS)]
    made = []
    for n in range(QUESTS):
        paid = {"sponsor_id": sponsor} if n % 2 else {}
        quest = await world.quest(sponsor, reward_minor=SPARK, **paid)
        made += [await world.verified(quest, player) for player in players]
    return sponsor, made


async def run_and_kill(url, assignments, told, *, news):
    """A process until it has said `news` rewards that were new, and its end."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", REWARDER, url, stdin=pipe, stdout=pipe, cwd=ROOT
    )
    process.stdin.write(" ".join(one.hex for one in assignments).encode())
    process.stdin.close()
    try:
        async with asyncio.timeout(30):
            while news > 0 and (line := await process.stdout.readline()):
                if found := LINE.match(line):  # else it is a log's
                    told.append(found.groups()[:2])
                    news -= found[3] == b"0"
    finally:
        process.send_signal(signal.SIGKILL)
        rest = (await process.stdout.read()).splitlines(keepends=True)
        await process.wait()
    told += [found.groups()[:2] for found in map(LINE.match, rest) if found]
    assert news <= 0


async def test_killed_again_and_again_each_assignment_is_rewarded_once(world, database_url):
    sponsor, assignments = await prepared(world)
    told = []
    for _ in range(KILLS):
        # Two at once, and one of them is killed while the other goes on.
        async with asyncio.TaskGroup() as group:
            for news in (3, 6):
                group.create_task(run_and_kill(database_url, assignments, told, news=news))
    async with asyncio.timeout(60):
        while (await world.rows(IN_FLIGHT))[0].n:  # noqa: ASYNC110  (no event tells of it)
            await asyncio.sleep(0.05)
    entries = await world.rows("SELECT id, assignment_id, transfer_id FROM impact_entry")
    kept = {row.assignment_id: row.id for row in entries}
    assert len(entries) >= KILLS * 9
    for assignment, entry in told:
        assert kept[UUID(hex=assignment.decode())] == UUID(hex=entry.decode())
    assert [check.broken for check in await verify_impact(world.db) if check.broken] == []
    await world.budget(sponsor, 80 * SPARK)
    for assignment in assignments:
        await world.reward(assignment)
    assert (await world.rows("SELECT count(*) AS n FROM impact_entry"))[0].n == len(assignments)
    paid = "SELECT count(*) AS n, count(DISTINCT reference) AS of FROM transfer"
    rows = await world.rows(f"{paid} WHERE code = 'REWARD'")
    assert (rows[0].n, rows[0].of) == (len(assignments), len(assignments))
    assert await world.balance("ESCROW", sponsor) == (100 - PLAYERS * QUESTS // 2) * SPARK
    checks = await verify_impact(world.db)
    assert [check.broken for check in checks if check.broken] == []
    assert await world.faults() == []
