"""`mela ledger` at a terminal: the audit, exports and monthly reports as tables. The work is the
services'."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import text

from core.database import Database, PoolSettings, Transaction
from core.errors import BadUserInput
from core.ids import decode_id
from core.money import to_decimal
from core.settings import Settings
from jobs.ledger_log import catch_up, ledger_keys
from services.wallets.export import beancount_lines, csv_lines, proof_bundle
from services.wallets.health import log_lag
from services.wallets.leaves import moment_text
from services.wallets.report import (
    Attestation,
    MonthReport,
    attest_month,
    mark_month,
    month_report,
    read_attestation,
)
from services.wallets.verify import Check, verify_ledger

LINES: dict[str, Callable[[Transaction], AsyncIterator[str]]] = {
    "beancount": beancount_lines,
    "csv": csv_lines,
}
Shown = list[Table | Text]
FORMATS = (*LINES, "proof")
_ONE_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
PATIENT = PoolSettings(maximum=4, statement_timeout_s=24 * 3600, idle_timeout_s=24 * 3600)
"""A whole ledger takes its time, and so does the reader of a pipe."""


async def audit(settings: Settings, *, console: Console) -> bool:
    """Check the whole ledger and show the table; whether all of it is right.

    Raises `KeyFileError` without the log's keys.
    """
    keys = ledger_keys(settings)
    async with _database(settings) as db:
        checks = await verify_ledger(db, keys)
        async with db.read() as session:
            waiting = (await log_lag(session)).count
    _show(console, audit_shown(checks, sorted(keys.public_keys), waiting))
    return not any(check.broken for check in checks)


def audit_shown(
    checks: Sequence[Check], keys: Iterable[bytes], waiting: int, *, title: str = "Ledger"
) -> Shown:
    """The checks as a table; below it the first broken row, the keys, what waits for the log."""
    table = Table("check", "rows", "result", title=title)
    table.columns[1].justify = "right"
    for check in checks:
        result = Text("ok", "green") if check.broken is None else Text("BROKEN", "bold red")
        table.add_row(check.name, f"{check.rows:,}", result)
    parts: Shown = [table]
    broken = [check.broken for check in checks if check.broken is not None]
    if broken:
        parts.append(Text(f"First broken row: {broken[0]}", "bold red"))
        parts += [Text(f"Also: {other}") for other in broken[1:]]
    parts += [Text(f"Public key: {key.hex()}") for key in keys]
    if waiting:
        parts.append(Text(f"Not in the log yet, and so not yet provable: {waiting:,}"))
    return parts


async def export(
    settings: Settings,
    kind: str,
    *,
    to: Path | None,
    transfer: str | None = None,
    since: int | None = None,
) -> None:
    """Write the ledger as beancount or CSV, or one transfer's proof as JSON, to a file or stdout.

    Raises `SystemExit` with a message for what was asked wrongly, `NotInLog`.
    """
    if kind not in FORMATS:
        raise SystemExit(f"mela: --format must be one of {', '.join(FORMATS)}")
    async with _database(settings) as db:
        if kind == "proof":
            bundle = await _proof(db, transfer, since)
            with _output(to) as file:
                file.write(orjson.dumps(bundle, option=orjson.OPT_INDENT_2).decode() + "\n")
            return

        async def work(tx: Transaction) -> None:
            await tx.execute(_ONE_SNAPSHOT)
            with _output(to) as file:
                async for line in LINES[kind](tx):
                    file.write(line)

        await db.transaction(work)


async def report(
    settings: Settings,
    month: str,
    *,
    console: Console,
    attest: bool = False,
    auditor: str | None = None,
    statement: str | None = None,
) -> None:
    """Show a month's sums; `attest` signs them and keeps them, `auditor` adds a word of theirs.
    Last, what was attested and said of it.

    Raises `ReportRefused`, `KeyFileError`.
    """
    async with _database(settings) as db:
        async with db.read() as session:
            _show(console, report_shown(await month_report(session, month)))
        if attest:
            keys = ledger_keys(settings)
            await catch_up(db, keys)
            new = await db.transaction(partial(attest_month, keys=keys, period=month))
            console.print(f"{month} is attested" if new else f"{month} was attested before")
        if auditor is not None:
            mark = partial(mark_month, period=month, auditor=auditor, statement=statement or "seen")
            await db.transaction(mark)
            console.print(f"{month} bears the mark of {auditor}", markup=False)
        async with db.read() as session:
            _show(console, attestation_shown(await read_attestation(session, month)))


def report_shown(found: MonthReport) -> Shown:
    """A month: for each asset opening, movements by code, closing; and the log's head."""
    table = Table(
        "asset", "", "count", "volume", "change", "inside", title=f"Ledger {found.period}"
    )
    for column in table.columns[2:]:
        column.justify = "right"
    for asset, month in sorted(found.assets.items()):

        def shown(minor: int, asset: str = asset) -> str:
            return f"{to_decimal(minor, asset):,f}"

        table.add_row(asset, "opening", "", "", "", shown(month.opening))
        for code, moved in sorted(month.codes.items()):
            row = (f"{moved.count:,}", shown(moved.volume), shown(moved.change))
            table.add_row("", code, *row, "")
        table.add_row("", "closing", "", "", "", shown(month.closing), end_section=True)
    head = "The log is empty."
    if found.head is not None:
        head = f"Tree head: {found.head.size:,} leaves, root {found.head.root.hex()}"
    return [table, Text(head)]


def attestation_shown(found: Attestation | None) -> Shown:
    """What was signed of a month, and the auditors' marks; nothing where it is not attested."""
    if found is None:
        return []
    head = f"{found.size:,} leaves, root {found.root.hex()}, by {found.signature.public_key.hex()}"
    return [
        Text(f"Attested {moment_text(found.attested_at)}: {head}"),
        *(
            Text(f"Mark of {mark.auditor}, {moment_text(mark.marked_at)}: {mark.statement}")
            for mark in found.marks
        ),
    ]


async def _proof(db: Database, transfer: str | None, since: int | None) -> dict[str, object]:
    try:
        impact = (transfer or "").startswith("imp_")
        key = decode_id(transfer or "", "imp" if impact else "trf")
    except BadUserInput as error:
        raise SystemExit(f"mela: --transfer: {error}") from None
    async with db.read() as session:
        return await proof_bundle(session, key, since=since, impact=impact)


def _show(console: Console, parts: Shown) -> None:
    for part in parts:
        # A line that names a row stays one line, for those who search what was printed.
        console.print(part, soft_wrap=isinstance(part, Text))


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    assert settings.database_url is not None
    db = Database(settings.database_url.get_secret_value(), pool=PATIENT)
    try:
        yield db
    finally:
        await db.close()


@contextmanager
def _output(to: Path | None) -> Iterator[TextIO]:
    if to is None:
        yield sys.stdout
        return
    with to.open("w", encoding="utf-8") as file:
        yield file
