"""Replays recorded auctions through the real bidding and closing, against a real database.

At once: in a scratch database that no server sees, with the recorded times passed as `now`. Live:
in the given database, on its clock, N times as fast as recorded. What must come out stands in
recorded.py; how it is shown, in jobs/console.py.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, bindparam, text

from core.database import Database, Transaction, database_now
from core.errors import DomainError, Unavailable
from models.auctions import Auction
from services.auctions.bidding import bid_request
from services.auctions.closing import close_auction
from services.auctions.errors import AuctionNotOpen
from services.auctions.queue import BidQueue
from services.auctions.recorded import (
    RecordedAuction,
    RecordedBid,
    Replayed,
    explain_mismatch,
    replay,
    with_headroom,
)
from services.auctions.replay_stage import (
    LOTS_AT_ONCE,
    SELLER,
    announce_lots,
    recorded_lot,
    scratch_database,
    stage_people,
    stage_product,
)

Progress = Callable[[str, int, int], None]
"""Told of each step: "bids" or "lots", how many are done, how many there are."""

Clock = Callable[[datetime], Awaitable[None]]

CONCURRENCY = 12
"""Bids under way at once: below the pool's size."""

MAX_SPEED = 100_000.0
MAX_LIVE_LOTS = 2_000
POLL_S = 0.25
_JUST_AFTER = timedelta(milliseconds=20)
_BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
_ROWS = text(
    "SELECT id, status, bid_count, current_price_minor, winner_id"
    " FROM auction WHERE id = ANY (:ids)"
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


@dataclass(frozen=True, slots=True)
class LotResult:
    """How one recorded auction ended. `expected` is what the rules make of the same bids in memory;
    prices are None where no bid was accepted. `refused` counts refusals by code."""

    recorded: RecordedAuction
    status: str
    price_minor: int | None
    winner: str | None
    placed: int
    refused: Counter[str]
    expected: Replayed

    @property
    def at_recorded_price(self) -> bool:
        return self.price_minor == self.recorded.price_minor

    @property
    def as_expected(self) -> bool:
        """Whether price, winner and the number of refusals are those of the rules in memory."""
        refused = sum(self.refused.values())
        return Replayed(self.price_minor, self.winner, refused) == self.expected

    @property
    def explanation(self) -> str:
        """Why it closed elsewhere than recorded, for a person."""
        reason = explain_mismatch(self.recorded, self.price_minor)
        late = self.refused[AuctionNotOpen.code]
        if late and not self.as_expected:
            verdict = reason.partition(": ")[0]
            return f"{verdict}: too late on the faster clock, {late} of its bids were not taken"
        return reason


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """The whole replay. `closed_late` lots were closed by the replay itself, because no job came
    in time (live alone)."""

    lots: tuple[LotResult, ...]
    headroom: bool
    took_s: float
    closed_late: int = 0

    @property
    def at_recorded_price(self) -> int:
        return sum(lot.at_recorded_price for lot in self.lots)

    @property
    def mismatches(self) -> list[LotResult]:
        """The lots that closed elsewhere than recorded."""
        return [lot for lot in self.lots if not lot.at_recorded_price]

    @property
    def faults(self) -> list[LotResult]:
        """The lots that ended other than the rules in memory say: the server's fault, or, live,
        bids that came too late."""
        return [lot for lot in self.lots if not lot.as_expected]

    @property
    def placed(self) -> int:
        return sum(lot.placed for lot in self.lots)

    @property
    def refused(self) -> Counter[str]:
        """Refusals by code."""
        return sum((lot.refused for lot in self.lots), Counter())

    @property
    def bids_per_s(self) -> float:
        return (self.placed + self.refused.total()) / max(self.took_s, 1e-9)


@dataclass(slots=True)
class _Run:
    """One replay under way: what is played, by whom, and what came of it."""

    db: Database
    bids: BidQueue
    recorded: Sequence[RecordedAuction]
    headroom: bool
    tell: Progress
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENCY))
    people: dict[str, UUID] = field(default_factory=dict)
    placed: Counter[str] = field(default_factory=Counter)
    refused: dict[str, Counter[str]] = field(default_factory=dict)
    ids: dict[str, UUID] = field(default_factory=dict)
    done: int = 0
    began: float = 0.0

    @property
    def played(self) -> list[RecordedAuction]:
        """The lots with the bids that are placed."""
        return [with_headroom(lot) if self.headroom else lot for lot in self.recorded]

    @property
    def total(self) -> int:
        return sum(len(lot.bids) for lot in self.recorded)


async def replay_at_once(
    server_url: str,
    recorded: Sequence[RecordedAuction],
    *,
    headroom: bool = False,
    progress: Progress | None = None,
) -> ReplayReport:
    """Replay as fast as the machine can, in a scratch database on the server of `server_url`.

    The database named there is not touched. Raises `ScratchRefused`; whatever the database raises.
    """
    async with scratch_database(server_url) as db:
        run = _run_of(db, BidQueue(db), recorded, headroom, progress)
        lots = await _stage(run, starts_at=_BEGIN, speed=1.0, status="OPEN")
        for batch in _batches(lots):
            await db.transaction(partial(_write, lots=batch))
        run.began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for lot, auction in zip(run.played, lots, strict=True):
                group.create_task(_play_at_once(run, lot, auction))
        return await _report(run)


async def replay_live(
    db: Database,
    bids: BidQueue,
    recorded: Sequence[RecordedAuction],
    *,
    speed: float,
    headroom: bool = False,
    progress: Progress | None = None,
    patience_s: float = 75.0,
) -> ReplayReport:
    """Replay into `db` on its own clock, `speed` times as fast as recorded; all lots begin at once.

    Opening and closing are left to the jobs of whoever serves this database; a lot that is not
    closed `patience_s` after its end is closed here, and counted. Raises ValueError for a speed
    outside 1 … 100,000 and for more than 2,000 lots.
    """
    if not 1 <= speed <= MAX_SPEED:
        raise ValueError(f"the speed must be from 1 to {MAX_SPEED:,.0f}, or max")
    if len(recorded) > MAX_LIVE_LOTS:
        raise ValueError(f"{MAX_LIVE_LOTS} lots at most can be live at once; take some by --limit")
    run = _run_of(db, bids, recorded, headroom, progress)
    async with db.read() as session:
        now, mark = await database_now(session), time.monotonic()
    # Time to write the lots before the first of them opens.
    starts_at = now + timedelta(seconds=0.5 + 0.02 * len(recorded))
    lots = await _stage(run, starts_at=starts_at, speed=speed, status="SCHEDULED")
    for batch in _batches(lots):
        await db.transaction(partial(announce_lots, lots=batch))
    clock = partial(_sleep_until, now=now, mark=mark)
    run.began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for lot, auction in zip(run.played, lots, strict=True):
            group.create_task(_play_live(run, lot, auction, speed, clock))
    last_end = max((auction.ends_at for auction in lots), default=now)
    await clock(last_end)
    closed_late = await _await_closing(run, patience_s=patience_s)
    return await _report(run, closed_late=closed_late)


def _run_of(
    db: Database,
    bids: BidQueue,
    recorded: Sequence[RecordedAuction],
    headroom: bool,
    progress: Progress | None,
) -> _Run:
    return _Run(db, bids, recorded, headroom, progress or (lambda step, done, total: None))


async def _stage(run: _Run, *, starts_at: datetime, speed: float, status: str) -> list[Auction]:
    """Make people, stall and product; the lots' rows, not written yet."""
    names = {bid.bidder for lot in run.recorded for bid in lot.bids}

    async def work(tx: Transaction) -> tuple[dict[str, UUID], UUID, UUID, UUID]:
        people = await stage_people(tx, {SELLER, *names})
        seller_id = people.pop(SELLER)
        return people, seller_id, *await stage_product(tx, seller_id, len(run.recorded))

    run.people, seller_id, stall_id, product_id = await run.db.transaction(work)
    lots = [
        recorded_lot(
            lot,
            seller_id=seller_id,
            stall_id=stall_id,
            product_id=product_id,
            starts_at=starts_at,
            duration=lot.duration / speed,
            status=status,
        )
        for lot in run.recorded
    ]
    run.ids = {lot.id: auction.id for lot, auction in zip(run.recorded, lots, strict=True)}
    run.refused = {lot.id: Counter() for lot in run.recorded}
    return lots


async def _write(tx: Transaction, lots: Sequence[Auction]) -> None:
    tx.add_all(lots)


async def _play_at_once(run: _Run, lot: RecordedAuction, auction: Auction) -> None:
    async with run.gate:
        for number, bid in enumerate(lot.bids):
            await _place(run, lot, number, bid, now=auction.starts_at + bid.after)
        end = auction.ends_at
        await run.db.transaction(partial(close_auction, auction_id=auction.id, now=end))


async def _play_live(
    run: _Run, lot: RecordedAuction, auction: Auction, speed: float, clock: Clock
) -> None:
    for number, bid in enumerate(lot.bids):
        # A first bid at the very start must not come a hair before it.
        await clock(auction.starts_at + max(bid.after / speed, _JUST_AFTER))
        async with run.gate:
            await _place(run, lot, number, bid, now=None)


async def _place(
    run: _Run, lot: RecordedAuction, number: int, bid: RecordedBid, *, now: datetime | None
) -> None:
    auction_id = run.ids[lot.id]
    request = bid_request(
        auction_id=auction_id,
        bidder_id=run.people[bid.bidder],
        maximum_minor=bid.maximum_minor,
        idempotency_key=f"replay:{auction_id.hex}:{number}",
    )
    try:
        await run.bids.place(request, now=now)
        run.placed[lot.id] += 1
    except (DomainError, Unavailable) as refusal:
        run.refused[lot.id][refusal.code] += 1
    run.done += 1
    run.tell("bids", run.done, run.total)


async def _sleep_until(moment: datetime, *, now: datetime, mark: float) -> None:
    """Sleep until the database's clock says `moment`; it said `now` when ours said `mark`."""
    passed_s = time.monotonic() - mark
    await asyncio.sleep((moment - now).total_seconds() - passed_s)


async def _await_closing(run: _Run, *, patience_s: float) -> int:
    """Wait for the jobs to close all lots; close what they left. How many that were."""
    deadline = time.monotonic() + patience_s
    while left := await _unclosed(run):
        run.tell("lots", len(run.ids) - len(left), len(run.ids))
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(POLL_S)
    closed = [
        await run.db.transaction(partial(close_auction, auction_id=auction_id))
        for auction_id in left
    ]
    return sum(closing is not None for closing in closed)


async def _unclosed(run: _Run) -> list[UUID]:
    rows = await _rows(run)
    return [id for id, row in rows.items() if row.status in ("SCHEDULED", "OPEN")]


async def _rows(run: _Run) -> dict[UUID, Row[tuple[Any, ...]]]:
    async with run.db.read() as session:
        found = await session.execute(_ROWS, {"ids": list(run.ids.values())})
    return {row.id: row for row in found}


async def _report(run: _Run, *, closed_late: int = 0) -> ReplayReport:
    took_s = time.perf_counter() - run.began
    rows = await _rows(run)
    names = {id: name for name, id in run.people.items()}
    results = []
    for recorded, played in zip(run.recorded, run.played, strict=True):
        row = rows[run.ids[recorded.id]]
        results.append(
            LotResult(
                recorded=recorded,
                status=row.status,
                price_minor=row.current_price_minor if row.bid_count else None,
                winner=names.get(row.winner_id),
                placed=run.placed[recorded.id],
                refused=run.refused[recorded.id],
                expected=replay(played),
            )
        )
    run.tell("lots", len(results), len(results))
    return ReplayReport(tuple(results), run.headroom, took_s, closed_late)


def _batches(lots: Sequence[Auction]) -> Iterable[list[Auction]]:
    rest = iter(lots)
    while batch := list(islice(rest, LOTS_AT_ONCE)):
        yield batch
