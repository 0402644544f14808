"""People to test with, in a database of the test's own."""

import asyncio
import itertools
import time

import pytest
from sqlalchemy import select

from models.user_tables import security_events
from services.users.accounts import NewAccount, sign_up
from services.users.passwords import Passwords
from services.users.sessions import Client, open_session
from services.users.signing_in import sign_in
from services.users.throttle import Throttle

PASSWORD = "correct horse battery"
WEEK_S = 7 * 24 * 3600


@pytest.fixture(scope="session")
def passwords():
    cheap = Passwords(memory_kib=8, time_cost=1)
    yield cheap
    cheap.close()


@pytest.fixture
async def throttle(redis_url, redis_prefix):
    made = Throttle(redis_url, prefix=redis_prefix, tries_per_account=10, tries_per_address=100)
    yield made
    await made.close()


@pytest.fixture
def make_user(db, passwords):
    """`await make_user("ada")` signs Ada up with `PASSWORD` and returns her id."""
    numbers = itertools.count(1)

    async def make(username=None):
        username = username or f"user_{next(numbers)}"
        account = NewAccount(f"{username}@mela.test", username, await passwords.hash(PASSWORD))
        return await db.transaction(lambda tx: sign_up(tx, account=account, client=Client()))

    return make


@pytest.fixture
def enter(db, passwords, throttle):
    """`await enter("ada")` signs in and returns the opened session."""

    async def enter(login, password=PASSWORD, *, address="192.0.2.1", device="tests"):
        return await sign_in(
            db,
            login=login,
            password=password,
            client=Client(address=address, device=device),
            passwords=passwords,
            throttle=throttle,
            refresh_token_s=WEEK_S,
        )

    return enter


@pytest.fixture
def open_for(db):
    """`await open_for(user_id)` opens a session without a password."""

    async def open_for(user_id):
        return await db.transaction(
            lambda tx: open_session(tx, user_id=user_id, client=Client(), refresh_token_s=WEEK_S)
        )

    return open_for


@pytest.fixture
def audited(db):
    """The audit log's rows of one kind, oldest first."""

    async def audited(kind):
        async with db.read() as session:
            rows = await session.execute(
                select(security_events)
                .where(security_events.c.kind == kind)
                .order_by(security_events.c.id)
            )
            return rows.all()

    return audited


@pytest.fixture
def until():
    """`await until(lambda: condition)`: wait until it is true, 10 seconds at most."""

    async def until(condition, timeout_s=10.0):
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            await asyncio.sleep(0.01)

    return until
