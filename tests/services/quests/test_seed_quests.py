"""The demo's quests: open, in zones, played by whoever reads."""

from services.seed.quests import seed_quests
from tests.services.quests.quest_world import Quests


async def test_the_reader_can_take_every_seeded_quest_on(db):
    world = Quests(db)
    reader, _ = await world.people(2)
    await seed_quests(db, reader_id=reader)
    quests = await world.sql("SELECT id, status, zone_id, region, category FROM quest")
    assert [quest.status for quest in quests] == ["OPEN"] * 5
    assert {quest.region for quest in quests} == {"SI", "FJ", "NZ"}
    for quest in quests:
        await world.accept(reader, quest.id)
    [count] = await world.sql("SELECT count(*) AS n FROM assignment WHERE player_id = :r", r=reader)
    assert count.n == 5
