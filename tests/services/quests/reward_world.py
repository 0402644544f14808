"""Verified assignments to be rewarded, written row by row: how they were verified is tested
elsewhere."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import null, text

from core.database import Database
from core.ids import new_id
from core.signing import NoteKeys
from models.quests.assignments import Assignment
from models.quests.quests import Quest
from models.users import Profile, UserAccount
from services.quests.budgets import fill_budget
from services.quests.contract import Area, Place, Terms, terms_json
from services.quests.rewards import reward
from services.wallets.endowing import endow
from services.wallets.log import sequence
from services.wallets.verify import verify_ledger

OPENS = datetime(2026, 3, 1, tzinfo=UTC)
CLOSES = OPENS + timedelta(days=30)
NOON = OPENS + timedelta(days=12, hours=12)
SPARK = 10**6


@dataclass
class World:
    """A category, players, quests; numbers make names differ."""

    db: Database
    keys: NoteKeys
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))
    terms: dict = field(default_factory=dict)

    async def add(self, *rows):
        async def work(tx):
            for row in rows:
                tx.add(row)
                await tx.flush()

        await self.db.transaction(work)

    async def player(self, *, zone="UTC", spark=0):
        id, name = new_id(), f"doer_{next(self.numbers)}"
        await self.add(
            UserAccount(
                id=id,
                email=f"{name}@mela.test",
                username=name,
                password_hash="-",
                display_name=name,
            ),
            Profile(user_id=id, time_zone=zone),
        )
        if spark:
            give = partial(endow, user_ids=[id], asset="SPARK", amount_minor=spark)
            await self.db.transaction(give)
        return id

    async def category(self, slug="river"):
        await self.run(
            "INSERT INTO quest_category (slug, name) VALUES (:slug, :slug) ON CONFLICT DO NOTHING",
            slug=slug,
        )
        return slug

    async def quest(self, creator, **terms):
        """A quest by its terms, which its assignments get."""
        id = new_id()
        given = {
            "category": "river",
            "region": "SI",
            "difficulty": 3,
            "opens_at": OPENS,
            "closes_at": CLOSES,
            "need_hundredths": 100,
            "base_xp": 100,
            "reward_minor": 0,
            "asset": "SPARK",
            "sponsor_id": None,
            **terms,
        }
        await self.category(given["category"])
        place = {"latitude": 46.0, "longitude": 14.5}
        about = {name: given[name] for name in given if name != "need_hundredths"}
        await self.add(
            Quest(
                id=id,
                creator_id=creator,
                title="Clean the bank",
                radius_m=100,
                polygon=null(),
                west=14.4,
                east=14.6,
                south=45.9,
                north=46.1,
                x_m=0.0,
                y_m=0.0,
                z_m=0.0,
                notes_asked=1,
                status="OPEN",
                **place,
                **about,
            )
        )
        rest = {"photos": 0, "locations": 0, "notes": 1, "videos": 0, "reviewers_needed": 1}
        rest |= {"on_foot": True, "auto_verify": True}
        self.terms[id] = Terms(quest_id=id, area=Area(Place(46.0, 14.5), 100), **given, **rest)
        return id

    async def verified(self, quest, player, *, at=NOON, authenticity=50, status="VERIFIED"):
        """An assignment of a quest that was handed in at `at`."""
        id, terms = new_id(), self.terms[quest]
        await self.add(
            Assignment(
                id=id,
                quest_id=quest,
                player_id=player,
                status=status,
                terms=terms_json(terms),
                base_xp=terms.base_xp,
                reward_minor=terms.reward_minor,
                asset=terms.asset,
                authenticity=authenticity,
                accepted_at=at - timedelta(hours=1),
                due_at=at + timedelta(days=7),
                submitted_at=at,
                decided_at=at + timedelta(hours=1),
            )
        )
        return id

    async def reward(self, assignment):
        return await self.db.transaction(partial(reward, assignment_id=assignment))

    async def budget(self, sponsor, amount):
        fill = partial(fill_budget, sponsor_id=sponsor, asset="SPARK", amount_minor=amount)
        await self.db.transaction(fill)

    async def balance(self, kind, holder):
        rows = await self.rows(
            "SELECT credits_posted - debits_posted AS balance FROM ledger_account"
            " WHERE kind = :kind AND holder_id = :holder AND asset = 'SPARK'",
            kind=kind,
            holder=holder,
        )
        return rows[0].balance if rows else 0

    async def sequence(self):
        return await self.db.transaction(partial(sequence, keys=self.keys))

    async def faults(self):
        checks = await verify_ledger(self.db, self.keys)
        return [check.broken for check in checks if check.broken]

    async def rows(self, statement, **parameters):
        async with self.db.read() as session:
            return (await session.execute(text(statement), parameters)).all()

    async def run(self, statement, **parameters):
        await self.db.transaction(lambda tx: tx.execute(text(statement), parameters))
