"""Quests to be taken on, made by the rules, and the people who do."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import text

from core.database import Database
from core.ids import new_id
from models.users import Profile, UserAccount
from services.quests.assignments import accept_quest
from services.quests.quests import QuestDetails, create_quest, open_quest
from services.quests.zones import create_category

NOW = datetime.now(UTC)
OPENS, CLOSES = NOW - timedelta(days=1), NOW + timedelta(days=30)
PORTO = (41.15, -8.61)


@dataclass
class Quests:
    """A category `rivers`, an administrator and a sponsor."""

    db: Database
    admin: object = None
    sponsor: object = None

    async def begin(self):
        self.admin, self.sponsor = await self.people(2, "maker")
        await self.run(partial(create_category, slug="rivers", name="Rivers", reviewers_default=5))
        return self

    async def run(self, work):
        return await self.db.transaction(work)

    async def people(self, count, name="player"):
        ids = [new_id() for _ in range(count)]

        async def work(tx):
            for id in ids:
                called = f"{name}_{id.hex[-12:]}"
                tx.add(
                    UserAccount(
                        id=id,
                        email=f"{called}@mela.test",
                        username=called,
                        password_hash="-",
                        display_name=called,
                    )
                )
            await tx.flush()
            for id in ids:
                tx.add(Profile(user_id=id))

        await self.run(work)
        return ids

    def details(self, **fields):
        given = (
            {"place": PORTO, "radius_m": 200} if not {"polygon", "zone_id"} & set(fields) else {}
        )
        return QuestDetails(
            **{
                "title": "Clean the bank",
                "category": "rivers",
                "opens_at": OPENS,
                "closes_at": CLOSES,
                **given,
                **fields,
            }
        )

    async def quest(self, *, opened=True, by_sponsor=False, **fields):
        actor = self.sponsor if by_sponsor else self.admin
        who = {"actor_id": actor, "manages": not by_sponsor}
        made = partial(create_quest, **who, sponsors=by_sponsor, details=self.details(**fields))
        quest_id = await self.run(made)
        if opened:
            await self.run(partial(open_quest, **who, quest_id=quest_id))
        return quest_id

    async def accept(self, player_id, quest_id):
        return await self.run(partial(accept_quest, player_id=player_id, quest_id=quest_id))

    async def sql(self, statement, **values):
        async with self.db.read() as session:
            return (await session.execute(text(statement), values)).all()

    async def snapshot(self):
        """All that a refusal must leave as it was."""
        return {
            table: await self.sql(f"SELECT * FROM {table} ORDER BY 1, 2")
            for table in (
                "quest",
                "assignment",
                "team",
                "team_member",
                "event",
                "quest_prerequisite",
            )
        }
