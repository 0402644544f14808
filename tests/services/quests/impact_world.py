"""Players, quests and impact entries as rows, for what reads them: no rule of rewards is run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import insert, text

from core.database import Database
from core.ids import new_id
from models.quests.assignments import Assignment
from models.quests.quests import Quest, QuestCategory
from models.quests.rewards import ImpactEntry
from models.users import UserAccount

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
"""A Wednesday."""


class ImpactWorld:
    """Rows by name. Categories are made as they are needed; each entry has an assignment."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.categories: set[str] = set()
        self.creator: UUID | None = None

    async def players(self, count: int) -> list[UUID]:
        """Accounts, in the order of their ids."""
        ids = sorted(new_id() for _ in range(count))
        rows = [
            {
                "id": id,
                "username": f"u{id.hex[-20:]}",
                "email": f"{id.hex}@mela.test",
                "display_name": f"Player {n}",
                "password_hash": "x",
            }
            for n, id in enumerate(ids)
        ]
        await self._insert(UserAccount, rows)
        return ids

    async def quest(self, category: str = "rivers", region: str | None = "FR", **more) -> UUID:
        """An open quest; more columns by name."""
        if self.creator is None:
            (self.creator,) = await self.players(1)
        if category not in self.categories:
            self.categories.add(category)
            await self._insert(QuestCategory, [{"slug": category, "name": category.title()}])
        row = {
            "id": new_id(),
            "creator_id": self.creator,
            "title": f"Clean {category}",
            "category": category,
            "region": region,
            "latitude": 48.0,
            "longitude": 2.0,
            "radius_m": 100,
            "west": 1.9,
            "south": 47.9,
            "east": 2.1,
            "north": 48.1,
            "x_m": 0.0,
            "y_m": 0.0,
            "z_m": 0.0,
            "opens_at": NOON - timedelta(days=1000),
            "closes_at": NOON + timedelta(days=1000),
            "photos_asked": 1,
            "reward_minor": 0,
            "status": "OPEN",
        } | more
        await self._insert(Quest, [row])
        return row["id"]

    async def assignment(
        self, player: UUID, quest: UUID, status: str = "ACCEPTED", *, at: datetime = NOON, **more
    ) -> UUID:
        """An assignment in some state, taken on an hour before `at`."""
        row = {
            "id": new_id(),
            "quest_id": quest,
            "player_id": player,
            "status": status,
            "terms": {},
            "base_xp": 100,
            "reward_minor": 0,
            "accepted_at": at - timedelta(hours=1),
            "due_at": at + timedelta(days=7),
            "submitted_at": at if status not in ("ACCEPTED", "ABANDONED", "EXPIRED") else None,
            "decided_at": at if status in ("VERIFIED", "REJECTED", "REWARDED") else None,
            "ended_at": at if status in ("ABANDONED", "EXPIRED") else None,
        } | more
        await self._insert(Assignment, [row])
        return row["id"]

    async def gain(self, player: UUID, quest: UUID, xp: int, at: datetime = NOON, **more) -> UUID:
        """An impact entry with its assignment; category and region are the quest's defaults."""
        return (await self.gains([(player, quest, xp, at, more)]))[0]

    async def gains(self, given) -> list[UUID]:
        """Several, in one transaction: (player, quest, xp, at, more columns)."""
        entries = []
        assignments = []
        for player, quest, xp, at, more in given:
            assignment = new_id()
            assignments.append(
                {
                    "id": assignment,
                    "quest_id": quest,
                    "player_id": player,
                    "status": "REWARDED",
                    "terms": {},
                    "base_xp": 100,
                    "reward_minor": 0,
                    "accepted_at": at - timedelta(hours=1),
                    "due_at": at + timedelta(days=7),
                    "submitted_at": at,
                    "decided_at": at,
                }
            )
            entries.append(
                {
                    "id": new_id(),
                    "assignment_id": assignment,
                    "player_id": player,
                    "quest_id": quest,
                    "category": "rivers",
                    "region": "FR",
                    "xp_awarded": xp,
                    "token_minor": 0,
                    "impact_hundredths": 100 * xp,
                    "breakdown": {},
                    "salt": bytes(16),
                    "leaf_hash": bytes(32),
                    "created_at": at,
                }
                | more
            )

        async def work(tx) -> None:
            await tx.execute(insert(Assignment), assignments)
            await tx.execute(insert(ImpactEntry), entries)

        await self.db.transaction(work)
        await self._seen_by_followers()
        return [entry["id"] for entry in entries]

    async def _seen_by_followers(self) -> None:
        """Wait until no transaction on the server, whosever it is, hides entries from who follows
        the log."""
        hidden = text(
            "SELECT EXISTS (SELECT FROM impact_entry"
            " WHERE transaction_id >= pg_snapshot_xmin(pg_current_snapshot()))"
        )
        async with asyncio.timeout(20):
            while True:
                if not await self._scalar(hidden):
                    return
                await asyncio.sleep(0.01)

    async def _scalar(self, statement) -> object:
        async with self.db.read() as session:
            return (await session.execute(statement)).scalar_one()

    async def _insert(self, model, rows) -> None:
        async def work(tx) -> None:
            await tx.execute(insert(model), rows)

        await self.db.transaction(work)
