"""A server and its world for a whole module of tests: each test brings rows of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import httpx

from core.settings import Settings
from tests.conftest import execute, with_path

_numbers = count(1)


@contextmanager
def cloned_database(postgres_url: str, template: str) -> Iterator[str]:
    """The URL of a clone of the migrated database, for as long as the context lasts."""
    name = f"{template}_module_{os.getpid()}_{next(_numbers)}"
    execute(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    try:
        yield with_path(postgres_url, name)
    finally:
        execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def values_for(
    database_url: str, redis_url: str, state_dir: object, **changes: object
) -> dict[str, object]:
    """What a test's server is set to. Modules share a Redis: names are kept apart by a prefix."""
    given: dict[str, object] = {
        "profile": "test",
        "database_url": database_url,
        "redis_url": redis_url,
        "bus_prefix": f"module-{os.getpid()}-{next(_numbers)}",
        "state_dir": state_dir,
        "signing_algorithm": "EdDSA",
        "jobs": False,
        "demo": False,
    }
    return given | changes


def settings_for(
    database_url: str, redis_url: str, state_dir: object, **changes: object
) -> Settings:
    """`values_for` as settings."""
    return Settings(**values_for(database_url, redis_url, state_dir, **changes))  # type: ignore[arg-type]


def shaped(response: httpx.Response) -> list[str]:
    """The codes of an answer's errors, each of our shape, and no `data` beside them."""
    body = response.json()
    assert set(body) == {"errors"}, body
    for error in body["errors"]:
        extensions = error["extensions"]
        assert set(extensions) == {"code", "requestId", "timestamp", "details"}, error
        assert extensions["requestId"] == response.headers["x-request-id"]
    return [error["extensions"]["code"] for error in body["errors"]]
