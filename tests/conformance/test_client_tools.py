"""What frontend developers build with takes the schema: relay-compiler, graphql-codegen and tsc."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    parse,
    validate,
)

from schema.committed import FOLDER
from schema.exporting import as_clients_see, introspection_of, scalars_of
from tests.npm import node_with
from web.node import ROOT

NPM = Path(__file__).parent / "npm"
PAGES = {"first", "after", "last", "before"}


@pytest.fixture(scope="module")
def sdl() -> str:
    return (FOLDER / "mela.graphql").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def schema(sdl: str) -> GraphQLSchema:
    return as_clients_see(sdl)


@pytest.fixture(scope="module")
def node() -> str:
    return node_with(NPM).node


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def connections(schema: GraphQLSchema) -> Iterator[tuple[GraphQLObjectType, str]]:
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__"):
            for key, field in kind.fields.items():
                if get_named_type(field.type).name.endswith("Connection"):
                    yield kind, key


def test_every_connection_is_one_to_relay(schema: GraphQLSchema) -> None:
    """The specification's own words: edges, nodes, cursors that are strings, pageInfo."""
    page = schema.type_map["PageInfo"]
    shape = {name: str(field.type) for name, field in page.fields.items()}
    assert shape.items() >= {"hasNextPage": "Boolean!", "hasPreviousPage": "Boolean!"}.items()
    assert {"startCursor", "endCursor"} <= shape.keys()
    found = list(connections(schema))
    assert len(found) > 40
    for kind, key in found:
        field = kind.fields[key]
        made = get_named_type(field.type)
        assert field.args.keys() >= PAGES, f"{kind}.{key}"
        assert str(made.fields["pageInfo"].type) == "PageInfo!"
        edges = made.fields["edges"].type
        assert is_non_null_type(edges), made
        assert is_list_type(edges.of_type), made
        edge = get_named_type(edges)
        assert str(edge.fields["cursor"].type) == "Cursor!", edge
        assert "node" in edge.fields, edge


def test_anything_is_refetched_by_its_id(schema: GraphQLSchema) -> None:
    query = schema.query_type.fields
    assert str(query["node"].type) == "Node"
    assert str(query["nodes"].type) == "[Node]!"
    assert str(query["node"].args["id"].type) == "ID!"


def test_relay_compiler_takes_the_schema(
    schema: GraphQLSchema, sdl: str, node: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = shutil.copytree(NPM / "relay", tmp_path / "src")
    generated = [relay_fragment(kind, key) for kind, key in connections(schema)]
    texts = "\n".join(f"graphql`{text}`;" for text in generated)
    (source / "all.ts").write_text(f"import {{ graphql }} from 'relay-runtime';\n{texts}\n")
    (tmp_path / "schema.graphql").write_text(sdl)
    scalars = {name: kind for name, kind in scalars_of(schema).items() if isinstance(kind, str)}
    config = {
        "src": "./src",
        "schema": "./schema.graphql",
        "language": "typescript",
        "artifactDirectory": "./made",
        "eagerEsModules": True,
        "customScalarTypes": {**scalars, "Upload": "Blob"},
    }
    (tmp_path / "made").mkdir()
    (tmp_path / "relay.config.json").write_text(json.dumps(config))
    script = NPM / "node_modules" / "relay-compiler" / "cli.js"
    run([node, str(script), "relay.config.json"], tmp_path)
    artifacts = {path.name for path in (tmp_path / "made").iterdir()}
    with capsys.disabled():
        told = f"{len(generated)} of {len(generated)} connections, {len(artifacts)} artifacts"
        sys.stdout.write(f"\n  relay-compiler: {told}\n")
    assert {"screensPersonRefetchQuery.graphql.ts", "screensLotPageQuery.graphql.ts"} <= artifacts
    assert {f"{fragment_name(kind, key)}.graphql.ts" for kind, key in connections(schema)} <= (
        artifacts
    )
    refetch = (tmp_path / "made" / "screensLotPageQuery.graphql.ts").read_text()
    assert '"name": "node"' in refetch
    assert "cursor?: string | null | undefined" in refetch


def fragment_name(kind: GraphQLObjectType, key: str) -> str:
    return f"all_{kind.name}_{key}"


def relay_fragment(kind: GraphQLObjectType, key: str) -> str:
    """A paged fragment on a connection; refetched where Relay can find the object again."""
    name = fragment_name(kind, key)
    field = kind.fields[key]
    needed = {n: a for n, a in field.args.items() if is_required_argument(a)}
    defined = "".join(f', {n}: {{ type: "{a.type}" }}' for n, a in needed.items())
    given = "".join(f", {n}: ${n}" for n in needed)
    found_again = kind.name == "Query" or any(i.name == "Node" for i in kind.interfaces)
    again = f'@refetchable(queryName: "{name}Query")' if found_again and not needed else ""
    return (
        f"fragment {name} on {kind.name} @argumentDefinitions("
        f'count: {{ type: "Int", defaultValue: 5 }}, cursor: {{ type: "Cursor" }}{defined}) {again}'
        f"{{ {key}(first: $count, after: $cursor{given}) "
        f'@connection(key: "{name}_{key}") {{ edges {{ node {{ __typename }} }} }} }}'
    )


def shown_operations() -> Iterator[tuple[str, str]]:
    """Every operation that documents, GraphiQL's examples and the example page show, by a name."""
    for path in sorted((ROOT / "web" / "graphiql" / "examples").glob("*.graphql")):
        yield f"graphiql-{path.stem}", path.read_text("utf-8")
    for path in sorted((ROOT / "examples" / "web" / "src").rglob("*.graphql")):
        yield f"web-{path.stem}", path.read_text("utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text("utf-8")
        found = [json.loads(b)["query"] for b in re.findall(r"-d '(\{\"query\".*\})'$", text, re.M)]
        found += re.findall(r"```graphql\n(.*?)```", text, re.S)
        found += re.findall(r"`((?:query|mutation|subscription) [^`]*)`", text)
        found = [each for each in found if "{" in each and "…" not in each]
        yield from ((f"{path.stem}-{number}", each) for number, each in enumerate(found, 1))


def named(text: str, name: str) -> str:
    """The document with its operations named: code generators want that."""
    nodes = [n for n in parse(text).definitions if isinstance(n, OperationDefinitionNode)]
    if len(nodes) != 1 or nodes[0].name is not None:
        return text
    word = "".join(part.title() for part in re.split(r"\W+", name))
    if text.lstrip().startswith("{"):
        return f"query {word} {text}"
    kind = nodes[0].operation.value
    return re.sub(rf"^(\s*(?:#.*\n\s*)*){kind}", rf"\1{kind} {word}", text, count=1)


def test_generated_types_are_sound_in_strict_typescript(
    schema: GraphQLSchema, node: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operations = tmp_path / "operations"
    operations.mkdir()
    taken: set[str] = set()
    for name, text in shown_operations():
        document = parse(text)
        names = {n.name.value for n in document.definitions if getattr(n, "name", None)}
        if names & taken:
            continue  # the same example, shown twice
        assert validate(schema, document) == [], name
        taken |= names
        (operations / f"{name}.graphql").write_text(named(text, name))
    (tmp_path / "introspection.json").write_text(json.dumps(introspection_of(schema)))
    (tmp_path / "scalars.json").write_text(json.dumps(scalars_of(schema)))
    count = int(run([node, "codegen.mjs", str(tmp_path)], NPM))
    shutil.copy(NPM / "typed.ts", tmp_path)
    packages = NPM / "node_modules"
    options = {
        "strict": True,
        "noEmit": True,
        "target": "es2022",
        "module": "esnext",
        "moduleResolution": "bundler",
        "lib": ["es2022", "dom"],
        "types": [],
        "noUncheckedIndexedAccess": True,
        "exactOptionalPropertyTypes": True,
        "verbatimModuleSyntax": True,
        "skipLibCheck": True,
        "paths": {
            "graphql": [str(packages / "graphql")],
            "@graphql-typed-document-node/core": [
                str(packages / "@graphql-typed-document-node" / "core")
            ],
        },
    }
    files = ["schema.ts", "operations.ts", "typed.ts"]
    (tmp_path / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": options, "files": files})
    )
    run([node, str(packages / "typescript" / "bin" / "tsc"), "-p", str(tmp_path)], tmp_path)
    lines = sum(len((tmp_path / name).read_text().splitlines()) for name in files[:2])
    with capsys.disabled():
        told = f"{count} operations, {lines:,} lines pass tsc --strict"
        sys.stdout.write(f"\n  graphql-codegen: {told}\n")
    assert count == len(list(operations.iterdir()))
    assert count >= 10
    written = (tmp_path / "schema.ts").read_text()
    assert ": any" not in written + (tmp_path / "operations.ts").read_text()
