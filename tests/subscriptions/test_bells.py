"""Bells: rung in one process, heard in all, and never in the way of what is rung for."""

import asyncio

from core.database import Transaction
from core.events import NewEvent
from subscriptions.hub import LOG_BELL


async def test_a_publication_is_heard_by_every_process_many_as_one(make_hub, helpers):
    (one, db), (other, _) = await make_hub(), await make_hub()
    heard = []
    with one.bells.heard(LOG_BELL, lambda: heard.append("one")):
        with other.bells.heard(LOG_BELL, lambda: heard.append("other")):
            # The channels are joined when the first ring arrives at both.
            async with asyncio.timeout(10):
                while set(heard) != {"one", "other"}:
                    one.bells.ring(LOG_BELL)
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.1)
            heard.clear()

            async def work(tx: Transaction) -> None:
                tx.collect(NewEvent("t:1", "Happened", {}))

            await db.transaction(work)
            await helpers.until(lambda: set(heard) == {"one", "other"})
            assert sorted(heard) == ["one", "other"]
        one.bells.ring(LOG_BELL)
        await helpers.until(lambda: heard.count("one") == 2)
        assert heard.count("other") == 1  # it listens no longer


async def test_a_bell_before_the_start_is_lost_and_harms_nothing(make_hub):
    hub, _ = await make_hub("memory://")
    heard = asyncio.Event()
    with hub.bells.heard("x", heard.set):
        await asyncio.sleep(0)
        hub.bells.ring("x")
        hub.bells.ring("x")
        async with asyncio.timeout(10):
            await heard.wait()
    await hub.close()
    hub.bells.ring("x")
