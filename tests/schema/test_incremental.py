"""What is deferred and streamed is, put together again, what is answered at once."""

import json
import sys

import pytest

from tests.conformance.cases import REAL, read_cases
from tests.conformance.deferring import deferred, is_query, merged, merged_2022
from tests.conformance.real_world import real_world
from web.streams_incremental import Parts2022, encode_part

CASES = 45
SHORT = 300
"""Characters of a text with little in it to deliver later."""


def coarse(errors):
    return sorted({(e["message"], e["extensions"]["code"]) for e in errors})


# graphql-core leaves coroutines behind where an error ends a selection before they began.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_parts_put_together_are_the_whole(settings, capsys):
    cases = [case for case in read_cases(REAL) if len(case.text) > SHORT and is_query(case.text)]
    compared = in_parts = 0
    async with real_world(settings) as world:
        for case in cases[:CASES]:
            text, variables = world.asked(case)
            sown = deferred(world.levels._schema, text, case.seed)
            viewer = world.viewer_of(case)

            async def plain(text=text, variables=variables, viewer=viewer):
                return await world.levels.execute(
                    text, variable_values=variables, context_value=world.context(viewer)
                )

            expected, whole = await plain(), await plain(sown)
            assert whole.data == expected.data, sown
            results = await world.levels.stream(
                sown, variable_values=variables, context_value=world.context(viewer), later=True
            )
            parts = [part async for part in results]
            if len(parts) == 1:
                assert parts[0].data == expected.data
                continue
            in_parts += 1
            new = [json.loads(encode_part(part)) for part in parts]
            older = Parts2022()
            old = [json.loads(older.encode(part)) for part in parts]
            told = [error.formatted for error in expected.errors or ()]
            for data, errors in (merged(new), merged_2022(old)):
                if not errors and not told:
                    compared += 1
                    assert data == json.loads(json.dumps(expected.data)), sown
                # A field that may not be null takes its fragment with it, and not what is around.
                assert coarse(errors) == coarse(told), sown
    with capsys.disabled():
        said = f"{in_parts} answers in parts as the whole ones, {compared // 2} without errors"
        sys.stdout.write(f"\n{said}\n")
    assert in_parts > 15
    assert compared > 20
