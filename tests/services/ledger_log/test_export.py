"""Journals that beancount accepts, CSV, proofs that the verifier accepts, months and marks."""

import csv
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from core.database import database_now
from services.wallets.export import NotInLog, beancount_lines, csv_lines, proof_bundle
from services.wallets.health import Waiting, log_lag
from services.wallets.report import (
    Movement,
    ReportRefused,
    attest_month,
    mark_month,
    month_report,
    read_attestation,
    sums_of,
)

VERIFIER = Path(__file__).parents[3] / "docs" / "verify_ledger.py"
BEAN_CHECK = Path(sys.executable).with_name("bean-check")


async def exported(scratch, lines):
    async def work(tx):
        return "".join([line async for line in lines(tx)])

    return await scratch.db.transaction(work)


def ran(*command):
    return subprocess.run(command, capture_output=True, text=True)


async def test_bean_check_accepts_the_journal_and_its_balances(scratch, tmp_path):
    await scratch.fill(120)
    journal = await exported(scratch, beancount_lines)
    file = tmp_path / "ledger.beancount"
    file.write_text(journal)
    done = ran(BEAN_CHECK, file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    balances = dict(re.findall(r"balance \S+:A(\w+) (\S+) ~ 0", journal))
    rows = await scratch.rows(
        "SELECT id, asset, credits_posted - debits_posted AS b FROM ledger_account"
    )
    scales = {"USD": 2, "EUR": 2, "INR": 2, "JPY": 0, "SPARK": 6}
    assert {id: Decimal(amount) for id, amount in balances.items()} == {
        row.id.hex: -Decimal(row.b).scaleb(-scales[row.asset]) for row in rows
    }
    # One minor unit more in one balance, and the journal is refused.
    wrong = re.sub(r"\d ~ 0 USD", lambda found: f"{9 - int(found[0][0])} ~ 0 USD", journal, count=1)
    assert wrong != journal
    file.write_text(wrong)
    assert ran(BEAN_CHECK, file).returncode != 0


async def test_csv_has_every_transfer_once(scratch):
    await scratch.fill(60)
    await scratch.sequence(30)
    rows = list(csv.DictReader((await exported(scratch, csv_lines)).splitlines()))
    kept = await scratch.rows("SELECT * FROM transfer ORDER BY row_id")
    assert [row["id"] for row in rows] == [f"trf_{row.id.hex}" for row in kept]
    assert [row["index"] for row in rows[:30]] == [str(n) for n in range(30)]
    assert rows[30]["index"] == ""
    first = rows[0]
    assert first["amount"] in ("100.00", "0.010000")
    assert {row["kind"] for row in rows} >= {"SINGLE", "PENDING", "POST"}


async def test_an_exported_proof_is_verified_by_the_script(scratch, tmp_path):
    await scratch.fill(50)
    await scratch.catch_up(20)
    transfer = (await scratch.rows("SELECT transfer_id FROM ledger_leaf WHERE index = 7"))[0][0]
    async with scratch.db.read() as session:
        bundle = await proof_bundle(session, transfer, since=20)
        with pytest.raises(NotInLog, match="no head of 19"):
            await proof_bundle(session, transfer, since=19)
        with pytest.raises(NotInLog, match="no head of 5000"):
            await proof_bundle(session, transfer, since=5_000)
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(bundle))
    key = next(iter(scratch.keys.public_keys)).hex()
    done = ran(sys.executable, "-I", VERIFIER, file, key)
    assert done.returncode == 0, done.stderr
    assert f'"id":"trf_{transfer.hex}"' in done.stdout
    assert "begins with the tree of 20" in done.stdout


async def test_what_is_not_sequenced_has_no_proof(scratch):
    accounts = await scratch.fill(21)
    await scratch.sequence()
    late = await scratch.move(accounts[0], accounts[1], 1)
    async with scratch.db.read() as session:
        with pytest.raises(NotInLog):
            await proof_bundle(session, late)


@pytest.fixture
async def january(scratch):
    """100.00 in before the month; in it 50.00 in, 20.00 moved, 10.00 of a hold of 15.00 paid, 30.00
    out; then February begins."""
    users = [await scratch.account(await scratch.user(f"u{n}")) for n in range(2)]
    outside = await scratch.system("EXTERNAL")
    scratch.at = datetime(2019, 12, 31, 23, 59, 59, tzinfo=UTC)
    await scratch.move(outside, users[0], 10_000, code="DEPOSIT")
    scratch.at = datetime(2020, 1, 1, tzinfo=UTC)
    await scratch.move(outside, users[1], 5_000, code="DEPOSIT")
    await scratch.move(users[0], users[1], 2_000)
    hold = await scratch.hold(users[0], users[1], 1_500, code="SALE")
    await scratch.resolve(hold, "POST", 1_000)
    await scratch.move(users[0], outside, 3_000, code="WITHDRAWAL")
    scratch.at = datetime(2020, 2, 1, tzinfo=UTC)
    await scratch.move(outside, users[0], 700, code="DEPOSIT")
    return scratch


async def test_a_month_is_opening_movements_and_closing(january):
    async with january.db.read() as session:
        report = await month_report(session, "2020-01")
    usd = report.assets["USD"]
    assert (usd.opening, usd.closing) == (10_000, 12_000)
    assert usd.codes == {
        "DEPOSIT": Movement(1, 5_000, 5_000),
        "TRANSFER": Movement(2, 3_000, 0),
        "WITHDRAWAL": Movement(1, 3_000, -3_000),
    }


async def test_an_attested_month_is_signed_once_and_marked(january):
    await january.sequence()
    attest = partial(attest_month, keys=january.keys, period="2020-01")
    assert await january.db.transaction(attest) is True
    assert await january.db.transaction(attest) is False
    row = (await january.rows("SELECT * FROM ledger_attestation"))[0]
    async with january.db.read() as session:
        assert row.sums == sums_of(await month_report(session, "2020-01"))
    mark = partial(mark_month, period="2020-01", auditor="A. Auditor", statement="seen")
    await january.db.transaction(mark)
    async with january.db.read() as session:
        found = await read_attestation(session, "2020-01")
        assert await read_attestation(session, "2020-02") is None
    assert [(m.auditor, m.statement) for m in found.marks] == [("A. Auditor", "seen")]
    assert (found.size, found.root) == (row.size, row.root)
    assert january.keys.holds(found.text, found.signature)
    assert json.loads(found.text.splitlines()[-1])["USD"]["closing"] == "12000"
    with pytest.raises(DBAPIError, match="only grows"):
        await january.run("UPDATE ledger_audit_mark SET statement = 'not seen'")
    with pytest.raises(ReportRefused, match="2020-02 is not attested"):
        await january.db.transaction(
            partial(mark_month, period="2020-02", auditor="A", statement="seen")
        )


async def test_a_month_that_is_not_over_or_not_logged_is_not_attested(january):
    now = await january.db.transaction(database_now)
    with pytest.raises(ReportRefused, match="not over"):
        await january.db.transaction(
            partial(attest_month, keys=january.keys, period=f"{now:%Y-%m}")
        )
    with pytest.raises(ReportRefused, match="6 transfers of 2020-01 or before are not in the log"):
        await january.db.transaction(partial(attest_month, keys=january.keys, period="2020-01"))
    assert await january.rows("SELECT * FROM ledger_attestation") == []


@pytest.mark.parametrize("period", ["2020-13", "2020-1", "", "0000-01", "9999-01", "2020-01-01"])
async def test_what_is_no_month_is_refused(scratch, period):
    async with scratch.db.read() as session:
        with pytest.raises(ReportRefused, match="not a month"):
            await month_report(session, period)


async def test_lag_of_the_log_is_counted_and_timed(january):
    async with january.db.read() as session:
        before = await log_lag(session)
    assert before.count == 7
    assert before.oldest_s > 24 * 3600  # of a January that is over
    await january.sequence()
    async with january.db.read() as session:
        assert await log_lag(session) == Waiting(0, 0.0)
