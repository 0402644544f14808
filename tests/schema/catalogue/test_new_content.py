"""`newContentForViewer`: what is pushed, to whom, and where it goes on."""

import asyncio
from functools import partial

import pytest

from core.ids import encode_id
from jobs.catalogue import tell_new_title_of
from services.content.new_titles import TELL_NEW_TITLE
from services.content.preferences import update_preferences
from services.content.ratings import rate_title
from subscriptions.cursors import encode_cursor

NEW = """subscription ($after: Cursor) { newContentForViewer(after: $after) {
  cursor occurredAt reason title { id name } because { name } } }"""
NOTES = (
    """{ me { notifications(first: 5) { nodes { kind subject { ... on Title { name } } } } } }"""
)


async def take(stream, count):
    async with asyncio.timeout(10):
        found = []
        for _ in range(count):
            result = await anext(stream)
            assert result.errors is None, result.errors
            found.append(result.data["newContentForViewer"])
        return found


@pytest.fixture
def come_in(server, report, sql):
    """`await come_in(title, platform)`: an offer in France, told of by the job."""

    async def run(title_id, platform_id):
        await report(title_id, platform_id, "FR")
        for (payload,) in await sql(
            "DELETE FROM pgqueuer WHERE entrypoint = :job RETURNING payload", job=TELL_NEW_TITLE
        ):
            await tell_new_title_of(server.db, bytes(payload))

    return run


async def test_new_titles_are_pushed_with_their_reason_and_resumed_by_cursor(
    server, stream, add_titles, add_platform, come_in, make_user, sql
):
    liked, kiln, loom = await add_titles(
        {"title": "Liked", "year": 2000},
        {"title": "Kiln", "year": 2021},
        {"title": "Loom", "year": 2022, "genres": ["drama"]},
    )
    await sql(
        "INSERT INTO title_neighbours (title_id, neighbours, scores)"
        " VALUES (:kiln, ARRAY[CAST(:liked AS uuid)], '{1}')",
        kiln=kiln,
        liked=liked,
    )
    moon, ada, bob = await add_platform("moon"), await make_user("ada"), await make_user("bob")
    await sql("UPDATE profile SET region = 'FR'")
    wishes = partial(update_preferences, user_id=ada.id, changes={"genres": ["drama"]})
    await server.db.transaction(wishes)
    rate = partial(rate_title, viewer_id=ada.id, title_id=liked, value_tenths=80)
    await server.db.transaction(rate)
    start = encode_cursor(f"user:{ada.id.hex}", 0)
    live = await stream(NEW, ada)
    first_live = asyncio.create_task(take(live, 1))
    events = await stream(NEW, ada, after=start)
    others = await stream(NEW, bob, after=encode_cursor(f"user:{bob.id.hex}", 0))
    nothing = asyncio.create_task(anext(others))
    async with asyncio.timeout(10):
        while server.hub.status().live < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await come_in(kiln, moon)
    await come_in(loom, moon)
    first, second = await take(events, 2)
    assert (first["reason"], first["title"], first["because"]) == (
        "BECAUSE_YOU_LIKED",
        {"id": encode_id("ttl", kiln), "name": "Kiln"},
        {"name": "Liked"},
    )
    assert (second["reason"], second["title"]["name"], second["because"]) == (
        "GENRE_YOU_CHOSE",
        "Loom",
        None,
    )
    assert first["occurredAt"] <= second["occurredAt"]
    assert (await first_live)[0] == first
    resumed = await stream(NEW, ada, after=first["cursor"])
    assert await take(resumed, 1) == [second]
    assert not nothing.done()
    nothing.cancel()
    await asyncio.gather(nothing, return_exceptions=True)
    for one in (live, events, others, resumed):
        await one.aclose()


async def test_the_notification_names_the_title(
    server, ask, add_titles, add_platform, come_in, make_user, sql
):
    [loom] = await add_titles({"title": "Loom", "year": 2022, "genres": ["drama"]})
    ada = await make_user("ada")
    await sql("UPDATE profile SET region = 'FR'")
    wishes = partial(update_preferences, user_id=ada.id, changes={"genres": ["drama"]})
    await server.db.transaction(wishes)
    await come_in(loom, await add_platform("moon"))
    told = (await ask(NOTES, ada))["me"]["notifications"]["nodes"]
    assert told == [{"kind": "NEW_TITLE", "subject": {"name": "Loom"}}]


async def test_nobody_is_pushed_nothing(stream, shapes):
    events = await stream(NEW)
    result = events if hasattr(events, "errors") else await anext(events)
    assert shapes.codes(result) == ["UNAUTHENTICATED"]
