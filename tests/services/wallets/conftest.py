"""Users with money, in a database of the test's own, and what the ledger's counters must be."""

import itertools
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from core.database import Database
from core.ids import new_id
from services.wallets.ledger import transfer_all
from services.wallets.terms import Transfer, platform, user_account
from tests.ledger import RULES

ADD_USER = text(
    "INSERT INTO user_account (id, email, username, password_hash, display_name)"
    " VALUES (:id, :email, :name, 'none', :name)"
)
ACCOUNT = text(
    "SELECT id, status, credits_posted - debits_posted AS balance, debits_pending AS held,"
    " credits_posted - debits_posted - debits_pending AS available"
    " FROM ledger_account WHERE holder_id = :holder AND asset = :asset AND kind = :kind"
)


@dataclass
class Money:
    """The ledger as tests see it."""

    db: Database
    numbers: itertools.count

    async def user(self, **funds):
        """A new user with these amounts (minor units by asset)."""
        user_id = new_id()
        name = f"payer_{next(self.numbers)}"
        row = {"id": user_id, "name": name, "email": f"{name}@mela.test"}
        await self.do(ADD_USER, row)
        for asset, amount in funds.items():
            await self.give(user_id, amount, asset)
        return user_id

    async def give(self, user_id, amount, asset="USD"):
        source = "ISSUANCE" if asset == "SPARK" else "EXTERNAL"
        step = Transfer(
            debit=platform(source, asset),
            credit=user_account(user_id, asset),
            amount_minor=amount,
            code="MINT" if asset == "SPARK" else "DEPOSIT",
        )
        await self.db.transaction(lambda tx: transfer_all(tx, [step]))

    async def do(self, statement, values=None):
        async def work(tx):
            result = await tx.execute(statement, values or {})
            return result.all() if result.returns_rows else result.rowcount

        return await self.db.transaction(work)

    async def read(self, sql, **values):
        async with self.db.read() as session:
            return (await session.execute(text(sql), values)).all()

    async def account(self, holder_id, asset="USD", kind="USER"):
        wanted = {"holder": holder_id, "asset": asset, "kind": kind}
        async with self.db.read() as session:
            return (await session.execute(ACCOUNT, wanted)).one_or_none()

    async def state(self, holder_id, asset="USD", kind="USER"):
        """Balance and held amount."""
        row = await self.account(holder_id, asset, kind)
        return None if row is None else (row.balance, row.held)

    async def count(self, table="transfer"):
        return (await self.read(f"SELECT count(*) FROM {table}"))[0][0]

    async def check(self):
        """Rules 1 and 2, and that counters and open holds are the transfers' fold."""
        async with self.db.read() as session:
            for rule in RULES:
                assert (await session.execute(text(rule))).all() == []


@pytest.fixture
def make_money():
    """`make_money(db)`: the ledger of another database handle."""
    return lambda db: Money(db, itertools.count(1))


@pytest.fixture
def money(db, make_money):
    return make_money(db)
