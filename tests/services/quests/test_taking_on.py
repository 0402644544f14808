"""Quests are taken on and given up by the rules: places, prerequisites, teams, deadlines."""

import asyncio
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text

from core.database import Database
from core.errors import Forbidden, InvalidInput, NotFound
from core.ids import encode_id
from jobs.quests import sweep_quests
from services.parameters import set_parameter
from services.quests.assignments import abandon_quest
from services.quests.contract import terms_of
from services.quests.errors import (
    AlreadyAssigned,
    AlreadyInTeam,
    NotYourAssignment,
    PrerequisiteMissing,
    QuestFull,
    QuestNotOpen,
    TeamFull,
    WrongAssignmentStatus,
    WrongQuestStatus,
)
from services.quests.quests import close_quest, open_quest, pause_quest, update_quest
from services.quests.teams import create_team, invite_to_team, join_team, leave_team
from services.quests.zones import create_zone
from tests.services.quests.quest_world import CLOSES, NOW, OPENS, Quests

PLAYERS, PLACES, SERVERS = 500, 10, 2


@pytest.fixture
async def world(database_url):
    db = Database(database_url)
    try:
        yield await Quests(db).begin()
    finally:
        await db.close()


async def refused(world, error, work):
    """Raises what it should, and nothing moved and nothing was told."""
    before = await world.snapshot()
    with pytest.raises(error) as found:
        await work
    assert await world.snapshot() == before
    return found.value


async def test_500_race_for_the_last_10_places(world, database_url):
    quest = await world.quest(capacity=12)
    first = await world.people(2)
    for player in first:
        await world.accept(player, quest)
    players = await world.people(PLAYERS)
    databases = [Database(database_url) for _ in range(SERVERS)]
    before = await world.snapshot()

    async def try_it(number, player):
        try:
            return await Quests(databases[number % SERVERS]).accept(player, quest)
        except QuestFull as full:
            return full

    try:
        answers = await asyncio.gather(*(try_it(n, p) for n, p in enumerate(players)))
    finally:
        for db in databases:
            await db.close()
    told = Counter("full" if isinstance(a, QuestFull) else "assigned" for a in answers)
    assert told == {"assigned": PLACES, "full": PLAYERS - PLACES}
    assert {a.capacity for a in answers if isinstance(a, QuestFull)} == {12}
    after = await world.snapshot()
    rows = await world.sql(
        "SELECT id, player_id, status FROM assignment WHERE player_id <> ALL (:first)", first=first
    )
    won = {a: p for a, p in zip(answers, players, strict=True) if not isinstance(a, QuestFull)}
    assert {row.id: row.player_id for row in rows} == won
    assert {row.status for row in rows} == {"ACCEPTED"}
    assert (await world.sql("SELECT taken FROM quest"))[0].taken == 12
    # Two events for each that was taken on, and nothing else moved.
    assert len(after["event"]) - len(before["event"]) == 2 * PLACES
    assert {t: after[t] for t in ("team", "team_member", "quest_prerequisite")} == {
        t: before[t] for t in ("team", "team_member", "quest_prerequisite")
    }


async def test_an_assignment_keeps_the_terms_that_it_was_taken_on_with(world):
    zone = await world.run(
        partial(
            create_zone,
            actor_id=world.admin,
            name="Bank",
            need_hundredths=150,
            geometry={
                "type": "Polygon",
                "coordinates": [[[-8.62, 41.14], [-8.6, 41.14], [-8.6, 41.16], [-8.62, 41.14]]],
            },
        )
    )
    quest = await world.quest(zone_id=zone, base_xp=80, reward_minor=500, difficulty=3, notes=1)
    [player] = await world.people(1)
    assignment = await world.accept(player, quest)
    changes = {"base_xp": 10, "reward_minor": 1, "difficulty": 1}
    await world.run(
        partial(update_quest, actor_id=world.admin, manages=True, quest_id=quest, changes=changes)
    )
    await world.run(
        partial(
            set_parameter, actor_id=world.admin, key="quest_difficulty_3", value=60, reason="A try."
        )
    )
    [row] = await world.sql("SELECT * FROM assignment")
    assert row.id == assignment
    terms = terms_of(row.terms)
    assert (terms.base_xp, terms.reward_minor, terms.difficulty) == (80, 500, 3)
    assert (terms.need_hundredths, terms.reviewers_needed) == (150, 5)
    assert terms.asked() == {"PHOTO": 1, "LOCATION": 1, "NOTE": 1, "VIDEO": 0}
    assert terms.maps["quest_difficulty_3"] == 100
    assert terms.maps["quest_upload_within_h"] == 24
    assert terms.area.polygon["type"] == "Polygon"
    assert (row.base_xp, row.reward_minor) == (80, 500)
    assert row.due_at - row.accepted_at == timedelta(days=7)
    assert (await world.sql("SELECT base_xp FROM quest"))[0].base_xp == 10


async def test_who_has_it_cannot_have_it_twice_and_may_try_again_once_given_up(world):
    quest = await world.quest(capacity=1)
    [player] = await world.people(1)
    assignment = await world.accept(player, quest)
    again = await refused(world, AlreadyAssigned, world.accept(player, quest))
    assert again.assignment_id == encode_id("asg", assignment)
    give_up = partial(abandon_quest, assignment_id=assignment)
    [other] = await world.people(1)
    await refused(world, QuestFull, world.accept(other, quest))
    await refused(world, NotYourAssignment, world.run(partial(give_up, player_id=other)))
    await world.run(partial(give_up, player_id=player))
    assert (await world.sql("SELECT taken FROM quest"))[0].taken == 0
    said = await refused(
        world, WrongAssignmentStatus, world.run(partial(give_up, player_id=player))
    )
    assert said.status == "ABANDONED"
    await world.accept(player, quest)
    await world.run(
        lambda tx: tx.execute(
            text(
                "UPDATE assignment SET status = 'REWARDED',"
                " submitted_at = now(), decided_at = now() WHERE status = 'ACCEPTED'"
            )
        )
    )
    await refused(world, AlreadyAssigned, world.accept(player, quest))


async def test_only_an_open_quest_within_its_window_is_taken_on(world):
    [player] = await world.people(1)
    draft = await world.quest(opened=False)
    await refused(world, NotFound, world.accept(player, draft))
    early = await world.quest(opens_at=NOW + timedelta(days=1))
    assert (await refused(world, QuestNotOpen, world.accept(player, early))).status == "OPEN"
    paused = await world.quest()
    admin = {"actor_id": world.admin, "manages": True, "quest_id": paused}
    await world.run(partial(pause_quest, **admin))
    assert (await refused(world, QuestNotOpen, world.accept(player, paused))).status == "PAUSED"
    await world.run(partial(close_quest, **admin))
    assert (await refused(world, QuestNotOpen, world.accept(player, paused))).status == "CLOSED"
    await refused(world, WrongQuestStatus, world.run(partial(open_quest, **admin)))
    own = await world.quest(by_sponsor=True)
    await refused(world, Forbidden, world.accept(world.sponsor, own))


async def test_what_is_missing_of_the_prerequisites_is_told(world):
    first = await world.quest()
    await world.run(
        lambda tx: tx.execute(
            text(
                "INSERT INTO badge (slug, name, description, rule_kind)"
                " VALUES ('river-keeper', 'River keeper', 'Five banks.', 'COUNT')"
            )
        )
    )
    quest = await world.quest(
        level_min=2, required_quest_ids=[first], required_badges=["river-keeper"]
    )
    [player] = await world.people(1)
    said = await refused(world, PrerequisiteMissing, world.accept(player, quest))
    assert said.quest_ids == [encode_id("qst", first)]
    assert (said.badges, said.level_min) == (["river-keeper"], 2)
    assignment = await world.accept(player, first)

    async def have_it(tx):
        given = {"a": assignment, "p": player}
        await tx.execute(
            text(
                "UPDATE assignment SET status = 'REWARDED', submitted_at = now(),"
                " decided_at = now() WHERE id = :a"
            ),
            given,
        )
        await tx.execute(text("INSERT INTO player (user_id, level) VALUES (:p, 2)"), given)
        await tx.execute(
            text(
                "INSERT INTO achievement (id, player_id, badge_slug)"
                " VALUES (:a, :p, 'river-keeper')"
            ),
            given,
        )

    await world.run(have_it)
    await world.accept(player, quest)


async def test_a_quest_cannot_wait_for_itself(world):
    one = await world.quest()
    two = await world.quest(required_quest_ids=[one])
    change = partial(update_quest, actor_id=world.admin, manages=True, quest_id=one)
    waits = world.run(partial(change, changes={"required_quest_ids": [two]}))
    assert (await refused(world, InvalidInput, waits)).field == "requiredQuests"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"title": " "}, "title"),
        ({"category": "nothing"}, "category"),
        ({"difficulty": 6}, "difficulty"),
        ({"radius_m": 0}, "radiusM"),
        ({"place": (91, 0)}, "circle"),
        ({"polygon": {"type": "Polygon"}}, "polygon"),
        ({"closes_at": OPENS}, "closesAt"),
        ({"closes_at": CLOSES + timedelta(days=800)}, "closesAt"),
        ({"capacity": 0}, "capacity"),
        ({"photos": 0, "locations": 0}, "photos"),
        ({"base_xp": 0}, "baseXp"),
        ({"reviewers_needed": 10}, "reviewersNeeded"),
        ({"region": "pt"}, "region"),
        ({"required_badges": ["none"]}, "requiredBadges"),
    ],
)
async def test_a_quest_within_its_limits_alone_is_made(world, fields, field):
    said = await refused(world, InvalidInput, world.quest(**fields))
    assert said.field == field


async def test_who_made_it_changes_it_and_never_below_what_is_taken(world):
    quest = await world.quest(capacity=3, by_sponsor=True)
    for player in await world.people(2):
        await world.accept(player, quest)
    [stranger] = await world.people(1)
    change = partial(update_quest, quest_id=quest, changes={"capacity": 1})
    by_stranger = partial(change, actor_id=stranger, manages=False)
    await refused(world, Forbidden, world.run(by_stranger))
    too_few = await refused(
        world, InvalidInput, world.run(partial(change, actor_id=world.sponsor, manages=False))
    )
    assert too_few.field == "capacity"
    [row] = await world.sql("SELECT sponsor_id, creator_id FROM quest")
    assert row.sponsor_id == row.creator_id == world.sponsor


async def test_teams_are_joined_by_invitation_up_to_their_size_one_a_quest(world):
    quest = await world.quest(team_size_max=2)
    lead, friend, third = await world.people(3)
    team = await world.run(partial(create_team, leader_id=lead, quest_id=quest, name="Otters"))
    invite = partial(invite_to_team, leader_id=lead, team_id=team)
    join = partial(join_team, team_id=team)
    await refused(world, NotFound, world.run(partial(join, user_id=friend)))
    await refused(world, Forbidden, world.run(partial(invite, leader_id=third, user_id=friend)))
    for person in (friend, third):
        await world.run(partial(invite, user_id=person))
    await world.run(partial(join, user_id=friend))
    await refused(world, TeamFull, world.run(partial(join, user_id=third)))
    await refused(
        world,
        AlreadyInTeam,
        world.run(partial(create_team, leader_id=friend, quest_id=quest, name="Beavers")),
    )
    assignment = await world.accept(friend, quest)
    [row] = await world.sql("SELECT team_id, team_size FROM assignment WHERE id = :a", a=assignment)
    assert (row.team_id, row.team_size) == (team, 2)
    await world.run(partial(leave_team, user_id=lead, team_id=team))
    [left] = await world.sql("SELECT leader_id, size, disbanded_at FROM team")
    assert (left.leader_id, left.size, left.disbanded_at) == (friend, 1, None)
    await world.run(partial(leave_team, user_id=friend, team_id=team))
    assert (await world.sql("SELECT disbanded_at FROM team"))[0].disbanded_at is not None
    await refused(world, NotFound, world.run(partial(leave_team, user_id=friend, team_id=team)))


async def test_what_is_not_done_in_time_expires_and_gives_its_place_back(world):
    quest = await world.quest(capacity=2)
    late, other = await world.people(2)
    ended = await world.accept(late, quest)
    stays = await world.accept(other, quest)
    assert await sweep_quests(world.db) == (0, 0)
    await world.run(
        lambda tx: tx.execute(
            text(
                "UPDATE assignment SET accepted_at = now() - interval '8 days',"
                " due_at = now() - interval '1 day' WHERE id = :a"
            ),
            {"a": ended},
        )
    )
    assert await sweep_quests(world.db) == (1, 0)
    rows = {r.id: r.status for r in await world.sql("SELECT id, status FROM assignment")}
    assert rows == {ended: "EXPIRED", stays: "ACCEPTED"}
    assert (await world.sql("SELECT taken FROM quest"))[0].taken == 1
    await world.run(
        lambda tx: tx.execute(
            text("UPDATE quest SET opens_at = now() - interval '2 days', closes_at = now()")
        )
    )
    assert await sweep_quests(world.db) == (0, 1)
    assert await sweep_quests(world.db) == (0, 0)
    assert (await world.sql("SELECT status FROM quest"))[0].status == "CLOSED"
