"""A process killed while it moves money loses nothing that it acknowledged, and halves nothing."""

import asyncio
import re
import signal
import sys
from pathlib import Path
from uuid import UUID

ROOT = Path(__file__).resolve().parents[3]
PAYER = """
import asyncio, random, sys
from functools import partial
from uuid import UUID
from core.database import Database
from services.wallets.ledger import transfer_all
from services.wallets.terms import Transfer, user_account

async def pay(db, users):
    while True:
        a, b, c = (user_account(user, "USD") for user in random.sample(users, 3))
        steps = [Transfer(debit=a, credit=b, amount_minor=7, code="TRANSFER"),
                 Transfer(debit=b, credit=c, amount_minor=7, code="TRANSFER")]
        await db.transaction(partial(transfer_all, steps=steps))
        sys.stdout.write(" ".join(step.id.hex for step in steps) + "\\n")
        sys.stdout.flush()

async def main():
    db = Database(sys.argv[1])
    users = [UUID(hex=user) for user in sys.argv[2:]]
    await asyncio.gather(*(pay(db, users) for _ in range(8)))

asyncio.run(main())
"""
ACKNOWLEDGED = 200
PAIR = re.compile(rb"^([0-9a-f]{32}) ([0-9a-f]{32})$", re.MULTILINE)


async def test_killed_process_loses_no_acknowledged_transfer(db, database_url, money):
    users = [await money.user(USD=10**6) for _ in range(5)]
    arguments = [database_url, *(user.hex for user in users)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PAYER, *arguments, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    told = []
    async with asyncio.timeout(60):
        while len(told) < ACKNOWLEDGED and not process.stdout.at_eof():
            told += PAIR.findall(await process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        told += PAIR.findall(await process.stdout.read())
        await process.wait()
        # What the dead process had in flight ends with its connections.
        while (await money.read(IN_FLIGHT))[0][0]:  # noqa: ASYNC110  (no event tells of it)
            await asyncio.sleep(0.05)
    acknowledged = {UUID(hex=id.decode()) for pair in told for id in pair}
    rows = await money.read("SELECT id, transaction_id::text FROM transfer WHERE code = 'TRANSFER'")
    assert acknowledged <= {row.id for row in rows}
    assert len(acknowledged) >= 2 * ACKNOWLEDGED
    transactions = [row.transaction_id for row in rows]
    assert {transactions.count(one) for one in transactions} == {2}
    await money.check()
    assert sum([(await money.state(user))[0] for user in users]) == 5 * 10**6


IN_FLIGHT = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND state <> 'idle' AND application_name = 'mela'
"""
