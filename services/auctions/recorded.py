"""Recorded auctions: reading them, what their closing price should be under our rules, and why not.

Pure but for reading the file; running the bids against a server stands elsewhere.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, TextIO
from uuid import UUID, uuid5

from core.errors import InvalidInput
from core.money import to_decimal, to_minor
from services.auctions.increments import default_increments
from services.auctions.rules import Accepted, AuctionState, Offer, close, decide

ASSET = "USD"
REQUIRED_COLUMNS = ("auctionid", "bid", "bidtime", "bidder", "openbid", "price")
MAX_LINES = 200_000
MAX_DAYS = 60
# Far above any rival's maximum in a recording, and small enough to be funded and added up.
HEADROOM_MINOR = 1_000_000_00

_DURATION = re.compile(r"(\d{1,3}) day auction")
_DAY_US = 86_400_000_000
_NAMES = UUID("6a2f0f5e-52f0-5c0b-9f0e-6d656c610001")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

PriceClass = Literal[
    "OPENING",
    "RIVAL_PLUS_INCREMENT",
    "WINNER_MAXIMUM",
    "NO_BID_REACHES",
    "WITHDRAWN_BID",
    "RESERVE_OR_HIDDEN_BID",
]


class RecordingError(ValueError):
    """The file is not a recording; `line` (from 1) is where, or None for the file as a whole."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        where = f"{path.name}, line {line}" if line is not None else path.name
        super().__init__(f"{where}: {reason}")
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RecordedBid:
    """A maximum, in minor units, and how long after the start it was placed."""

    bidder: str
    maximum_minor: int
    after: timedelta


@dataclass(frozen=True, slots=True)
class RecordedAuction:
    """One recorded lot, its bids in the order of time (of the file, where times are equal).

    The data cut the winner's maximum to the closing price. `notes` says what was doubtful in it.
    """

    id: str
    duration: timedelta
    opening_minor: int
    price_minor: int
    bids: tuple[RecordedBid, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay ended: None where no bid was accepted."""

    price_minor: int | None
    winner: str | None
    refused: int


def read_recorded(path: Path) -> list[RecordedAuction]:
    """The auctions of a CSV file (or .csv.gz), in the order in which they first appear.

    Columns: `REQUIRED_COLUMNS`, times in days since the start, amounts in dollars; `auction_type`
    ("7 day auction") gives the duration, without it the next whole day after the last bid does.
    Raises `RecordingError`, with the line, for what does not fit; OSError if it cannot be read.
    """
    lots: dict[str, list[_Row]] = {}
    try:
        with _open_text(path) as lines:
            for row in _rows(path, lines):
                lots.setdefault(row.auction, []).append(row)
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as broken:
        raise RecordingError(path, None, f"not readable as UTF-8 CSV: {broken}") from broken
    return [_auction(path, rows) for rows in lots.values()]


def expected_class(recorded: RecordedAuction) -> PriceClass:
    """How the recorded price stands to the recorded maxima, were no bid refused for its timing.

    The first three are what the rules give: such an auction must close at the recorded price. The
    others cannot, from these bids: something that decided the price was not recorded.
    """
    best, uncapped = _winning_bid(recorded).maximum_minor, uncapped_price_minor(recorded)
    if recorded.price_minor > best:
        return "NO_BID_REACHES"
    if recorded.price_minor == uncapped:
        return "OPENING" if _best_rival(recorded) is None else "RIVAL_PLUS_INCREMENT"
    if recorded.price_minor == best < uncapped:
        return "WINNER_MAXIMUM"
    return "WITHDRAWN_BID" if recorded.price_minor < uncapped else "RESERVE_OR_HIDDEN_BID"


def price_expected(recorded: RecordedAuction) -> bool:
    """Whether the rules must close it at the recorded price, from the bids as recorded."""
    return expected_class(recorded) in ("OPENING", "RIVAL_PLUS_INCREMENT", "WINNER_MAXIMUM")


def headroom_expected(recorded: RecordedAuction) -> bool:
    """Whether the rules must close it at the recorded price with `with_headroom`, too.

    That is where the rivals alone, not the winner's cut maximum, made the price: a server that
    merely answers the highest bid gets none of these right.
    """
    return expected_class(recorded) in ("OPENING", "RIVAL_PLUS_INCREMENT")


def with_headroom(
    recorded: RecordedAuction, maximum_minor: int = HEADROOM_MINOR
) -> RecordedAuction:
    """The same auction with the last bid of its winner raised far above all rivals."""
    winner = _winning_bid(recorded).bidder
    last = max(i for i, bid in enumerate(recorded.bids) if bid.bidder == winner)
    raised = replace(recorded.bids[last], maximum_minor=maximum_minor)
    return replace(recorded, bids=(*recorded.bids[:last], raised, *recorded.bids[last + 1 :]))


def uncapped_price_minor(recorded: RecordedAuction) -> int:
    """Where the rivals bid a winner with endless means: best rival's maximum plus its increment."""
    rival = _best_rival(recorded)
    if rival is None:
        return recorded.opening_minor
    return rival + default_increments(ASSET).at(rival)


def replay(recorded: RecordedAuction) -> Replayed:
    """Run the bids through the rules in memory, soft close off (the recorded site had none).

    A bid that the rules refuse, as too low by then, is left out, as a server would answer it.
    """
    lot = UUID(int=0)
    state = AuctionState(
        id=lot,
        status="OPEN",
        asset=ASSET,
        starting_price_minor=recorded.opening_minor,
        increments=default_increments(ASSET),
        starts_at=_EPOCH,
        ends_at=_EPOCH + recorded.duration,
        soft_close_window_s=0,
    )
    names: dict[UUID, str] = {}
    refused = 0
    for number, bid in enumerate(recorded.bids, start=1):
        bidder = uuid5(_NAMES, bid.bidder)
        names[bidder] = bid.bidder
        offer = Offer(UUID(int=number), bidder, bid.maximum_minor)
        decision = decide(state, [offer], _EPOCH + bid.after)
        refused += not isinstance(decision.outcomes[0], Accepted)
        state = decision.state
    closing = close(state, state.ends_at)
    winner = names[closing.winner_id] if closing and closing.winner_id else None
    return Replayed(state.price_minor, winner, refused)


def explain_mismatch(recorded: RecordedAuction, replayed_price_minor: int | None) -> str:
    """Why a replay closed elsewhere than recorded, as one line for a person.

    Where the rules give the recorded price, the reason says that the replay is to blame.
    """
    got = "no bid" if replayed_price_minor is None else _usd(replayed_price_minor)
    verdict = f"recorded {_usd(recorded.price_minor)}, replayed {got}"
    if replayed_price_minor == recorded.price_minor:
        return f"{verdict}: no mismatch"
    best = _winning_bid(recorded).maximum_minor
    if expected_class(recorded) == "WINNER_MAXIMUM" and (replayed_price_minor or 0) > best:
        return (
            f"{verdict}: the recorded price is the winner's maximum as the data cut it; with "
            f"headroom the rivals bid on to {_usd(uncapped_price_minor(recorded))}"
        )
    return f"{verdict}: {_reason(recorded)}"


def _reason(recorded: RecordedAuction) -> str:
    rival, uncapped = _best_rival(recorded), uncapped_price_minor(recorded)
    best = _winning_bid(recorded).maximum_minor
    made = (
        f"the opening price {_usd(uncapped)}, without a rival"
        if rival is None
        else f"{_usd(uncapped)}, the best rival's {_usd(rival)} plus the increment"
    )
    reasons: Mapping[PriceClass, str] = {
        "NO_BID_REACHES": "no recorded bid reaches that price: bids are missing from the data",
        "WITHDRAWN_BID": f"the bids make at least {_usd(min(best, uncapped))}: one was withdrawn",
        "RESERVE_OR_HIDDEN_BID": (
            f"the price is above {made}: a reserve lifted it to the winner's maximum, "
            "or a rival's bid was withdrawn or not recorded"
        ),
    }
    fault = "the maxima make the recorded price: a bid was refused, or the replay is at fault"
    return reasons.get(expected_class(recorded), fault)


def _winning_bid(recorded: RecordedAuction) -> RecordedBid:
    return max(recorded.bids, key=lambda bid: bid.maximum_minor)  # max() keeps the earliest


def _best_rival(recorded: RecordedAuction) -> int | None:
    winner = _winning_bid(recorded).bidder
    rivals = (bid.maximum_minor for bid in recorded.bids if bid.bidder != winner)
    return max(rivals, default=None)


def _usd(amount_minor: int) -> str:
    return f"{to_decimal(amount_minor, ASSET)} {ASSET}"


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    auction: str
    bid: RecordedBid
    opening_minor: int
    price_minor: int
    duration: timedelta | None


def _open_text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _rows(path: Path, lines: TextIO) -> Iterator[_Row]:
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
        missing = [name for name in REQUIRED_COLUMNS if name not in header]
        if missing:
            raise RecordingError(path, 1, f"missing columns: {', '.join(missing)}")
        for cells in filter(None, reader):
            if reader.line_num > MAX_LINES:
                raise RecordingError(path, reader.line_num, f"more than {MAX_LINES} lines")
            if len(cells) != len(header):
                reason = f"{len(cells)} fields where the header has {len(header)}"
                raise RecordingError(path, reader.line_num, reason)
            yield _row(reader.line_num, dict(zip(header, map(str.strip, cells), strict=True)))
    except InvalidInput as invalid:
        reason = f"column {invalid.field}: {invalid.reason}"
        raise RecordingError(path, reader.line_num, reason) from invalid
    except csv.Error as broken:
        raise RecordingError(path, reader.line_num, f"not CSV: {broken}") from broken


def _row(line: int, cells: Mapping[str, str]) -> _Row:
    return _Row(
        line=line,
        auction=_text(cells, "auctionid"),
        bid=RecordedBid(_text(cells, "bidder"), _amount(cells, "bid"), _time(cells)),
        opening_minor=_amount(cells, "openbid"),
        price_minor=_amount(cells, "price"),
        duration=_duration(cells),
    )


def _text(cells: Mapping[str, str], column: str) -> str:
    if not cells[column]:
        raise InvalidInput(column, "empty")
    return cells[column]


def _amount(cells: Mapping[str, str], column: str) -> int:
    amount = to_minor(cells[column], ASSET, field=column)
    if amount == 0:
        raise InvalidInput(column, "must be positive")
    return amount


def _time(cells: Mapping[str, str]) -> timedelta:
    """Decimal to whole microseconds: a float could reorder bids that are close."""
    try:
        days = Decimal(cells["bidtime"])
    except InvalidOperation:
        raise InvalidInput("bidtime", "not a decimal number") from None
    if not days.is_finite() or not 0 <= days <= MAX_DAYS:
        raise InvalidInput("bidtime", f"must be between 0 and {MAX_DAYS} days")
    return timedelta(microseconds=int(days * _DAY_US))


def _duration(cells: Mapping[str, str]) -> timedelta | None:
    text = cells.get("auction_type", "")
    if not text:
        return None
    match = _DURATION.fullmatch(text)
    if match is None or not 0 < int(match[1]) <= MAX_DAYS:
        raise InvalidInput("auction_type", "expected as in '7 day auction'")
    return timedelta(days=int(match[1]))


def _auction(path: Path, rows: list[_Row]) -> RecordedAuction:
    first = rows[0]
    for row in rows:
        if (row.price_minor, row.duration) != (first.price_minor, first.duration):
            reason = f"auction {row.auction}: price or auction_type differs from line {first.line}"
            raise RecordingError(path, row.line, reason)
    bids = tuple(sorted((row.bid for row in rows), key=lambda bid: bid.after))
    opening, notes = _opening(rows)
    return RecordedAuction(
        id=first.auction,
        duration=first.duration or timedelta(days=bids[-1].after.days + 1),
        opening_minor=opening,
        price_minor=first.price_minor,
        bids=bids,
        notes=notes,
    )


def _opening(rows: list[_Row]) -> tuple[int, tuple[str, ...]]:
    """The opening price most rows name: real recordings have a stray one that differs."""
    opening = Counter(row.opening_minor for row in rows).most_common(1)[0][0]
    notes = (
        f"line {row.line}: openbid {_usd(row.opening_minor)} differs from {_usd(opening)}"
        for row in rows
        if row.opening_minor != opening
    )
    return opening, tuple(notes)
