"""`mela schema check BASE`: whence the former schema comes, and what the command answers."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from schema.bases import NoBase, read_base
from schema.build import DOMAINS
from schema.commands import schema_commands
from schema.committed import FOLDER
from schema.exporting import as_clients_see, introspection_of

SMALL = 'type Query { _service: Int a: Item } type Item @key(fields: "id") { id: ID! }'
AUCTION = 'type Auction implements Node @key(fields: "id") {'


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The committed schema as it would be, had `Auction` lost a field and `stall` a key since."""
    folder = tmp_path / "supergraph"
    shutil.copytree(
        FOLDER, folder, ignore=lambda _, names: {n for n in names if "graphql" not in n}
    )
    path = folder / "mela.graphql"
    text = path.read_text(encoding="utf-8")
    assert text.count(AUCTION) == 1
    path.write_text(text.replace(AUCTION, f"{AUCTION}\n  lot: Int\n  old: Int\n"), "utf-8")
    return folder


@pytest.fixture(scope="module")
def commands() -> typer.Typer:
    return schema_commands(Console(width=200), Console(stderr=True, width=200))


def test_breaking_changes_fail_and_name_who_is_hit(
    commands: typer.Typer, base: Path, tmp_path: Path
) -> None:
    file = tmp_path / "q.graphql"
    file.write_text("query Lots { auction(id: 1) { lot ...F } } fragment F on Auction { title }")
    given = ["check", str(base), "--operations", str(file)]
    done = CliRunner().invoke(commands, [*given, "--format", "json"])
    assert done.exit_code == 1, done.output
    found = json.loads(done.stdout)
    assert found["counts"]["breaking"] == 1
    assert [
        (change["where"], change["severity"], change["operations"])
        for change in found["changes"]
        if change["where"] in ("Auction.lot", "Auction.old")
    ] == [("Auction.lot", "breaking", ["q:Lots"]), ("Auction.old", "dangerous", [])]
    done = CliRunner().invoke(commands, given)
    assert done.exit_code == 1
    assert "hits q:Lots" in done.output
    assert "None of 1 recorded operations uses it." in done.output
    assert "mela: 1 breaking, " in done.output
    file.write_text("query Lots { auction(id: 1) { title } }")
    done = CliRunner().invoke(commands, given)
    assert (done.exit_code, "mela: 0 breaking, " in done.output) == (0, True)


def test_what_cannot_be_compared_with_is_told_apart_from_what_breaks(
    commands: typer.Typer, tmp_path: Path
) -> None:
    run = CliRunner().invoke
    done = run(commands, ["check", "no-such-thing"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no file, no folder, no address and no commit" in done.stderr
    done = run(commands, ["check", str(FOLDER), "--operations", str(tmp_path)])
    assert (done.exit_code, "no operations" in done.stderr) == (2, True)


def test_a_file_is_sdl_or_introspection(tmp_path: Path) -> None:
    sdl, told, bad = tmp_path / "a.graphql", tmp_path / "b.json", tmp_path / "c.json"
    sdl.write_text(SMALL)
    told.write_bytes(orjson.dumps({"data": introspection_of(as_clients_see(SMALL))}))
    bad.write_text("{}")
    assert read_base(str(sdl)).has_directives is True
    assert read_base(str(told)).has_directives is False
    assert read_base(str(told)).seen.type_map.keys() == read_base(str(sdl)).seen.type_map.keys()
    for name in ("c.json", "."):
        with pytest.raises(NoBase):
            read_base(str(tmp_path / name))


def test_a_commit_has_the_whole_and_its_subgraphs() -> None:
    inside = subprocess.run(["git", "-C", str(FOLDER), "rev-parse"], capture_output=True)
    if inside.returncode:
        pytest.skip("not in a git work tree")
    state = read_base("HEAD")
    assert state.parts.keys() >= set(DOMAINS)
    assert "Auction" in state.seen.type_map
    for name in ("HEAD:README.md", "--output=x", "-h", ""):
        with pytest.raises(NoBase):
            read_base(name)


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server that answers what a test puts in, by the first word of the query."""
    answers: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kind = "sdl" if "_service" in body["query"] else "introspection"
            answer = json.dumps(answers.get(kind if self.path == "/graphql" else "", [])).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_address[1]}", answers
        listening.shutdown()


def test_a_server_tells_its_sdl_or_else_its_introspection(
    server: tuple[str, dict[str, Any]],
) -> None:
    url, answers = server
    with pytest.raises(NoBase, match="no GraphQL server"):
        read_base(f"{url}/elsewhere")
    answers |= {"sdl": {"errors": [{}]}, "introspection": {"errors": [{"message": "hidden"}]}}
    with pytest.raises(NoBase, match="hidden"):
        read_base(url)
    answers["introspection"] = {"data": introspection_of(as_clients_see(SMALL))}
    assert read_base(url).has_directives is False
    answers["sdl"] = {"data": {"_service": {"sdl": SMALL}}}
    found = read_base(f"{url}/")
    assert (found.has_directives, sorted(found.seen.query_type.fields)) == (True, ["a"])
    with pytest.raises(NoBase):
        read_base("http://127.0.0.1:1")
