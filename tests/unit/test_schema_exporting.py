"""The schema in the forms that clients' tools read."""

from pathlib import Path

import orjson
import pytest
import typer
from graphql import (
    GraphQLSchema,
    build_client_schema,
    is_abstract_type,
    print_schema,
)
from graphql import build_schema as parse_schema
from rich.console import Console
from typer.testing import CliRunner

from schema.commands import schema_commands
from schema.committed import FOLDER
from schema.exporting import (
    MACHINERY,
    as_clients_see,
    introspection_of,
    possible_types_of,
    scalars_of,
)


@pytest.fixture(scope="module")
def whole() -> GraphQLSchema:
    return as_clients_see((FOLDER / "mela.graphql").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def commands() -> typer.Typer:
    quiet = Console(quiet=True)
    return schema_commands(quiet, quiet)


def test_clients_see_all_but_what_a_gateway_asks_for(whole: GraphQLSchema) -> None:
    committed = parse_schema(
        (FOLDER / "mela.graphql").read_text(encoding="utf-8"), assume_valid_sdl=True
    )
    assert committed.type_map.keys() - whole.type_map.keys() == MACHINERY & set(committed.type_map)
    assert {"_Any", "_Entity", "_Service"} <= MACHINERY & set(committed.type_map)
    assert committed.query_type.fields.keys() - whole.query_type.fields.keys() == {
        "_entities",
        "_service",
    }
    assert committed.mutation_type.fields.keys() == whole.mutation_type.fields.keys()


def test_introspection_gives_the_same_schema_back(whole: GraphQLSchema) -> None:
    again = build_client_schema(orjson.loads(orjson.dumps(introspection_of(whole))))
    assert print_schema(again) == print_schema(whole)


def test_every_interface_and_union_has_its_types(whole: GraphQLSchema) -> None:
    found = possible_types_of(whole)
    assert found["PlaceBidResult"][:2] == ["AccountClosed", "AccountFrozen"]
    assert {"Auction", "Title", "Quest"} <= set(found["Node"])
    assert "BidTooLow" in found["Error"]
    abstract = {n for n, kind in whole.type_map.items() if is_abstract_type(kind)}
    assert found.keys() == abstract
    assert all(found.values())


def test_scalars_are_what_json_carries(whole: GraphQLSchema) -> None:
    found = scalars_of(whole)
    assert found["DateTime"] == found["Decimal"] == found["BigInt"] == found["ID"] == "string"
    assert found["JSON"] == "unknown"
    assert found["Upload"] == {"input": "Blob", "output": "never"}


def test_a_scalar_nobody_described_is_refused() -> None:
    with pytest.raises(ValueError, match="Colour"):
        scalars_of(parse_schema("scalar Colour type Query { colour: Colour }"))


def test_the_command_writes_what_is_asked_for(commands: typer.Typer, tmp_path: Path) -> None:
    run = CliRunner().invoke
    file = tmp_path / "scalars.json"
    done = run(commands, ["export", "--format", "scalars", "--output", str(file)])
    assert (done.exit_code, done.output) == (0, "")
    assert orjson.loads(file.read_bytes())["Decimal"] == "string"
    shown = run(commands, ["export", "--format", "possible-types", "--domain", "wallets"])
    assert "DepositFundsResult" in orjson.loads(shown.output)
    assert "PlaceBidResult" not in orjson.loads(shown.output)
    refused = run(commands, ["export", "--format", "sdl", "--domain", "nonsense"])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert run(commands, ["export", "--format", "pdf"]).exit_code == 2
