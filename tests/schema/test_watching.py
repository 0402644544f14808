"""How many look at an auction: sockets with any subscription to it, each once, told as they come
and go."""

import asyncio
from contextlib import aclosing, suppress

import pytest

from core.ids import new_id
from core.tasks import stop_all
from subscriptions.viewing import Viewing

WATCHERS = "subscription ($id: ID!) { auctionPresence(auctionId: $id) { watchers auction { id } } }"
BIDS = "subscription ($id: ID!) { bidPlaced(auctionId: $id) { cursor } }"
CHANGES = "subscription ($id: ID!) { auctionChanged(auctionId: $id) { cursor } }"


@pytest.fixture
async def look(schema, context_for):
    """`await look(query, lot)`: a subscriber on a socket of its own; `connection` names another."""
    tasks = []

    async def begin(query, lot, *, person=None, connection=None):
        context = context_for(person)
        context.connection_id = connection or new_id().hex
        results = await schema.stream(
            query, variable_values={"id": lot.public_id}, context_value=context
        )

        async def wait():
            async with aclosing(results):
                with suppress(StopAsyncIteration):
                    await anext(results)

        task = asyncio.create_task(wait())
        tasks.append(task)
        return task

    yield begin
    await stop_all(tasks)


async def numbers_until(results, wanted):
    """The numbers told until the wanted one comes."""
    found = []
    async with asyncio.timeout(15):
        while found[-1:] != [wanted]:
            result = await anext(results)
            assert result.errors is None, result.errors
            found.append(result.data["auctionPresence"]["watchers"])
    return found


async def test_sockets_count_once_whatever_they_subscribe_to(stream, open_lot, look, make_user):
    lot, other = await open_lot(), await open_lot()
    ada = await make_user("ada")
    results = await stream(WATCHERS, id=lot.public_id)
    async with aclosing(results):
        assert (await numbers_until(results, 1))[-1] == 1
        socket = new_id().hex
        first = await look(BIDS, lot, person=ada, connection=socket)
        second = await look(CHANGES, lot, person=ada, connection=socket)
        await look(CHANGES, other)
        assert await numbers_until(results, 2) == [2]
        third = await look(BIDS, lot)
        assert await numbers_until(results, 3) == [3]
        await stop_all([first, third])
        assert (await numbers_until(results, 2))[-1] == 2  # the socket's other subscription
        await stop_all([second])
        assert await numbers_until(results, 1) == [1]


async def test_an_auction_that_is_not_there_has_no_watchers(stream, shapes):
    results = await stream(WATCHERS, id="auc_01930c5e000070008000000000000000")
    async with aclosing(results), asyncio.timeout(10):
        assert shapes.codes(await anext(results)) == ["BAD_USER_INPUT"]


async def test_what_a_killed_process_counted_fades_and_processes_add_up(redis_url, redis_prefix):
    lot = new_id()

    def process():
        return Viewing(redis_url, prefix=redis_prefix, expiry_s=0.6, heartbeat_s=0.1)

    dying, living = process(), process()
    for one in (dying, living):
        await one.start()
    numbers = living.numbers(lot)
    with living.looking(lot, "a"), dying.looking(lot, "b"), dying.looking(lot, "c"):
        async with asyncio.timeout(15):
            while await anext(numbers) != 3:
                pass
            await stop_all(dying._tasks)  # as SIGKILL: nothing is said any more
            while await anext(numbers) != 1:
                pass
    await numbers.aclose()
    await living.close()
    await dying.close()


ENDING = "subscription ($w: Int!) { auctionEndingSoon(window: $w) { auction { id } } }"


async def test_watched_auctions_are_told_once_as_their_ends_come_near(
    stream, open_lot, make_user, sql, shapes
):
    ada, bob = await make_user("ada"), await make_user("bob")
    near, later, foreign = await open_lot(), await open_lot(), await open_lot()

    async def watch(person, lot):
        await sql(
            "INSERT INTO auction_watch (user_id, auction_id) VALUES (:u, :a)",
            u=person.id,
            a=lot.id,
        )

    async def end(lot, in_s):
        await sql(
            "UPDATE auction SET ends_at = now() + make_interval(secs => :s) WHERE id = :id",
            s=in_s,
            id=lot.id,
        )

    await watch(ada, near)
    await watch(ada, later)
    await watch(bob, foreign)
    for lot, in_s in ((near, 60), (later, 600), (foreign, 60)):
        await end(lot, in_s)
    results = await stream(ENDING, ada, w=120)
    async with aclosing(results), asyncio.timeout(20):
        told = (await anext(results)).data["auctionEndingSoon"]["auction"]["id"]
        assert told == near.public_id
        await end(later, 90)
        told = (await anext(results)).data["auctionEndingSoon"]["auction"]["id"]
        assert told == later.public_id
        await end(near, 600)  # a soft close
        await watch(ada, foreign)
        told = (await anext(results)).data["auctionEndingSoon"]["auction"]["id"]
        assert told == foreign.public_id
    for window in (9, 86_401):
        results = await stream(ENDING, ada, w=window)
        async with aclosing(results), asyncio.timeout(10):
            assert shapes.codes(await anext(results)) == ["BAD_USER_INPUT"]
