"""The model as a program: titles and acts as JSON lines in, neighbours as JSON lines out. In a
process of its own neither its memory nor Python's lock burdens a server."""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import orjson

from services.content.features import FeatureMaker, TitleText
from services.content.recommending import Acts, Neighbours, neighbours

PAGE = 250
NICENESS = 10


def computed(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of `{"titles": […]}`, then of `{"people": [[titles, weights], …]}`, to lines of
    neighbours. A title that came after its page was read is left out until the next run."""
    numbers: dict[str, int] = {}
    maker = FeatureMaker()
    users, items, weights = array("i"), array("i"), array("f")
    people = 0
    for line in lines:
        page = orjson.loads(line)
        for title in page.get("titles") or ():
            numbers[title["id"]] = len(numbers)
            maker.take([_known(title)])
        for titles, weighed in page.get("people") or ():
            for title, weight in zip(titles, weighed, strict=True):
                number = numbers.get(title)
                if number is not None:
                    users.append(people)
                    items.append(number)
                    weights.append(weight)
            people += 1
    acts = Acts(
        np.frombuffer(users, np.int32),
        np.frombuffer(items, np.int32),
        np.frombuffer(weights, np.float32),
        people,
        len(numbers),
    )
    yield from _lines(neighbours(acts, maker.made()), list(numbers))


def _known(title: dict[str, Any]) -> TitleText:
    return TitleText(
        title["description"],
        [person.encode() for person in title["people"]],
        [genre.encode() for genre in title["genres"]],
    )


def _lines(found: Neighbours, ids: list[str]) -> Iterator[bytes]:
    for start in range(0, len(ids), PAGE):
        yield orjson.dumps([_row(found, ids, n) for n in range(len(ids))[start : start + PAGE]])


def _row(found: Neighbours, ids: list[str], number: int) -> dict[str, Any]:
    there = found.items[number] >= 0
    return {
        "title": ids[number],
        "neighbours": [ids[other] for other in found.items[number][there].tolist()],
        "scores": [round(score, 4) for score in found.scores[number][there].tolist()],
    }


def main() -> None:
    """Read all, compute, write all. Others come first for the processor."""
    os.nice(NICENESS)
    for line in computed(sys.stdin.buffer):
        sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
