"""Witnesses: who is asked, who may not vote, what votes weigh, and what disputes change."""

import asyncio

import pytest

from adapters.storage import open_storage
from core.errors import Forbidden, InvalidInput, NotFound
from core.ids import encode_id, new_id
from services.quests.errors import (
    AlreadyDisputed,
    AlreadyReviewed,
    ConflictOfInterest,
    NotYourAssignment,
    WrongAssignmentStatus,
)
from services.quests.reviewing import ask_where_too_few
from tests.services.quests.evidence_world import EvidenceWorld


@pytest.fixture
def world(db, tmp_path):
    return EvidenceWorld(db, open_storage(None, folder=tmp_path / "files"))


async def refused(world, error, unit):
    """The refusal; nothing moved, and nobody is told."""
    before = await world.everything()
    world.db.published.clear()
    with pytest.raises(error) as caught:
        await unit
    assert await world.everything() == before
    assert world.db.published == []
    return caught.value


async def witnesses(world, *reputations, **options):
    return [await world.person(reputation=each, **options) for each in reputations]


async def reputation(world, *people):
    rows = await world.rows("SELECT user_id, reputation, agreed, disagreed FROM witness")
    found = {row.user_id: (row.reputation, row.agreed, row.disagreed) for row in rows}
    return [found[person] for person in people]


async def test_witnesses_are_of_the_region_first_then_by_reputation(world):
    player = await world.person()
    low, high = await witnesses(world, 120, 480)
    far_best, far_low = await witnesses(world, 900, 60, region="PT")
    id = await world.under_review(player)
    assert await world.asked(id) == {low, high, far_best}
    assert far_low not in await world.asked(id)


async def test_who_was_asked_before_is_asked_after_others_of_the_same_standing(world):
    player = await world.person()
    first = await witnesses(world, 110, 120, 130, 140)
    one = await world.under_review(player, reviewers_needed=2)
    await world.later()
    other = await world.under_review(player, seed=2, reviewers_needed=2)
    asked = await world.asked(one) | await world.asked(other)
    assert asked == set(first)


async def test_neither_the_player_nor_friends_nor_the_team_nor_the_blocked_are_asked(world):
    player, friend, mate, blocked, follower, fair = await witnesses(world, *[500] * 6)
    await world.befriend(player, friend)
    await world.run(
        "INSERT INTO block (blocker_id, blocked_id) VALUES (:a, :b)", a=blocked, b=player
    )
    await world.run(
        "INSERT INTO follow (follower_id, followee_id) VALUES (:a, :b)", a=follower, b=player
    )
    id = await world.under_review(player, team=[player, mate])
    assert await world.asked(id) == {fair, follower}  # who only follows is no friend


async def test_who_is_asked_is_told_once_and_nobody_else_is(world):
    player = await world.person()
    asked = await witnesses(world, 100, 110)
    world.db.published.clear()
    id = await world.under_review(player)
    told = "SELECT user_id, actor_id, reference FROM notification WHERE kind = 'REVIEW_REQUESTED'"
    [row] = await world.rows("SELECT quest_id FROM assignment WHERE id = :id", id=id)
    about = encode_id("qst", row.quest_id)
    assert sorted(await world.rows(told)) == [(each, None, about) for each in sorted(asked)]
    topics = {event.topic for event in world.db.published if event.type == "NotificationCreated"}
    assert topics == {f"user:{each.hex}" for each in asked}
    [late] = await witnesses(world, 90)
    assert await ask_where_too_few(world.db) == 1
    assert await ask_where_too_few(world.db) == 0
    people = sorted([*asked, late])
    assert sorted(await world.rows(told)) == [(each, None, about) for each in people]


async def test_suspended_and_unavailable_witnesses_are_not_asked(world):
    player = await world.person()
    away, suspended, fair = await witnesses(world, 500, 500, 100)
    await world.run("UPDATE witness SET available = false WHERE user_id = :id", id=away)
    await world.run("UPDATE user_account SET status = 'SUSPENDED' WHERE id = :id", id=suspended)
    id = await world.under_review(player)
    assert await world.asked(id) == {fair}


async def test_a_quorum_that_approves_verifies_and_rewards(world):
    player = await world.person()
    asked = await witnesses(world, 100, 100, 100)
    id = await world.under_review(player)
    await world.review(asked[0], id)
    await world.review(asked[1], id, "REJECT", comment="Too dark.")
    assert await world.status(id) == "UNDER_REVIEW"
    assert await world.rows("SELECT * FROM impact_entry") == []
    await world.review(asked[2], id)
    assert await world.status(id) == "REWARDED"
    [entry] = await world.rows("SELECT assignment_id FROM impact_entry")
    assert entry.assignment_id == id
    assert await reputation(world, *asked) == [(105, 1, 0), (90, 0, 1), (105, 1, 0)]
    notices = await world.rows("SELECT kind FROM notification WHERE user_id = :id", id=player)
    assert {row.kind for row in notices} >= {"EVIDENCE_REVIEWED", "REWARD"}


async def test_votes_weigh_by_reputation(world):
    player = await world.person()
    trusted, *others = await witnesses(world, 400, 150, 150)
    id = await world.under_review(player)
    for each in others:
        await world.review(each, id, "APPROVE")
    await world.review(trusted, id, "REJECT")
    assert await world.status(id) == "REJECTED"
    assert await world.rows("SELECT * FROM impact_entry") == []
    rows = await world.rows("SELECT weight, vote FROM evidence_review ORDER BY weight")
    assert [(row.weight, row.vote) for row in rows] == [
        (150, "APPROVE"),
        (150, "APPROVE"),
        (400, "REJECT"),
    ]
    assert await reputation(world, trusted, *others) == [(405, 1, 0), (140, 0, 1), (140, 0, 1)]


async def test_reputation_stays_within_its_bounds(world):
    player = await world.person()
    best, worst = await witnesses(world, 998, 12)
    id = await world.under_review(player, reviewers_needed=2)
    await world.review(worst, id, "REJECT")
    await world.review(best, id, "APPROVE")
    assert await reputation(world, best, worst) == [(1000, 1, 0), (10, 0, 1)]


async def test_where_both_sides_weigh_the_same_a_moderator_decides(world):
    player, moderator = await world.person(), await world.person()
    one, other = await witnesses(world, 200, 200)
    id = await world.under_review(player, reviewers_needed=2)
    await world.review(one, id, "APPROVE")
    await world.review(other, id, "REJECT")
    assert await world.status(id) == "SUBMITTED"
    await refused(world, AlreadyReviewed, world.review(one, id))
    await refused(world, InvalidInput, world.review(moderator, id, "UNSURE", is_moderator=True))
    await world.review(moderator, id, "REJECT", is_moderator=True)
    assert await world.status(id) == "REJECTED"
    assert await reputation(world, one, other) == [(190, 0, 1), (205, 1, 0)]


async def test_for_one_who_is_unsure_another_is_asked(world):
    player = await world.person()
    first, spare = await witnesses(world, 300, 100)
    id = await world.under_review(player, reviewers_needed=1)
    assert await world.asked(id) == {first}
    await world.review(first, id, "UNSURE")
    assert await world.asked(id) == {first, spare}
    await world.review(spare, id)
    assert await world.status(id) == "REWARDED"
    assert await reputation(world, first, spare) == [(300, 0, 0), (105, 1, 0)]


async def test_witnesses_who_were_lacking_are_asked_later(world):
    player = await world.person()
    id = await world.under_review(player)
    assert await world.asked(id) == set()
    assert await ask_where_too_few(world.db) == 0
    late = await witnesses(world, 100, 100, 100, 100)
    assert await ask_where_too_few(world.db) == 3
    assert len(await world.asked(id)) == 3
    assert await world.asked(id) <= set(late)
    assert await ask_where_too_few(world.db) == 0


@pytest.mark.parametrize("relation", ["OWN", "FRIEND", "TEAM"])
@pytest.mark.parametrize("is_moderator", [False, True])
async def test_nobody_votes_on_their_own_their_friends_or_their_teams(
    world, relation, is_moderator
):
    player, viewer = await witnesses(world, 100, 100)
    team = [player, viewer] if relation == "TEAM" else None
    id = await world.under_review(player, team=team)
    if relation == "FRIEND":
        await world.befriend(player, viewer)  # after they were asked
        assert await world.asked(id) == {viewer}
    who = player if relation == "OWN" else viewer
    unit = world.review(who, id, is_moderator=is_moderator)
    error = await refused(world, ConflictOfInterest, unit)
    assert error.relation == relation


async def test_who_left_the_team_may_not_vote_on_its_evidence_either(world):
    player, mate = await witnesses(world, 100, 100)
    id = await world.under_review(player, team=[player, mate])
    await world.run("DELETE FROM team_member WHERE user_id = :id", id=mate)
    await world.run(
        "INSERT INTO assignment (id, quest_id, player_id, team_id, terms, base_xp, reward_minor,"
        " due_at, status)"
        " SELECT :new, quest_id, :mate, team_id, terms, base_xp, 0, due_at, 'ACCEPTED'"
        " FROM assignment WHERE id = :id",
        new=new_id(),
        mate=mate,
        id=id,
    )
    error = await refused(world, ConflictOfInterest, world.review(mate, id))
    assert error.relation == "TEAM"


async def test_only_who_was_asked_votes_and_once(world):
    player, stranger = await world.person(), await world.person()
    asked = await witnesses(world, 100, 100, 100)
    id = await world.under_review(player)
    await refused(world, Forbidden, world.review(stranger, id))
    await refused(world, NotFound, world.review(asked[0], new_id()))
    await refused(world, InvalidInput, world.review(asked[0], id, comment="x" * 2001))
    await world.review(asked[0], id)
    await refused(world, AlreadyReviewed, world.review(asked[0], id, "REJECT"))


async def test_a_vote_after_the_decision_is_refused(world):
    player, moderator = await world.person(), await world.person()
    [late] = await witnesses(world, 100)
    id = await world.under_review(player)
    await world.review(moderator, id, "REJECT", is_moderator=True)
    error = await refused(world, WrongAssignmentStatus, world.review(late, id))
    assert error.status == "REJECTED"


async def test_votes_at_the_same_time_decide_once(world):
    player = await world.person()
    asked = await witnesses(world, *[100] * 5)
    id = await world.under_review(player, reviewers_needed=5)
    await asyncio.gather(*(world.review(each, id) for each in asked))
    assert await world.status(id) == "REWARDED"
    [row] = await world.rows("SELECT count(*) AS n FROM impact_entry")
    assert row.n == 1
    assert await reputation(world, *asked) == [(105, 1, 0)] * 5


async def rejected(world, player, **terms):
    moderator = await world.person()
    id = await world.under_review(player, **terms)
    await world.review(moderator, id, "REJECT", is_moderator=True)
    return id


async def test_a_dispute_that_is_upheld_verifies_and_rewards(world):
    player, moderator = await world.person(), await world.person()
    id = await rejected(world, player)
    await world.dispute(player, id)
    await world.resolve(moderator, id, uphold=True)
    assert await world.status(id) == "REWARDED"
    [row] = await world.rows("SELECT * FROM quest_dispute")
    assert (row.status, row.resolver_id, row.resolution) == ("UPHELD", moderator, "Seen.")
    [entry] = await world.rows("SELECT assignment_id FROM impact_entry")
    assert entry.assignment_id == id
    await refused(world, WrongAssignmentStatus, world.resolve(moderator, id, uphold=False))


async def test_a_dispute_that_is_dismissed_is_final(world):
    player, moderator = await world.person(), await world.person()
    id = await rejected(world, player)
    await world.dispute(player, id)
    await world.resolve(moderator, id, uphold=False)
    assert await world.status(id) == "REJECTED"
    await refused(world, AlreadyDisputed, world.dispute(player, id))
    await refused(world, WrongAssignmentStatus, world.resolve(moderator, id, uphold=True))
    assert await world.rows("SELECT * FROM impact_entry") == []


async def test_a_rejection_is_disputed_by_its_player_once_and_in_time(world):
    player, stranger = await world.person(), await world.person()
    open_one = await world.under_review(player, seed=2)
    await world.later()
    id = await rejected(world, player)
    await refused(world, NotYourAssignment, world.dispute(stranger, id))
    await refused(world, NotFound, world.dispute(player, new_id()))
    await refused(world, WrongAssignmentStatus, world.dispute(player, open_one))
    await refused(world, InvalidInput, world.dispute(player, id, reason=""))
    await world.run(
        "UPDATE assignment SET decided_at = decided_at - interval '31 days' WHERE id = :id", id=id
    )
    await refused(world, InvalidInput, world.dispute(player, id))
    await world.run(
        "UPDATE assignment SET decided_at = decided_at + interval '2 days' WHERE id = :id", id=id
    )
    await world.dispute(player, id)
    await refused(world, AlreadyDisputed, world.dispute(player, id))


async def test_a_moderator_resolves_no_dispute_of_their_own_or_a_friends(world):
    player, friend = await world.person(), await world.person()
    id = await rejected(world, player)
    await world.dispute(player, id)
    await world.befriend(player, friend)
    for who, relation in ((player, "OWN"), (friend, "FRIEND")):
        error = await refused(world, ConflictOfInterest, world.resolve(who, id, uphold=True))
        assert error.relation == relation
    await refused(world, NotFound, world.resolve(friend, new_id(), uphold=True))


async def test_a_dispute_is_not_upheld_while_the_quest_is_done_anew(world):
    player, moderator = await world.person(), await world.person()
    id = await rejected(world, player)
    await world.dispute(player, id)
    await world.run(
        "INSERT INTO assignment (id, quest_id, player_id, terms, base_xp, reward_minor, due_at)"
        " SELECT :new, quest_id, player_id, terms, base_xp, 0, due_at FROM assignment"
        " WHERE id = :id",
        new=new_id(),
        id=id,
    )
    error = await refused(world, WrongAssignmentStatus, world.resolve(moderator, id, uphold=True))
    assert error.status == "ACCEPTED"
    await world.resolve(moderator, id, uphold=False)
