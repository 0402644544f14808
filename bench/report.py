"""What was measured, for people: every server in every workload, and what was aimed at; the same as
Markdown. Nothing is measured here."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table

from bench import node
from bench.figures import median, quantile, shown
from bench.ledger_report import Aim
from bench.measuring import SERVERS, Measured
from bench.picture import picture_of
from bench.processes import ROOT
from bench.workloads import FAN_OUT_TITLE, QUERIES

DOCUMENT = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "images" / "performance.svg"
TIMES = "\N{MULTIPLICATION SIGN}"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
HEADINGS = (
    *("", "CPU each", "to Yoga", "to best Node", "to plain"),
    *("a second", "to best Node", "p50", "p99", "client"),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """One server's medians in one workload. `cpu` is per request in ms, or per delivery in µs;
    `client` is how busy the client's own core was."""

    cpu: float
    per_s: float
    p50_ms: float
    p99_ms: float
    client: float = math.nan
    idle_kib: float = math.nan
    executions: float = math.nan
    """Of an event; only Mela says."""


@dataclass(frozen=True, slots=True)
class Line:
    """One workload, all servers that were measured."""

    key: str
    title: str
    unit: str
    servers: Mapping[str, Figures]

    def cpu(self, name: str) -> float:
        """Of one server; NaN where it was not measured."""
        return self.servers[name].cpu if name in self.servers else math.nan

    def per_s(self, name: str) -> float:
        """Of one server; NaN where it was not measured."""
        return self.servers[name].per_s if name in self.servers else math.nan

    @property
    def best_node_cpu(self) -> float:
        """The least of the peers on Node."""
        return min((f.cpu for n, f in self.servers.items() if n in node.NAMES), default=math.nan)

    @property
    def best_node_per_s(self) -> float:
        """The most of the peers on Node."""
        return max((f.per_s for n, f in self.servers.items() if n in node.NAMES), default=math.nan)


def share(value: float, of: float) -> float:
    """How many times `of` a value is; NaN where either is unknown or nothing."""
    return value / of if of and not math.isnan(value + of) else math.nan


def lines_of(measured: Measured) -> list[Line]:
    """The measured workloads in their order."""
    lines = []
    for query in QUERIES:
        if query.key in measured.queries:
            rounds = measured.queries[query.key]
            found = {name: _query_figures(rounds[name]) for name in SERVERS if name in rounds}
            lines.append(Line(query.key.upper(), query.title, "ms", found))
    for crowd in sorted(measured.fan_out, key=int):
        rounds = measured.fan_out[crowd]
        found = {name: _fan_out_figures(rounds[name]) for name in SERVERS if name in rounds}
        title = FAN_OUT_TITLE.format(f"{int(crowd):,}")
        lines.append(Line(f"W4 {int(crowd):,}", title, "µs", found))
    return lines


def _query_figures(rounds: Sequence[dict[str, Any]]) -> Figures:
    latencies = [ms for found in rounds for ms in found["latencies_ms"]]
    return Figures(
        cpu=median([found["cpu_ms"] for found in rounds]),
        per_s=median([found["per_s"] for found in rounds]),
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
        client=median([found["client_busy"] for found in rounds]),
    )


def _fan_out_figures(rounds: Sequence[dict[str, Any]]) -> Figures:
    return Figures(
        cpu=median([found["saturated"]["cpu_us"] for found in rounds]),
        per_s=median([found["saturated"]["per_s"] for found in rounds]),
        p50_ms=median([found["paced"]["p50_ms"] for found in rounds]),
        p99_ms=median([found["paced"]["p99_ms"] for found in rounds]),
        client=median([found["saturated"]["client_busy"] for found in rounds]),
        idle_kib=median([found["idle_kib"] for found in rounds]),
        executions=median([found["executions_per_event"] or math.nan for found in rounds]),
    )


def cells(line: Line, name: str) -> list[str]:
    """One server in one workload, as `HEADINGS` has it."""
    figures = line.servers[name]
    return [
        SERVERS[name].title,
        f"{shown(figures.cpu)} {line.unit}",
        *(
            shown(share(figures.cpu, of), TIMES)
            for of in (line.cpu("yoga"), line.best_node_cpu, line.cpu("plain"))
        ),
        shown(figures.per_s),
        shown(share(figures.per_s, line.best_node_per_s), TIMES),
        f"{shown(figures.p50_ms)} ms",
        f"{shown(figures.p99_ms)} ms",
        "-" if math.isnan(figures.client) else f"{figures.client:.0%}",
    ]


def table_of(lines: Iterable[Line]) -> Table:
    """For a terminal."""
    table = Table(title="Mela and its peers, one server process each", title_justify="left")
    for n, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if n else "left")
    for line in lines:
        table.add_row(f"[bold]{line.key}[/bold] {line.title}")
        for name in line.servers:
            style = "bold green" if name == "mela" else None
            row = cells(line, name)
            table.add_row(f"  {row[0]}", *row[1:], style=style)
        table.add_section()
    return table


def aims_of(lines: Sequence[Line], inside: Mapping[str, Any]) -> list[Aim]:
    """What is aimed at, of what was measured."""
    by_key = {line.key: line for line in lines}
    aims = []
    for key, most in (("W1", 1.0), ("W2", 0.8), ("W3", 0.6)):
        if key in by_key:
            aims.append(_to_yoga(by_key[key], most))
    for line in lines:
        if line.unit == "µs" and int(line.key[3:].replace(",", "")) >= 1_000:
            aims.append(_to_best_node(line))
    aims += _aims_inside(inside) if inside else []
    crowds = [line for line in lines if line.unit == "µs" and "mela" in line.servers]
    if crowds:
        aims.append(_one_execution(crowds[-1]))
        idle = crowds[-1].servers["mela"].idle_kib
        said = f"idle subscriber, of {crowds[-1].key[3:]}"
        aims.append(Aim(said, idle, " KiB", most=32, behind=_others_idle(crowds[-1])))
    return aims


def _to_yoga(line: Line, most: float) -> Aim:
    ours, theirs = line.cpu("mela"), line.cpu("yoga")
    behind = f"{shown(ours)} against {shown(theirs)} ms"
    return Aim(
        f"{line.key} {line.title}: CPU to Yoga's", share(ours, theirs), TIMES, None, most, behind
    )


def _to_best_node(line: Line) -> Aim:
    ours, theirs = line.per_s("mela"), line.best_node_per_s
    behind = f"{shown(ours)} against {shown(theirs)} deliveries/s"
    said = f"{line.key} subscribers: deliveries a second to the best Node peer's"
    return Aim(said, share(ours, theirs), TIMES, least=2.5, behind=behind)


def _others_idle(line: Line) -> str:
    found = [f"{n} {shown(f.idle_kib)}" for n, f in line.servers.items() if n != "mela"]
    return ", ".join(found)


def _aims_inside(inside: Mapping[str, Any]) -> list[Aim]:
    field, me, each = (inside[k] for k in ("executor_us_per_field", "me_us", "entities_us_each"))
    sent = {key: found["sent"] for key, found in inside["statements"].items()}
    beyond = sum(max(0, found["sent"] - found["nodes"]) for found in inside["statements"].values())
    read, core = me["read"]["levels"], "graphql-core"
    return [
        Aim(
            "executor alone, 5,000 rows of 7 attributes: a field",
            *(field["levels"], " µs"),
            most=0.5,
            behind=f"graphql-core {shown(field[core])} µs",
        ),
        Aim(
            "{ me { id } } cached, without HTTP",
            *(me["at_hand"]["levels"], " µs"),
            most=60,
            behind=f"the row at hand; graphql-core {shown(me['at_hand'][core])} µs; "
            f"with the row's read {shown(read)} µs",
        ),
        Aim(
            "_entities, 1,000 references: each, besides the statement",
            *(each["levels"], " µs"),
            most=5,
            behind=f"graphql-core {shown(each[core])} µs",
        ),
        Aim(
            "statements beyond one for each keyed or paged node",
            *(float(beyond), ""),
            most=0,
            behind=", ".join(f"{key.upper()} {count}" for key, count in sent.items()),
        ),
        *_aim_of_guards(inside.get("guards_us")),
    ]


def _aim_of_guards(guards: Mapping[str, float] | None) -> list[Aim]:
    """Results from before guards were measured have none."""
    if guards is None:
        return []
    return [
        Aim(
            "limits, cost and budget, of { me { id } }",
            *(guards["guards"], " µs"),
            most=200,
            behind=f"{shown(guards['with'])} µs with them, {shown(guards['without'])} µs without",
        )
    ]


def _one_execution(line: Line) -> Aim:
    core = line.servers["core"].executions if "core" in line.servers else math.nan
    return Aim(
        f"{line.key} subscribers: executions of an event",
        *(line.servers["mela"].executions, ""),
        most=1,
        behind=f"graphql-core {shown(core)}",
    )


def aims_table(aims: Sequence[Aim]) -> Table:
    """For a terminal."""
    table = Table(title="What is aimed at", title_justify="left")
    for heading in ("", "measured", "aim", "met", "behind it"):
        table.add_column(heading, justify="left" if heading in ("", "behind it") else "right")
    for aim in aims:
        colour = "green" if aim.reached else "red"
        found = f"[bold {colour}]{shown(aim.found, aim.unit)}[/]"
        met = f"[{colour}]{'yes' if aim.reached else 'no'}[/]"
        table.add_row(aim.said, found, aim.aimed_at, met, f"[dim]{aim.behind}[/dim]")
    return table


def markdown_of(lines: Sequence[Line], inside: Mapping[str, Any]) -> str:
    """For the guide: what is aimed at, then every figure."""
    aims = [("What is aimed at", "measured", "aim", "met", "behind it")]
    aims += [("---", "---:", "---:", "---", "---")]
    for aim in aims_of(lines, inside):
        found = f"**{shown(aim.found, aim.unit)}**"
        met = "yes" if aim.reached else "**no**"
        aims.append((aim.said, found, aim.aimed_at, met, aim.behind))
    rows: list[Sequence[str]] = [HEADINGS, ("---", *("---:" for _ in HEADINGS[1:]))]
    for line in lines:
        rows.append((f"**{line.key}** {line.title}", *("" for _ in HEADINGS[1:])))
        for name in line.servers:
            row = cells(line, name)
            rows.append([f"**{cell}**" for cell in row] if name == "mela" else row)
    return f"{_markdown(aims)}\n\n{_markdown(rows)}"


def _markdown(rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machine() -> str:
    """Where it was measured."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"


def versions(servers: Iterable[str]) -> str:
    """What was measured, by version."""
    python = ("strawberry-graphql", "graphql-core", "uvicorn", "asyncpg", "sqlalchemy", "orjson")
    found = [f"{name} {version(name)}" for name in python]
    on_node = [name for name in servers if name in node.NAMES]
    if on_node:
        found.append(f"Node {node.node_version().removeprefix('v')}")
    for name in on_node:
        package = json.loads((node.PEERS / name / "package.json").read_text())
        main = ("mercurius", "graphql-yoga", "@envelop/graphql-jit", "graphql", "postgres")
        asked = package["dependencies"]
        found += [f"{each} {asked[each]}" for each in main if each in asked]
    return ", ".join(dict.fromkeys(found))


def write_documents(
    lines: Sequence[Line], inside: Mapping[str, Any], rounds: str, servers: Iterable[str]
) -> list[Path]:
    """Put tables and picture into the guide, between its marks. Raises `ValueError` without
    them."""
    said = f"{where_and_when(rounds)} {versions(servers)}."
    put_between(BEGIN, END, f"{said}\n\n{markdown_of(lines, inside)}")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(picture_of(lines))
    return [DOCUMENT, PICTURE]


def where_and_when(rounds: str) -> str:
    """What stands over a table of the guide."""
    return f"{date.today():%d %B %Y}; {machine()}; {rounds}."  # noqa: DTZ011


def put_between(begin: str, end: str, text: str, *, document: Path = DOCUMENT) -> None:
    """Replace what stands between two marks of a guide. Raises `ValueError` without them."""
    before, found_begin, rest = document.read_text().partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"{document} has lost its marks {begin} and {end}")
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}")
