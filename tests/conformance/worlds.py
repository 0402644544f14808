"""A server and its world for a whole module of tests: each test brings rows of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

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


def settings_for(
    database_url: str, redis_url: str, state_dir: object, **changes: object
) -> Settings:
    """Settings of a test's server. Modules share a Redis: names are kept apart by a prefix."""
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
    return Settings(**(given | changes))  # type: ignore[arg-type]
