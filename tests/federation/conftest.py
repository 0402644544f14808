"""The schemas that are split (a toy one and the real one) and the composers that join them."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType

import pytest

from deploy.gateway import GatewayError, hive_tools
from schema.projection import DomainSchema
from tests.conftest import execute, passable_folder, run, with_path
from tests.federation.gateway_world import GatewayWorld, gateway_world, prepare
from tests.npm import node_with

HERE = Path(__file__).parent
TOY_MODULES = ("toy_common", "toy_auctions", "toy_search", "toy_users", "toy_build")
COMPOSE_TIMEOUT_S = 100

Subgraphs = dict[str, str]  # name -> SDL


@dataclass(frozen=True)
class Split:
    """A schema to be split, and the domains it has."""

    schema: DomainSchema
    domains: tuple[str, ...]


@dataclass(frozen=True)
class Composed:
    """What a composer made of a set of subgraphs; `api` is None where there are errors."""

    errors: list[str]
    warnings: list[str]
    api: str | None
    supergraph: str | None


Compose = Callable[..., dict[str, dict[str, Composed]]]


def _load(name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / "toy" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def toy_modules() -> dict[str, ModuleType]:
    """The toy schema's modules by name, importable by those names from now on."""
    return {name: _load(name) for name in TOY_MODULES}


@pytest.fixture(scope="session")
def toy(toy_modules: dict[str, ModuleType]) -> Split:
    build = toy_modules["toy_build"]
    return Split(build.build_schema(), build.DOMAINS)


@pytest.fixture(scope="session", params=["toy", "real"])
def split(request: pytest.FixtureRequest) -> Split:
    """The toy schema, then the real one."""
    if request.param == "toy":
        found: Split = request.getfixturevalue("toy")
        return found
    if importlib.util.find_spec("schema.build") is None:
        pytest.skip("schema/build.py is not written yet")
    build = importlib.import_module("schema.build")
    if len(build.DOMAINS) < 2:
        pytest.skip(f"schema/build.py has one domain yet: {build.DOMAINS}")
    return Split(build.build_schema(), tuple(build.DOMAINS))


@pytest.fixture(scope="session")
def compose() -> Compose:
    """Composes sets of subgraphs with Apollo's and The Guild's composers."""
    node = node_with(HERE).node

    def run(
        sets: dict[str, Subgraphs], urls: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, dict[str, Composed]]:
        asked = {
            name: [
                {"name": one, "sdl": sdl, "url": urls.get(one)} for one, sdl in subgraphs.items()
            ]
            for name, subgraphs in sets.items()
        }
        command = [node, str(HERE / "compose.mjs")]
        done = subprocess.run(
            command,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=COMPOSE_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        return {
            name: {composer: Composed(**one) for composer, one in answers.items()}
            for name, answers in json.loads(done.stdout).items()
        }

    return run


@pytest.fixture(scope="session")
def gateway_world_of_session(
    postgres_url: str, redis_server_url: str, template_database: str, worker: str
) -> Iterator[GatewayWorld]:
    """Six processes, one more for the whole graph, and Hive Gateway: once for all tests."""
    try:
        hive_tools()
    except GatewayError as error:
        pytest.skip(str(error))
    name = f"mela_gateway_{worker}_{os.getpid()}"
    execute(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"')
    url, folder = with_path(postgres_url, name), passable_folder()
    try:
        ids = run(prepare(url, folder))
        with gateway_world(url, redis_server_url, folder, ids) as world:
            yield world
    finally:
        execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')
        shutil.rmtree(folder, ignore_errors=True)
