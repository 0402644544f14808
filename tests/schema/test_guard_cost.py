"""What all guards together take of a usual request."""

import gc
import sys
import time

import pytest

from bench.guards import guards_us

STATED_US = 200
TIMES = 100


@pytest.fixture
def settings(settings):
    """Budgets as in production, that a test cannot spend."""
    return settings.model_copy(update={"rate_limits": "on", "rate_points": 10**9})


async def best(work, times):
    """Seconds of processor time, the least of three rounds."""
    found = []
    await work()
    gc.collect()
    for _ in range(3):
        began = time.process_time()
        for _ in range(times):
            await work()
        found.append((time.process_time() - began) / times)
    return min(found)


async def test_guards_take_a_fraction_of_what_they_may(schema, server, context_for, make_user):
    asking = context_for(await make_user(funds=0))
    found = await guards_us(schema, asking, best, TIMES)
    await server.spending.budgets.close()
    sys.stdout.write(f"guards take {found['guards']:.1f} µs of {found['with']:.1f} µs\n")
    assert found["guards"] < STATED_US / 2
