"""What a load came to: its figures, whether that is what is aimed at, and how it is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from rich.table import Table

from bench.figures import quantile, shown
from bench.load_operations import OPERATIONS
from bench.report import where_and_when

AIMED_ERRORS = 0.01
FEWEST = 20
"""Answers from which on an operation's p95 says something of it alone."""
WIDTH, ROW, LEFT, RIGHT, TOP = 860, 26, 130, 60, 78
GREEN, RED, GREY = "#2da44e", "#cf222e", "#8c959f"
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:15px}"
    ".n{fill:#57606a}.g{stroke:#d0d7de}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}.g{stroke:#3d444d}}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One operation of a run, or all of them."""

    name: str
    domain: str
    answers: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """A whole run. `sockets` were asked for, `still_open` were so at the end."""

    lines: tuple[Line, ...]
    all: Line
    server_errors: int
    faults: Mapping[str, Mapping[str, int]]
    sockets: int
    still_open: int
    delivered: int
    seconds: float
    clients: int
    client_busy: float
    server_cpu_s: float


def loaded_of(people: Mapping[str, Any], followers: Mapping[str, Any], **run: Any) -> Loaded:
    """From what the two clients told."""
    took, faults = people["took_ms"], people["faults"]
    lines = [
        _line(each.name, each.domain, took[each.name], faults.get(each.name, {}))
        for each in OPERATIONS
    ]
    every = [ms for times in took.values() for ms in times]
    total = {name: n for each in faults.values() for name, n in each.items()}
    total = {name: sum(each.get(name, 0) for each in faults.values()) for name in total}
    return Loaded(
        lines=tuple(lines),
        all=_line("all", "", every, total),
        server_errors=sum(n for name, n in total.items() if name.startswith("HTTP 5")),
        faults={name: each for name, each in faults.items() if each},
        still_open=followers["open"],
        delivered=followers["delivered"],
        client_busy=people["busy"],
        **run,
    )


def _line(name: str, domain: str, took: Sequence[float], faults: Mapping[str, int]) -> Line:
    shares = (quantile(took, share) for share in (0.5, 0.95, 0.99))
    return Line(name, domain, len(took), *shares, sum(faults.values()))


def complaints(loaded: Loaded, *, p95_ms: float) -> list[str]:
    """What is not as it is aimed at, a line each; nothing where all is."""
    found = []
    if not loaded.all.answers:
        return ["nothing was answered"]
    if loaded.all.p95_ms >= p95_ms:
        found.append(f"p95 of all is {shown(loaded.all.p95_ms)} ms, and not below {p95_ms:g} ms")
    found += [
        f"p95 of {line.name} is {shown(line.p95_ms)} ms, and not below {p95_ms:g} ms"
        for line in loaded.lines
        if line.answers >= FEWEST and line.p95_ms >= p95_ms
    ]
    if loaded.all.errors >= AIMED_ERRORS * loaded.all.answers:
        share = loaded.all.errors / loaded.all.answers
        found.append(f"{loaded.all.errors} errors are {share:.1%}, and not below 1 %")
    if loaded.server_errors:
        found.append(f"{loaded.server_errors} answers were 5xx")
    if loaded.still_open < loaded.sockets:
        lost = loaded.sockets - loaded.still_open
        found.append(f"{lost} of {loaded.sockets} sockets were lost, or missed something")
    return found


def table_of(loaded: Loaded) -> Table:
    """For a terminal."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("operation", "domain"):
        table.add_column(name)
    for name in ("answers", "a second", "p50 ms", "p95 ms", "p99 ms", "errors"):
        table.add_column(name, justify="right")
    for line in (*loaded.lines, loaded.all):
        style = "bold" if line is loaded.all else None
        table.add_row(*_cells(line, loaded.seconds), style=style)
    return table


def _cells(line: Line, seconds: float) -> list[str]:
    times = [shown(ms) for ms in (line.p50_ms, line.p95_ms, line.p99_ms)]
    per_s = f"{line.answers / seconds:.1f}"
    return [line.name, line.domain, f"{line.answers:,}", per_s, *times, str(line.errors)]


def summary_of(loaded: Loaded) -> str:
    """A line under the table."""
    return (
        f"{loaded.clients} clients for {loaded.seconds:g} s; {loaded.still_open:,} of "
        f"{loaded.sockets:,} sockets open at the end, {loaded.delivered:,} events on them; "
        f"the servers took {loaded.server_cpu_s / loaded.seconds:.2f} processors, "
        f"the clients {loaded.client_busy:.2f}"
    )


def markdown_of(loaded: Loaded) -> str:
    """The part of docs/load.md that a run writes."""
    rows = [
        "| " + " | ".join(_cells(line, loaded.seconds)) + " |"
        for line in (*loaded.lines, loaded.all)
    ]
    head = "| operation | domain | answers | a second | p50 ms | p95 ms | p99 ms | errors |"
    table = "\n".join([head, "|---|---|---:|---:|---:|---:|---:|---:|", *rows])
    picture = "![Times by operation: p50, p95 and p99](images/load.svg)"
    return f"{where_and_when('one run')}\n\n{summary_of(loaded)}.\n\n{picture}\n\n{table}"


def picture_of(loaded: Loaded, *, p95_ms: float) -> str:
    """A dot at p50, a bar to p95, a tick at p99, by operation, on one logarithmic scale."""
    lines = [line for line in (*loaded.lines, loaded.all) if line.answers]
    most = max([p95_ms, *(line.p99_ms for line in lines)])
    least = min([1.0, *(line.p50_ms for line in lines)])

    def x(ms: float) -> float:
        part = math.log(max(ms, least) / least) / math.log(most / least)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    height = TOP + ROW * len(lines) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-label="Times by operation under load">',
        f"<style>{STYLE}</style>",
        f'<text class="t" x="0" y="18">Times under load: {loaded.clients} clients and '
        f"{loaded.sockets:,} sockets</text>",
        '<text class="n" x="0" y="38">Dot: half are quicker. Bar: 95 % are, in figures. '
        "Tick: 99 % are. A logarithmic scale, in milliseconds.</text>",
    ]
    for ms in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000):
        if least <= ms <= most:
            parts.append(
                f'<line class="g" x1="{x(ms):.1f}" x2="{x(ms):.1f}" y1="{TOP - 12}" '
                f'y2="{height - 10}"/><text class="n" x="{x(ms):.1f}" y="{TOP - 18}" '
                f'text-anchor="middle">{ms:,}</text>'
            )
    aimed = x(p95_ms)
    parts.append(
        f'<line x1="{aimed:.1f}" x2="{aimed:.1f}" y1="{TOP - 12}" y2="{height - 10}" '
        f'stroke="{RED}" stroke-dasharray="4 3"/>'
    )
    for number, line in enumerate(lines):
        parts += _bar(line, TOP + ROW * number, x, GREEN if line.p95_ms < p95_ms else RED)
    return "\n".join([*parts, "</svg>", ""])


def _bar(line: Line, y: float, x: Any, colour: str) -> list[str]:
    begin, end, tick = x(line.p50_ms), x(line.p95_ms), x(line.p99_ms)
    middle = y + ROW / 2 - 4
    return [
        f'<text x="0" y="{middle + 5:.1f}">{escape(line.name)}</text>',
        f'<rect x="{begin:.1f}" y="{middle - 5:.1f}" width="{max(end - begin, 1):.1f}" '
        f'height="10" rx="2" fill="{colour}" opacity="0.55"/>',
        f'<circle cx="{begin:.1f}" cy="{middle:.1f}" r="5" fill="{colour}"/>',
        f'<line x1="{tick:.1f}" x2="{tick:.1f}" y1="{middle - 7:.1f}" y2="{middle + 7:.1f}" '
        f'stroke="{GREY}" stroke-width="2"/>',
        f'<text class="n" x="{tick + 6:.1f}" y="{middle + 5:.1f}">{shown(line.p95_ms)}</text>',
    ]
