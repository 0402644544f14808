"""Lots that are yet to open are found as lists show them: by plain words, by filter, in facets."""

import pytest

from core.ids import encode_id

SEARCH = """
query ($q: String!, $filters: SearchFilterInput) {
  search(query: $q, filters: $filters, facets: [AUCTION_STATE, REGION, CULTURAL_TAG]) {
    totalCount
    facets { name values { value label count } }
    edges { node { node { ... on Auction { id status } } } } } }
"""


@pytest.fixture
def found(ask):
    """`await found("words", filters)`: ids of lots and their states, and the facets."""

    async def find(words, **filters):
        page = (await ask(SEARCH, q=words, filters=filters or None))["search"]
        lots = {
            edge["node"]["node"]["id"]: edge["node"]["node"]["status"] for edge in page["edges"]
        }
        assert page["totalCount"] == len(lots)
        facets = {
            facet["name"]: {(v["value"], v["label"], v["count"]) for v in facet["values"]}
            for facet in page["facets"]
        }
        return lots, facets

    return find


async def test_lots_that_open_tomorrow_are_found(world, found):
    stall = await world.stall(await world.person())
    to_come, open_lot, _ = [
        encode_id("auc", await world.lot(await world.product(stall, region="FR"), scheduled=later))
        for later in (True, False, True)
    ]
    await world.end_lot(list(world.lots)[2], cancel=True)
    await world.catch_up()

    states = {"SCHEDULED": {to_come: "SCHEDULED"}, "OPEN": {open_lot: "OPEN"}, "CANCELLED": {}}
    for state, lots in states.items():
        assert (await found("", auctionStates=[state]))[0] == lots
    for words in ("auctions starting tomorrow", "upcoming auctions", "bowl auctions coming soon"):
        assert (await found(words))[0] == states["SCHEDULED"], words
    assert (await found("auctions starting today"))[0] == {}
    lots, facets = await found("auctions")
    assert lots == states["SCHEDULED"] | states["OPEN"]
    assert facets == {
        "AUCTION_STATE": {("SCHEDULED", "Scheduled", 1), ("OPEN", "Open", 1)},
        "REGION": {("FR", "France", 2)},
        "CULTURAL_TAG": set(),
    }


async def test_a_culture_finds_nothing_and_is_no_error(world, found):
    stall = await world.stall(await world.person())
    await world.lot(await world.product(stall))
    await world.catch_up()
    assert (await found("auctions", culturalTags=["andean"]))[0] == {}
