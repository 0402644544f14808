"""The audit of a whole ledger: true ones pass, and any changed byte is found."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.ids import new_id
from core.signing import ensure_note_keys
from services.wallets.accounts import freeze_account
from services.wallets.health import log_lag
from services.wallets.ledger import transfer_all
from services.wallets.report import attest_month
from services.wallets.terms import Post, Transfer, Void, escrow, platform, user_account
from services.wallets.verify import check_ledger, verify_ledger


async def faults(scratch, keys=None):
    return [
        check.broken
        for check in await verify_ledger(scratch.db, keys or scratch.keys)
        if check.broken
    ]


async def test_a_true_ledger_passes_every_check(scratch):
    await scratch.fill(120)
    await scratch.catch_up(33)
    checks = await verify_ledger(scratch.db, scratch.keys)
    assert [check.broken for check in checks] == [None] * 9
    rows = {check.name: check.rows for check in checks}
    transfers = (await scratch.rows("SELECT count(*) FROM transfer"))[0][0]
    assert rows["leaves are the transfers and impact entries, nodes and roots follow"] == transfers
    assert rows["transfers keep the rules"] == transfers
    assert rows["accounts are as they were opened"] == 8 + 20
    assert rows["tree heads are signed"] == -(-transfers // 33)
    assert rows["open holds are the unresolved transfers"] > 0


async def test_an_empty_ledger_passes(scratch):
    assert await faults(scratch) == []


async def test_transfers_that_wait_for_the_log_are_no_fault_but_are_counted(scratch):
    await scratch.fill(40)
    await scratch.sequence(25)
    assert await faults(scratch) == []
    async with scratch.db.read() as session:
        waiting = (await log_lag(session)).count
    assert waiting == (await scratch.rows("SELECT count(*) FROM transfer"))[0][0] - 25


async def test_heads_of_another_key_are_not_believed(scratch, tmp_path):
    await scratch.fill(25)
    await scratch.sequence()
    size = (await scratch.sequence()).size
    assert await faults(scratch, ensure_note_keys(tmp_path)) == [
        f"ledger_tree_head {size}: the signature does not hold"
    ]


async def test_what_the_real_ledger_writes_passes(scratch):
    users = [await scratch.user(f"u{n}") for n in range(3)]
    accounts = [user_account(user, "USD") for user in users]
    lot = escrow(new_id(), "USD")
    steps = [
        Transfer(
            debit=platform("EXTERNAL", "USD"), credit=account, amount_minor=900, code="DEPOSIT"
        )
        for account in accounts
    ]
    await scratch.db.transaction(partial(transfer_all, steps=steps))
    holds = [
        Transfer(debit=account, credit=lot, amount_minor=300, code="BID", pending=True)
        for account in accounts
    ]
    await scratch.db.transaction(partial(transfer_all, steps=holds))
    await scratch.sequence()
    ends = [Post(hold_id=holds[0].id, amount_minor=250), Void(hold_id=holds[1].id)]
    await scratch.db.transaction(partial(transfer_all, steps=ends))
    await scratch.sequence()
    checks = await verify_ledger(scratch.db, scratch.keys)
    assert [check.broken for check in checks if check.broken] == []
    assert {check.name: check.rows for check in checks}["transfers keep the rules"] == 8


async def test_a_status_that_nobody_set_is_found(scratch):
    user = await scratch.user("u")
    account = await scratch.account(user)
    frozen = partial(freeze_account, account_id=account, actor_id=user, reason="a court's order")
    await scratch.db.transaction(frozen)
    assert await faults(scratch) == []
    await scratch.run("UPDATE ledger_account SET status = 'OPEN' WHERE id = :id", id=account)
    assert await faults(scratch) == [
        f"ledger_account {account}: OPEN is not what the audit log says"
    ]


async def spoil(scratch, *statements):
    async def work(tx):
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            await tx.execute(text(statement))

    await scratch.db.transaction(work)


async def test_a_transfer_taken_out_with_its_leaf_is_found(scratch):
    await scratch.fill(40)
    await scratch.sequence()
    size = (await scratch.sequence()).size
    last = f"(SELECT transfer_id FROM ledger_leaf WHERE index = {size - 1})"
    await spoil(
        scratch,
        f"DELETE FROM ledger_hold WHERE transfer_id = {last}",
        f"DELETE FROM transfer WHERE id = {last}",
        f"DELETE FROM ledger_leaf WHERE index = {size - 1}",
    )
    assert f"ledger_tree_head {size}: the log has {size - 1} leaves" in "".join(
        await faults(scratch)
    )


async def test_a_transfer_slipped_in_behind_the_log_is_found(scratch):
    accounts = await scratch.fill(40)
    await scratch.sequence()
    forged = await scratch.move(accounts[0], accounts[1], 1)
    assert await faults(scratch) == []
    await spoil(scratch, f"UPDATE transfer SET transaction_id = '3' WHERE id = '{forged}'")
    assert f"transfer {forged}: the log went past it" in await faults(scratch)


async def test_who_rewrites_everything_but_has_no_key_is_found(scratch, tmp_path):
    accounts = await scratch.fill(40)
    await scratch.sequence()
    await spoil(
        scratch,
        "TRUNCATE ledger_leaf, ledger_node, ledger_tree_head CASCADE",
        "UPDATE transfer SET reference = NULL",
    )
    forger = replace(scratch, keys=ensure_note_keys(tmp_path))
    await forger.move(accounts[0], accounts[1], 1)
    await forger.sequence()
    assert await faults(scratch, forger.keys) == []
    found = await faults(scratch)
    assert len(found) == 1
    assert "the signature does not hold" in found[0]


async def test_money_made_in_an_account_is_found_twice(scratch):
    accounts = await scratch.fill(40)
    await scratch.sequence()
    await spoil(
        scratch,
        f"UPDATE ledger_account SET credits_posted = credits_posted + 5 WHERE id = '{accounts[0]}'",
    )
    found = await faults(scratch)
    assert len(found) == 2
    assert found[0].startswith(f"ledger_account {accounts[0]}: credits_posted is ")
    assert found[1] == "USD: debits exceed credits by -5 posted, 0 pending"


TABLES = (
    "transfer",
    "ledger_account",
    "ledger_leaf",
    "ledger_tree_head",
    "ledger_node",
    "ledger_account_seal",
    "ledger_hold",
    "ledger_attestation",
)
COLUMNS = """
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
    FROM pg_attribute AS a
    WHERE a.attrelid = CAST(:table AS regclass) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""
CONSTRAINTS = """
    SELECT 'ALTER TABLE ' || conrelid::regclass || ' DROP CONSTRAINT ' || conname || ' CASCADE'
    FROM pg_constraint WHERE contype <> 'n' AND conrelid::regclass::text = ANY (:tables)
    ORDER BY contype
"""
SENT = {
    "uuid": "uuid_send",
    "bigint": "int8send",
    "smallint": "int2send",
    "xid8": "xid8send",
    "timestamp with time zone": "timestamptz_send",
    "bytea": "",
    "text": "textsend",
    "character varying": "varcharsend",
    "jsonb": "textsend",
}


def changed_byte(kind, sent, rng):
    """The same value with one byte of it changed, as SQL that gives it back."""
    place = rng.randrange(len(sent))
    if kind in ("text", "character varying", "jsonb"):
        other = bytes([rng.choice([c for c in range(0x23, 0x5B) if c != sent[place]])])
    else:
        other = bytes([sent[place] ^ rng.randrange(1, 256)])
    value = sent[:place] + other + sent[place + 1 :]
    match kind:
        case "bytea":
            return f"'\\x{value.hex()}'::bytea"
        case "uuid":
            return f"'{value.hex()}'::uuid"
        case "bigint" | "smallint":
            return f"'{int.from_bytes(value, signed=True)}'::{kind}"
        case "xid8":
            return f"'{int.from_bytes(value)}'::xid8"
        case "timestamp with time zone":
            microseconds = int.from_bytes(value, signed=True)
            return (
                "'2000-01-01Z'::timestamptz"
                f" + {microseconds // 10**6} * interval '1 second'"
                f" + {microseconds % 10**6} * interval '1 microsecond'"
            )
        case _:
            said = value.decode().replace("'", "''")
            return f"'{said}'::{kind}"


async def laid_open(scratch):
    """Nothing in the database refuses a change any more: not triggers, keys, checks, identity."""
    for row in await scratch.rows(CONSTRAINTS, tables=list(TABLES)):
        await scratch.run(row[0].replace("CONSTRAINT", "CONSTRAINT IF EXISTS"))
    await scratch.run("DROP INDEX ix_transfer_log")
    await scratch.run("DROP INDEX uq_transfer_pending_id")
    await scratch.run("ALTER TABLE transfer ALTER COLUMN row_id DROP IDENTITY")


async def cells(tx):
    """Every value of every row: table, row, column, type, bytes."""
    found = []
    for table in TABLES:
        for column in (await tx.execute(text(COLUMNS), {"table": table})).all():
            cast = "::text" if column.type == "jsonb" else ""
            rows = await tx.execute(
                text(
                    f"SELECT ctid::text AS place, {SENT[column.type]}({column.name}{cast}) AS sent"
                    f" FROM {table} WHERE {column.name} IS NOT NULL ORDER BY ctid"
                )
            )
            found += [
                (table, row.place, column.name, column.type, row.sent) for row in rows if row.sent
            ]
    return found


async def changed(tx, cell, rng):
    """Change one byte of a cell in a savepoint; False where PostgreSQL has no such value."""
    table, place, column, kind, sent = cell
    value = changed_byte(kind, sent, rng)
    try:
        async with tx.begin_nested():
            connection = await tx.connection()
            await connection.exec_driver_sql(
                f"UPDATE {table} SET {column} = {value} WHERE ctid = '{place}'::tid"
            )
    except DBAPIError as error:
        if "out of range" in str(error) or "invalid input syntax for type json" in str(error):
            return False
        raise
    return True


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_each_of_a_thousand_random_single_byte_changes_is_found(scratch):
    scratch.at = datetime(2020, 1, 31, 23, tzinfo=UTC)
    await scratch.fill(170)
    await scratch.catch_up(60)
    await scratch.db.transaction(partial(attest_month, keys=scratch.keys, period="2020-01"))
    await laid_open(scratch)
    rng = random.Random(20260131)

    async def work(tx):
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        every = await cells(tx)
        assert {cell[:3:2] for cell in every} >= {
            ("transfer", "created_at"),
            ("ledger_leaf", "salt"),
        }
        missed, tried = [], 0
        while tried < 1_000:
            # Tables first, so that the thousand are not all in the largest.
            table = rng.choice(TABLES)
            cell = rng.choice([cell for cell in every if cell[0] == table])
            savepoint = await tx.begin_nested()
            if await changed(tx, cell, rng):
                tried += 1
                checks = await check_ledger(tx, scratch.keys)
                if all(check.broken is None for check in checks):
                    missed.append(cell[:4])
            await savepoint.rollback()
        assert missed == []
        checks = await check_ledger(tx, scratch.keys)
        assert [check.broken for check in checks if check.broken] == []  # all were put back

    await scratch.db.transaction(work)
