"""Revocations reach every process: at once by Redis, within seconds without."""

import asyncio
import time
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from core.ids import new_id
from services.users import revocations as module
from services.users.access import Viewer
from services.users.revocations import Revocations
from services.users.sessions import sign_out


def viewer_of_session(session_id, token_id="t"):
    return Viewer(
        user_id=new_id(),
        session_id=session_id,
        token_id=token_id,
        scopes=frozenset(),
        tier="FREE",
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )


@pytest.fixture
async def start(db, redis_url, redis_prefix):
    """`await start()` starts what one process knows; `url` for another Redis."""
    made = []

    async def start(url=redis_url, *, access_token_s=900):
        known = Revocations(db, url, prefix=redis_prefix, access_token_s=access_token_s)
        made.append(known)
        await known.start()
        return known

    yield start
    await asyncio.gather(*(known.close() for known in made))


@pytest.fixture
def end(db):
    async def end(opened):
        return await db.transaction(
            lambda tx: sign_out(tx, user_id=opened.user_id, session_id=opened.session_id)
        )

    return end


async def test_a_revocation_is_known_here_at_once_and_elsewhere_by_redis(
    make_user, open_for, start, end, until, monkeypatch
):
    monkeypatch.setattr(module, "SYNC_EVERY_S", 3_600)
    here, there = await start(), await start()
    opened, other = await open_for(ada := await make_user()), await open_for(ada)
    viewer = viewer_of_session(opened.session_id)
    assert not here.is_revoked(viewer)
    revoked = await end(opened)
    await here.publish(revoked)
    assert here.is_revoked(viewer)
    await until(lambda: there.is_revoked(viewer))
    assert not there.is_revoked(viewer_of_session(other.session_id))


async def test_one_token_is_revoked_and_the_session_goes_on(start, until):
    here, there = await start(), await start()
    session_id = new_id()
    await here.publish([], token_ids=["stolen"])
    await until(lambda: there.is_revoked(viewer_of_session(session_id, "stolen")))
    assert not there.is_revoked(viewer_of_session(session_id, "mine"))


async def test_what_was_revoked_before_the_start_is_known(make_user, open_for, start, end):
    opened = await open_for(await make_user())
    await end(opened)
    assert (await start()).is_revoked(viewer_of_session(opened.session_id))


async def test_without_redis_the_table_tells_within_five_seconds(
    make_user, open_for, start, end, until, tmp_path
):
    known = await start(f"unix://{tmp_path}/nobody.sock")
    opened = await open_for(await make_user())
    await end(opened)
    began = time.monotonic()
    await until(lambda: known.is_revoked(viewer_of_session(opened.session_id)))
    assert time.monotonic() - began < 5


async def test_what_redis_lost_while_it_was_away_is_read_on_reconnecting(
    make_user, open_for, start, end, until, db, redis_url, redis_prefix, monkeypatch
):
    monkeypatch.setattr(module, "SYNC_EVERY_S", 3_600)
    known = await start()
    admin = Redis.from_url(redis_url)
    opened = await open_for(await make_user())
    await end(opened)
    assert not known.is_revoked(viewer_of_session(opened.session_id))
    await admin.client_kill_filter(_type="pubsub")
    await until(lambda: known.is_revoked(viewer_of_session(opened.session_id)))
    await admin.aclose()


async def test_nonsense_on_the_channel_ends_nothing(start, until, redis_url, redis_prefix):
    known = await start()
    client = Redis.from_url(redis_url)
    channel = f"{redis_prefix}:revoked"
    other = await start()
    session_id = new_id()
    for nonsense in (b"", b"{}", b"[[1],[]]", b'[["x"],[]]', b"\xff"):
        await client.publish(channel, nonsense)
    await other.publish([session_id])
    await until(lambda: known.is_revoked(viewer_of_session(session_id)))
    await client.aclose()


async def test_an_open_socket_is_told_once(start):
    known = await start()
    viewer = viewer_of_session(new_id())
    told = []
    known.watch(viewer, lambda: told.append("watching"))
    stop = known.watch(viewer, lambda: told.append("stopped"))
    stop()
    await known.publish([viewer.session_id])
    await known.publish([viewer.session_id])
    assert told == ["watching"]
    known.watch(viewer, lambda: told.append("late"))
    assert told == ["watching", "late"]
    await asyncio.wait_for(known.wait_revoked(viewer), 1)


async def test_waiting_ends_with_the_revocation_and_leaves_nothing_behind(start):
    known = await start()
    viewer = viewer_of_session(new_id())
    waiting = asyncio.create_task(known.wait_revoked(viewer))
    await asyncio.sleep(0)
    assert not waiting.done()
    await known.publish([], token_ids=[viewer.token_id])
    await asyncio.wait_for(waiting, 1)
    assert not known._watchers


async def test_what_no_token_can_carry_any_more_is_forgotten(
    make_user, open_for, start, end, until, monkeypatch
):
    monkeypatch.setattr(module, "SYNC_EVERY_S", 0.05)
    known = await start(access_token_s=1)
    opened = await open_for(await make_user())
    await known.publish(await end(opened))
    assert known.is_revoked(viewer_of_session(opened.session_id))
    await until(lambda: not known._revoked)


async def test_the_set_is_bounded_and_drops_the_oldest(start, monkeypatch):
    monkeypatch.setattr(module, "REVOKED_MAX", 3)
    known = await start()
    ids = [new_id() for _ in range(5)]
    await known.publish(ids)
    assert [known.is_revoked(viewer_of_session(id)) for id in ids] == [False] * 2 + [True] * 3
