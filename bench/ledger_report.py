"""What the ledger and bids did under load, for people: what was aimed at and what came of it, then
every figure; as tables, Markdown and a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from rich.table import Table

from bench.figures import quantile, shown, times
from bench.ledger import (
    BIDS,
    CALM_PACE,
    HOT,
    LEGS,
    PACE,
    TRANSFERS,
    Found,
    LedgerMeasured,
    middle,
)
from bench.processes import ROOT

PICTURE = ROOT / "docs" / "images" / "ledger.svg"
BEGIN, END = "<!-- bench ledger: begin -->", "<!-- bench ledger: end -->"
TIMES = "\N{MULTIPLICATION SIGN}"
P99_MS = 100.0


@dataclass(frozen=True, slots=True)
class Aim:
    """One thing aimed at: `found` must be `least` at least, or `most` at most."""

    said: str
    found: float
    unit: str
    least: float | None = None
    most: float | None = None
    behind: str = ""

    @property
    def reached(self) -> bool:
        """False too where nothing was found."""
        if self.least is not None:
            return self.found >= self.least
        return self.most is not None and self.found <= self.most

    @property
    def aimed_at(self) -> str:
        """The limit in words."""
        if self.least is not None:
            return f"\N{GREATER-THAN OR EQUAL TO} {self.least:g}{self.unit}"
        return f"\N{LESS-THAN OR EQUAL TO} {self.most:g}{self.unit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One case on one server: medians of its rounds; CPU in milliseconds for each leg or answer."""

    title: str
    server: str
    per_s: float
    accepted_per_s: float | None
    cpu_ms: float
    postgres_cpu_ms: float
    p50_ms: float
    p99_ms: float


def rows_of(measured: LedgerMeasured) -> list[Row]:
    """Every case in its order."""
    rows = [
        _row(f"transfers, {case.title}", case.server, measured.transfers[case.key][case.server])
        for case in TRANSFERS
    ]
    rows += [
        _row(f"bids, {case.title}", case.server, measured.bids[case.key][case.server])
        for case in BIDS
    ]
    return rows


def _row(title: str, server: str, rounds: Sequence[Found]) -> Row:
    latencies = [ms for found in rounds for ms in found["latencies_ms"]]
    bids = bool(rounds) and "accepted_per_s" in rounds[0]
    return Row(
        title=title,
        server=server,
        per_s=middle(rounds, "per_s"),
        accepted_per_s=middle(rounds, "accepted_per_s") if bids else None,
        cpu_ms=middle(rounds, "cpu_ms"),
        postgres_cpu_ms=middle(rounds, "postgres_cpu_ms"),
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
    )


def aims_of(measured: LedgerMeasured) -> list[Aim]:
    """What the ledger and the auction must reach, and what they did."""
    transfers, bids = measured.transfers, measured.bids

    def legs(key: str, server: str) -> float:
        return middle(transfers[key][server], "per_s")

    def bid(key: str, server: str, what: str = "accepted_per_s") -> float:
        return middle(bids[key][server], what)

    def ratio(said: str, found: float, base: float, least: float, unit: str) -> Aim:
        behind = f"{shown(found)} against {shown(base)} {unit}"
        return Aim(said, times(found, base), TIMES, least=least, behind=behind)

    hot, plain = bid("hot", "mela"), bid("hot", "plain")
    answers = [bid("hot", server, "per_s") for server in ("mela", "plain")]
    one_by_one = legs("single", "mela")
    both = [legs("clients", server) for server in ("mela", "plain")]
    return [
        ratio(
            f"Transfers, {LEGS} legs at once against one by one",
            legs("batch", "mela"),
            one_by_one,
            10,
            "legs/s",
        ),
        ratio("Transfers by 16 clients, Mela against plain", both[0], both[1], 2, "legs/s"),
        ratio(
            "Bids, one hot lot against 200 lots", hot, bid("spread", "mela"), 1, "accepted bids/s"
        ),
        ratio(f"Bids, {HOT}, Mela against plain", hot, plain, 5, "accepted bids/s"),
        ratio(
            f"Answers to bids, {HOT}, Mela against plain", answers[0], answers[1], 5, "answers/s"
        ),
        _p99(bids["paced"]["mela"], PACE),
        _p99(bids["calm"]["mela"], CALM_PACE),
    ]


def _p99(rounds: Sequence[Found], pace: float) -> Aim:
    latencies = [ms for found in rounds for ms in found["latencies_ms"]]
    said = f"p99 of a bid, {HOT}, at {pace:.0%} of its most: {shown(middle(rounds, 'rate'))} bids/s"
    behind = f"p50 {shown(quantile(latencies, 0.5))} ms"
    return Aim(said, quantile(latencies, 0.99), " ms", most=P99_MS, behind=behind)


HEADINGS = ("", "a second", "accepted", "CPU each", "PostgreSQL", "p50", "p99")


def _cells(row: Row) -> Iterator[str]:
    yield shown(row.per_s)
    yield "" if row.accepted_per_s is None else shown(row.accepted_per_s)
    yield shown(row.cpu_ms, " ms")
    yield shown(row.postgres_cpu_ms, " ms")
    yield shown(row.p50_ms, " ms")
    yield shown(row.p99_ms, " ms")


def tables_of(measured: LedgerMeasured) -> tuple[Table, Table]:
    """For a terminal: what was aimed at, and every figure."""
    aims = Table(title="Money and bids: what is aimed at", title_justify="left")
    for heading in ("", "found", "aimed at", "behind it"):
        aims.add_column(heading, justify="left" if heading in ("", "behind it") else "right")
    for aim in aims_of(measured):
        colour = "green" if aim.reached else "red"
        found = f"[bold {colour}]{shown(aim.found, aim.unit)}[/]"
        aims.add_row(aim.said, found, aim.aimed_at, f"[dim]{aim.behind}[/dim]")
    whole = Table(title="Money and bids: every figure", title_justify="left")
    for heading in HEADINGS:
        whole.add_column(heading, justify="right" if heading else "left")
    for row in rows_of(measured):
        whole.add_row(f"{row.title} ({row.server})", *_cells(row))
    return aims, whole


def markdown_of(measured: LedgerMeasured) -> str:
    """For the guide."""
    lines = [("What is aimed at", "found", "aim", "behind it"), ("---", "---:", "---:", "---")]
    lines += [
        (aim.said, f"**{shown(aim.found, aim.unit)}**", aim.aimed_at, aim.behind)
        for aim in aims_of(measured)
    ]
    figures = [HEADINGS, ("---", *("---:" for _ in HEADINGS[1:]))]
    figures += [(f"{row.title} ({row.server})", *_cells(row)) for row in rows_of(measured)]
    return f"{_markdown(lines)}\n\n{_markdown(figures)}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


WIDTH, BAR, GAP, LEFT, RIGHT, TOP = 860, 20, 16, 300, 130, 56
GREEN, GREY = "#2da44e", "#8c959f"


def pairs_of(measured: LedgerMeasured) -> list[tuple[str, str, float, float]]:
    """What the picture compares: a title, a unit, ours and what it is compared with."""

    def legs(key: str, server: str) -> float:
        return middle(measured.transfers[key][server], "per_s")

    def bids(key: str, server: str) -> float:
        return middle(measured.bids[key][server], "accepted_per_s")

    return [
        (
            f"{LEGS} legs at once / one by one",
            "legs/s",
            legs("batch", "mela"),
            legs("single", "mela"),
        ),
        ("transfers by 16 clients", "legs/s", legs("clients", "mela"), legs("clients", "plain")),
        ("bids on one hot lot", "bids/s", bids("hot", "mela"), bids("hot", "plain")),
        ("bids spread over 200 lots", "bids/s", bids("spread", "mela"), bids("spread", "plain")),
    ]


def picture_of(measured: LedgerMeasured) -> str:
    """A bar chart of throughput, readable on light and dark pages."""
    pairs = pairs_of(measured)
    height = TOP + len(pairs) * (2 * BAR + GAP)
    style = (
        "text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600;font-size:15px}"
        ".n{fill:#59636e}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}}"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-label="Transfers and bids a second, Mela against plain">',
        f"<style>{style}</style>",
        '<text class="t" x="0" y="18">Transfers and accepted bids a second (longer is better)'
        "</text>",
        '<text class="n" x="0" y="38">Green: Mela. Grey: the same rules with SQLModel, one ORM '
        "transaction each; in the first pair, Mela one by one.</text>",
    ]
    for n, pair in enumerate(pairs):
        parts += _bars(*pair, y=TOP + n * (2 * BAR + GAP))
    return "\n".join([*parts, "</svg>", ""])


def _bars(title: str, unit: str, ours: float, theirs: float, *, y: int) -> list[str]:
    parts = [f'<text x="0" y="{y + 25}">{escape(title)}</text>']
    said = f" ({shown(times(ours, theirs), TIMES)})"
    for n, (value, colour, more) in enumerate(((theirs, GREY, ""), (ours, GREEN, said))):
        length = max(2.0, value / max(ours, theirs) * (WIDTH - LEFT - RIGHT))
        top = y + n * BAR
        parts.append(
            f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR - 3}" rx="2" '
            f'fill="{colour}"/><text x="{LEFT + length + 6:.1f}" y="{top + 13}">'
            f"{escape(f'{shown(value)} {unit}{more}')}</text>"
        )
    return parts


def write_picture(measured: LedgerMeasured) -> Path:
    """Put the picture where the guide shows it."""
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(picture_of(measured))
    return PICTURE
