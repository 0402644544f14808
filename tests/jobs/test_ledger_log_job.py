"""The sequencer beside a server: appends by itself, outlives errors; `mela ledger` around it."""

import asyncio
import io
import os
import re
import sys
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import text

from core.ids import new_id
from core.settings import Settings
from core.tokens import KeyFileError
from jobs import console_ledger
from jobs.ledger_log import ledger_keys, run_sequencer
from services.wallets.ledger import transfer_all
from services.wallets.report import ReportRefused
from services.wallets.terms import Transfer, platform, user_account


@pytest.fixture
def log_settings(tmp_path, database_url):
    return Settings(profile="test", state_dir=tmp_path, database_url=database_url)


async def person(db):
    id = new_id()
    statement = text(
        "INSERT INTO user_account (id, email, username, password_hash, display_name)"
        " VALUES (:id, :email, :name, 'x', 'U')"
    )
    row = {"id": id, "email": f"{id.hex}@example.org", "name": f"u{id.hex[:20]}"}
    await db.transaction(lambda tx: tx.execute(statement, row))
    return id


async def deposit(db, user, amount=1_000):
    step = Transfer(
        debit=platform("EXTERNAL", "USD"),
        credit=user_account(user, "USD"),
        amount_minor=amount,
        code="DEPOSIT",
    )
    return (await db.transaction(lambda tx: transfer_all(tx, [step])))[0].id


async def leaves(db):
    async with db.read() as session:
        return await session.scalar(text("SELECT count(*) FROM ledger_leaf"))


async def test_transfers_are_logged_by_themselves(
    open_database, database_url, log_settings, eventually
):
    db = open_database(database_url)
    user = await person(db)
    async with run_sequencer(log_settings, db, every_s=0.05):
        for n in range(1, 4):
            await deposit(db, user)

            async def logged(n=n):
                return await leaves(db) == n

            await eventually(logged)


async def test_the_sequencer_outlives_a_log_it_cannot_write(
    open_database, database_url, log_settings, eventually
):
    db = open_database(database_url)
    user = await person(db)
    rename = "ALTER TABLE {} RENAME TO {}"
    async with run_sequencer(log_settings, db, every_s=0.02):
        away = text(rename.format("ledger_tree_head", "away"))
        await db.transaction(lambda tx: tx.execute(away))
        await deposit(db, user)
        await asyncio.sleep(0.2)
        assert await leaves(db) == 0
        back = text(rename.format("away", "ledger_tree_head"))
        await db.transaction(lambda tx: tx.execute(back))

        async def logged():
            return await leaves(db) == 1

        await eventually(logged)


def test_keys_are_made_in_the_state_folder_but_never_where_they_are_given(tmp_path):
    made = ledger_keys(Settings(profile="test", state_dir=tmp_path))
    assert ledger_keys(Settings(profile="test", state_dir=tmp_path)).public_keys == made.public_keys
    (tmp_path / "given").mkdir()
    with pytest.raises(KeyFileError, match="holds no Ed25519 key"):
        ledger_keys(Settings(profile="test", ledger_keys_dir=tmp_path / "given"))


def test_prod_brings_the_logs_keys(tmp_path):
    with pytest.raises(ValueError, match="MELA_LEDGER_KEYS_DIR"):
        Settings(profile="prod", signing_keys_dir=tmp_path)


async def test_the_audit_at_a_terminal_names_the_first_broken_row(
    open_database, database_url, log_settings
):
    db = open_database(database_url)
    user = await person(db)
    await deposit(db, user)
    console = Console(file=io.StringIO(), width=60)
    assert await console_ledger.audit(log_settings, console=console)
    assert "Not in the log yet, and so not yet provable: 1\n" in console.file.getvalue()
    spoil = text("UPDATE ledger_account SET credits_posted = 999 WHERE owner_id = :user")
    await db.transaction(lambda tx: tx.execute(spoil, {"user": user}))
    console = Console(file=io.StringIO(), width=60)
    assert not await console_ledger.audit(log_settings, console=console)
    shown = console.file.getvalue()
    assert re.search(
        r"First broken row: ledger_account [0-9a-f-]{36}: credits_posted is 999, the transfers say"
        r" 1000",
        shown,
    )


@pytest.mark.slow
async def test_the_command_exits_with_1_at_a_broken_row(open_database, database_url, tmp_path):
    db = open_database(database_url)
    user = await person(db)
    await deposit(db, user)
    environment = os.environ | {
        "MELA_DATABASE_URL": database_url,
        "MELA_REDIS_URL": "redis://unused",
        "MELA_STATE_DIR": str(tmp_path),
    }

    spoil = text("UPDATE ledger_account SET debits_posted = 1 WHERE kind = 'ISSUANCE'")
    await db.transaction(lambda tx: tx.execute(spoil))
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("mela")),
        *("ledger", "verify"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 1
    assert re.search(r"First broken row: ledger_account \S+: debits_posted is 1", said)


async def test_a_report_shows_and_attests_only_what_is_over(
    open_database, database_url, log_settings
):
    db = open_database(database_url)
    await deposit(db, await person(db), 123_456)
    console = Console(file=io.StringIO(), width=60)
    async with db.read() as session:
        month = await session.scalar(text("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')"))
    await console_ledger.report(log_settings, month, console=console)
    shown = console.file.getvalue()
    assert "1,234.56" in shown
    assert "The log is empty." in shown
    with pytest.raises(ReportRefused, match="not over"):
        await console_ledger.report(log_settings, month, console=console, attest=True)


async def test_an_attested_month_is_shown_with_its_marks(open_database, database_url, log_settings):
    db = open_database(database_url)
    await deposit(db, await person(db))
    console = Console(file=io.StringIO(), width=60)
    report = partial(console_ledger.report, log_settings, "2020-01")
    await report(console=console, attest=True, auditor="A. [b]", statement="all [i]well[/i]")
    said = console.file.getvalue()
    assert "2020-01 is attested\n" in said
    assert "2020-01 bears the mark of A. [b]\n" in said
    console = Console(file=io.StringIO(), width=60)
    await report(console=console)
    shown = console.file.getvalue()
    assert re.search(
        r"^Attested 20\S+Z: 1 leaves, root [0-9a-f]{64}, by [0-9a-f]{64}$", shown, re.M
    )
    assert re.search(r"^Mark of A\. \[b\], 20\S+Z: all \[i\]well\[/i\]$", shown, re.M)


@pytest.mark.parametrize("kind", ["beancount", "csv"])
async def test_exports_go_to_a_file(open_database, database_url, log_settings, tmp_path, kind):
    db = open_database(database_url)
    transfer = await deposit(db, await person(db))
    file = tmp_path / "out"
    await console_ledger.export(log_settings, kind, to=file)
    assert f"trf_{transfer.hex}" in file.read_text()


async def test_what_is_asked_wrongly_is_said(log_settings):
    with pytest.raises(SystemExit, match="must be one of beancount, csv, proof"):
        await console_ledger.export(log_settings, "pdf", to=None)
    with pytest.raises(SystemExit, match="--transfer: not an id"):
        await console_ledger.export(log_settings, "proof", to=None, transfer="x")
