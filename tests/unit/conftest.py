"""The two executors beside each other, and what the one by levels generates code for."""

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from execution import projecting
from execution.levels import level_executor
from schema.scalars import SCALARS


@pytest.fixture(scope="session")
def through_both():
    """`through_both(Query)`: its schema by levels, and by graphql-core."""

    def schemas(query):
        config = StrawberryConfig(scalar_map=SCALARS)
        return [
            strawberry.Schema(query, config=config, execution_context_class=each)
            for each in (level_executor(), None)
        ]

    return schemas


@pytest.fixture
def late_fields(monkeypatch):
    """Code is generated at once; of each selection that has any, the places of the fields that come
    as columns."""
    monkeypatch.setattr(projecting, "MIN_RUNS", 0)
    found = []
    generated = projecting._generated

    def seen(*args):
        made = generated(*args)
        if made is not None:
            found.append(made.late)
        return made

    monkeypatch.setattr(projecting, "_generated", seen)
    return found
