"""A month of the ledger: opening, movements by code, closing; and its signed attestation.

Sums count what is inside the ledger: everybody's balances but those of ISSUANCE and EXTERNAL,
which stand for the outside. Amounts are minor units.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from core.database import Transaction, database_now
from core.ids import new_id
from core.jsontext import to_json
from core.signing import NoteKeys, Signature
from services.wallets.leaves import moment_sql, moment_text
from services.wallets.log import Reader, TreeHead, newest_head

ATTESTATION_ORIGIN = "mela/ledger-month"
"""The first line of what is signed: never the one of a tree head."""

MARKS_MAX = 100
"""Marks of a month that are shown, the oldest first."""

SETTLING = timedelta(minutes=5)
"""Longer than any transaction may take: after it, a month's transfers are all committed."""

# Only what was posted moves a balance: holds and their release move nothing.
_MOVEMENTS = text(
    """
    SELECT t.asset, t.code, t.created_at < :begin AS before, count(*) AS count,
           sum(t.amount_minor) AS volume,
           sum(t.amount_minor * ((c.kind NOT IN ('ISSUANCE', 'EXTERNAL'))::int
                                 - (d.kind NOT IN ('ISSUANCE', 'EXTERNAL'))::int)) AS change
    FROM transfer AS t
    JOIN ledger_account AS d ON d.id = t.debit_account_id
    JOIN ledger_account AS c ON c.id = t.credit_account_id
    WHERE t.kind IN ('SINGLE', 'POST') AND t.created_at < :end
    GROUP BY 1, 2, 3 ORDER BY 1, 2
    """
)
_LEFT_OUT = text(
    """
    SELECT count(*) FROM transfer AS t
    WHERE t.created_at < :end
      AND NOT EXISTS (SELECT FROM ledger_leaf AS l WHERE l.transfer_id = t.id)
    """
)
_ATTEST = text(
    """
    INSERT INTO ledger_attestation (period, size, root, sums, attested_at, public_key, signature)
    VALUES (:period, :size, :root, CAST(:sums AS jsonb), :attested_at, :public_key, :signature)
    ON CONFLICT DO NOTHING
    """
)
ATTESTATIONS = text(
    f"""
    SELECT period, size, root, sums, {moment_sql("attested_at")} AS attested_text, public_key,
           signature
    FROM ledger_attestation ORDER BY period
    """
)
_ATTESTATION = text(
    f"""
    SELECT period, size, root, sums, attested_at, {moment_sql("attested_at")} AS attested_text,
           public_key, signature
    FROM ledger_attestation WHERE period = :period
    """
)
_MARKS = text(
    """
    SELECT auditor, statement, marked_at FROM ledger_audit_mark
    WHERE period = :period ORDER BY marked_at, id LIMIT :limit
    """
)
_MARK = text(
    """
    INSERT INTO ledger_audit_mark (id, period, auditor, statement)
    SELECT :id, period, :auditor, :statement FROM ledger_attestation WHERE period = :period
    """
)


class ReportRefused(RuntimeError):
    """A month cannot be reported or attested; the message says why."""


@dataclass(frozen=True, slots=True)
class Movement:
    """What one code moved in a month: how often, how much, and what that changed inside."""

    count: int
    volume: int
    change: int


@dataclass(slots=True)
class AssetMonth:
    """One asset's month; `closing` is `opening` and all changes."""

    opening: int = 0
    codes: dict[str, Movement] = field(default_factory=dict)

    @property
    def closing(self) -> int:
        """What is inside at the end."""
        return self.opening + sum(movement.change for movement in self.codes.values())


@dataclass(frozen=True, slots=True)
class MonthReport:
    """A month's sums by asset, and the log's newest head when they were taken."""

    period: str
    assets: Mapping[str, AssetMonth]
    head: TreeHead | None


@dataclass(frozen=True, slots=True)
class AuditMark:
    """An auditor's word on an attested month."""

    auditor: str
    statement: str
    marked_at: datetime


@dataclass(frozen=True, slots=True)
class Attestation:
    """A month as it was signed; `text` is what the signature is of. The first 100 marks."""

    period: str
    size: int
    root: bytes
    attested_at: datetime
    text: str
    signature: Signature
    marks: tuple[AuditMark, ...]


def month_bounds(period: str) -> tuple[datetime, datetime]:
    """`2026-01` → its first moment and the next month's, UTC. Raises `ReportRefused`."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", period) or not 1970 <= int(period[:4]) < 9999:
        raise ReportRefused(f"{period}: not a month, as in 2026-01")
    year, month = int(period[:4]), int(period[5:])
    following = (year + month // 12, month % 12 + 1)
    return datetime(year, month, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC)


async def month_report(session: Reader, period: str) -> MonthReport:
    """The sums of a month, over or not. Raises `ReportRefused` for what is no month."""
    begin, end = month_bounds(period)
    rows = await session.execute(_MOVEMENTS, {"begin": begin, "end": end})
    return MonthReport(period, _by_asset(rows), await newest_head(session))


async def attest_month(tx: Transaction, keys: NoteKeys, period: str) -> bool:
    """Sign a month's sums with the newest head and keep them for good; False if that was done.

    Raises `ReportRefused` while the month is not over, or while transfers of it are not in the log.
    """
    _, end = month_bounds(period)
    now = await database_now(tx)
    if now < end + SETTLING:
        raise ReportRefused(f"{period} is not over yet: it can be attested five minutes after")
    left_out = await tx.scalar(_LEFT_OUT, {"end": end})
    if left_out:
        raise ReportRefused(f"{left_out} transfers of {period} or before are not in the log yet")
    report = await month_report(tx, period)
    if report.head is None:
        raise ReportRefused("the log is empty")
    sums = sums_of(report)
    said = attestation_text(period, report.head.size, report.head.root, sums, moment_text(now))
    signature = keys.sign(said)
    result = await tx.execute(
        _ATTEST,
        {
            "period": period,
            "size": report.head.size,
            "root": report.head.root,
            "sums": to_json(sums),
            "attested_at": now,
            "public_key": signature.public_key,
            "signature": signature.value,
        },
    )
    return bool(result.rowcount)  # type: ignore[attr-defined]


async def read_attestation(session: Reader, period: str) -> Attestation | None:
    """A month's attestation with its marks; None where the month is not attested."""
    row = (await session.execute(_ATTESTATION, {"period": period})).one_or_none()
    if row is None:
        return None
    marks = await session.execute(_MARKS, {"period": period, "limit": MARKS_MAX})
    return Attestation(
        period=row.period,
        size=row.size,
        root=row.root,
        attested_at=row.attested_at,
        text=attestation_text(row.period, row.size, row.root, row.sums, row.attested_text),
        signature=Signature(row.public_key, row.signature),
        marks=tuple(AuditMark(*mark) for mark in marks),
    )


async def mark_month(tx: Transaction, period: str, *, auditor: str, statement: str) -> None:
    """Keep an auditor's word on an attested month. Raises `ReportRefused` if it is not attested."""
    month_bounds(period)
    if not 1 <= len(auditor) <= 200 or not 1 <= len(statement) <= 2_000:
        raise ReportRefused("an auditor has 1 to 200 characters, a statement 1 to 2,000")
    row = {"id": new_id(), "period": period, "auditor": auditor, "statement": statement}
    result = await tx.execute(_MARK, row)
    if not result.rowcount:  # type: ignore[attr-defined]
        raise ReportRefused(f"{period} is not attested")


def sums_of(report: MonthReport) -> dict[str, Any]:
    """A report's sums as they are signed and kept: numbers as strings."""
    return {
        asset: {
            "opening": str(month.opening),
            "closing": str(month.closing),
            "codes": {
                code: {"count": str(m.count), "volume": str(m.volume), "change": str(m.change)}
                for code, m in month.codes.items()
            },
        }
        for asset, month in report.assets.items()
    }


def attestation_text(
    period: str, size: int, root: bytes, sums: Mapping[str, Any], attested_at: str
) -> str:
    """What is signed of a month: a line each, the sums as JSON with sorted keys."""
    lines = (
        ATTESTATION_ORIGIN,
        period,
        str(size),
        base64.b64encode(root).decode(),
        attested_at,
        to_json(sums, sort_keys=True),
    )
    return "\n".join(lines) + "\n"


async def attestation_fault(
    session: Reader, keys: NoteKeys, row: Any, roots: Mapping[int, bytes]
) -> str | None:
    """What is wrong with a row of `ATTESTATIONS`, if anything; `roots` are the heads' by size."""
    said = attestation_text(row.period, row.size, row.root, row.sums, row.attested_text)
    if not keys.holds(said, Signature(row.public_key, row.signature)):
        return "the signature does not hold"
    if roots.get(row.size) != row.root:
        return "the root is not the log's"
    report = await month_report(session, row.period)
    return None if sums_of(report) == row.sums else "the sums are not those of the transfers"


def _by_asset(rows: Iterable[Any]) -> dict[str, AssetMonth]:
    found: dict[str, AssetMonth] = {}
    for row in rows:
        month = found.setdefault(row.asset, AssetMonth())
        change = int(row.change)
        if row.before:
            month.opening += change
        else:
            month.codes[row.code] = Movement(row[3], int(row.volume), change)
    return found
