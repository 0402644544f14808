"""What a resolver that is called directly gets is its own: a plan keeps arguments for all rows and
all executions, and neither a row nor who asks may come with them from another."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from strawberry.extensions import ParserCache, ValidationCache

from execution.levels import level_executor
from execution.rates import RateGuard, RateLimit

ROWS = 3
RUNS = 3
"""A plan keeps arguments in its first run and hands them on from then."""
OFTEN = RateLimit(limit=1_000, duration=60)


@dataclass
class Turns:
    """Turns that are had at once, or when so many ask for one."""

    gate: asyncio.Barrier | None = None

    async def take_turn(self, *_: Any) -> None:
        if self.gate is not None:
            await self.gate.wait()


@dataclass(eq=False)
class World:
    """The context of one execution."""

    viewer: str
    spending: Turns = field(default_factory=Turns)
    address: str = "here"

    @property
    def server(self) -> Any:
        return SimpleNamespace(spending=self.spending)


@strawberry.input
class Wish:
    word: str
    many: list[int] = strawberry.field(default_factory=list)


@strawberry.type
class Row:
    n: int

    @strawberry.field
    def plain(root: strawberry.Parent[Any], info: strawberry.Info, by: int = 1) -> str:
        return f"{info.context.viewer} {root.n} {info.path.as_list()[1]} {by}"

    @strawberry.field(extensions=[RateGuard(OFTEN)])
    async def paid(root: strawberry.Parent[Any], info: strawberry.Info, by: int = 1) -> str:
        return f"{info.context.viewer} {root.n} {info.path.as_list()[1]} {by}"

    @strawberry.field
    async def growing(self, few: list[int], more: list[int] | None = None) -> list[int]:
        few.append(self.n)
        if more is not None:
            more.append(self.n)
        return [*few, *(more or ())]

    @strawberry.field
    async def granted(self, wish: Wish) -> str:
        wish.word += str(self.n)
        wish.many.append(self.n)
        return f"{wish.word} {wish.many}"


@strawberry.type
class Query:
    @strawberry.field
    async def rows(self) -> list[Row]:
        return [Row(n=n) for n in range(ROWS)]

    @strawberry.field(extensions=[RateGuard(OFTEN)])
    async def whose(self, info: strawberry.Info, by: int = 1) -> str:
        return f"{info.context.viewer} {by}"


@pytest.fixture
def schema() -> strawberry.Schema:
    # The same document each time, or no plan would be met again.
    known = [ParserCache, ValidationCache]
    return strawberry.Schema(Query, execution_context_class=level_executor(), extensions=known)


async def answer(schema: strawberry.Schema, text: str, world: World) -> dict[str, Any]:
    result = await schema.execute(text, context_value=world)
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


@pytest.mark.parametrize("name", ["plain", "paid"])
async def test_each_row_is_called_with_itself_and_its_own_place(schema, name):
    text = f"{{ rows {{ {name}(by: 2) }} }}"
    for n in range(RUNS):
        found = await answer(schema, text, World(f"viewer {n}"))
        assert found == {"rows": [{name: f"viewer {n} {row} {row} 2"} for row in range(ROWS)]}


async def test_executions_of_one_document_at_once_are_each_their_own_viewers(schema):
    text = "{ whose(by: 5) }"
    assert await answer(schema, text, World("first")) == {"whose": "first 5"}
    gate = asyncio.Barrier(3)  # nobody goes on before the others have come as far
    worlds = [World(name, Turns(gate)) for name in ("ada", "ben", "cleo")]
    found = await asyncio.gather(*(answer(schema, text, world) for world in worlds))
    assert found == [{"whose": "ada 5"}, {"whose": "ben 5"}, {"whose": "cleo 5"}]


@pytest.mark.parametrize("name", ["plain", "paid"])
async def test_what_is_kept_of_a_document_holds_on_to_no_viewer(schema, name):
    text = f"{{ rows {{ {name}(by: 2) }} }}"
    world = World("ada")
    for _ in range(RUNS):
        await answer(schema, text, world)
    gone = weakref.ref(world)
    del world
    gc.collect()
    assert gone() is None


async def test_literal_lists_and_inputs_are_each_rows_own(schema):
    text = '{ rows { growing(few: [7], more: 8) granted(wish: {word: "w", many: [9]}) } }'
    expected = [{"growing": [7, n, 8, n], "granted": f"w{n} [9, {n}]"} for n in range(ROWS)]
    for n in range(RUNS):
        assert await answer(schema, text, World(f"viewer {n}")) == {"rows": expected}
