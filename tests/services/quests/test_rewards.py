"""Rewards on a real database: given once, all or nothing, and all of it recomputable."""

import asyncio
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from core.database import Database
from core.errors import NotFound
from core.ids import new_id
from core.signing import ensure_note_keys
from jobs.quest_rewards import pay_delayed
from services.quests.errors import WrongAssignmentStatus
from services.quests.multipliers import read_breakdown
from services.quests.rewards import RewardDelayed
from services.wallets.terms import PLATFORM_ID
from services.wallets.verify import check_ledger
from tests.services.quests.reward_world import NOON, OPENS, SPARK, World

DAY = timedelta(days=1)
STATE = """
    SELECT (SELECT count(*) FROM transfer) AS transfers, (SELECT count(*) FROM event) AS events,
           (SELECT count(*) FROM impact_entry) AS entries, (SELECT sum(xp) FROM player) AS xp,
           (SELECT count(*) FROM achievement) AS achievements,
           (SELECT count(*) FROM notification) AS notifications
"""

UNSETTLED = """
    SELECT EXISTS (SELECT FROM impact_entry
                   WHERE transaction_id >= pg_snapshot_xmin(pg_current_snapshot())) AS waits
"""


@pytest.fixture
async def world(database_url, tmp_path):
    db = Database(database_url)
    yield World(db, ensure_note_keys(tmp_path))
    await db.close()


@pytest.fixture
async def player(world):
    return await world.player()


async def entry_of(world, assignment):
    found = "SELECT * FROM impact_entry WHERE assignment_id = :id"
    return (await world.rows(found, id=assignment))[0]


async def standing(world, player):
    return (await world.rows("SELECT * FROM player WHERE user_id = :id", id=player))[0]


async def test_a_deed_gives_tokens_xp_level_and_an_entry_that_says_why(world, player):
    quest = await world.quest(
        await world.player(),
        base_xp=800,
        difficulty=4,
        need_hundredths=130,
        reward_minor=5 * SPARK,
    )
    assignment = await world.verified(quest, player, authenticity=90)
    found = await world.reward(assignment)
    # 800 x 3/2 x 7/5 x 51/50 x 13/10 x 1 x 1; tokens without the streak.
    assert (found.xp, found.token_minor, found.level, found.again) == (2228, 13_650_000, 2, False)
    entry = await entry_of(world, assignment)
    assert entry.id == found.entry_id
    assert (entry.xp_awarded, entry.token_minor) == (2228, 13_650_000)
    assert entry.impact_hundredths == 145_600  # 800 x 13/10 x 7/5
    kept = read_breakdown(entry.breakdown)
    assert (kept.xp, kept.token_minor, kept.impact_hundredths) == (2228, 13_650_000, 145_600)
    who = await standing(world, player)
    assert (who.xp, who.level, who.completed, who.streak_days) == (2228, 2, 1, 1)
    assert (who.streak_last_date, who.time_zone) == (date(2026, 3, 13), "UTC")
    transfers = await world.rows(
        "SELECT * FROM transfer WHERE id = :id AND code = 'REWARD'", id=entry.transfer_id
    )
    assert [t.amount_minor for t in transfers] == [13_650_000]
    assert await world.balance("USER", player) == 13_650_000
    assert await world.balance("REWARDS", PLATFORM_ID) == 0  # what it had not was minted
    status = "SELECT status FROM assignment WHERE id = :id"
    assert (await world.rows(status, id=assignment))[0].status == "REWARDED"


async def test_badges_level_and_reward_are_told_once(world, player):
    quest = await world.quest(await world.player(), base_xp=1_000)
    await world.reward(await world.verified(quest, player))
    told = await world.rows("SELECT kind, facts FROM notification WHERE user_id = :id", id=player)
    # The first deed of anybody, of the quest and in the region.
    kinds = sorted(row.kind for row in told)
    assert kinds == ["BADGE", "BADGE", "BADGE", "LEVEL_UP", "REWARD"]
    badges = await world.rows("SELECT badge_slug FROM achievement ORDER BY 1")
    assert [row.badge_slug for row in badges] == ["first-deed", "pathfinder", "pioneer"]
    events = await world.rows(
        "SELECT topic, payload FROM event WHERE type = 'QuestRewarded' ORDER BY topic"
    )
    assert [row.topic for row in events] == [f"quest:{quest.hex}", f"user:{player.hex}"]
    assert {row.payload["xp"] for row in events} == {1_020}
    other = await world.player()
    found = await world.reward(await world.verified(quest, other))
    assert found.badges == ("first-deed",)


async def test_again_gives_the_same_answer_and_nothing_else(world, player):
    quest = await world.quest(await world.player(), reward_minor=SPARK)
    assignment = await world.verified(quest, player)
    first = await world.reward(assignment)
    before = await world.rows(STATE)
    again = await world.reward(assignment)
    assert again.again
    assert (again.entry_id, again.xp, again.token_minor) == (
        first.entry_id,
        first.xp,
        first.token_minor,
    )
    assert await world.rows(STATE) == before


async def test_twenty_at_once_give_it_once(world, player):
    quest = await world.quest(await world.player(), reward_minor=SPARK)
    assignment = await world.verified(quest, player)
    found = await asyncio.gather(*(world.reward(assignment) for _ in range(20)))
    assert sorted(one.again for one in found) == [False] + [True] * 19
    assert len({one.entry_id for one in found}) == 1
    assert await world.balance("USER", player) == SPARK
    assert (await standing(world, player)).xp == 102


async def test_two_who_are_first_at_once_are_not_both_the_first(world):
    quest = await world.quest(await world.player())
    players = [await world.player() for _ in range(8)]
    assignments = [await world.verified(quest, player) for player in players]
    found = await asyncio.gather(*(world.reward(one) for one in assignments))
    assert sum("pathfinder" in one.badges for one in found) == 1
    assert sum("pioneer" in one.badges for one in found) == 1


@pytest.mark.parametrize("status", ["SUBMITTED", "UNDER_REVIEW", "REJECTED"])
async def test_what_is_not_verified_gives_nothing(world, player, status):
    quest = await world.quest(await world.player(), reward_minor=SPARK)
    assignment = await world.verified(quest, player)
    decided = ", decided_at = NULL" if status != "REJECTED" else ""
    await world.run(f"UPDATE assignment SET status = '{status}'{decided}")
    before = await world.rows(STATE)
    with pytest.raises(WrongAssignmentStatus):
        await world.reward(assignment)
    with pytest.raises(NotFound):
        await world.reward(new_id())
    assert await world.rows(STATE) == before


async def test_an_empty_budget_gives_nothing_until_it_is_filled(world, player):
    sponsor = await world.player(spark=10 * SPARK)
    quest = await world.quest(sponsor, sponsor_id=sponsor, reward_minor=4 * SPARK)
    assignment = await world.verified(quest, player)
    await world.budget(sponsor, 3 * SPARK)
    for _ in range(2):
        assert await world.reward(assignment) == RewardDelayed(assignment, "INSUFFICIENT_FUNDS")
    assert await world.rows("SELECT id FROM impact_entry") == []
    assert await world.balance("USER", player) == 0
    told = await world.rows("SELECT kind FROM notification WHERE user_id = :id", id=sponsor)
    assert [row.kind for row in told] == ["PAYMENT"]
    await world.budget(sponsor, 2 * SPARK)
    found = await world.reward(assignment)
    assert (found.xp, found.token_minor) == (102, 4 * SPARK)
    assert await world.balance("ESCROW", sponsor) == SPARK
    assert await world.balance("USER", sponsor) == 5 * SPARK
    assert await world.balance("USER", player) == 4 * SPARK


async def test_what_waited_for_a_budget_is_paid_by_the_sweep(world, player):
    sponsor = await world.player(spark=10 * SPARK)
    quests = [
        await world.quest(sponsor, sponsor_id=sponsor, reward_minor=3 * SPARK) for _ in range(3)
    ]
    made = [
        await world.verified(quest, player, at=NOON + n * DAY) for n, quest in enumerate(quests)
    ]
    assert await pay_delayed(world.db, page=2) == 0
    await world.budget(sponsor, 7 * SPARK)
    assert await pay_delayed(world.db, page=2) == 2
    statuses = await world.rows("SELECT id, status FROM assignment")
    assert {row.id: row.status for row in statuses} == {
        made[0]: "REWARDED",
        made[1]: "REWARDED",
        made[2]: "VERIFIED",
    }
    assert await pay_delayed(world.db) == 0
    assert await world.balance("USER", player) == 6 * SPARK


async def test_a_frozen_sponsor_pays_nothing(world, player):
    sponsor = await world.player(spark=10 * SPARK)
    await world.budget(sponsor, 9 * SPARK)
    quest = await world.quest(sponsor, sponsor_id=sponsor, reward_minor=4 * SPARK)
    assignment = await world.verified(quest, player)
    freeze = "UPDATE ledger_account SET status = :status WHERE holder_id = :id AND kind = 'USER'"
    await world.run(freeze, id=sponsor, status="FROZEN")
    assert (await world.reward(assignment)).reason == "ACCOUNT_FROZEN"
    assert await world.balance("ESCROW", sponsor) == 9 * SPARK
    await world.run(freeze, id=sponsor, status="OPEN")
    assert (await world.reward(assignment)).token_minor == 4 * SPARK


async def test_the_supply_cap_stops_minting_and_the_rest_with_it(world, player):
    quest = await world.quest(await world.player(), reward_minor=4 * SPARK)
    assignment = await world.verified(quest, player)
    await world.run("UPDATE ledger_asset SET supply_cap_minor = 3000000 WHERE asset = 'SPARK'")
    assert (await world.reward(assignment)).reason == "SUPPLY_CAP_EXCEEDED"
    assert await world.rows("SELECT id FROM transfer") == []
    assert (await standing(world, player)).xp == 0


async def test_a_streak_grows_by_the_players_calendar(world):
    player = await world.player(zone="Asia/Kolkata")
    creator = await world.player()
    late = OPENS.replace(hour=18, minute=29)  # 23:59 in India
    for n, (at, days) in enumerate(
        [(late, 1), (late + timedelta(minutes=2), 2), (late + timedelta(hours=3), 2)]
    ):
        quest = await world.quest(creator, region=f"A{chr(65 + n)}")
        await world.reward(await world.verified(quest, player, at=at))
        assert (await standing(world, player)).streak_days == days


async def test_a_deed_decided_on_late_counts_on_its_own_day(world, player):
    creator = await world.player()
    assignments = [
        await world.verified(await world.quest(creator), player, at=NOON + n * DAY)
        for n in range(4)
    ]
    for n in (0, 2, 3):
        await world.reward(assignments[n])
    assert (await standing(world, player)).streak_days == 2
    await world.reward(assignments[1])
    who = await standing(world, player)
    assert (who.streak_days, who.streak_best_days, who.completed) == (4, 4, 4)
    assert who.streak_last_date == date(2026, 3, 16)
    kept = [(await entry_of(world, one)).breakdown["streakDays"] for one in assignments]
    assert kept == [1, 2, 1, 2]  # what was given stays as it was given


async def test_entries_are_leaves_of_the_ledgers_log(world, player):
    quest = await world.quest(await world.player(), reward_minor=SPARK)
    assignment = await world.verified(quest, player)
    await world.reward(assignment)
    await settled(world)
    assert (await world.sequence()).appended == 3  # minted, paid, recorded
    leaves = await world.rows("SELECT * FROM ledger_leaf ORDER BY index")
    assert [leaf.impact_entry_id is None for leaf in leaves] == [True, True, False]
    await world.reward(await world.verified(await world.quest(player), await world.player()))
    await settled(world)
    assert (await world.sequence()).appended == 1
    assert (await world.sequence()).appended == 0
    assert await world.faults() == []


CHANGES = """
    id = gen_random_uuid(), assignment_id = gen_random_uuid(), player_id = gen_random_uuid(),
    quest_id = gen_random_uuid(), sponsor_id = gen_random_uuid(), category = 'forest',
    region = 'FR', xp_awarded = xp_awarded + 1, token_minor = token_minor - 1, asset = 'EUR',
    transfer_id = gen_random_uuid(), impact_hundredths = impact_hundredths + 1,
    breakdown = breakdown || '{"baseXp": 99}', created_at = created_at + interval '1 microsecond',
    row_id = row_id + 1, transaction_id = '5'
"""
COLUMNS = """
    SELECT count(*) FROM pg_attribute
    WHERE attrelid = 'impact_entry'::regclass AND attnum > 0 AND NOT attisdropped
"""


async def test_a_change_in_any_column_of_an_entry_is_found(world, player):
    quest = await world.quest(await world.player(), reward_minor=SPARK)
    await world.reward(await world.verified(quest, player))
    await settled(world)
    await world.sequence()
    changes = [change.strip() for change in CHANGES.split(",")]

    async def work(tx):
        await tx.execute(text("ALTER TABLE impact_entry ALTER COLUMN row_id DROP IDENTITY"))
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        assert len(changes) == await tx.scalar(text(COLUMNS))
        for change in changes:
            savepoint = await tx.begin_nested()
            await tx.execute(text(f"UPDATE impact_entry SET {change}".replace(": ", "\\: ")))
            broken = [check.broken for check in await check_ledger(tx, world.keys) if check.broken]
            assert broken, change
            assert "impact_entry" in broken[0]
            await savepoint.rollback()
        assert not any(check.broken for check in await check_ledger(tx, world.keys))

    await world.db.transaction(work)


async def test_an_entry_that_the_log_went_past_is_found(world, player):
    creator = await world.player()
    first, second = [
        await world.verified(await world.quest(creator), player, at=NOON + n * DAY)
        for n in range(2)
    ]
    await world.reward(first)
    await settled(world)
    await world.sequence()
    entry = (await world.reward(second)).entry_id
    assert await world.faults() == []

    async def spoil(tx):
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        await tx.execute(
            text("UPDATE impact_entry SET transaction_id = '3' WHERE id = :id"), {"id": entry}
        )

    await world.db.transaction(spoil)
    assert await world.faults() == [f"impact_entry {entry}: the log went past it"]


async def test_nobody_changes_an_entry(world, player):
    await world.reward(await world.verified(await world.quest(player), player))
    for statement in ("UPDATE impact_entry SET xp_awarded = 1", "DELETE FROM impact_entry"):
        with pytest.raises(Exception, match="refused"):
            await world.run(statement)


async def settled(world):
    """Until no transaction older than what is to be sequenced runs: tests share the server."""
    async with asyncio.timeout(30):
        while (await world.rows(UNSETTLED))[0].waits:  # noqa: ASYNC110  (no event tells of it)
            await asyncio.sleep(0.02)
