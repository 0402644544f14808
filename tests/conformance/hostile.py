"""A schema whose resolvers do what resolvers should not, and operations grown over it: every answer
follows from dice and path alone, so that two executors meet the same misfortunes."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from graphql import (
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationType,
    build_schema,
)
from graphql.type import (
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

SDL = """
interface Named { id: ID!, name: String, friend: Named, kin: [Named!] }
interface Aged { age: Int! }
type Person implements Named & Aged {
  id: ID!, name: String, friend: Named, kin: [Named!]
  age: Int!, home: Place!, homes: [Place]!, grid: [[Int!]], wish(n: Int = 3, of: Wish): Thing
  score(by: Float!): Float, flag: Boolean!, mood: Mood, moods: [Mood!]
}
type Robot implements Named & Aged {
  id: ID!, name: String, friend: Named, kin: [Named!]
  age: Int!, maker: Person!, parts: [Part!]!, spare: [Part!]
}
type Place { name: String!, people: [Person!], owner: Person, deep: Place! }
type Part { code: String!, of: Robot, cost: Float! }
union Thing = Person | Place | Part
enum Mood { GLAD SAD }
input Wish { word: String!, times: Int = 2 }
type Query {
  me: Person, sure: Person!, all(first: Int): [Named], things: [Thing!]!, robot: Robot
  places: [Place!], count: Int!, aged: [Aged!], text(of: String): String
}
type Mutation {
  change: Person, sure: Place!, add: [Thing!]!, turn: Int!, another: Int, none: Named
}
type Subscription { seen: Person, sure: Robot!, things: [Thing], named: Named!, count: Int! }
"""
GIVEN = {"score": "(by: 1.5)", "wish": "(n: $n, of: $w)", "all": "(first: $n)"}
SCHEMA = build_schema(SDL)
MISHAPS = ("null", "raise", "error value", "wrong type", "undefined")
ORDERED = ("turn", "another")
"""Fields of mutations that tell when they were run."""
EVENTS = 3


class Hostile:
    """Resolvers over one seed. `late` lets some answers come later; `calm` is the share that is
    right."""

    def __init__(self, seed: int, *, calm: float = 0.85, late: bool = False) -> None:
        self.seed, self.calm, self.late = seed, calm, late
        self.schema: GraphQLSchema = SCHEMA
        self.turns = 0

    def resolve(self, source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        """Any field's value."""
        words = f"{self.seed}{info.path.as_list()}{info.parent_type.name}{sorted(arguments)}"
        if self.turns and info.operation.operation is OperationType.SUBSCRIPTION:
            words += f" of {self.turns}"
        dice = random.Random(zlib.crc32(words.encode()))
        value = self._value(info.return_type, dice, len(info.path.as_list()))
        if info.field_name in ORDERED and info.parent_type.name == "Mutation":
            return self._in_turn(dice.randint(0, 3))
        if self.late and dice.random() < 0.5:
            return self._later(value, dice.randint(0, 3))
        if isinstance(value, Exception) and dice.random() < 0.5:
            raise value
        return value

    def type_of(self, value: Any, info: GraphQLResolveInfo, abstract: Any) -> Any:
        """Which type a value of an interface or union is; sometimes nonsense."""
        return value.get("__typename") if isinstance(value, dict) else None

    async def events(self, source: Any, info: GraphQLResolveInfo, **_: Any) -> AsyncIterator[Any]:
        """What a subscription's fields are answered for, each event otherwise."""
        for n in range(1, EVENTS + 1):
            self.turns = n
            if info.context is not None:
                info.context.begin(n)
            yield {}

    async def _in_turn(self, pauses: int) -> int:
        """How many came before; serial execution alone makes it the place in the document."""
        for _ in range(pauses):
            await asyncio.sleep(0)
        self.turns += 1
        return self.turns

    async def _later(self, value: Any, turns: int) -> Any:
        for _ in range(turns):
            await asyncio.sleep(0)
        if isinstance(value, Exception):
            raise value
        return value

    def _value(self, type_: Any, dice: random.Random, depth: int) -> Any:
        # Near the root it is calmer, or most answers would be null as a whole.
        if dice.random() > (self.calm if depth > 2 else 0.97):
            match dice.choice(MISHAPS):
                case "null":
                    return None
                case "raise" | "error value":
                    return ValueError(f"mishap {dice.randint(1, 9)}")
                case "wrong type":
                    return dice.choice(["words", 7, {"__typename": "Nobody"}, object, [1], 1.5])
        if is_non_null_type(type_):
            return self._value(type_.of_type, dice, depth)
        if is_list_type(type_):
            count = dice.choice((0, 1, 2, 3)) if depth < 8 else 0
            items = [self._value(type_.of_type, dice, depth + 1) for _ in range(count)]
            return tuple(items) if dice.random() < 0.2 else items
        return self._named(type_, dice)

    def _named(self, type_: Any, dice: random.Random) -> Any:
        match type_.name:
            case "Int":
                return dice.choice([0, 1, -5, 2**31, 3.0, True])
            case "Float":
                return dice.choice([0.5, 1, float("nan"), 2])
            case "String" | "ID":
                return dice.choice(["", "a", "ü", 12, True])
            case "Boolean":
                return dice.choice([True, False, 0])
            case "Mood":
                return dice.choice(["GLAD", "SAD", "BAD"])
        if is_object_type(type_):
            return {"__typename": type_.name}
        members = self.schema.get_possible_types(type_)
        return {"__typename": dice.choice([*(m.name for m in members)] * 5 + ["Query", "Mood"])}


class Operations:
    """Grows valid operations: aliases, merged fields, fragments, @skip and @include, variables."""

    def __init__(self, schema: GraphQLSchema, seed: int) -> None:
        self.schema, self.dice = schema, random.Random(seed)
        self.fragments: list[str] = []

    def grow(self, kind: str = "query") -> tuple[str, dict[str, Any]]:
        """An operation's text and its variables; `kind` as GraphQL names it."""
        self.fragments = []
        root = self.schema.get_root_type(OperationType(kind))
        assert root is not None
        body = self._single(root) if kind == "subscription" else self._selection(root, 0)
        text = f"{kind} Q($yes: Boolean!, $no: Boolean = false, $n: Int, $w: Wish) {body} "
        variables: dict[str, Any] = {"yes": self.dice.random() < 0.5}
        if self.dice.random() < 0.5:
            variables["n"] = self.dice.choice([None, 4])
        if self.dice.random() < 0.5:
            variables["w"] = {"word": "x"}
        return text + " ".join(self.fragments), variables

    def _single(self, root: GraphQLObjectType) -> str:
        """A subscription has one root field, which nothing may leave out."""
        below = self._field(root, self.dice.choice(list(root.fields)), 0, switched=False)
        return f"{{ {below} }}"

    def _selection(self, type_: Any, depth: int) -> str:
        return "{ " + " ".join(self._parts(type_, depth)) + " }"

    def _parts(self, type_: Any, depth: int) -> Iterator[str]:
        dice = self.dice
        yield "__typename" if dice.random() < 0.5 else "t: __typename"
        if depth > 4:
            return
        if isinstance(type_, GraphQLObjectType):
            fields = list(type_.fields)
            for name in dice.choices(fields, k=dice.randint(1, 4)):
                yield self._field(type_, name, depth)
        else:
            for member in dice.sample(list(self.schema.get_possible_types(type_)), k=1):
                yield f"... on {member.name} {self._selection(member, depth + 1)}"
        if dice.random() < 0.3:
            inner = self._selection(type_, depth + 1)
            if dice.random() < 0.5:
                name = f"F{len(self.fragments)}"
                self.fragments.append(f"fragment {name} on {type_.name} {inner}")
                yield f"...{name}{self._switch()}"
            else:
                yield f"... on {type_.name}{self._switch()} {inner}"

    def _field(
        self, type_: GraphQLObjectType, name: str, depth: int, *, switched: bool = True
    ) -> str:
        field = type_.fields[name]
        # One name has one meaning throughout, so that selections can always be merged.
        given = GIVEN.get(name, "")
        below = get_named_type(field.type)
        inner = self._selection(below, depth + 1) if is_composite_type(below) else ""
        alias = f"{type_.name}_{name}: "
        return f"{alias}{name}{given}{self._switch() if switched else ''} {inner}"

    def _switch(self) -> str:
        if self.dice.random() > 0.15:
            return ""
        return self.dice.choice([" @skip(if: $no)", " @include(if: $yes)", " @skip(if: $yes)"])
