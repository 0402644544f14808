"""A gateway's plan as a picture: what is asked of which subgraph, and what waits for what. SVG by
hand, for it is boxes in columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
)

WIDTH, LINE, PAD, GAP, APART, TOP, LEFT = 250, 17, 10, 14, 56, 74, 128
COLOURS = {
    "users": "#4078c0",
    "content": "#8250df",
    "search": "#bf8700",
    "wallets": "#2da44e",
    "auctions": "#cf222e",
    "quests": "#1b7c83",
}
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:15px}"
    ".n{fill:#57606a}.s{font-weight:600;fill:#fff}.b{fill:#f6f8fa;stroke:#d0d7de}"
    ".a{stroke:#8c959f;stroke-width:1.5;fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}"
    ".b{fill:#161b22;stroke:#30363d}}"
)


@dataclass(frozen=True)
class Fetch:
    """One request to a subgraph, and what it is for."""

    service: str
    lines: tuple[str, ...]


def stages_of(plan: Mapping[str, Any]) -> list[list[Fetch]]:
    """The requests in their order: those of one stage go at once."""
    node = plan["node"] if plan["kind"] == "QueryPlan" else plan
    if node["kind"] == "Sequence":
        return [stage for one in node["nodes"] for stage in stages_of(one)]
    return [list(_fetches(node))]


def _fetches(node: Mapping[str, Any]) -> Iterator[Fetch]:
    if "operation" in node:
        yield Fetch(node["serviceName"], tuple(dict.fromkeys(_asked(node["operation"]))))
    inner = node.get("nodes") or ([node["node"]] if "node" in node else [])
    for one in inner:
        yield from _fetches(one)


def _asked(text: str) -> Iterator[str]:
    """The root fields of an operation; of entities, their types with the fields."""
    document = parse(text)
    parts = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    for field in operation.selection_set.selections:
        assert isinstance(field, FieldNode)
        if field.name.value != "_entities":
            yield field.name.value
            continue
        assert field.selection_set is not None
        for on in field.selection_set.selections:
            assert isinstance(on, InlineFragmentNode)
            assert on.type_condition is not None
            names = ", ".join(_names(on.selection_set, parts))
            yield f"{on.type_condition.name.value}: {names}"


def _names(of: SelectionSetNode, parts: Mapping[str, FragmentDefinitionNode]) -> Iterator[str]:
    for one in of.selections:
        if isinstance(one, FieldNode):
            if one.name.value != "__typename":
                yield one.name.value
        elif isinstance(one, FragmentSpreadNode):
            yield from _names(parts[one.name.value].selection_set, parts)
        elif isinstance(one, InlineFragmentNode):
            yield from _names(one.selection_set, parts)


def picture_of(plan: Mapping[str, Any], title: str) -> str:
    """The whole picture."""
    stages = stages_of(plan)
    tall = [sum(_height(one) + GAP for one in stage) - GAP for stage in stages]
    height, width = TOP + max(tall) + PAD, LEFT + len(stages) * (WIDTH + APART) - APART + PAD
    middle = TOP + max(tall) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}"><style>{STYLE}</style>',
        f'<text class="t" x="0" y="18">{escape(title)}</text>',
        '<text class="n" x="0" y="38">Each box is one request to a subgraph; those of a column go '
        "at once, each column after the one before.</text>",
        f'<text class="t" x="0" y="{middle + 5:.0f}">gateway</text>',
    ]
    for n, stage in enumerate(stages):
        x, y = LEFT + n * (WIDTH + APART), middle - tall[n] / 2
        parts.append(
            f'<path class="a" d="M{x - APART + 8} {middle:.0f}h{APART - 20}m-6 -4l6 4l-6 4"/>'
        )
        for fetch in stage:
            parts += _box(fetch, x, y)
            y += _height(fetch) + GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def _height(fetch: Fetch) -> int:
    return 24 + PAD + LINE * len(_wrapped(fetch))


def _wrapped(fetch: Fetch) -> list[str]:
    """Its lines, none wider than the box."""
    kept = []
    for line in fetch.lines:
        kept.append(line if len(line) <= 38 else line[:37] + "…")
    return kept


def _box(fetch: Fetch, x: float, y: float) -> Iterator[str]:
    colour = COLOURS.get(fetch.service, "#57606a")
    yield (
        f'<rect class="b" x="{x}" y="{y:.0f}" width="{WIDTH}" height="{_height(fetch)}" rx="6"/>'
        f'<rect x="{x}" y="{y:.0f}" width="{WIDTH}" height="22" rx="6" fill="{colour}"/>'
        f'<text class="s" x="{x + PAD}" y="{y + 15:.0f}">{escape(fetch.service)}</text>'
    )
    for n, line in enumerate(_wrapped(fetch)):
        yield f'<text x="{x + PAD}" y="{y + 39 + n * LINE:.0f}">{escape(line)}</text>'
