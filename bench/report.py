"""What was measured, for people: a table, ratios first; the same as Markdown and as a picture."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from rich.table import Table

from bench.figures import median, quantile, shown, times
from bench.measuring import Measured
from bench.processes import ROOT
from bench.workloads import FAN_OUT_TITLE, QUERIES

DOCUMENT = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "images" / "performance.svg"
TIMES = "\N{MULTIPLICATION SIGN}"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


@dataclass(frozen=True, slots=True)
class Figures:
    """One server's medians in one workload. `cpu` is per request in ms, or per delivery in µs."""

    cpu: float
    per_s: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Line:
    """One workload, both servers."""

    key: str
    title: str
    cpu_unit: str
    plain: Figures
    mela: Figures


def lines_of(measured: Measured) -> list[Line]:
    """The measured workloads in their order."""
    lines = []
    for query in QUERIES:
        if query.key in measured.queries:
            rounds = measured.queries[query.key]
            plain, mela = (_query_figures(rounds[name]) for name in ("plain", "mela"))
            lines.append(Line(query.key.upper(), query.title, "ms", plain, mela))
    for crowd, rounds in measured.fan_out.items():
        title = FAN_OUT_TITLE.format(f"{int(crowd):,}")
        plain, mela = (_fan_out_figures(rounds[name]) for name in ("plain", "mela"))
        lines.append(Line("W4", title, "µs", plain, mela))
    return lines


def _query_figures(rounds: Sequence[dict[str, Any]]) -> Figures:
    latencies = [ms for found in rounds for ms in found["latencies_ms"]]
    return Figures(
        cpu=median([found["cpu_ms"] for found in rounds]),
        per_s=median([found["per_s"] for found in rounds]),
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
    )


def _fan_out_figures(rounds: Sequence[dict[str, Any]]) -> Figures:
    return Figures(
        cpu=median([found["saturated"]["cpu_us"] for found in rounds]),
        per_s=median([found["saturated"]["per_s"] for found in rounds]),
        p50_ms=median([found["paced"]["p50_ms"] for found in rounds]),
        p99_ms=median([found["paced"]["p99_ms"] for found in rounds]),
    )


HEADINGS = ("Mela (plain)", "CPU each", "a second", "p50", "p99")


def cells(line: Line) -> list[tuple[str, str]]:
    """What is compared: how many times better Mela is, and the two figures behind that."""
    plain, mela = line.plain, line.mela
    compared = (
        (times(plain.cpu, mela.cpu), mela.cpu, plain.cpu, f" {line.cpu_unit}"),
        (times(mela.per_s, plain.per_s), mela.per_s, plain.per_s, ""),
        (times(plain.p50_ms, mela.p50_ms), mela.p50_ms, plain.p50_ms, " ms"),
        (times(plain.p99_ms, mela.p99_ms), mela.p99_ms, plain.p99_ms, " ms"),
    )
    return [(shown(t, TIMES), f"{shown(m)} ({shown(p)}){unit}") for t, m, p, unit in compared]


def table_of(lines: Iterable[Line]) -> Table:
    """For a terminal."""
    table = Table(title="Mela against plain Strawberry", title_justify="left", show_lines=True)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == HEADINGS[0] else "right")
    for line in lines:
        found = [f"[bold]{ratio}[/bold]\n[dim]{both}[/dim]" for ratio, both in cells(line)]
        table.add_row(f"[bold]{line.key}[/bold] {line.title}", *found)
    return table


def markdown_of(lines: Iterable[Line]) -> str:
    """For the guide."""
    rows = [HEADINGS, ("---", *("---:" for _ in HEADINGS[1:]))]
    for line in lines:
        found = [f"**{ratio}**<br>{both}" for ratio, both in cells(line)]
        rows.append((f"**{line.key}** {line.title}", *found))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machine() -> str:
    """Where it was measured."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"


def write_documents(lines: Sequence[Line], rounds: str) -> list[Path]:
    """Put table and picture into the guide, between its marks. Raises `ValueError` without them."""
    put_between(BEGIN, END, f"{where_and_when(rounds)}\n\n{markdown_of(lines)}")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(picture_of(lines))
    return [DOCUMENT, PICTURE]


def where_and_when(rounds: str) -> str:
    """What stands over a table of the guide."""
    return f"{date.today():%d %B %Y}; {machine()}; {rounds}."  # noqa: DTZ011


def put_between(begin: str, end: str, text: str) -> None:
    """Replace what stands between two marks of the guide. Raises `ValueError` without them."""
    before, found_begin, rest = DOCUMENT.read_text().partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"{DOCUMENT} has lost its marks {begin} and {end}")
    DOCUMENT.write_text(f"{before}{begin}\n{text}\n{end}{after}")


WIDTH, BAR, GAP, LEFT, RIGHT, TOP = 860, 20, 16, 300, 130, 56


def picture_of(lines: Sequence[Line]) -> str:
    """Bars of processor time, as shares of the plain server's; drawn as SVG by hand, for a library
    of charts would weigh more than the bench."""
    height = TOP + len(lines) * (2 * BAR + GAP) + 8
    style = (
        "text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:15px}"
        ".n{fill:#57606a}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}}"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Processor time of Mela against plain Strawberry">',
        f"<style>{style}</style>",
        '<text class="t" x="0" y="18">Processor time of the server (shorter is better)</text>',
        '<text class="n" x="0" y="38">Grey: Strawberry, SQLModel and DataLoader as documented. '
        "Green: Mela, with all its guards.</text>",
    ]
    for n, line in enumerate(lines):
        parts += _bars(line, TOP + n * (2 * BAR + GAP))
    return "\n".join([*parts, "</svg>", ""])


def _bars(line: Line, y: int) -> list[str]:
    full = WIDTH - LEFT - RIGHT
    most = max(line.plain.cpu, line.mela.cpu)
    parts = [f'<text x="0" y="{y + 25}">{escape(f"{line.key} {line.title}")}</text>']
    both = ((line.plain, "#8c959f", ""), (line.mela, "#2da44e", "less"))
    for n, (figures, colour, said) in enumerate(both):
        share = figures.cpu / most if most and not math.isnan(figures.cpu) else 0.0
        top, length = y + n * BAR, max(2.0, share * full)
        value = f"{shown(figures.cpu)} {line.cpu_unit}"
        if said:
            value += f" ({shown(times(line.plain.cpu, line.mela.cpu), TIMES)})"
        parts.append(
            f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR - 3}" rx="2" '
            f'fill="{colour}"/>'
            f'<text x="{LEFT + length + 6:.1f}" y="{top + 13}">{escape(value)}</text>'
        )
    return parts
