"""A server process is killed with a hundred people on it: each who is gone goes once, and nobody
else flickers."""

import pytest

from tests.concurrency.presence_crowd import kill_one_of_two, settings_for


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_killed_processs_people_go_once_and_who_returns_never_went(
    database_url, redis_url, redis_prefix, tmp_path
):
    settings = settings_for(
        database_url,
        redis_url,
        tmp_path,
        bus_prefix=redis_prefix,
        presence_heartbeat_s=1,
        presence_expiry_s=8,
        presence_sweep_s=0.3,
    )
    outcome = await kill_one_of_two(settings, tmp_path, count=200, expiry_s=8, limit_s=40)
    assert (outcome.gone, outcome.back, outcome.untouched) == (67, 33, 100)
