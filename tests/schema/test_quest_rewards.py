"""What quests gave, as clients see it: a player's standing, entries with breakdown and proof,
credentials that anybody verifies."""

import asyncio
import importlib.util
from contextlib import aclosing
from pathlib import Path

import pytest

from core.database import Database
from core.ids import encode_id
from core.signing import ensure_note_keys
from services.quests.credentials import sign_credentials
from services.users.accounts import user_topic
from subscriptions.cursors import encode_cursor
from tests.services.quests.reward_world import SPARK, World

DOCS = Path(__file__).parents[2] / "docs"

PLAYER = """query ($id: ID!) { user(id: $id) { player {
  level xp nextLevelXp streakBestDays completed
  achievements { totalCount edges { node { id credential earnedAt badge { slug name description }
    player { username } impactEntry { id } } } }
  impact { edges { node { id xpAwarded tokenAwarded { amount asset } impactValue region leafHash
    signature player { username } sponsor { username }
    breakdown { baseXp reward { amount } streakDays teamMembers
      multipliers { name fraction value } } } } } } } }"""
ENTRY = """query ($id: ID!) { impactEntry(id: $id) {
  quest { id title } assignment { id status } } }"""
_ASSIGNMENT = "id quest { id title } impactEntry { id xpAwarded }"
MINE = f"{{ me {{ assignments {{ nodes {{ {_ASSIGNMENT} }} }} }} }}"
OWN = f"""subscription ($after: Cursor) {{ assignmentChanged(after: $after) {{
  status assignment {{ {_ASSIGNMENT} }} }} }}"""
PROOF = """query ($id: ID!) { ledgerInclusionProof(transferId: $id) {
  transferId index leaf leafHash path head { note publicKey } } }"""


def script(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
async def world(database_url, tmp_path):
    db = Database(database_url)
    yield World(db, ensure_note_keys(tmp_path / "ledger-keys"))
    await db.close()


@pytest.fixture
async def rewarded(world, make_user):
    """A player, and what they were given."""
    sponsor, player = await make_user("sponsor"), await make_user("doer")
    quest = await world.quest(sponsor.id, base_xp=900, reward_minor=SPARK, difficulty=5)
    return player, await world.reward(await world.verified(quest, player.id, authenticity=80))


async def test_a_players_standing_and_what_a_deed_gave(ask, rewarded):
    player, given = rewarded
    found = (await ask(PLAYER, None, id=player.public_id))["user"]["player"]
    assert (found["level"], found["xp"], found["nextLevelXp"]) == (2, "2387", "5000")
    assert (found["completed"], found["streakBestDays"]) == (1, 1)
    badges = [edge["node"] for edge in found["achievements"]["edges"]]
    assert {badge["badge"]["slug"] for badge in badges} == {"first-deed", "pathfinder", "pioneer"}
    entry = found["impact"]["edges"][0]["node"]
    assert entry["id"] == encode_id("imp", given.entry_id) == badges[0]["impactEntry"]["id"]
    assert entry["tokenAwarded"] == {"amount": "2.600000", "asset": "SPARK"}
    assert (entry["xpAwarded"], entry["impactValue"]) == ("2387", "1170.00")
    assert (entry["leafHash"], entry["signature"], entry["sponsor"]) == (None, None, None)
    multipliers = {one["name"]: one["fraction"] for one in entry["breakdown"]["multipliers"]}
    assert multipliers == {
        "DIFFICULTY": "2",
        "AUTHENTICITY": "13/10",
        "STREAK": "51/50",
        "ZONE_NEED": "1",
        "TEAM": "1",
        "TIMELINESS": "1",
    }


async def test_an_entry_and_its_assignment_lead_to_each_other(ask, rewarded, make_user, stream):
    player, given = rewarded
    other = await make_user("other")
    asked = {"id": encode_id("imp", given.entry_id)}
    entry = (await ask(ENTRY, player, **asked))["impactEntry"]
    [mine] = (await ask(MINE, player))["me"]["assignments"]["nodes"]
    assert mine["impactEntry"] == {"id": asked["id"], "xpAwarded": "2387"}
    assert entry["assignment"] == {"id": mine["id"], "status": "REWARDED"}
    assert entry["quest"] == mine["quest"]
    seen = (await ask(ENTRY, other, **asked))["impactEntry"]
    assert (seen["assignment"], seen["quest"]) == (None, entry["quest"])
    start = encode_cursor(user_topic(player.id), 0)
    async with aclosing(await stream(OWN, player, after=start)) as changes:
        told = (await anext(changes)).data["assignmentChanged"]
    assert (told["status"], told["assignment"]) == ("REWARDED", mine)


async def test_an_entry_is_proven_and_a_badge_verified_by_the_scripts_in_docs(ask, world, rewarded):
    player, given = rewarded
    await world.db.transaction(lambda tx: sign_credentials(tx, world.keys))
    while (await world.sequence()).appended:
        pass
    await settled(world)
    entry = (await ask(PLAYER, None, id=player.public_id))["user"]["player"]
    node = entry["impact"]["edges"][0]["node"]
    found = await ask(PROOF, None, id=node["id"])
    proof = found["ledgerInclusionProof"]
    assert (proof["transferId"], proof["leafHash"]) == (node["id"], node["leafHash"])
    (key,) = world.keys.public_keys
    said = script("verify_ledger").check({"data": found}, [key])
    assert '"kind":"IMPACT"' in said[0]
    assert f'"xp":"{given.xp}"' in said[0]
    assert node["signature"] is not None
    badge = entry["achievements"]["edges"][0]["node"]
    query = "query ($id: ID!) { credential(achievementId: $id) }"
    token = (await ask(query, None, id=badge["id"]))["credential"]
    assert token == badge["credential"]
    credential = script("verify_badge").check(token, [key], 2**40)
    assert credential["credentialSubject"]["achievement"]["name"] == badge["badge"]["name"]


async def settled(world):
    """Until the log has the entry: transactions elsewhere hold the sequencer back."""
    async with asyncio.timeout(30):
        while not await world.rows("SELECT 1 FROM ledger_leaf WHERE impact_entry_id IS NOT NULL"):
            await world.sequence()
            await asyncio.sleep(0.02)


async def test_who_has_done_nothing_has_no_standing(ask, make_user):
    someone = await make_user("nobody")
    query = "query ($id: ID!) { user(id: $id) { player { xp } } credential(achievementId: $id) }"
    found = await ask(query, None, id=someone.public_id)
    assert found == {"user": {"player": None}, "credential": None}


async def test_ten_entries_take_no_more_statements_than_one(ask, statements, world, make_user):
    sponsor, player = await make_user("sponsor"), await make_user("doer")
    counts = []
    for more in (1, 9):
        for _ in range(more):
            quest = await world.quest(sponsor.id)
            await world.reward(await world.verified(quest, player.id))
        statements.clear()
        await ask(PLAYER, None, id=player.public_id)
        counts.append(len(statements))
    assert max(counts) <= 9  # people may come in one batch or two
