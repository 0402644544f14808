"""Around each call of a platform: a real server that is slow, broken, rude or down."""

import asyncio
from datetime import UTC, datetime

import pytest

from adapters.platforms.fetching import retry_after_s
from adapters.platforms.guarding import Failed, Guard, GuardTerms, TokenBucket
from core.errors import PlatformInvalidResponse, PlatformRateLimited, PlatformUnavailable
from core.ports import PlatformLimits

OFFER = {"id": "tt0000001", "tier": "FREE"}


async def stall(path, writer):
    await asyncio.sleep(5)


async def drip(path, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def hang_up(path, writer):
    writer.transport.abort()


@pytest.fixture
def check(make_platforms, make_feed, film):
    """`await check()`: the answer about one film, by the same platforms each time."""
    made = make_platforms(timeout_s=0.3)

    async def run(**feed):
        return await made.adapter(make_feed(**feed)).check([film(1)], "FR")

    run.platforms = made
    return run


async def test_a_good_answer_is_asked_for_once(check, feed_server, answer, clock):
    feed_server.say(answer({"offers": [OFFER]}))
    told = await check()
    assert [(o.tier, o.available) for o in told.offers] == [("FREE", True)]
    assert feed_server.paths == ["/offers?ids=tt0000001&region=FR"]
    assert clock.slept == []


async def test_what_fails_in_passing_is_tried_again_and_pauses_double(
    check, feed_server, answer, clock
):
    half = answer({"offers": [OFFER]}, length=5_000)
    feed_server.say(answer(status=500), half, hang_up, answer({"offers": [OFFER]}))
    assert len((await check()).offers) == 1
    assert len(feed_server.paths) == 4
    assert clock.slept == [1.0, 2.0, 4.0]


async def test_pauses_are_longer_by_up_to_three_tenths(check, feed_server, answer, clock):
    clock.dice = 1.0
    feed_server.say(answer(status=502))
    with pytest.raises(PlatformUnavailable):
        await check()
    assert clock.slept == [1.3, 2.6, 5.2]


async def test_pauses_end_at_ten_seconds(clock):
    guard = Guard("moon", terms=GuardTerms(retries=6, calls_least=100), timing=clock.timing)

    async def fail():
        raise Failed

    with pytest.raises(PlatformUnavailable):
        await guard.call(fail)
    assert clock.slept == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize("bad", [stall, drip, hang_up], ids=lambda bad: bad.__name__)
async def test_a_server_that_does_not_answer_is_unavailable(check, feed_server, bad):
    feed_server.say(bad)
    with pytest.raises(PlatformUnavailable) as refused:
        await check()
    assert refused.value.platform == "moon"
    assert len(feed_server.paths) == 4


BAD = {
    "no JSON": (lambda a: a(b"<html>"), PlatformInvalidResponse),
    "half JSON": (lambda a: a(b'{"offers": [{"id": "tt00'), PlatformInvalidResponse),
    "other JSON": (lambda a: a({"films": []}), PlatformInvalidResponse),
    "a list": (lambda a: a([]), PlatformInvalidResponse),
    "null": (lambda a: a(b"null"), PlatformInvalidResponse),
    "rows of nothing": (lambda a: a({"offers": [1, None, "x"]}), PlatformInvalidResponse),
    "nesting": (lambda a: a(b"[" * 5_000), PlatformInvalidResponse),
    "too large": (lambda a: a({"offers": [], "more": "x" * 20_000}), PlatformInvalidResponse),
    "compressed": (
        lambda a: a(b"\x1f\x8b", headers=["Content-Encoding: gzip"]),
        PlatformInvalidResponse,
    ),
    "forbidden": (lambda a: a(status=403), PlatformUnavailable),
    "elsewhere": (
        lambda a: a(status=302, headers=["Location: http://127.0.0.1:1/"]),
        PlatformUnavailable,
    ),
    "no such feed": (lambda a: a(status=404), PlatformUnavailable),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_would_fail_again_is_not_tried_again(check, feed_server, answer, name):
    make, error = BAD[name]
    feed_server.say(make(answer))
    with pytest.raises(error):
        await check()
    assert len(feed_server.paths) == 1


async def test_a_short_pause_that_is_asked_for_is_kept(check, feed_server, answer, clock):
    feed_server.say(answer(status=429, headers=["Retry-After: 7"]), answer({"offers": []}))
    await check()
    assert clock.slept == [7.0]
    assert len(feed_server.paths) == 2


async def test_a_long_pause_is_told_and_nobody_is_asked_meanwhile(
    check, feed_server, answer, clock
):
    feed_server.say(answer(status=429, headers=["Retry-After: 120"]), answer({"offers": []}))
    with pytest.raises(PlatformRateLimited) as refused:
        await check()
    assert refused.value.retry_after == 120
    clock.at += 100
    with pytest.raises(PlatformRateLimited) as refused:
        await check()
    assert refused.value.retry_after == 20
    assert len(feed_server.paths) == 1
    clock.at += 20
    await check()
    assert len(feed_server.paths) == 2


def test_retry_after_is_seconds_or_a_date():
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert retry_after_s("30", now) == 30
    assert retry_after_s("Thu, 01 Jan 2026 12:01:00 GMT", now) == 60
    assert retry_after_s("Thu, 01 Jan 2026 11:00:00 GMT", now) == 0
    assert retry_after_s("9" * 40, now) == 24 * 3600
    assert retry_after_s("soon", now) is None
    assert retry_after_s(None, now) is None


async def test_an_hour_down_opens_the_circuit_and_two_successes_close_it(
    check, feed_server, answer, clock
):
    guard = None
    feed_server.say(answer(status=503))
    for _ in range(12):  # every five minutes
        with pytest.raises(PlatformUnavailable):
            await check()
        clock.at += 300
        [guard] = check.platforms._guards.values()
    # Three calls of four, four and two tries open it; then one trial for each visit.
    assert len(feed_server.paths) == 10 + 9
    assert guard.breaker.state == "HALF_OPEN"
    feed_server.say(answer({"offers": []}))
    await check()
    assert guard.breaker.state == "HALF_OPEN"
    await check()
    assert guard.breaker.state == "CLOSED"


async def test_an_open_circuit_asks_nobody_for_thirty_seconds(check, feed_server, answer, clock):
    feed_server.say(answer(status=500))
    for _ in range(3):
        with pytest.raises(PlatformUnavailable):
            await check()
    assert len(feed_server.paths) == 10
    [guard] = check.platforms._guards.values()
    clock.at += 29.9 - (clock.at - guard.breaker._opened_at)
    with pytest.raises(PlatformUnavailable):
        await check()
    assert (len(feed_server.paths), guard.breaker.state) == (10, "OPEN")
    clock.at += 0.2
    feed_server.say(answer({"offers": []}))
    await check()
    assert len(feed_server.paths) == 11


@pytest.mark.parametrize(("failures", "state"), [(9, "CLOSED"), (10, "OPEN")])
async def test_half_of_the_calls_open_it(clock, failures, state):
    guard = Guard("moon", terms=GuardTerms(retries=0), timing=clock.timing)

    async def work(fails):
        if fails:
            raise Failed
        return 1

    for _ in range(10):
        await guard.call(lambda: work(False))
    for _ in range(failures):
        with pytest.raises(PlatformUnavailable):
            await guard.call(lambda: work(True))
    assert guard.breaker.state == state


async def test_nine_failures_alone_do_not_open_it(clock):
    guard = Guard("moon", terms=GuardTerms(retries=0), timing=clock.timing)

    async def fail():
        raise Failed

    for n in range(10):
        assert guard.breaker.state == "CLOSED", n
        with pytest.raises(PlatformUnavailable):
            await guard.call(fail)
    assert guard.breaker.state == "OPEN"


async def test_a_half_open_circuit_lets_one_in_at_a_time_and_opens_by_one_failure(clock):
    guard = Guard("moon", terms=GuardTerms(retries=0, calls_least=1), timing=clock.timing)
    go, asked = asyncio.Event(), []

    async def fail():
        asked.append(1)
        await go.wait()
        raise Failed

    go.set()
    with pytest.raises(PlatformUnavailable):
        await guard.call(fail)
    go.clear()
    clock.at += 30
    trials = [asyncio.create_task(guard.call(fail)) for _ in range(3)]
    await asyncio.wait(trials, return_when=asyncio.FIRST_COMPLETED)
    go.set()
    done = await asyncio.gather(*trials, return_exceptions=True)
    assert [type(error) for error in done] == [PlatformUnavailable] * 3
    assert len(asked) == 2
    assert guard.breaker.state == "OPEN"


async def test_a_cancelled_trial_makes_room_for_the_next(clock):
    guard = Guard("moon", terms=GuardTerms(retries=0, calls_least=1), timing=clock.timing)

    async def fail():
        raise Failed

    with pytest.raises(PlatformUnavailable):
        await guard.call(fail)
    clock.at += 30
    begun = asyncio.Event()

    async def last():
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(guard.call(last))
    await begun.wait()
    task.cancel()
    await asyncio.wait({task})
    assert await guard.call(lambda: asyncio.sleep(0, 5)) == 5


async def test_ten_calls_at_once_and_no_more(make_platforms, make_feed, film, feed_server, answer):
    async def later(path, writer):
        await asyncio.sleep(0.05)
        return answer({"offers": []})

    feed_server.say(later)
    adapter = make_platforms().adapter(make_feed())
    await asyncio.gather(*(adapter.check([film(n)], "FR") for n in range(1, 31)))
    assert len(feed_server.paths) == 30
    assert feed_server.most == 10


async def test_who_waits_too_long_for_a_place_is_turned_away(clock):
    guard = Guard("moon", terms=GuardTerms(at_once=1, patience_s=0.02), timing=clock.timing)
    begun, go = asyncio.Event(), asyncio.Event()

    async def stay():
        begun.set()
        return await go.wait()

    first = asyncio.create_task(guard.call(stay))
    await begun.wait()
    with pytest.raises(PlatformRateLimited):
        await guard.call(go.wait)
    go.set()
    assert await first is True


LIMITS = {
    "100 a minute": (PlatformLimits(), 100, 0.6),
    "10 a second, 20 at once": (PlatformLimits(10, None, 5_000, 20), 20, 0.1),
    "5 a second, 10 at once": (PlatformLimits(5, None, 2_000, 10), 10, 0.2),
    "15 a second, 30 at once": (PlatformLimits(15, None, 10_000, 30), 30, 1 / 15),
    "3 an hour": (PlatformLimits(None, None, 3), 3, 1_200.0),
}


@pytest.mark.parametrize("name", LIMITS)
async def test_so_many_come_at_once_and_then_in_their_turn(clock, name):
    limits, burst, every_s = LIMITS[name]
    bucket = TokenBucket(limits, clock.timing)
    for _ in range(burst):
        assert await bucket.take(0) == 0
    assert await bucket.take(0) == pytest.approx(every_s)
    assert clock.slept == []
    began = clock.at
    for _ in range(3):
        assert await bucket.take(every_s * 1.01) == 0
    assert clock.at - began == pytest.approx(3 * every_s)


async def test_the_hour_is_a_limit_too(clock):
    bucket = TokenBucket(PlatformLimits(10, None, 50, 20), clock.timing)
    taken = 0
    while await bucket.take(1) == 0:
        taken += 1
    assert taken == 50


async def test_no_more_than_the_limit_reach_the_platform(
    make_platforms, make_feed, film, feed_server, clock
):
    adapter = make_platforms(patience_s=0.5).adapter(make_feed(limits=PlatformLimits(per_minute=3)))
    for _ in range(3):
        await adapter.check([film(1)], "FR")
    with pytest.raises(PlatformRateLimited) as refused:
        await adapter.check([film(1)], "FR")
    assert refused.value.retry_after == 20
    assert len(feed_server.paths) == 3
