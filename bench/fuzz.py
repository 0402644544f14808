"""`python -m bench.fuzz`: generated operations and broken requests against a running Mela.

Operations are grown from the schema itself, with arguments that are sometimes right and often
absurd. The server may refuse anything with an error of the client's; what fails the run is an
`INTERNAL_SERVER_ERROR`, an answer that is not GraphQL's, or a server that went away.
"""

from __future__ import annotations

import random
import string
import time
from collections import Counter
from typing import Annotated, Any

import httpx
import typer
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
    build_schema,
    get_named_type,
)
from rich.console import Console

from bench.processes import ROOT, BenchError, serving
from bench.world import World, seeded_world
from core.embedded import EmbeddedError
from core.ids import encode_id

out = Console()
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
CLIENTS_FAULTS = {200, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 422, 429, 431}


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


def broken(dice: random.Random, body: bytes) -> tuple[bytes, dict[str, str]]:
    """A request damaged in its bytes or in what it says of itself."""
    headers = {"Content-Type": "application/json"}
    match dice.randrange(5):
        case 0:
            body = dice.randbytes(dice.randint(0, 2_000))
        case 1:
            at = dice.randrange(len(body))
            body = body[:at] + dice.randbytes(dice.randint(1, 8)) + body[at + 1 :]
        case 2:
            body = body[: dice.randrange(len(body))]
        case 3:
            nested = dice.randint(1, 5_000)
            body = b'{"query":' + b"[" * nested + b"]" * nested + b"}"
        case _:
            kinds = (
                "text/plain",
                "multipart/form-data",
                "application/graphql",
                "",
                "a/b; charset=x",
            )
            headers = {"Content-Type": dice.choice(kinds)}
    if dice.random() < 0.2:
        headers["Authorization"] = dice.choice(("Bearer", "Bearer x.y.z", "Basic eDp5", "\x7f"))
    return body, headers


def fuzz(world: World, minutes: float, seed: int) -> Counter[str]:
    """Send until the time is over; how often each code came. Raises `BenchError` at a failure."""
    dice = random.Random(seed)
    schema = build_schema((ROOT / "supergraph" / "mela.graphql").read_text(), assume_valid=True)
    ids = [encode_id("usr", id) for id in world.user_ids[:5]]
    ids += [encode_id("auc", world.auction_id), encode_id("xyz", world.auction_id)]
    grower = Grower(schema, dice, ids)
    seen: Counter[str] = Counter()
    log = world.folder / "fuzz.log"
    with (
        serving("mela", world.environment(), log) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client,
    ):
        ends_at = time.monotonic() + minutes * 60
        while time.monotonic() < ends_at:
            body = _json(grower.operation(), dice)
            headers = {"Content-Type": "application/json"}
            if dice.random() < 0.25:
                body, headers = broken(dice, body)
            _send(client, body, headers, seen, log)
    return seen


def _json(query: str, dice: random.Random) -> bytes:
    variables = dice.choice([None, None, {}, {"missing": None}, {"missing": [1, "x"]}])
    request = httpx.Request("POST", "http://x", json={"query": query, "variables": variables})
    return request.read()


def _send(
    client: httpx.Client, body: bytes, headers: dict[str, str], seen: Counter[str], log: Any
) -> None:
    try:
        answer = client.post("/graphql", content=body, headers=headers)
    except httpx.HTTPError as error:
        raise BenchError(_told(f"no answer ({error!r})", body, log)) from error
    if answer.status_code not in CLIENTS_FAULTS:
        raise BenchError(_told(f"status {answer.status_code}", body, log))
    seen[f"HTTP {answer.status_code}"] += 1
    if "json" not in answer.headers.get("content-type", ""):
        return
    codes = [
        str((error.get("extensions") or {}).get("code"))
        for error in answer.json().get("errors") or []
    ]
    seen.update(codes or ["ok"])
    if "INTERNAL_SERVER_ERROR" in codes:
        raise BenchError(_told("INTERNAL_SERVER_ERROR", body, log))


def _told(what: str, body: bytes, log: Any) -> str:
    tail = log.read_text(errors="replace")[-3_000:]
    return f"{what} for\n{body[:3_000]!r}\nthe server's log ends:\n{tail}"


def main(
    minutes: Annotated[float, typer.Option(min=0.05, help="How long to send.")] = 10.0,
    seed: Annotated[int, typer.Option(help="The same seed, the same requests.")] = 1,
) -> None:
    """Throw generated operations and broken requests at Mela; any fault of the server's fails."""
    try:
        with seeded_world(scale=0.05) as world:
            seen = fuzz(world, minutes, seed)
    except (BenchError, EmbeddedError) as error:
        out.print(f"fuzz (seed {seed}): {error}", style="red", markup=False)
        raise typer.Exit(1) from None
    for code, count in seen.most_common():
        out.print(f"{count:>9,}  {code}", markup=False)


if __name__ == "__main__":
    typer.run(main)
