"""Buckets of points in a real Valkey, leased by processes: each `Budgets` is one process's."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import redis.asyncio
from structlog.testing import capture_logs

from core.errors import CostExceeded, RateLimited
from core.settings import Settings
from services.budgets import Budgets, Terms
from services.spending import GENEROUS, make_spending, network_of

SLOW = Terms("user", 1_000, 0.001)
"""What is spent stays spent for as long as a test lasts."""


@pytest.fixture
async def process(redis_url, redis_prefix):
    """`process()`: the budgets of one more process."""
    made = []

    def make() -> Budgets:
        made.append(Budgets(redis_url, prefix=redis_prefix))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@asynccontextmanager
async def scripts_run(url):
    """How often a script is run at the server meanwhile, as it counts itself."""
    client = redis.asyncio.Redis.from_url(url)

    async def count():
        stats = await client.info("commandstats")
        return sum(
            stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval")
        )

    told = [await count()]
    yield lambda: told[1] - told[0]
    told.append(await count())
    await client.aclose()


async def spend(budgets, terms, points, *, key="ada") -> int:
    """Take so many points at a time until there are too few; all that was spent."""
    spent = 0
    while True:
        try:
            await budgets.take(terms, key, points)
        except RateLimited:
            return spent
        spent += points


async def test_usual_requests_are_paid_from_memory(process, redis_url):
    budgets = process()
    await budgets.take(SLOW, "ada", 1)
    async with scripts_run(redis_url) as runs:
        for _ in range(99):
            assert budgets.held(SLOW, "ada", 1) is not None
        assert budgets.held(SLOW, "ada", 1) is None
    assert runs() == 0
    async with scripts_run(redis_url) as runs:
        assert await spend(budgets, SLOW, 10) == 900
    assert runs() == 9


async def test_processes_together_spend_no_more_than_the_bucket_has(process):
    began = time.monotonic()
    terms = Terms("user", 1_000, 50.0)
    processes = [process() for _ in range(2)]
    spent = await asyncio.gather(
        *(spend(one, terms, points) for one in processes for points in (1, 7, 30))
    )
    restored = 50.0 * (time.monotonic() - began)
    held = sum(one._leases["user", "ada"].points for one in processes)
    assert 1_000 - 31 <= sum(spent) + held <= 1_000 + restored + 1
    assert any(spent[:3])
    assert any(spent[3:])


async def test_what_is_held_elsewhere_comes_on_top_and_no_more(process):
    """A lease that another process holds when the bucket is full again can be spent as well."""
    terms = Terms("user", 100, 2_000.0)
    first, second = process(), process()
    await first.take(terms, "ada", 1)
    await asyncio.sleep(0.1)
    slow = Terms("user", 100, 0.001)  # the same bucket, which is no longer restored
    assert await spend(second, slow, 1) + await spend(first, slow, 1) <= 100 + terms.block


async def test_buckets_of_others_and_of_other_names_are_others(process):
    budgets = process()
    assert await spend(budgets, SLOW, 100) == 1_000
    assert await spend(budgets, SLOW, 100, key="bob") == 1_000
    assert await spend(budgets, Terms("premium", 1_000, 0.001), 100) == 1_000


async def test_a_bucket_is_restored_at_its_rate(process):
    terms = Terms("user", 100, 200.0)
    budgets = process()
    assert await spend(budgets, terms, 100) == 100
    with pytest.raises(RateLimited):
        await budgets.take(terms, "ada", 50)
    await asyncio.sleep(0.3)
    await budgets.take(terms, "ada", 50)


async def test_a_refusal_says_when_to_come_back(process, redis_url):
    terms = Terms("user", 100, 2.0)
    budgets = process()
    await budgets.take(terms, "ada", 90)
    async with scripts_run(redis_url) as runs:
        with pytest.raises(RateLimited) as refused:
            await budgets.take(terms, "ada", 50)
    assert runs() == 0  # it is known here that there is too little
    told = refused.value.details
    assert (told["limit"], told["remaining"], told["retryAfter"]) == (100, 10, 20)
    reset_s = (datetime.fromisoformat(told["resetAt"]) - datetime.now(UTC)).total_seconds()
    assert 43 < reset_s < 46


async def test_what_was_not_spent_is_given_back_at_the_end(process):
    first, second = process(), process()
    await first.take(SLOW, "ada", 1)
    await first.close()
    assert await spend(second, SLOW, 1) == 999


async def test_leases_that_are_not_spent_in_time_are_given_back(process):
    first, second = process(), process()
    await first.take(SLOW, "ada", 1)
    assert await spend(second, SLOW, 1) == 900
    first._leases["user", "ada"].ends_at = 0.0
    first._sweep()
    assert first._leases == {}
    await asyncio.wait(first._giving)
    second._leases.clear()
    assert await spend(second, SLOW, 1) == 99


async def test_who_ends_after_its_lease_was_given_back_has_the_rest_given_back_too(process):
    first, second = process(), process()
    lease = await first.take(SLOW, "ada", 500)
    lease.ends_at = 0.0
    first._sweep()
    first.return_to(lease, 400)
    await first.close()
    assert await spend(second, SLOW, 10) == 900


async def test_what_dear_operations_did_not_cost_after_all_goes_back_too(process):
    first, second = process(), process()
    lease = await first.take(SLOW, "ada", 900)
    first.return_to(lease, 880)
    assert lease.available == 980
    first._sweep()
    assert lease.points == 2 * SLOW.block
    await asyncio.wait(first._giving)
    assert await spend(second, SLOW, 10) == 780


async def test_a_day_has_an_end(process):
    terms = Terms("user", 100, 10_000.0, daily=250)
    budgets = process()
    for _ in range(5):
        await budgets.take(terms, "ada", 50)
        await asyncio.sleep(0.02)
    with pytest.raises(RateLimited) as refused:
        await budgets.take(terms, "ada", 50)
    until_midnight_s = 86_400 - time.time() % 86_400
    assert abs(refused.value.retry_after_s - until_midnight_s) < 5
    await budgets.take(terms, "bob", 50)


async def test_without_redis_each_process_allows_what_one_may_and_says_so(redis_prefix):
    budgets = Budgets("redis://127.0.0.1:1/0", prefix=redis_prefix)
    with capture_logs() as logs:
        assert await spend(budgets, SLOW, 10) == 1_000
        assert await spend(budgets, SLOW, 10, key="bob") == 1_000
        await budgets.close()
    assert {entry["event"] for entry in logs} == {"budgets_without_redis"}
    assert len(logs) <= 3


def settings_of(**changes) -> Settings:
    return Settings(**changes)


async def test_requests_of_the_documents_are_points():
    spending = make_spending(settings_of(rate_limits="on"), "redis://127.0.0.1:1/0")
    told = {
        kind: (one.terms.maximum, round(one.terms.restore_rate * 60), one.terms.daily, one.max_cost)
        for kind, one in spending.allowances.items()
    }
    assert told == {
        "anonymous": (1_000, 1_000, 10_000_000, 1_000),
        "user": (2_000, 10_000, 10_000_000, 2_000),
        "premium": (2_000, 100_000, 10_000_000, 2_000),
    }
    with pytest.raises(CostExceeded) as refused:
        spending.check(None, 1_001)
    assert refused.value.details["maximum"] == 1_000


@pytest.mark.parametrize(
    ("profile", "factor", "max_cost"),
    [("dev", GENEROUS, 1_000), ("test", 0, 2**53)],
)
async def test_a_profile_decides_how_much_there_is(profile, factor, max_cost):
    spending = make_spending(settings_of(profile=profile), "redis://127.0.0.1:1/0")
    assert spending.factor == factor
    assert spending.allowances["anonymous"].max_cost == max_cost


def test_who_has_a_network_has_one_address():
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1") == "2001:db8:1:2::"
    assert network_of("unknown") == "unknown"
