"""Verifying an auction at a terminal: its log is read, the result derived anew and shown."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rich.console import Console, RenderableType
from rich.table import Table
from sqlalchemy import text

from core.database import Database
from core.errors import BadUserInput
from core.ids import decode_id, encode_id
from core.money import to_decimal
from services.auctions.state import auction_topic
from services.auctions.verify import (
    Logged,
    LogRejected,
    NothingToVerify,
    Opening,
    Verified,
    verify_log,
)

_PAGE = 1_000
_LOG = text(
    "SELECT sequence, type, payload, actor_id, occurred_at FROM event"
    " WHERE topic = :topic AND sequence > :after ORDER BY sequence LIMIT :page"
)
# The winner's, which the log does not tell: an operator may hold them against it too.
_KNOWN = text("SELECT id, nonce, maximum_minor FROM bid WHERE auction_id = :id")


async def verify_auction(
    url: str, public_id: str, *, log_alone: bool = False, console: Console
) -> None:
    """Say whether the auction's result follows from its log; `log_alone` without the winner's
    maxima, as anyone could. Raises `SystemExit` where it does not, or there is nothing to verify.
    """
    db = Database(url)
    try:
        auction_id = decode_id(public_id, "auc")
        known = {} if log_alone else await _known(db, auction_id)
        found = verify_log(auction_id, await _read_log(db, auction_id), known=known)
    except (BadUserInput, NothingToVerify) as error:
        console.print(f"mela: {error}", markup=False, highlight=False)
        raise SystemExit(1) from None
    except LogRejected as error:
        console.print(f"mela: REJECTED: {error}", markup=False, highlight=False)
        raise SystemExit(1) from None
    finally:
        await db.close()
    console.print(verified_shown(found))


async def _read_log(db: Database, auction_id: UUID) -> list[Logged]:
    events: list[Any] = []
    while True:
        asked = {"topic": auction_topic(auction_id), "after": len(events), "page": _PAGE}
        async with db.read() as session:
            page = (await session.execute(_LOG, asked)).all()
        events += page
        if len(page) < _PAGE:
            return events


async def _known(db: Database, auction_id: UUID) -> dict[UUID, Opening]:
    async with db.read() as session:
        rows = await session.execute(_KNOWN, {"id": auction_id})
        return {row.id: Opening(row.nonce, row.maximum_minor) for row in rows}


def verified_shown(found: Verified) -> RenderableType:
    """A verified result, and what it rests on."""
    table = Table.grid(padding=(0, 2))
    price = found.price_minor
    table.add_row("[bold green]verified[/bold green]", f"{found.status} ({found.reason})")
    if found.winner_id is not None:
        table.add_row("winner", encode_id("usr", found.winner_id))
    if price is not None:
        table.add_row("price", f"{to_decimal(price, found.asset):,} {found.asset}")
    table.add_row("end", f"{found.ends_at:%F %T} UTC, moved {found.extensions} times")
    table.add_row("bids", f"{found.bids:,} taken again, {found.bids - found.sealed:,} opened")
    if found.sealed:
        table.add_row("", f"{found.sealed} of the winner's stay sealed: they are over the price")
    if not found.reserve_committed:
        table.add_row("", "[yellow]the reserve was not bound before the bids[/yellow]")
    return table
