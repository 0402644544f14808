"""One subscriber's view: exactly the log, from where it began, in order."""


async def test_a_subscriber_gets_what_is_committed_after_it_began(make_hub, subscribe, helpers):
    hub, db = await make_hub()
    await helpers.write(db, "auction:1", 3)
    consumer = await subscribe(hub, db, "auction:1")
    await helpers.write(db, "auction:1", 4)
    await consumer.has(4)
    assert consumer.sequences == [4, 5, 6, 7]
