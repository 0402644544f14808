"""Presence over a real Redis: each transition once, whoever dies; nothing that Redis loses is lost.

Processes are `Presence` objects that share nothing but Redis and PostgreSQL; one is killed by
stopping it without a goodbye.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
import redis.asyncio
from sqlalchemy import text

from core.errors import Unavailable
from core.ids import new_id
from core.settings import Settings
from core.tasks import stop_all
from subscriptions.presence import Presence, PresenceTimes
from subscriptions.presence_seen import write_seen
from subscriptions.presence_store import OpenConnection, PresenceStore
from subscriptions.signals import Signals

QUICK = PresenceTimes(heartbeat_s=0.2, expiry_s=2.0, sweep_s=0.1, write_s=0.2)
STEADY = PresenceTimes(heartbeat_s=0.5, expiry_s=30, sweep_s=0.1, write_s=0.2)
"""Quick to tell, and nobody expires because the machine is busy."""
PATIENT = PresenceTimes(heartbeat_s=60, expiry_s=600, sweep_s=60, write_s=60)


def connection(user_id, device="tests"):
    return OpenConnection(new_id().hex, user_id, new_id(), device, time.time())


class Process:
    """One process's presence, and how it ends."""

    def __init__(self, db, url, prefix, times):
        self.signals = Signals(url)
        self.presence = Presence(db, self.signals, url, prefix=prefix, times=times)

    async def start(self):
        await self.signals.start()
        await self.presence.start()

    async def kill(self):
        """As SIGKILL: nothing is said any more."""
        await stop_all(self.presence._tasks)
        self.presence._tasks = []
        self.presence._open.clear()

    async def stop(self):
        await self.presence.close()
        await self.signals.close()


@pytest.fixture
async def process(db, redis_url, redis_prefix):
    """`await process()`: another process on the same Redis."""
    made = []

    async def start(times=QUICK, url=redis_url):
        one = Process(db, url, redis_prefix, times)
        made.append(one)
        await one.start()
        return one

    yield start
    for one in made:
        await one.stop()


@pytest.fixture
async def said(redis_url, redis_prefix):
    """Every transition that Redis published, in order: (user, status)."""
    heard = []
    signals = Signals(redis_url)
    await signals.start()

    def hear(message):
        user, status, _, _ = message.decode().split(" ")
        heard.append((user, status))

    await signals.listen(f"{redis_prefix}:presence-changes", hear)
    yield heard
    await signals.close()


@pytest.fixture
async def store(redis_url, redis_prefix):
    made = PresenceStore(redis_url, prefix=redis_prefix, expiry_s=600)
    yield made
    await made.close()


async def until(condition, within_s=10.0):
    async with asyncio.timeout(within_s):
        while True:
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.01)


async def make_people(db, count):
    ids = [new_id() for _ in range(count)]
    async with db.engine.begin() as session:
        for n, user_id in enumerate(ids):
            await session.execute(
                text(
                    "INSERT INTO user_account (id, email, username, password_hash, display_name)"
                    " VALUES (:id, :email, :name, 'x', 'P')"
                ),
                {"id": user_id, "email": f"p{n}@mela.test", "name": f"p_{n}"},
            )
    return ids


async def seen_at(db, user_id):
    async with db.read() as session:
        return await session.scalar(
            text("SELECT seen_at FROM last_seen WHERE user_id = :id"), {"id": user_id}
        )


async def test_only_the_first_and_the_last_connection_are_published(store, said):
    ada = new_id()
    phone, laptop = connection(ada, "phone"), connection(ada, "laptop")
    await store.touch([(phone, "ONLINE")])
    await store.touch([(laptop, "ONLINE"), (phone, "ONLINE")])
    assert [standing.status for standing in await store.read([ada])] == ["ONLINE"]
    assert {device.device for device in await store.devices(ada)} == {"phone", "laptop"}
    await store.leave([phone])
    await store.leave([phone])
    assert (await store.read([ada]))[0].status == "ONLINE"
    await store.leave([laptop])
    [gone] = await store.read([ada])
    assert gone.status == "OFFLINE"
    assert abs(gone.seen_ms / 1000 - time.time()) < 5
    assert await store.devices(ada) == []
    await until(lambda: len(said) == 2)
    await store.leave([laptop])
    assert await store.sweep() == 0
    await asyncio.sleep(0)
    assert said == [(ada.hex, "ONLINE"), (ada.hex, "OFFLINE")]


async def test_away_is_published_once_and_only_of_those_who_are_here(store, said):
    ada = new_id()
    assert await store.set_status(ada, "AWAY") is False
    phone = connection(ada)
    await store.touch([(phone, "ONLINE")])
    assert await store.set_status(ada, "AWAY") is True
    assert await store.set_status(ada, "AWAY") is True
    assert (await store.read([ada]))[0].status == "AWAY"
    await store.touch([(phone, "ONLINE")])  # a heartbeat changes nothing
    assert (await store.read([ada]))[0].status == "AWAY"
    await store.set_status(ada, "ONLINE")
    await until(lambda: len(said) == 3)
    assert [status for _, status in said] == ["ONLINE", "AWAY", "ONLINE"]


async def test_many_sweeps_at_once_publish_each_expiry_once(redis_url, redis_prefix, said):
    stores = [PresenceStore(redis_url, prefix=redis_prefix, expiry_s=0.05) for _ in range(4)]
    people = [new_id() for _ in range(250)]
    await stores[0].touch([(connection(user_id), "ONLINE") for user_id in people])
    swept = 0
    async with asyncio.timeout(10):
        while swept < len(people):
            swept += sum(await asyncio.gather(*(one.sweep() for one in stores)))
    await until(lambda: len(said) == 2 * len(people))
    offline = [user for user, status in said if status == "OFFLINE"]
    assert sorted(offline) == sorted(user_id.hex for user_id in people)
    for one in stores:
        await one.close()


async def test_one_sweeps_at_a_time_and_the_lease_of_a_killed_one_ends(store):
    assert await store.lead("a", lease_s=0.2) is True
    assert await store.lead("b", lease_s=0.2) is False
    assert await store.lead("a", lease_s=0.2) is True
    await until(lambda: store.lead("b", lease_s=5))
    assert await store.lead("a", lease_s=5) is False


async def test_of_a_killed_process_each_goes_once_and_who_came_back_never_went(db, process, said):
    people = await make_people(db, 60)
    dying, living = await process(), await process()
    for user_id in people:
        dying.presence.join(connection(user_id))
    await until(lambda: len(said) == 60)
    back, gone = people[:20], people[20:]
    await dying.kill()
    for user_id in back:
        living.presence.join(connection(user_id))
    await until(lambda: len(said) >= 60 + len(gone))
    # Two expiries more: whoever came back would have been swept by now.
    standing = await living.presence.read(back)
    before = [one.version for one in standing]
    await until(lambda: _later(living.presence, back, before, 1.5 * QUICK.expiry_s))
    assert sorted(said[60:]) == sorted((user_id.hex, "OFFLINE") for user_id in gone)
    for user_id in gone[:3]:
        await until(lambda user_id=user_id: seen_at(db, user_id))


async def _later(presence, people, before, after_s):
    """Whether Redis' clock has passed so much, all of them online at each look."""
    found = await presence.read(people)
    assert {one.status for one in found} == {"ONLINE"}
    return found[0].version >= before[0] + after_s * 1_000_000


async def test_a_watch_tells_the_state_then_changes_and_only_the_newest(process):
    here, there = await process(PATIENT), await process(PATIENT)
    ada, bob = new_id(), new_id()
    phone = connection(ada)
    here.presence.join(phone)
    await until(lambda: _is(here, ada, "ONLINE"))
    watch = await there.presence.watch([ada, bob])
    first = {await watch.take(), await watch.take()}
    assert first == {ada, bob}
    known = there.presence.watchers.known
    assert (known(ada).status, known(bob).status) == ("ONLINE", "OFFLINE")
    for _ in range(5):
        here.presence.leave(phone.id)
        await until(lambda: _is(here, ada, "OFFLINE"))
        phone = connection(ada)
        here.presence.join(phone)
        await until(lambda: _is(here, ada, "ONLINE"))
    here.presence.join(connection(bob))
    await until(lambda: known(bob).status == "ONLINE")
    assert [await watch.take(), await watch.take()] == [ada, bob]
    assert known(ada).status == "ONLINE"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await watch.take()
    there.presence.unwatch(watch)
    assert there.presence.watchers.watched == []


async def _is(process, user_id, status):
    return (await process.presence.read([user_id]))[0].status == status


async def test_publications_older_than_what_is_known_are_dropped(process):
    one = await process(PATIENT)
    ada = new_id()
    await one.presence.watch([ada])
    known = one.presence.watchers.known(ada)
    one.presence._hear(f"{ada.hex} ONLINE {known.version - 1} 0".encode())
    assert one.presence.watchers.known(ada).status == "OFFLINE"
    one.presence._hear(f"{ada.hex} ONLINE {known.version + 1} 0".encode())
    assert one.presence.watchers.known(ada).status == "ONLINE"


async def test_what_push_lost_is_found_by_comparing(db, process, redis_url, redis_prefix):
    one = await process()
    ada = new_id()
    watch = await one.presence.watch([ada])
    assert await watch.take() == ada
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        # As if the publication of a touch had been lost on its way.
        await client.zadd(f"{redis_prefix}:presence:online", {ada.hex: 2**45})
        await client.hset(f"{redis_prefix}:presence:state", ada.hex, "AWAY")
    async with asyncio.timeout(5):
        assert await watch.take() == ada
    assert one.presence.watchers.known(ada).status == "AWAY"


async def test_all_that_redis_forgets_is_told_again_and_nobody_flickers(process, private_servers):
    url = private_servers.redis_url
    here, there = await process(STEADY, url), await process(STEADY, url)
    people = [new_id() for _ in range(30)]
    for user_id in people:
        here.presence.join(connection(user_id))
    await until(lambda: _are_online(there, people))
    await there.presence.set_status(people[0], "AWAY")
    await until(lambda: _is(there, people[0], "AWAY"))
    watch = await there.presence.watch(people)
    states = {}
    for _ in people:
        user_id = await watch.take()
        states[user_id] = there.presence.watchers.known(user_id).status
    await until(lambda: people[0] in here.presence._away)
    flickers = []

    async def note():
        while True:
            user_id = await watch.take()
            status = there.presence.watchers.known(user_id).status
            if status != states[user_id]:
                flickers.append((user_id, status))

    noting = asyncio.create_task(note())
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.flushall()
        await client.client_kill_filter(_type="pubsub")
        await client.client_kill_filter(_type="normal", skipme=True)
    await until(lambda: _are_online(there, people))
    began = (await there.presence.read(people))[0].version
    await until(lambda: _past(there, people, began + 1_500_000))
    await stop_all([noting])
    assert flickers == []
    assert await _is(there, people[0], "AWAY")


async def test_a_restart_of_redis_is_outlasted_and_who_left_meanwhile_has_gone_once(
    process, private_servers
):
    url = private_servers.redis_url
    here, there = await process(STEADY, url), await process(STEADY, url)
    people = [new_id() for _ in range(20)]
    sockets = {user_id: connection(user_id) for user_id in people}
    for one in sockets.values():
        here.presence.join(one)
    await until(lambda: _are_online(there, people))
    watch = await there.presence.watch(people)
    told = []

    async def note():
        while True:
            user_id = await watch.take()
            told.append((user_id, there.presence.watchers.known(user_id).status))

    noting = asyncio.create_task(note())
    await until(lambda: len(told) == len(people))
    private_servers._valkey.stop()
    gone, arrived = people[0], new_id()
    here.presence.leave(sockets[gone].id)
    here.presence.join(connection(arrived))
    with pytest.raises(Unavailable):
        await there.presence.read(people)
    await asyncio.to_thread(private_servers.restart_valkey)
    await until(lambda: _are_online(there, [*people[1:], arrived]), 20)
    await until(lambda: len(told) > len(people), 20)
    began = (await there.presence.read([arrived]))[0].version
    await until(lambda: _past(there, [arrived], began + 1_500_000))
    await stop_all([noting])
    assert told[len(people) :] == [(gone, "OFFLINE")]


def test_a_socket_outlives_a_lost_heartbeat():
    with pytest.raises(ValueError, match="at least twice"):
        Settings(presence_heartbeat_s=20, presence_expiry_s=39)
    assert Settings(presence_heartbeat_s=20, presence_expiry_s=40).presence_expiry_s == 40


async def _are_online(process, people):
    try:
        found = await process.presence.read(people)
    except Exception:
        return False
    return all(one.status != "OFFLINE" for one in found)


async def _past(process, people, version):
    return (await process.presence.read(people))[0].version > version


async def test_without_redis_sockets_come_and_go_and_are_told_of_later(db, process):
    ada, bob = await make_people(db, 2)
    alone = await process(url="redis://127.0.0.1:1")
    kept = connection(ada)
    alone.presence.join(kept)
    gone = connection(bob)
    alone.presence.join(gone)
    alone.presence.leave(gone.id)
    assert list(alone.presence._untold) == [kept.id]
    await until(lambda: seen_at(db, bob))
    await until(lambda: seen_at(db, ada))


async def test_last_seen_is_written_in_one_statement_and_never_goes_back(db):
    ada, bob = await make_people(db, 2)
    now = datetime.now(UTC)
    sent = []
    from sqlalchemy import event

    def before(conn, cursor, statement, *rest):
        sent.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", before)
    await write_seen(db, [(bob, now), (ada, now), (new_id(), now)])
    assert len(sent) == 1
    event.remove(db.engine.sync_engine, "before_cursor_execute", before)
    await write_seen(db, [(ada, now - timedelta(minutes=1)), (bob, now + timedelta(seconds=1))])
    assert (await seen_at(db, ada), await seen_at(db, bob)) == (now, now + timedelta(seconds=1))


async def test_who_left_while_being_written_is_written_again(store):
    ada = new_id()
    phone = connection(ada)
    await store.touch([(phone, "ONLINE")])
    await store.leave([phone])
    [(user_id, at)] = await store.unwritten(10)
    assert user_id == ada
    await store.written([(ada, at - 1)])
    assert await store.unwritten(10) == [(ada, at)]
    await store.written([(ada, at)])
    assert await store.unwritten(10) == []
