"""Quests are found as lists show them: by words and names, by kind, in facets and suggestions; a
draft by nobody, and what is gone no longer."""

import pytest

from core.ids import encode_id
from jobs.search import catch_up_index

SEARCH = """
query ($q: String!, $types: [SearchResultType!], $filters: SearchFilterInput) {
  search(query: $q, types: $types, filters: $filters, facets: [TYPE, CATEGORY, REGION]) {
    totalCount
    facets { name values { value label count } }
    edges { node { node { __typename ... on Quest { id title } } } } } }
"""
SUGGEST = """
query ($prefix: String!) { suggest(prefix: $prefix, types: [QUEST]) { text type nodeId } }
"""


@pytest.fixture
def found(ask):
    """`await found("words", types=…)`: ids of quests, and the facets."""

    async def find(words, **given):
        page = (await ask(SEARCH, q=words, **given))["search"]
        nodes = [edge["node"]["node"] for edge in page["edges"]]
        assert page["totalCount"] == len(nodes)
        facets = {
            facet["name"]: {(v["value"], v["label"], v["count"]) for v in facet["values"]}
            for facet in page["facets"]
        }
        return {node["id"] for node in nodes if node["__typename"] == "Quest"}, facets

    return find


async def test_a_quest_is_found_but_no_draft_and_none_that_is_gone(world, found, ask):
    maker = await world.person()
    await world.post(maker, title="Rescue at the estuary")
    kept = await world.quest(maker, title="Rescue the estuary", story="Nets", region="PT")
    gone = await world.quest(maker, title="Rescue the harbour", region="PT")
    draft = await world.quest(maker, opened=False, title="Rescue the lagoon", region="PT")
    await world.catch_up()
    both = {encode_id("qst", id) for id in (kept, gone)}
    facets = {
        "TYPE": {("QUEST", "Quests", 2), ("POST", "Posts", 1), ("USER", "Members", 1)},
        "CATEGORY": {("rivers", "Rivers", 2)},
        "REGION": {("PT", "Portugal", 2)},
    }
    assert await found("", types=["QUEST"]) == (both, facets)
    assert (await found("quests"))[0] == both
    for words in ("rescue", "nets", "rescue the estuary", "resceu the estuary"):
        ids, _ = await found(words)
        assert encode_id("qst", kept) in ids, words
        assert encode_id("qst", draft) not in ids, words
    assert (await found("rescue", filters={"categories": ["rivers"]}))[0] == both
    assert (await found("rescue", types=["POST"]))[0] == set()

    await world.sql("DELETE FROM quest WHERE id = :id", id=gone)
    await catch_up_index(world.db, "")
    assert (await found("rescue", types=["QUEST"]))[0] == {encode_id("qst", kept)}
    assert (await ask(SUGGEST, prefix="resc"))["suggest"] == [
        {"text": "Rescue the estuary", "type": "QUEST", "nodeId": encode_id("qst", kept)}
    ]


async def test_quests_of_before_are_written_by_the_sweep(world, found):
    old = await world.quest(await world.person(), title="Plant the old orchard")
    await world.quest(next(iter(world.people)), opened=False, title="Plant the new orchard")
    assert (await found("orchard"))[0] == set()
    await catch_up_index(world.db, "")
    assert (await found("orchard"))[0] == {encode_id("qst", old)}
    await world.turn_quest(old, "PAUSED")
    await world.catch_up()
    assert (await found("orchard"))[0] == {encode_id("qst", old)}
