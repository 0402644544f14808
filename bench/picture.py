"""The chart of processor time, as SVG by hand: a library of charts would weigh more than the
bench."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from xml.sax.saxutils import escape

from bench.figures import shown
from bench.measuring import SERVERS

WIDTH, BAR, HEAD, GAP, LEFT, RIGHT, TOP = 860, 18, 24, 14, 270, 110, 64
GREEN, LIGHT, BLUE, GREY = "#2da44e", "#85c995", "#4078c0", "#8c959f"
COLOURS = {"mela": GREEN, "core": LIGHT, "mercurius": BLUE, "yoga": BLUE}
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:15px}"
    ".w{font-weight:600}.n{fill:#57606a}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}}"
)


class Measured(Protocol):
    """What a group of bars shows: one workload."""

    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def servers(self) -> Mapping[str, Any]: ...


def picture_of(lines: Sequence[Measured]) -> str:
    """Bars of processor time, a group for each workload, each group on a scale of its own."""
    groups = [list(_group(line)) for line in lines]
    height = TOP + sum(HEAD + BAR * len(line.servers) + GAP for line in lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-label="Processor time of Mela and its peers">',
        f"<style>{STYLE}</style>",
        '<text class="t" x="0" y="18">Processor time of the server, a request or a delivery '
        "(shorter is better)</text>",
        '<text class="n" x="0" y="38">Each workload on a scale of its own. Green: Mela, with all '
        "its guards. Blue: peers on Node.</text>",
    ]
    y = TOP
    for line, bars in zip(lines, groups, strict=True):
        said = escape(f"{line.key}  {line.title}")
        parts.append(f'<text class="w" x="0" y="{y + 14}">{said}</text>')
        y += HEAD
        for title, colour, length, value in bars:
            parts.append(
                f'<text x="14" y="{y + 13}">{escape(title)}</text>'
                f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 4}" rx="2" '
                f'fill="{colour}"/>'
                f'<text x="{LEFT + length + 6:.1f}" y="{y + 12}">{escape(value)}</text>'
            )
            y += BAR
        y += GAP
    return "\n".join([*parts, "</svg>", ""])


def _group(line: Measured) -> Iterator[tuple[str, str, float, str]]:
    known = [f.cpu for f in line.servers.values() if not math.isnan(f.cpu)]
    most = max(known, default=0.0)
    for name, figures in line.servers.items():
        part = figures.cpu / most if most and not math.isnan(figures.cpu) else 0.0
        length = max(2.0, part * (WIDTH - LEFT - RIGHT))
        colour = COLOURS.get(name, GREY)
        yield SERVERS[name].title, colour, length, f"{shown(figures.cpu)} {line.unit}"
