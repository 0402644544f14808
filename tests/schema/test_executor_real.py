"""Levels against graphql-core over the real schema and real rows: what is asked through both is
answered alike, for somebody and for nobody, and costs no more than was requested."""

import pytest

from execution import projecting
from tests.conformance.cases import REAL, read_cases
from tests.conformance.comparing import alike
from tests.conformance.costing import costs_of
from tests.conformance.real_world import real_world, said

HALVES = 2


# graphql-core leaves coroutines behind where an error ends a selection before they began.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("half", range(HALVES))
async def test_the_real_schema_answers_alike_through_both(half, settings, monkeypatch):
    if half:  # with the code that is generated for what comes again
        monkeypatch.setattr(projecting, "MIN_RUNS", 0)
    cases = read_cases(REAL)[half::HALVES]
    assert len(cases) >= 400
    understood = answered = failed = cheaper = 0
    async with real_world(settings) as world:
        for case in cases:
            found, expected = await world.answers(case)
            assert alike(found, expected), (case, said(found, expected))
            understood += expected.data is not None or any(e.path for e in expected.errors)
            answered += expected.data is not None and any(expected.data.values())
            failed += bool(expected.errors)
            if (costs := costs_of(world.levels, *world.asked(case), found.data)) is not None:
                requested, actual = costs
                assert 0 <= actual <= requested, (case, costs)
                cheaper += actual < requested
    # Otherwise it would have compared nothing; a schema that grew away from the corpus needs
    # `python -m tests.conformance.make_corpus`.
    assert understood > 0.9 * len(cases)
    assert answered > 0.5 * len(cases)
    assert failed > 0.05 * len(cases)
    assert cheaper > 0.5 * len(cases)
