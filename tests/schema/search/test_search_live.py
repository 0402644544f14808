"""Live results: a search's first page is pushed as it changes, soon, to those whom it concerns, and
what does not concern a search does not make it run again."""

import asyncio
import time
from contextlib import AsyncExitStack, aclosing
from functools import partial

import pytest
import structlog
from sqlalchemy import event

from core.errors import Unavailable
from core.ids import decode_id, encode_id, new_id
from jobs.search import run_indexer
from services.auctions import stalls
from services.search.contract import SearchQuery
from services.users import people
from subscriptions.hub import INDEX_BELL, LOG_BELL
from subscriptions.search import TRIES, LiveSearches, TooManySearches

log = structlog.get_logger(__name__)

CHANGED = """
subscription ($q: String!, $facets: [SearchFacetName!], $first: Int, $filters: SearchFilterInput) {
  searchChanged(query: $q, facets: $facets, first: $first, filters: $filters) {
    foundAt
    totalCount facets { name values { value count } }
    hits { node { __typename ... on Product { id name } } } } }
"""
WRITES = 20
GENEROUS_S = 5.0


@pytest.fixture
async def indexed(server, settings):
    """The index follows the log in this process, as in a server with jobs."""
    bells = server.hub.bells
    wake, told = partial(bells.heard, LOG_BELL), partial(bells.ring, INDEX_BELL)
    async with run_indexer(settings, server.db, wake=wake, told=told):
        yield
        await server.searches.close()


@pytest.fixture
async def shop(make_user, open_stall, list_product):
    """`await shop("Blue teapot")`: a product of Ada's, its public id."""
    ada = await make_user("ada", roles=("ARTISAN",))
    stall = await open_stall(ada)

    async def add(name, **details):
        return encode_id("prd", await list_product(ada, stall, name=name, **details))

    add.owner = ada
    return add


@pytest.fixture
async def watch(stream, shapes):
    """`await watch(person, q="…")`: a subscription; `await it()` is its next result."""
    async with AsyncExitStack() as stack:

        async def begin(person=None, **variables):
            results = await stack.enter_async_context(
                aclosing(await stream(CHANGED, person, **variables))
            )

            async def following(timeout_s=20.0):
                async with asyncio.timeout(timeout_s):
                    result = await anext(results)
                if result.errors:
                    return shapes.codes(result)
                return result.data["searchChanged"]

            return following

        yield begin


def names(result):
    return [hit["node"]["name"] for hit in result["hits"]]


async def until_names(following, wanted):
    async with asyncio.timeout(20):
        while (result := await following()) and sorted(names(result)) != sorted(wanted):
            pass
    return result


async def test_a_write_is_pushed_with_facets_and_counts_soon(indexed, shop, watch):
    # In turn, so that none is held back by its own push of a quarter of a second ago.
    goods = ("teapot", "kettle", "candle", "blanket")
    watched = [await watch(q=name, facets=["TYPE", "CATEGORY"], first=3) for name in goods]
    for following in watched:
        assert (await following())["totalCount"] == 0
    took = []
    for n in range(WRITES):
        turn, times = n % len(goods), n // len(goods) + 1
        began = time.monotonic()
        await shop(f"{goods[turn].title()} number {n}")
        result = await watched[turn](GENEROUS_S)
        took.append(time.monotonic() - began)
        assert result["totalCount"] == times
        assert len(result["hits"]) == min(times, 3)
        counts = {f["name"]: [tuple(v.values()) for v in f["values"]] for f in result["facets"]}
        assert counts == {"TYPE": [("PRODUCT", times)], "CATEGORY": [("pottery", times)]}
    took.sort()
    log.info("live", p50_ms=round(took[10] * 1000), p95_ms=round(took[18] * 1000))
    assert took[10] < GENEROUS_S / 5


async def test_what_is_removed_or_renamed_leaves_the_page(indexed, shop, watch, server):
    first, second = await shop("Red teapot"), await shop("Green teapot")
    following = await watch(q="teapot")
    await until_names(following, ["Red teapot", "Green teapot"])

    async def change(verb, id, **given):
        key = decode_id(id, "prd")
        await server.db.transaction(partial(verb, viewer_id=shop.owner.id, product_id=key, **given))

    await change(stalls.delete_product, first)
    result = await until_names(following, ["Green teapot"])
    assert result["totalCount"] == 1
    await change(stalls.update_product, second, changes={"name": "Green kettle"})
    result = await until_names(following, [])
    assert result["totalCount"] == 0


async def test_a_search_that_a_write_does_not_concern_is_not_run_again(
    indexed, shop, watch, server
):
    asked = []

    def note(connection, cursor, statement, parameters, *rest):
        asked.extend(value for value in parameters or () if value in ("unicorn", "teapot"))

    unicorn, teapot = await watch(q="unicorn"), await watch(q="teapot")
    assert (await unicorn())["totalCount"] == 0
    assert (await teapot())["totalCount"] == 0
    event.listen(server.db.engine.sync_engine, "before_cursor_execute", note)
    try:
        for n in range(3):
            await shop(f"Teapot number {n}")
            assert (await teapot())["totalCount"] == n + 1
    finally:
        event.remove(server.db.engine.sync_engine, "before_cursor_execute", note)
    assert asked.count("teapot") >= 3
    assert asked.count("unicorn") == 0


async def test_those_who_ask_the_same_share_one_search(indexed, shop, watch, server, make_user):
    bob = await make_user("bob")
    first, second, his, again = (
        await watch(q="teapot"),
        await watch(q="teapot"),
        await watch(bob, q="teapot"),
        await watch(bob, q="teapot"),
    )
    for each in (first, second, his, again):
        assert (await each())["totalCount"] == 0
    assert server.searches.searches == 2  # nobody's, and Bob's
    await shop("Yellow teapot")
    for each in (first, second, his, again):
        assert names(await each()) == ["Yellow teapot"]


async def test_who_is_blocked_is_not_pushed(
    indexed, shop, watch, server, make_user, open_stall, list_product
):
    bob, eve = await make_user("bob"), await make_user("eve", roles=("ARTISAN",))
    stall = await open_stall(eve, name="Eve's", slug="eves")
    await server.db.transaction(partial(people.block, viewer_id=bob.id, user_id=shop.owner.id))
    everybodys, his = await watch(q="teapot"), await watch(bob, q="teapot", facets=["TYPE"])
    assert (await everybodys())["totalCount"] == 0
    assert (await his())["totalCount"] == 0
    await shop("Yellow teapot")
    assert names(await everybodys()) == ["Yellow teapot"]
    await list_product(eve, stall, name="White teapot")
    await until_names(everybodys, ["White teapot", "Yellow teapot"])
    result = await his()  # the first thing that he is told
    assert names(result) == ["White teapot"]
    assert (result["totalCount"], result["facets"][0]["values"][0]["count"]) == (1, 1)


async def test_a_block_changes_what_is_shown_at_once_and_for_these_two_alone(
    indexed, shop, watch, server, make_user
):
    bob = await make_user("bob")
    await shop("Yellow teapot")
    everybodys, his = await watch(q="teapot"), await watch(bob, q="teapot")
    await until_names(everybodys, ["Yellow teapot"])
    await until_names(his, ["Yellow teapot"])
    pair = {"viewer_id": shop.owner.id, "user_id": bob.id}
    await server.db.transaction(partial(people.block, **pair))
    assert names(await his()) == []
    await server.db.transaction(partial(people.unblock, **pair))
    assert names(await his()) == ["Yellow teapot"]
    await shop("White teapot")
    assert len(names(await everybodys())) == 2  # it was told nothing in between


async def test_live_searches_are_bounded_and_checked(indexed, stream, context_for, schema, shapes):
    context = context_for(None)
    context.connection_id = new_id().hex
    async with AsyncExitStack() as stack:
        for n in range(11):
            results = await schema.stream(
                CHANGED, variable_values={"q": f"teapot {n}"}, context_value=context
            )
            results = await stack.enter_async_context(aclosing(results))
            async with asyncio.timeout(20):
                result = await anext(results)
            assert shapes.codes(result) == ([] if n < 10 else ["RATE_LIMITED"])
    for wrong in ({"q": "x" * 501}, {"q": "x", "filters": {"genres": [""]}}):
        results = await stream(CHANGED, None, **wrong)
        async with aclosing(results), asyncio.timeout(20):
            assert shapes.codes(await anext(results)) == ["BAD_USER_INPUT"]


async def test_a_process_keeps_so_many_different_searches_and_lets_go_of_them(server):
    lives = LiveSearches(server.db, server.hub.bells, server.engine.search, limit=1)
    async with AsyncExitStack() as stack:

        async def first(text):
            pushes = await stack.enter_async_context(aclosing(lives.watch(SearchQuery(text), text)))
            async with asyncio.timeout(20):
                return (await anext(pushes)).page.total

        assert await first("teapot") == 0
        assert await first("teapot") == 0  # the same one
        with pytest.raises(TooManySearches):
            await first("kettle")
        assert lives.searches == 1
    assert lives.searches == 0
    async with aclosing(lives.watch(SearchQuery("kettle"), "s")) as pushes:
        assert (await anext(pushes)).page.total == 0
    await lives.close()


async def test_a_search_that_fails_is_tried_again_and_given_up_in_the_end(server):
    failures = []

    def failing(times):
        async def search(query):
            if len(failures) < times:
                failures.append(query)
                raise RuntimeError("not now")
            return await server.engine.search(query)

        return LiveSearches(server.db, server.hub.bells, search)

    lives = failing(1)
    async with aclosing(lives.watch(SearchQuery("teapot"), "s")) as pushes, asyncio.timeout(20):
        assert (await anext(pushes)).page.total == 0
    await lives.close()
    failures.clear()
    lives = failing(TRIES)
    async with aclosing(lives.watch(SearchQuery("teapot"), "s")) as pushes, asyncio.timeout(20):
        with pytest.raises(Unavailable):
            await anext(pushes)
    assert lives.searches == 0
    await lives.close()


async def test_a_server_that_goes_down_ends_them(indexed, watch, server):
    following = await watch(q="teapot")
    assert (await following())["totalCount"] == 0
    await server.searches.close()
    assert await following() == ["UNAVAILABLE"]
