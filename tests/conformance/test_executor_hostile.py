"""Levels against graphql-core over a schema that misbehaves: the same data and the same errors."""

import pytest

from execution.levels import level_executor
from tests.conformance.both_hostile import hostile_difference, hostile_faults
from tests.conformance.cases import HOSTILE, read_cases

BLOCKS = 12


@pytest.fixture(scope="module")
def cases():
    return read_cases(HOSTILE)


@pytest.mark.parametrize("block", range(BLOCKS))
async def test_levels_answer_as_graphql_core_does_whatever_resolvers_do(block, cases):
    levels = level_executor()
    mine = cases[block::BLOCKS]
    assert len(mine) >= 100
    for case in mine:
        assert await hostile_difference(case, levels) is None, case


def test_the_corpus_has_every_kind_of_operation_and_no_faulty_one(cases):
    assert {case.kind for case in cases} == {"query", "mutation", "subscription"}
    assert [hostile_faults(case) for case in cases[::40]] == [[]] * len(cases[::40])
