"""Time limits and calls after a while, many of which share one timer."""

import asyncio
from contextvars import ContextVar

import pytest

from core.waiting import TimeLimit, call_after

LIMIT_S = 0.05
LONG_S = 30.0


async def limited(limit_s: float, work_s: float) -> str:
    limit = TimeLimit(limit_s)
    try:
        with limit:
            await asyncio.sleep(work_s)
    except TimeoutError:
        assert limit.expired
        return "stopped"
    assert not limit.expired
    return "done"


async def test_each_of_many_has_the_whole_limit_and_no_more():
    async def begun_later(delay_s: float) -> tuple[str, float]:
        await asyncio.sleep(delay_s)
        began = asyncio.get_running_loop().time()
        said = await limited(LIMIT_S, LONG_S)
        return said, asyncio.get_running_loop().time() - began

    for said, took_s in await asyncio.gather(*(begun_later(n * 0.01) for n in range(8))):
        assert said == "stopped"
        assert LIMIT_S - 0.005 <= took_s < LIMIT_S + 1


async def test_what_ends_in_time_is_left_alone_while_its_neighbours_are_stopped():
    work_s = [0, LONG_S, 0.01, LONG_S, 0]
    said = await asyncio.gather(*(limited(LIMIT_S, each) for each in work_s))
    assert said == ["done", "stopped", "done", "stopped", "done"]


async def test_a_task_is_not_stopped_by_a_limit_that_it_has_left():
    assert await limited(LIMIT_S, 0) == "done"
    await asyncio.sleep(2 * LIMIT_S)  # would be cancelled here
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancellation_from_outside_is_no_timeout():
    task = asyncio.create_task(limited(LONG_S, LONG_S))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_both_at_once_stay_a_cancellation():
    async def stubborn() -> None:
        with TimeLimit(0):
            try:
                await asyncio.sleep(LONG_S)
            except asyncio.CancelledError:
                asyncio.current_task().cancel()
                raise

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(stubborn())


async def test_of_limits_in_each_other_the_one_that_passed_tells():
    outer, inner = TimeLimit(LIMIT_S), TimeLimit(LONG_S)
    with pytest.raises(TimeoutError), outer, inner:
        await asyncio.sleep(LONG_S)
    assert (outer.expired, inner.expired) == (True, False)


async def test_an_error_of_the_work_is_raised_as_it_is():
    with pytest.raises(ValueError, match="own"), TimeLimit(LONG_S):
        raise ValueError("own")


async def test_calls_come_in_their_order_without_those_that_were_called_off():
    said: list[int] = []
    done = asyncio.Event()
    waiting = [call_after(LIMIT_S, lambda n=n: said.append(n)) for n in range(4)]
    call_after(LIMIT_S, done.set)
    waiting[0].cancel()
    waiting[2].cancel()
    waiting[2].cancel()
    await asyncio.wait_for(done.wait(), 5)
    assert said == [1, 3]


async def test_calls_are_in_the_context_of_nobody():
    whose: ContextVar[str] = ContextVar("whose")
    whose.set("mine")
    found = asyncio.get_running_loop().create_future()
    call_after(LIMIT_S, lambda: found.set_result(whose.get(None)))
    assert await asyncio.wait_for(found, 5) is None


def test_a_new_loop_does_not_wait_for_the_timer_of_one_that_is_gone():
    async def leave_one() -> None:
        call_after(LIMIT_S, lambda: None)

    asyncio.run(leave_one())
    assert asyncio.run(limited(LIMIT_S, LONG_S)) == "stopped"


def test_outside_of_a_task_there_is_nothing_to_stop():
    with pytest.raises(RuntimeError), TimeLimit(LONG_S):
        pass
