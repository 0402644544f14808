"""The schema as committed in `supergraph/`: written from the code, and compared with it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from graphql import build_schema as parse_schema
from graphql.utilities import find_breaking_changes

from schema.build import DOMAINS, build_schema
from schema.projection import subgraph_sdl

FOLDER = Path(__file__).resolve().parent.parent / "supergraph"
WHOLE = "mela.graphql"
CONFIG = "supergraph.yaml"
FEDERATION = "=2.9.0"


def sdl_of(domains: Iterable[str] | None = None) -> str:
    """The whole schema as text, or the subgraph of some domains. Raises `ValueError` for an
    unknown domain."""
    whole = build_schema()
    text = whole.as_str() if domains is None else subgraph_sdl(whole, domains)
    return text.rstrip("\n") + "\n"


def export_committed(folder: Path = FOLDER) -> list[Path]:
    """Write the whole schema and each domain's subgraph; the paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for name, text in committed_files().items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def check_committed(folder: Path = FOLDER) -> list[str]:
    """What is wrong, a line each: breaking changes first, then files that are out of date."""
    problems = []
    for name, text in committed_files().items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing: run mela schema supergraph")
            continue
        committed = path.read_text(encoding="utf-8")
        if committed == text:
            continue
        if name == WHOLE:
            problems += breaking_changes(committed, text)
        problems.append(f"{name} is out of date: run mela schema supergraph and commit it")
    return problems


def breaking_changes(before: str, after: str) -> list[str]:
    """What clients of the schema `before` could trip over in `after`."""
    old, new = (parse_schema(text, assume_valid_sdl=True) for text in (before, after))
    return [f"breaking: {change.description}" for change in find_breaking_changes(old, new)]


def committed_files() -> dict[str, str]:
    """What the folder must hold, by name: the whole schema, each domain's subgraph, and the list of
    them as `rover supergraph compose` reads it."""
    whole = build_schema()
    files = {f"{domain}.graphql": subgraph_sdl(whole, {domain}) for domain in DOMAINS}
    ended = {name: text.rstrip("\n") + "\n" for name, text in files.items()}
    return {WHOLE: sdl_of(), **ended, CONFIG: _config()}


def routing_urls() -> dict[str, str]:
    """Where gateways find each domain's subgraph in deploy/: by Compose's and Kubernetes' names."""
    return {domain: f"http://{domain}:8000/graphql" for domain in DOMAINS}


def _config() -> str:
    lines = [f'federation_version: "{FEDERATION}"', "subgraphs:"]
    for domain, url in routing_urls().items():
        lines += [f"  {domain}:", f"    routing_url: {url}"]
        lines += ["    schema:", f"      file: ./{domain}.graphql"]
    return "\n".join(lines) + "\n"
