"""A schema of Strawberry's whose resolvers take and give all that resolvers may: what is called
directly must get and answer what Strawberry's own call gets and answers."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.extensions.field_extension import FieldExtension
from strawberry.relay import GlobalID
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from core.errors import NotFound, RateLimited
from execution.guards import Guard
from execution.rates import RateGuard, RateLimit

Loud = NewType("Loud", str)
NUMBERS, GRID = [1, 2], list[list[int]]()
"""Defaults that a resolver changes: each call is to get its own."""
ONE_TURN = RateLimit(limit=1, duration=60)


def parse_loud(value: Any) -> str:
    """A scalar that refuses."""
    if value == "refused":
        raise GraphQLError("too quiet")
    return str(value).upper()


@strawberry.enum
class Mood(Enum):
    GLAD = ("glad", 1)
    SAD = strawberry.enum_value(7, name="BLUE")


@strawberry.input
class Inner:
    word: str = "inner"
    mood: Mood | None = Mood.GLAD


@strawberry.input
class Wish:
    word: str
    times: int = 2
    left_out: int | None = strawberry.UNSET
    in_camel: str | None = strawberry.field(name="odd", default=None)
    inner: Inner | None = None
    many: list[Inner] = strawberry.field(default_factory=list)
    perhaps: strawberry.Maybe[int | None] = None


@strawberry.input
class Picky:
    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError("negative")


class Turns:
    """So many turns at each place, then none."""

    def __init__(self, limit: int) -> None:
        self.limit, self.places = limit, list[str]()

    async def take_turn(self, place: str, limit: int, *who: Any) -> None:
        self.places.append(place)
        if len(self.places) > self.limit:
            raise RateLimited(f"{place}: {limit}", retry_after_s=1, limit=limit)


@dataclass
class World:
    """The context: who asks, and what resolvers were told."""

    viewer: Any = None
    turns: int = 1
    told: list[str] = field(default_factory=list)
    address: str = "here"

    def __post_init__(self) -> None:
        self.server = SimpleNamespace(spending=Turns(self.turns))


class Louder(FieldExtension):
    """Somebody else's extension: it changes arguments and answers."""

    def resolve(self, next_: Callable[..., Any], source: Any, info: Any, **given: Any) -> Any:
        return f"{next_(source, info, **given)}!"


class Doubting(Guard):
    """A guard that does more than check."""

    async def resolve_async(
        self, next_: Callable[..., Any], source: Any, info: Any, **given: Any
    ) -> Any:
        return f"{await super().resolve_async(next_, source, info, **given)}?"


def told(info: Any, **given: Any) -> str:
    """What a resolver got, as text; also noted."""
    text = f"{info.field_name} " + " ".join(
        f"{name}={value!r}:{type(value).__name__}" for name, value in sorted(given.items())
    )
    info.context.told.append(text)
    return text


def counted(function: Any) -> Any:
    """A decorator: what it wraps says what it takes."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **given: Any) -> Any:
        return f"wrapped {await function(*args, **given)}"

    return wrapper


@strawberry.type
class Row:
    n: int

    @strawberry.field
    async def at_once(self, info: strawberry.Info, by: int = 2) -> str:
        if self.n == 1:
            raise NotFound(f"row {self.n}")
        return told(info, n=self.n, by=by, path=info.path.as_list())

    @strawberry.field
    def sure(self, of: str | None = None) -> str:
        if self.n == 2:
            raise ValueError(f"row {self.n} of {of}")
        return f"{self.n} {of}"

    @strawberry.field(extensions=[Guard([["read"]])])
    def guarded(root: strawberry.Parent[Any], info: strawberry.Info, wish: Wish) -> str:
        wish.times += root.n
        return told(info, wish=wish)

    @strawberry.field
    async def error(self, info: strawberry.Info, raised: bool = False) -> str | None:
        told(info, n=self.n)
        if raised:
            raise KeyError(self.n)
        return ValueError(f"given {self.n}")  # type: ignore[return-value]


@strawberry.type
class Query:
    @strawberry.field
    async def look(self, info: strawberry.Info, a: int = 1, to_see: str = "x") -> str:
        seen = {
            "type": type(info).__name__,
            "field": info.field_name,
            "python": info.python_name,
            "path": info.path.as_list(),
            "typed": info.path.typename,
            "returns": info.return_type,
            "selected": info.selected_fields,
            "variables": info.variable_values,
            "root": info.root_value,
            "operation": info.operation.name and info.operation.name.value,
            "query": info.query,
            "argument": info.get_argument_definition("to_see").python_name,
            "schema": type(info.schema).__name__,
            "extensions": info.input_extensions,
            "raw": [type(each).__name__ for each in info._raw_info],
            "parent": info._raw_info.parent_type.name,
        }
        return told(info, seen=seen, a=a, to_see=to_see)

    @strawberry.field(name="renamed")
    def named_otherwise(
        self,
        info: strawberry.Info,
        in_camel: Annotated[int | None, strawberry.argument(name="odd")] = None,
        two_words: str = "default",
    ) -> str:
        return told(info, in_camel=in_camel, two_words=two_words, name=info.python_name)

    @strawberry.field
    async def plain(
        self,
        context: strawberry.Info,
        needed: int,
        id: strawberry.ID | None = None,
        ratio: float = 0.5,
        flag: bool | None = None,
        price: Decimal = Decimal("1.50"),
        loud: Loud | None = None,
    ) -> str:
        return told(context, needed=needed, id=id, ratio=ratio, flag=flag, price=price, loud=loud)

    @strawberry.field
    async def moods(
        self,
        info: strawberry.Info,
        one: Mood = Mood.GLAD,
        few: list[Mood] | None = None,
        blue: Mood | None = None,
    ) -> str:
        return told(info, one=one, few=few, kept=blue is Mood.SAD)

    @strawberry.field
    async def unset(
        self,
        info: strawberry.Info,
        x: int | None = strawberry.UNSET,
        maybe: strawberry.Maybe[int | None] = None,
        sure: strawberry.Maybe[int] = None,
    ) -> str:
        return told(info, x=x, maybe=maybe, sure=sure)

    @strawberry.field
    async def growing(
        self, numbers: list[int] = NUMBERS, words: list[str | None] | None = None
    ) -> list[int]:
        numbers.append(len(words or ()))
        return numbers

    @strawberry.field
    async def grants(self, info: strawberry.Info, wish: Wish | None = None) -> str:
        text = told(info, wish=wish)
        if wish is not None:
            wish.word = "changed"
            wish.many.append(Inner(word="added"))
        return text

    @strawberry.field
    def many(self, info: strawberry.Info, wishes: list[Wish], grid: list[list[int]] = GRID) -> str:
        grid.append([7])
        return told(info, wishes=wishes, grid=grid)

    @strawberry.field
    async def json(self, info: strawberry.Info, value: JSON, other: JSON | None = None) -> str:
        text = told(info, value=value, other=other)
        if isinstance(value, dict):
            value["changed"] = True  # type: ignore[index]
        return text

    @strawberry.field
    async def picky(self, input: Picky) -> int:
        return input.n

    @strawberry.field
    async def node(self, info: strawberry.Info, id: GlobalID) -> str:
        return told(info, id=id)

    @strawberry.field
    async def raises(self, how: str = "known") -> str | None:
        if how == "known":
            raise NotFound("Thing")
        if how == "graphql":
            raise GraphQLError("said so", extensions={"code": "OWN"})
        if how == "stops":
            raise StopIteration
        return ValueError("as a value")  # type: ignore[return-value]

    @strawberry.field
    def raises_at_once(self, how: str = "known") -> str:
        if how == "known":
            raise NotFound("Thing")
        if how == "stops":
            raise StopIteration
        return ValueError("as a value")  # type: ignore[return-value]

    @strawberry.field
    def later(self, n: int = 1) -> int:
        async def wait() -> int:
            if n < 0:
                raise ValueError("late")
            return n

        return wait()  # type: ignore[return-value]

    @strawberry.field
    async def flowing(self, count: int = 2) -> AsyncIterator[int]:
        for n in range(count):
            yield n

    @strawberry.field
    def bare() -> str:  # type: ignore[misc]
        return "bare"

    @strawberry.field
    @staticmethod
    def static(info: strawberry.Info, n: int = 4) -> str:
        return told(info, n=n)

    @strawberry.field
    @classmethod
    def of_class(cls, info: strawberry.Info, n: int = 4) -> str:
        return told(info, n=n, cls=cls.__name__)

    @strawberry.field
    @counted
    async def wrapped(self, info: strawberry.Info, n: int = 4) -> str:
        return told(info, n=n)

    @strawberry.field(extensions=[Guard([])])
    async def signed_in(self, info: strawberry.Info, loud: Loud, input: Picky | None = None) -> str:
        return told(info, loud=loud, input=input)

    @strawberry.field(extensions=[Guard([["admin"], ["read", "write"]])])
    def scoped(self, info: strawberry.Info, n: int = 1) -> str:
        return told(info, n=n)

    @strawberry.field(extensions=[Guard([])])
    async def clashing(self, info: strawberry.Info, source: int = 1) -> str:
        return told(info, source=source)

    @strawberry.field(extensions=[Guard([]), RateGuard(ONE_TURN)])
    async def rare(self, info: strawberry.Info, input: Picky | None = None) -> str:
        return told(info, input=input, turns=info.context.server.spending.places)

    @strawberry.field(extensions=[RateGuard(ONE_TURN)])
    def rare_at_once(self, info: strawberry.Info, n: int = 1) -> str:
        return told(info, n=n, turns=info.context.server.spending.places)

    @strawberry.field(extensions=[Louder()])
    def extended(self, info: strawberry.Info, n: int = 1) -> str:
        return told(info, n=n)

    @strawberry.field(extensions=[Doubting([])])
    async def doubted(self, info: strawberry.Info, n: int = 1) -> str:
        return told(info, n=n)

    @strawberry.field
    async def rows(self, first: int = 3) -> list[Row]:
        return [Row(n=n) for n in range(first)]


def direct_schema(executor: Any) -> strawberry.Schema:
    """The schema, run by this executor; None for graphql-core's own."""
    scalars = {Loud: strawberry.scalar(name="Loud", parse_value=parse_loud)}
    config = StrawberryConfig(scalar_map=scalars)
    # The same document each time, or no plan would be met again.
    known = [ParserCache, ValidationCache]
    return strawberry.Schema(
        Query, config=config, execution_context_class=executor, extensions=known
    )
