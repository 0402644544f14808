"""A ledger written row by row, for tests of its log: they check what is kept, not who wrote it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import text

from core.database import Database
from core.ids import new_id
from core.signing import NoteKeys, ensure_note_keys
from services.wallets.log import Sequenced, sequence

SYSTEM = "SELECT id FROM ledger_account WHERE kind = :kind AND asset = :asset AND owner_id IS NULL"
COUNTERS = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")


UNSETTLED = """
    SELECT EXISTS (SELECT 1 FROM transfer
                   WHERE transaction_id >= pg_snapshot_xmin(pg_current_snapshot()))
"""


@dataclass
class Scratch:
    """Accounts and transfers of three assets; what it writes is right unless a test spoils it."""

    db: Database
    keys: NoteKeys
    at: datetime | None = None
    """When transfers are said to be made; None, now."""
    holds: dict[UUID, tuple[UUID, UUID, str, int]] = field(default_factory=dict)

    async def user(self, name: str) -> UUID:
        id = new_id()
        await self.run(
            "INSERT INTO user_account (id, email, username, password_hash, display_name)"
            " VALUES (:id, :email, :name, 'x', 'U')",
            id=id,
            email=f"{name}@example.org",
            name=f"user_{name}",
        )
        return id

    async def account(self, user: UUID, asset: str = "USD") -> UUID:
        id = new_id()
        await self.run(
            "INSERT INTO ledger_account (id, kind, holder_id, owner_id, asset)"
            " VALUES (:id, 'USER', :user, :user, :asset)",
            id=id,
            user=user,
            asset=asset,
        )
        return id

    async def system(self, kind: str, asset: str = "USD") -> UUID:
        return (await self.rows(SYSTEM, kind=kind, asset=asset))[0].id

    async def move(self, debit: UUID, credit: UUID, amount: int, **more: object) -> UUID:
        return await self.db.transaction(
            lambda tx: self.write(tx, "SINGLE", debit, credit, amount, **more)
        )

    async def hold(self, debit: UUID, credit: UUID, amount: int, **more: object) -> UUID:
        return await self.db.transaction(
            lambda tx: self.write(tx, "PENDING", debit, credit, amount, **more)
        )

    async def resolve(self, hold: UUID, kind: str = "POST", amount: int | None = None) -> UUID:
        return await self.db.transaction(lambda tx: self.write_resolution(tx, hold, kind, amount))

    async def write_resolution(self, tx, hold, kind="POST", amount=None) -> UUID:
        debit, credit, asset, held = self.holds[hold]
        await self.change(tx, debit, debits_pending=-held)
        await self.change(tx, credit, credits_pending=-held)
        await tx.execute(text("DELETE FROM ledger_hold WHERE transfer_id = :id"), {"id": hold})
        return await self.write(
            tx, kind, debit, credit, amount or held, asset=asset, pending_id=hold
        )

    async def write(
        self, tx, kind, debit, credit, amount, *, asset="USD", code="TRANSFER", pending_id=None
    ) -> UUID:
        moved = {"SINGLE": "posted", "POST": "posted", "PENDING": "pending"}.get(kind)
        d = await self.change(tx, debit, **({f"debits_{moved}": amount} if moved else {}))
        c = await self.change(tx, credit, **({f"credits_{moved}": amount} if moved else {}))
        id = new_id()
        await tx.execute(
            text(
                "INSERT INTO transfer (id, kind, code, debit_account_id, credit_account_id, asset,"
                " amount_minor, pending_id, reference, actor_id, debit_balance_after,"
                " debit_held_after, credit_balance_after, credit_held_after, created_at) VALUES"
                " (:id, :kind, :code, :d, :c, :asset, :amount, :pending, :reference, :actor, :db,"
                " :dh, :cb, :ch, coalesce(CAST(:at AS timestamptz), clock_timestamp()))"
            ),
            {
                "id": id,
                "kind": kind,
                "code": code,
                "d": debit,
                "c": credit,
                "asset": asset,
                "amount": amount,
                "pending": pending_id,
                "reference": f"auc_{id.hex}",
                "actor": new_id(),
                "db": d.balance,
                "dh": d.held,
                "cb": c.balance,
                "ch": c.held,
                "at": self.at,
            },
        )
        if kind == "PENDING":
            self.holds[id] = (debit, credit, asset, amount)
            await tx.execute(
                text("INSERT INTO ledger_hold VALUES (:id, :d, :c, :amount, NULL)"),
                {"id": id, "d": debit, "c": credit, "amount": amount},
            )
        return id

    async def change(self, tx, account: UUID, **by: int):
        changes = {name: by.get(name, 0) for name in COUNTERS}
        assignments = ", ".join(f"{name} = {name} + :{name}" for name in COUNTERS)
        result = await tx.execute(
            text(
                f"UPDATE ledger_account SET {assignments} WHERE id = :id RETURNING"
                " credits_posted - debits_posted AS balance, debits_pending AS held"
            ),
            changes | {"id": account},
        )
        return result.one()

    async def fill(self, transfers: int, *, seed: int = 1) -> list[UUID]:
        """About as many transfers of every kind in one transaction; returns the accounts."""
        rng = random.Random(seed)
        users = [await self.user(f"user{n}") for n in range(4)]
        accounts = {
            asset: [await self.account(user, asset) for user in users] for asset in ("USD", "SPARK")
        }
        sources = {
            "USD": await self.system("EXTERNAL", "USD"),
            "SPARK": await self.system("ISSUANCE", "SPARK"),
        }

        async def work(tx):
            for n in range(transfers):
                asset = rng.choice(("USD", "SPARK"))
                mine = accounts[asset]
                if n < 20 or rng.random() < 0.2:
                    code = "DEPOSIT" if asset == "USD" else "MINT"
                    target = mine[n % 4]
                    await self.write(
                        tx, "SINGLE", sources[asset], target, 10_000, asset=asset, code=code
                    )
                elif rng.random() < 0.3:
                    debit, credit = rng.sample(mine, 2)
                    hold = await self.write(
                        tx, "PENDING", debit, credit, rng.randint(1, 90), asset=asset, code="BID"
                    )
                    if rng.random() < 0.8:
                        kind = rng.choice(("POST", "VOID", "EXPIRE"))
                        part = rng.randint(1, self.holds[hold][3]) if kind == "POST" else None
                        await self.write_resolution(tx, hold, kind, part)
                else:
                    debit, credit = rng.sample(mine, 2)
                    await self.write(tx, "SINGLE", debit, credit, rng.randint(1, 99), asset=asset)

        await self.db.transaction(work)
        return [account for mine in accounts.values() for account in mine]

    async def settle(self) -> None:
        """Until no transaction older than a transfer runs: other tests share the server, and theirs
        hold the sequencer back too."""
        deadline = time.monotonic() + 60
        while (await self.rows(UNSETTLED))[0][0]:
            assert time.monotonic() < deadline, "a transaction elsewhere does not end"
            await asyncio.sleep(0.02)

    async def sequence(self, limit: int = 1_000, *, settled: bool = True) -> Sequenced:
        """One unit of the sequencer; `settled` waits first, see `settle`."""
        if settled:
            await self.settle()
        return await self.db.transaction(partial(sequence, keys=self.keys, limit=limit))

    async def catch_up(self, limit: int = 1_000) -> int:
        """Sequence all there is; returns how many units it took."""
        units = 1
        while (await self.sequence(limit)).more:
            units += 1
        return units

    async def rows(self, statement: str, **parameters: object):
        async with self.db.read() as session:
            return (await session.execute(text(statement), parameters)).all()

    async def run(self, statement: str, **parameters: object) -> None:
        await self.db.transaction(lambda tx: tx.execute(text(statement), parameters))


@pytest.fixture
async def open_database(make_database) -> AsyncIterator[Callable[[str], Database]]:
    """A pool on a database, closed before the database is dropped."""
    async with AsyncExitStack() as stack:

        def opened(url: str) -> Database:
            db = Database(url)
            stack.push_async_callback(db.close)
            return db

        yield opened


@pytest.fixture(scope="session")
def keys(tmp_path_factory) -> NoteKeys:
    return ensure_note_keys(tmp_path_factory.mktemp("ledger-keys"))


@pytest.fixture
async def scratch(open_database, database_url, keys) -> Scratch:
    return Scratch(open_database(database_url), keys)
