"""Levels against graphql-core where fields are read from rows, and rows are not what they should
be: what is completed as a whole column must give up whenever one value of it is odd."""

from __future__ import annotations

import random
from collections import namedtuple
from enum import Enum
from typing import Any, NewType

import pytest
import strawberry
from graphql.pyutils import Undefined
from strawberry.schema.config import StrawberryConfig

from execution.levels import level_executor
from tests.conformance.comparing import alike

SEEDS = 250
Row = namedtuple("Row", "id name count ratio flag mood odd inner inners names grid")
Loud = NewType("Loud", str)


@strawberry.enum
class Mood(Enum):
    GLAD = "glad"
    SAD = "sad"


class Text(str):
    """A string that is none of the plain ones."""


class Claims:
    """Says that it has whatever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return 7


class Lazy:
    """Raises, or is computed, as its attributes are read."""

    id, name, count, ratio, flag, mood, odd = "lazy", "n", 3, 0.5, True, "GLAD", "x"
    inner = inners = names = grid = None

    @property
    def needed(self) -> int:
        raise ValueError("cannot be read")


class later:
    """Something to wait for."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Any:
        yield
        return self.value


def loud(value: Any) -> Any:
    """A scalar that makes null of something, an error of something, and says nothing of some."""
    given = {"mute": None, "absent": Undefined, "error": ValueError("as a value")}
    if value in given:
        return given[value]
    if not isinstance(value, str):
        raise TypeError("not loud")
    return value.upper()


@strawberry.type
class Inner:
    id: strawberry.ID
    name: str | None
    needed: int
    mood: Mood | None

    @classmethod
    def is_type_of(cls, obj: Any, info: Any) -> Any:
        if getattr(obj, "id", None) == "imposter":
            return False
        if getattr(obj, "id", None) == "unsure":
            raise ValueError("no idea")
        return later(True) if getattr(obj, "id", None) == "late" else True


@strawberry.type
class Outer:
    id: strawberry.ID
    name: str | None
    count: int | None
    ratio: float | None
    flag: bool | None
    mood: Mood | None
    odd: Loud | None
    inner: Inner | None
    inners: list[Inner | None] | None
    names: list[str] | None
    grid: list[list[int] | None] | None

    @strawberry.field
    def twice(root: strawberry.Parent[Any]) -> int | None:
        return root.count * 2


@strawberry.type
class Query:
    @strawberry.field
    def rows(self, info: strawberry.Info) -> list[Outer | None]:
        return grown(info.context)

    @strawberry.field
    def sure(self, info: strawberry.Info) -> list[Outer] | None:
        return grown(info.context)


Small = namedtuple("Small", "id name needed mood")


def inner(dice: random.Random) -> Any:
    return dice.choice(
        [
            Small("a", "b", 1, Mood.GLAD),
            Small("a", None, 2, "SAD"),
            Small("a", "b", None, None),
            Small("imposter", "b", 1, None),
            Small("unsure", "b", 1, None),
            Small("late", "b", 1, None),
            Small(None, 5, 2**31, "NONE OF THEM"),
            Lazy(),
            ValueError("in place of a row"),
            None,
        ]
    )


def grown(seed: int) -> list[Any]:
    """Rows, mostly right: one oddity a column at most times, or each column would be one."""
    dice = random.Random(seed)
    calm = dice.choice((0.9, 0.97, 1.0))

    def pick(right: list[Any], odd: list[Any]) -> Any:
        return dice.choice(right if dice.random() < calm else odd)

    def make(n: int) -> Any:
        if dice.random() > calm:
            return dice.choice(
                [None, Lazy(), Claims(), ValueError("no row"), later(None), Undefined]
            )
        few = [Small("a", str(k), k, Mood.SAD) for k in range(dice.randint(0, 3))]
        return Row(
            id=pick([f"r{n}"], [n, None, 1.5, Text("t"), [1], True]),
            name=pick(["ada", "", None], [7, Text("t"), b"bytes", ValueError("name"), later("x")]),
            count=pick([n, None, -(2**31)], [True, 2**31, 2.0, 2.5, "3", "x", Undefined]),
            ratio=pick([0.5, 1, None], [float("nan"), float("inf"), "1.5", True]),
            flag=pick([True, False, None], [0, 1, "yes", []]),
            mood=pick([Mood.GLAD, None], ["GLAD", "sad", 1, [], later(Mood.SAD)]),
            odd=pick(["word", None], ["mute", "absent", "error", 5, later("w"), ValueError("o")]),
            inner=pick([Small("a", "b", 1, None), None], [inner(dice), later(inner(dice))]),
            inners=pick([few, None], [[inner(dice) for _ in range(3)], few[0:1] * 2, "text", 5]),
            names=pick([["a", "b"], [], ("c",), None], [["a", None], [1, "b"], {"k"}, "ab", 9]),
            grid=pick([[[1], [2, 3]], [], [None]], [[[1], 5], [["x"]], [[2**31]], ((1, 2),)]),
        )

    return [make(n) for n in range(dice.choice((0, 1, 2, 6)))]


FIELDS = (
    "id name count ratio flag mood odd twice names grid __typename",
    "inner { id name needed mood __typename } inners { needed id }",
    "id again: id inner { needed } rest: inner { name }",
    "inners { mood } names",
)


@pytest.fixture(scope="module")
def schemas() -> list[strawberry.Schema]:
    scalars = {Loud: strawberry.scalar(name="Loud", serialize=loud, parse_value=str)}
    config = StrawberryConfig(scalar_map=scalars)
    return [
        strawberry.Schema(Query, config=config, execution_context_class=each)
        for each in (level_executor(), None)
    ]


# graphql-core leaves coroutines behind where an error ends a selection before they began.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_odd_rows_are_answered_as_graphql_core_does(schemas: list[Any], caplog: Any) -> None:
    caplog.set_level("CRITICAL")
    whole = failed = 0
    for seed in range(SEEDS):
        root = "rows" if seed % 3 else "sure"
        text = f"{{ {root} {{ {FIELDS[seed % len(FIELDS)]} }} }}"
        found, expected = [await each.execute(text, context_value=seed) for each in schemas]
        assert alike(found, expected), (seed, text, found, expected)
        failed += bool(expected.errors)
        whole += not expected.errors and bool(expected.data[root])
    assert whole > SEEDS / 8
    assert failed > SEEDS / 5
