"""Former states of the schema: from a file or folder, a running server, or a commit."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import orjson
from graphql import (
    GraphQLError,
    GraphQLSchema,
    build_client_schema,
    get_introspection_query,
)
from graphql import build_schema as parse_schema

from schema.committed import FOLDER, WHOLE, committed_files
from schema.exporting import as_clients_see

ASK_S = 30.0
GIT_S = 30.0
COMPOSED = "@join__graph"
"""What a composer writes, and no subgraph."""


class NoBase(Exception):
    """What to compare with cannot be had; the message says why."""


@dataclass(frozen=True, slots=True)
class State:
    """A schema: as clients see it, and its subgraphs by domain where they are known."""

    name: str
    seen: GraphQLSchema
    parts: Mapping[str, GraphQLSchema] = field(default_factory=dict)
    has_directives: bool = True


@cache
def built_state() -> State:
    """What the code is."""
    return _state("the code", committed_files())


def read_base(text: str) -> State:
    """A file of SDL or of introspection, a folder like supergraph/, an address of a server, or
    what git knows by that name. Raises `NoBase`."""
    try:
        if text.startswith(("http://", "https://")):
            return _of_server(text)
        path = Path(text)
        if path.is_dir():
            files = {file.name: file.read_text("utf-8") for file in path.glob("*.graphql")}
            return _state(text, files)
        if path.is_file():
            return _of_file(text, path.read_text("utf-8"))
        return _state(text, _of_commit(text))
    except (GraphQLError, OSError, TypeError, ValueError) as error:
        raise NoBase(f"{text}: {error}") from None


def _state(name: str, files: Mapping[str, str]) -> State:
    if WHOLE not in files:
        raise NoBase(f"{name}: there is no {WHOLE}")
    parts = {
        file.removesuffix(".graphql"): parse_schema(sdl, assume_valid_sdl=True)
        for file, sdl in files.items()
        if file.endswith(".graphql") and file != WHOLE and COMPOSED not in sdl
    }
    return State(name, as_clients_see(files[WHOLE]), parts)


def _of_file(name: str, text: str) -> State:
    if not text.lstrip().startswith("{"):
        return _state(name, {WHOLE: text})
    found = orjson.loads(text)
    return _introspected(name, found.get("data", found))


def _introspected(name: str, found: object) -> State:
    if not isinstance(found, dict) or "__schema" not in found:
        raise NoBase(f"{name}: there is no __schema in it")
    seen = build_client_schema(found)  # type: ignore[arg-type]
    return State(name, seen, has_directives=False)


def _of_server(address: str) -> State:
    """Asked as a gateway asks, for only that tells of directives; else by introspection."""
    parts = urlsplit(address)
    url = urlunsplit(parts._replace(path=parts.path if parts.path.strip("/") else "/graphql"))
    answer = _ask(url, "{ _service { sdl } }")
    sdl = ((answer.get("data") or {}).get("_service") or {}).get("sdl")
    if isinstance(sdl, str):
        return _state(address, {WHOLE: sdl})
    answer = _ask(url, get_introspection_query(directive_is_repeatable=True))
    if not (answer.get("data") or {}).get("__schema"):
        told = [error.get("message") for error in answer.get("errors") or []]
        raise NoBase(f"{address} does not show its schema: {'; '.join(map(str, told))}")
    return _introspected(address, answer["data"])


def _ask(url: str, query: str) -> dict[str, Any]:
    try:
        answer = httpx.post(url, json={"query": query}, timeout=ASK_S).json()
    except (httpx.HTTPError, ValueError) as error:
        raise NoBase(f"{url}: {error}") from None
    if not isinstance(answer, dict):
        raise NoBase(f"{url} is no GraphQL server")
    return answer


def _of_commit(ref: str) -> dict[str, str]:
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if commit is None:
        raise NoBase(f"{ref} is no file, no folder, no address and no commit")
    name = commit.strip()
    listed = _git("ls-tree", "--name-only", f"{name}:{FOLDER.name}") or ""
    files = [file for file in listed.split() if file.endswith(".graphql")]
    return {file: _git("show", f"{name}:{FOLDER.name}/{file}") or "" for file in files}


def _git(*arguments: str) -> str | None:
    """What git prints; None where it refuses."""
    command = ["git", "-C", str(FOLDER.parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoBase(f"git: {error}") from None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
