"""Operations grown from a schema, with arguments that are sometimes right and often absurd; the
same dice grow the same ones."""

from __future__ import annotations

import random
import string
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
)

ODD_TEXTS = (
    "",
    " ",
    "\\u0000",
    "\\ud83d\\ude00",
    "' OR 1=1 --",
    "%s%n",
    "\\u202e",
    "null",
    "9" * 400,
)
ODD_NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), 2**31, 2**63, 10**40)


class Grower:
    """Grows operations from a schema; the same dice, the same operations."""

    def __init__(self, schema: GraphQLSchema, dice: random.Random, ids: list[str]) -> None:
        self.schema = schema
        self.dice = dice
        self.ids = ids

    def operation(self) -> str:
        """A query or mutation of one to three root fields."""
        kind, root = self.dice.choice(
            [("query", self.schema.query_type)] * 2 + [("mutation", self.schema.mutation_type)]
        )
        assert root is not None
        names = self.dice.choices(list(root.fields), k=self.dice.choice((1, 1, 2)))
        fields = [f"f{n}: {self._field(root.fields[x], x, 0)}" for n, x in enumerate(names)]
        return f"{kind} {{ {' '.join(fields)} }}"

    def _field(self, field: GraphQLField, name: str, depth: int) -> str:
        given = []
        for key, argument in field.args.items():
            needed = isinstance(argument.type, GraphQLNonNull)
            if needed or self.dice.random() < 0.5:
                given.append(f"{key}: {self._value(argument.type, key, 0)}")
        arguments = f"({', '.join(given)})" if given else ""
        return name + arguments + self._selection(get_named_type(field.type), depth + 1)

    def _selection(self, type_: Any, depth: int, in_union: bool = False) -> str:
        if isinstance(type_, GraphQLUnionType | GraphQLInterfaceType):
            members = self.schema.get_possible_types(type_)
            inner = [f"... on {m.name}{self._selection(m, depth + 1, True)}" for m in members[:4]]
            return " { __typename " + (" ".join(inner) if depth < 7 else "") + " }"
        if not isinstance(type_, GraphQLObjectType):
            return ""
        if depth >= self.dice.randint(3, 7):
            return " { __typename }"
        names = self.dice.sample(list(type_.fields), k=min(len(type_.fields), 4))
        # Two members of a union may give one name two types: such names are told apart.
        mark = f"{type_.name}_" if in_union else ""
        fields = []
        for name in names:
            alias = f"{mark}{name}: " if mark and self.dice.random() < 0.95 else ""
            fields.append(alias + self._field(type_.fields[name], name, depth))
        return " { __typename " + " ".join(fields) + " }"

    def _value(self, type_: GraphQLInputType, name: str, depth: int) -> str:
        if self.dice.random() < 0.01:
            return self.dice.choice(["null", "[]", "{}", "$missing", "1.5e308", "true", "NONE"])
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type, name, depth)
        if isinstance(type_, GraphQLList):
            items = [self._value(type_.of_type, name, depth + 1) for _ in range(2)]
            return f"[{', '.join(items)}]"
        if isinstance(type_, GraphQLInputObjectType):
            return self._object(type_, depth)
        if isinstance(type_, GraphQLEnumType):
            return self.dice.choice(list(type_.values))
        return self._scalar(type_.name)

    def _object(self, type_: GraphQLInputObjectType, depth: int) -> str:
        given = [
            f"{key}: {self._value(field.type, key, depth + 1)}"
            for key, field in type_.fields.items()
            if isinstance(field.type, GraphQLNonNull) or self.dice.random() < 0.5
        ]
        return f"{{{', '.join(given)}}}"

    def _scalar(self, name: str) -> str:
        dice = self.dice
        match name:
            case "Int":
                return str(dice.choice([*range(0, 30), *ODD_NUMBERS]))
            case "Boolean":
                return dice.choice(["true", "false"])
            case "ID":
                return f'"{dice.choice([*self.ids, *ODD_TEXTS])}"'
            case "DateTime" | "Date":
                moments = ("2026-01-31T12:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31", "x")
                return f'"{dice.choice(moments)}"'
            case "BigInt" | "Decimal":
                return f'"{dice.choice([*ODD_NUMBERS, "NaN", "1e999999", "12.50", "-0"])}"'
        letters = "".join(dice.choices(string.ascii_letters + "_", k=dice.randint(1, 12)))
        return f'"{dice.choice([letters, *ODD_TEXTS])}"'
