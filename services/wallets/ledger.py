"""A book of the ledger's rules from locked rows, and back: two statements for any number of steps.

Nobody else writes `transfer`, `ledger_hold` or an account's counters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text

from core.database import Transaction
from core.errors import InvalidInput
from core.ids import new_id
from core.jsontext import to_json
from services.wallets.book import Book, apply_steps, enter_all
from services.wallets.changes import MAX_TOLD, collect_changes
from services.wallets.terms import (
    Account,
    AccountRef,
    Entry,
    Hold,
    Outcome,
    Post,
    Step,
    Transfer,
    Void,
)

MAX_STEPS = 1_000
"""Steps in one call."""

_LOCK = text(
    "SELECT CAST(ledger_lock(CAST(:ids AS uuid[]), CAST(:kinds AS text[]),"
    " CAST(:holders AS uuid[]), CAST(:assets AS text[]), CAST(:holds AS uuid[])) AS text)"
)

# A statement that waited for a lock still has its old snapshot of other tables' rows.
_CAPS = text(
    "SELECT asset, supply_cap_minor FROM ledger_asset WHERE asset = ANY (CAST(:assets AS text[]))"
)

# Deltas and not totals: were an account ever written without its lock, nothing would be lost.
_WRITE = text(
    """
    WITH written AS (
        INSERT INTO transfer (id, kind, code, debit_account_id, credit_account_id, asset,
                              amount_minor, pending_id, expires_at, reference, actor_id,
                              debit_balance_after, debit_held_after, credit_balance_after,
                              credit_held_after)
        SELECT id, kind, code, debit, credit, asset, amount, pending, expires, reference, actor,
               debit_balance, debit_held, credit_balance, credit_held
        FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS e(
            n int, id uuid, kind text, code text, debit uuid, credit uuid, asset text,
            amount bigint, pending uuid, expires timestamptz, reference text, actor uuid,
            debit_balance bigint, debit_held bigint, credit_balance bigint, credit_held bigint)
        ORDER BY n
        RETURNING id, row_id, created_at
    ), counted AS (
        UPDATE ledger_account AS a SET
            debits_pending = a.debits_pending + d.dp, debits_posted = a.debits_posted + d.d,
            credits_pending = a.credits_pending + d.cp, credits_posted = a.credits_posted + d.c
        FROM jsonb_to_recordset(CAST(:deltas AS jsonb))
             AS d(id uuid, dp bigint, d bigint, cp bigint, c bigint)
        WHERE a.id = d.id
    ), opened AS (
        INSERT INTO ledger_hold (transfer_id, debit_account_id, credit_account_id, amount_minor,
                                 expires_at)
        SELECT id, debit, credit, amount, expires
        FROM jsonb_to_recordset(CAST(:opened AS jsonb)) AS h(
            id uuid, debit uuid, credit uuid, amount bigint, expires timestamptz)
    ), resolved AS (
        DELETE FROM ledger_hold WHERE transfer_id = ANY (CAST(:resolved AS uuid[]))
    )
    SELECT id, row_id, created_at FROM written
    """
)


@dataclass(frozen=True, slots=True)
class Written:
    """An entry as its row is: `row_id` orders it within its transaction, `created_at` is the
    database's clock."""

    entry: Entry
    row_id: int
    created_at: datetime

    @property
    def id(self) -> UUID:
        """The transfer's key."""
        return self.entry.id


async def open_book(
    tx: Transaction, accounts: Iterable[AccountRef], holds: Iterable[UUID] = ()
) -> Book:
    """Lock accounts, and those of `holds`, in the order of their ids; one statement, and another
    where something is minted.

    Accounts of users and lots that are missing are made. With `escrow(lot)` come all holds that
    stand on the lot, and their accounts. A user who does not exist is told of by `account_of`.
    """
    wanted = dict.fromkeys(accounts)
    result = await tx.execute(
        _LOCK,
        {
            "ids": [new_id() for _ in wanted],
            "kinds": [ref.kind for ref in wanted],
            "holders": [ref.holder_id for ref in wanted],
            "assets": [ref.asset for ref in wanted],
            "holds": list(holds),
        },
    )
    rows, pending = orjson.loads(result.scalar_one())
    found = [_account(row) for row in rows or ()]
    await _renew_caps(tx, [account for account in found if account.kind == "ISSUANCE"])
    return Book(
        accounts={AccountRef(a.kind, a.holder_id, a.asset): a for a in found},
        holds={hold.id: hold for hold in (_hold(row) for row in pending or ())},
    )


async def _renew_caps(tx: Transaction, issuances: Sequence[Account]) -> None:
    """Caps as they are now that what issues is locked: `set_limits` takes the same lock."""
    if not issuances:
        return
    rows = await tx.execute(_CAPS, {"assets": [account.asset for account in issuances]})
    caps = {row.asset: row.supply_cap_minor for row in rows}
    for account in issuances:
        account.supply_cap = caps[account.asset]


async def write_book(
    tx: Transaction, book: Book, *, tell: bool = True, most_told: int = MAX_TOLD
) -> list[Written]:
    """Write what was entered, in one statement, and collect the events, unless nobody is to be told
    (a made world's past); the book is then done. See `collect_changes` for `most_told`."""
    if not book.entries:
        return []
    result = await tx.execute(
        _WRITE,
        {
            "entries": to_json([_entry_row(n, e) for n, e in enumerate(book.entries)]),
            "deltas": to_json(_deltas(book)),
            "opened": to_json(_opened(book)),
            "resolved": [e.pending_id for e in book.entries if e.pending_id is not None],
        },
    )
    rows = {row.id: row for row in result}
    written = [Written(e, rows[e.id].row_id, rows[e.id].created_at) for e in book.entries]
    if tell:
        await collect_changes(tx, book, most=most_told)
    return written


async def apply_transfers(tx: Transaction, steps: Sequence[Step]) -> list[Outcome]:
    """Take up to 1,000 steps in order, in two statements; each gets its entry or its refusal.

    Refusals: `InsufficientFunds`, `AssetMismatch`, `AccountClosed`, `AccountFrozen`,
    `HoldAlreadyResolved`, `SupplyCapExceeded`, `InvalidInput`, `NotFound`; see `apply_steps` for
    those of chains.
    """
    book = await book_for(tx, steps)
    outcomes = apply_steps(book, steps)
    await write_book(tx, book)
    return outcomes


async def transfer_all(tx: Transaction, steps: Sequence[Step]) -> list[Written]:
    """Take all steps, in two statements, or raise what refuses the first that is refused."""
    book = await book_for(tx, steps)
    enter_all(book, steps)
    return await write_book(tx, book)


async def hold(tx: Transaction, transfer: Transfer) -> Written:
    """Hold an amount. Raises as `transfer_all`; `transfer.pending` must be true."""
    if not transfer.pending:
        raise ValueError("a transfer that is not pending holds nothing")
    return (await transfer_all(tx, [transfer]))[0]


async def release(tx: Transaction, hold_id: UUID, *, actor_id: UUID | None = None) -> Written:
    """Give back what a hold holds. Raises `HoldAlreadyResolved`, `NotFound`."""
    return (await transfer_all(tx, [Void(hold_id=hold_id, actor_id=actor_id)]))[0]


async def post_hold(
    tx: Transaction,
    hold_id: UUID,
    amount_minor: int | None = None,
    *,
    actor_id: UUID | None = None,
) -> Written:
    """Move what a hold holds, or a part of it; the rest is released. Raises `HoldAlreadyResolved`,
    `NotFound`, `InvalidInput` for more than is held."""
    step = Post(hold_id=hold_id, amount_minor=amount_minor, actor_id=actor_id)
    return (await transfer_all(tx, [step]))[0]


async def book_for(tx: Transaction, steps: Sequence[Step]) -> Book:
    """A book of all that the steps name. Raises `InvalidInput` past 1,000 steps."""
    if len(steps) > MAX_STEPS:
        raise InvalidInput("transfers", f"{MAX_STEPS} at most")
    transfers = [step for step in steps if isinstance(step, Transfer)]
    accounts = [ref for t in transfers for ref in (t.debit, t.credit)]
    holds = [step.hold_id for step in steps if not isinstance(step, Transfer)]
    return await open_book(tx, accounts, holds)


def _account(row: Sequence[Any]) -> Account:
    id, kind, holder, asset, status, dp, d, cp, c, cap, most = row
    return Account(UUID(id), kind, UUID(holder), asset, status, dp, d, cp, c, cap, most)


def _hold(row: Sequence[Any]) -> Hold:
    id, debit, credit, asset, amount, code, reference, expired, resolution = row
    return Hold(
        UUID(id),
        UUID(debit),
        UUID(credit),
        asset,
        amount,
        code,
        reference,
        bool(expired),
        resolution,
    )


def _entry_row(n: int, entry: Entry) -> Mapping[str, object]:
    return {
        "n": n,
        "id": entry.id,
        "kind": entry.kind,
        "code": entry.code,
        "debit": entry.debit_account_id,
        "credit": entry.credit_account_id,
        "asset": entry.asset,
        "amount": entry.amount_minor,
        "pending": entry.pending_id,
        "expires": entry.expires_at,
        "reference": entry.reference,
        "actor": entry.actor_id,
        "debit_balance": entry.debit_balance_after,
        "debit_held": entry.debit_held_after,
        "credit_balance": entry.credit_balance_after,
        "credit_held": entry.credit_held_after,
    }


def _deltas(book: Book) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for id, before in book.opening.items():
        dp, d, cp, c = (
            now - then for now, then in zip(book.by_id[id].counters, before, strict=True)
        )
        if dp or d or cp or c:
            rows.append({"id": id, "dp": dp, "d": d, "cp": cp, "c": c})
    return rows


def _opened(book: Book) -> list[dict[str, object]]:
    """Holds made here that still stand: one made and resolved in the same book never has a row."""
    return [
        {
            "id": e.id,
            "debit": e.debit_account_id,
            "credit": e.credit_account_id,
            "amount": e.amount_minor,
            "expires": e.expires_at,
        }
        for e in book.entries
        if e.kind == "PENDING" and book.holds[e.id].resolution is None
    ]
