"""Moving windows in Redis, shared by processes, and in memory where there is no Redis."""

import asyncio

import pytest

from core.errors import RateLimited
from services.users import throttle as module
from services.users.throttle import Throttle


def make(url, prefix, *, account=3, address=5):
    return Throttle(url, prefix=prefix, tries_per_account=account, tries_per_address=address)


async def test_the_window_is_shared_by_all_processes(redis_url, redis_prefix):
    one, other = make(redis_url, redis_prefix), make(redis_url, redis_prefix)
    for throttle in (one, other, one):
        await throttle.try_account("ada")
    with pytest.raises(RateLimited) as limited:
        await other.try_account("ada")
    assert limited.value.code == "RATE_LIMITED"
    assert 890 <= limited.value.retry_after_s <= 900
    await other.try_account("bob")
    await one.forgive_account("ada")
    await other.try_account("ada")
    await one.close()
    await other.close()


async def test_tries_at_once_do_not_slip_past_the_limit(redis_url, redis_prefix):
    throttle = make(redis_url, redis_prefix)
    results = await asyncio.gather(
        *(throttle.try_account("ada") for _ in range(20)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 3
    await throttle.close()


async def test_addresses_and_accounts_are_counted_apart(redis_url, redis_prefix):
    throttle = make(redis_url, redis_prefix)
    for _ in range(3):
        await throttle.try_account("192.0.2.1")
    for _ in range(5):
        await throttle.try_address("192.0.2.1")
    with pytest.raises(RateLimited):
        await throttle.try_address("192.0.2.1")
    for _ in range(10):
        await throttle.try_address(None)
    await throttle.close()


async def test_without_redis_each_process_counts_for_itself(tmp_path, redis_prefix):
    throttle = make(f"unix://{tmp_path}/nobody.sock", redis_prefix)
    for _ in range(3):
        await throttle.try_account("ada")
    with pytest.raises(RateLimited) as limited:
        await throttle.try_account("ada")
    assert 899 <= limited.value.retry_after_s <= 900
    await throttle.forgive_account("ada")
    await throttle.try_account("ada")
    await throttle.close()


async def test_a_window_in_memory_moves_with_time_and_forgets_the_unused(
    tmp_path, redis_prefix, monkeypatch
):
    throttle = make(f"unix://{tmp_path}/nobody.sock", redis_prefix)
    now = 1_000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    for _ in range(3):
        await throttle.try_account("ada")
        now += 100
    with pytest.raises(RateLimited) as limited:
        await throttle.try_account("ada")
    assert limited.value.retry_after_s == 600
    now += 600
    await throttle.try_account("ada")
    with pytest.raises(RateLimited) as limited:
        await throttle.try_account("ada")
    assert limited.value.retry_after_s == 100
    monkeypatch.setattr(module, "LOCAL_KEYS_MAX", 2)
    await throttle.try_account("bob")
    await throttle.try_account("eve")
    await throttle.try_account("ada")
    await throttle.close()
