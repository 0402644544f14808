"""The committed schema is the built one, and a change that breaks clients is found."""

import shutil
from pathlib import Path

import pytest
from graphql import build_schema as parse_schema

from app import limits_of
from core.settings import Settings
from schema.build import DOMAINS, build_schema
from schema.committed import (
    FOLDER,
    breaking_changes,
    check_committed,
    export_committed,
    sdl_of,
)


@pytest.fixture(scope="module")
def whole() -> str:
    return sdl_of()


def test_what_is_committed_is_what_is_built(whole: str) -> None:
    assert check_committed() == []
    assert (FOLDER / "mela.graphql").read_text(encoding="utf-8") == whole
    committed = {path.name for path in FOLDER.glob("*.graphql")}
    assert committed >= {"mela.graphql", *(f"{domain}.graphql" for domain in DOMAINS)}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "supergraph"
    folder.mkdir()
    for path in FOLDER.glob("*.graphql"):
        shutil.copy(path, folder)
    return folder


def test_a_committed_field_that_is_gone_is_a_breaking_change(copy: Path) -> None:
    path = copy / "mela.graphql"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("type Bid implements Node", "type Bid implements Node", 1).replace(
            '"""A lot and its bidding."""\ntype Auction implements Node @key(fields: "id") {',
            '"""A lot and its bidding."""\ntype Auction implements Node @key(fields: "id") {\n'
            "  oldTitle: String!\n",
        ),
        encoding="utf-8",
    )
    problems = check_committed(copy)
    assert any("breaking" in line and "Auction.oldTitle" in line for line in problems)
    assert any("out of date" in line for line in problems)


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("type Query { a: Int b: Int }", "type Query { a: Int }", "Query.b"),
        ("type Query { a: Int! }", "type Query { a: Int }", "Query.a"),
        ("type Query { a: Int }", "type Query { a(x: Int!): Int }", "x"),
        ("type Query { a: E } enum E { P Q }", "type Query { a: E } enum E { P }", "Q"),
        ("type Query { a(x: Int): Int }", "type Query { a: Int }", "x"),
    ],
    ids=["field", "nullability", "argument", "enum value", "lost argument"],
)
def test_changes_that_break_clients_are_named(before: str, after: str, named: str) -> None:
    [problem] = breaking_changes(before, after)
    assert problem.startswith("breaking: ")
    assert named in problem


def test_additions_break_nobody() -> None:
    after = "type Query { a(x: Int): Int b: Int }"
    assert breaking_changes("type Query { a: Int }", after) == []


def test_a_file_that_is_missing_or_older_is_named(copy: Path) -> None:
    (copy / "users.graphql").unlink()
    with (copy / "auctions.graphql").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    problems = check_committed(copy)
    assert any("users.graphql is missing" in line for line in problems)
    assert any("auctions.graphql is out of date" in line for line in problems)
    assert not any("breaking" in line for line in problems)


def test_export_writes_what_check_wants(tmp_path: Path) -> None:
    paths = export_committed(tmp_path / "new")
    assert {path.name for path in paths} >= {"mela.graphql", "users.graphql", "auctions.graphql"}
    assert check_committed(tmp_path / "new") == []


def test_unknown_domains_are_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        sdl_of(["nonsense"])


def test_the_committed_schema_parses(whole: str) -> None:
    assert parse_schema(whole, assume_valid_sdl=True).query_type is not None


def test_prod_hides_the_schema_and_dev_shows_it(tmp_path: Path) -> None:
    prod = Settings(
        profile="prod",
        database_url="postgresql://localhost/none",
        redis_url="redis://localhost/0",
        signing_keys_dir=tmp_path,
        ledger_keys_dir=tmp_path,
    )
    assert limits_of(prod).introspection is False
    assert limits_of(Settings(profile="dev")).introspection is True


@pytest.mark.parametrize(
    "query", ["{ __schema { types { name } } }", '{ __type(name: "User") { name } }']
)
async def test_introspection_is_answered_only_where_it_is_on(query: str) -> None:
    settings = Settings(profile="dev")
    shown = await build_schema(limits=limits_of(settings)).execute(query)
    assert shown.errors is None
    off = limits_of(settings.model_copy(update={"profile": "prod"}))
    hidden = await build_schema(limits=off).execute(query)
    assert hidden.data is None
    assert {error.extensions["code"] for error in hidden.errors} == {"BAD_USER_INPUT"}
