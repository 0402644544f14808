"""Six processes behind Hive Gateway answer as the one server does, and push as it does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.through_gateway import Operation, asking
from deploy.gateway import hive_tools, running_gateway
from schema.build import DOMAINS
from tests.concurrency.serving import open_socket
from tests.conformance.cases import REAL, read_cases
from tests.federation.gateway_world import GatewayWorld

ROOT = Path(__file__).parents[2]
SHOWN = sorted(
    [*(ROOT / "deploy" / "operations").glob("*.graphql"), *ROOT.glob("web/graphiql/examples/*")]
)
GROWN = 40
pytestmark = pytest.mark.timeout(500)  # the first run installs the gateway
EVERYTHING = (ROOT / "deploy" / "operations" / "everything.graphql").read_text()
LIVE_BID = (ROOT / "deploy" / "operations" / "live-bid.graphql").read_text()
BID = """mutation ($input: PlaceBidInput!) { placeBid(input: $input) {
  __typename
  ... on PlaceBidSuccess { bid { sequence } auction { title seller { username } } } } }"""
ACROSS = (
    "{ me { wallet { accounts { asset owner { ... on User { username } } } } unreadCount } }",
    "{ auctions(first: 5) { nodes { title seller { username stalls { nodes { name } } } } } }",
    "{ nodes(ids: [%s]) { __typename id ... on Auction { title } ... on Title { name } "
    "... on User { username } ... on Quest { title } ... on Post { title } "
    "... on Product { name } } }",
    "{ posts(first: 3) { nodes { title author { username wallet { accounts { asset } } } } } }",
    "{ quests(first: 3) { nodes { title creator { username } reward { amount } } } }",
    '{ search(query: "a", first: 20) { totalCount nodes { node { __typename '
    "... on Title { name genres { name } } ... on Auction { title seller { username } } "
    "... on Quest { title } ... on User { displayName } ... on Product { name } } } } }",
    '{ node(id: "usr_00000000000000000000000000000000") { id } me { username } }',
    '{ node(id: "auc_00000000000000000000000000000000") { ... on Auction { title } } }',
    '{ auction(id: "nonsense") { title } me { username } }',
    "{ users(first: 3) { nodes { username wallet { accounts { asset } } } } }",
    "{ me { nothing } }",
    "{ wallet { accounts { available { amount } } } homeFeed(first: 1) { totalCount } }",
)


@pytest.fixture(scope="module")
def world(gateway_world_of_session: GatewayWorld) -> GatewayWorld:
    return gateway_world_of_session


async def test_operations_are_answered_as_by_one_server(
    world: GatewayWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    some = ", ".join(
        f'"{ids[0]}"' for name, ids in sorted(world.ids.items()) if name != "asking" and ids
    )
    across = [text.replace("%s", some) for text in ACROSS]
    operations = [Operation(text, {}, nobody) for text in across for nobody in (False, True)]
    lot = world.ids["auction"][0]
    for path in SHOWN:
        if "query" in path.read_text():
            variables = {"words": "a", "lot": lot, "first": 5}
            operations.append(Operation(path.read_text(), variables))
    cases = [case for case in read_cases(REAL) if "_entities" not in case.text]
    operations += [world.operation(case) for case in cases[:: len(cases) // GROWN][:GROWN]]
    async with asking(world.sides, world.token) as differences:
        found = await differences(operations)
    with capsys.disabled():
        print(f"\n{len(operations) - len(found)} of {len(operations)} operations alike")  # noqa: T201
    assert not found, "\n\n".join(found)


def test_one_query_asks_all_six_domains(world: GatewayWorld) -> None:
    headers = {"Authorization": f"Bearer {world.token}", "hive-expose-query-plan": "true"}
    variables = {"words": "a", "lot": world.ids["auction"][0]}
    body = {"query": EVERYTHING, "variables": variables}
    answer = httpx.post(
        world.sides.gateway, json=body, headers=headers, timeout=60, trust_env=False
    ).json()
    assert "errors" not in answer
    assert answer["data"]["me"]["username"] == "demo"
    assert len(answer["data"]["search"]["nodes"]) == 8
    assert set(services(answer["extensions"]["queryPlan"])) == set(DOMAINS)


def services(plan: Any) -> Iterator[str]:
    """The subgraphs that a plan asks."""
    if isinstance(plan, dict):
        if "serviceName" in plan:
            yield plan["serviceName"]
        plan = list(plan.values())
    if isinstance(plan, list):
        for part in plan:
            yield from services(part)


def from_here(path: Path) -> Path:
    """The same place as `make trial` names it: not from the root."""
    return Path(os.path.relpath(path))


@pytest.mark.parametrize("kind", ["ws", "sse"])
async def test_a_live_bid_comes_through_with_fields_of_other_subgraphs(
    world: GatewayWorld, kind: Any
) -> None:
    lot = open_lot(world)
    if kind == "ws":
        await bid_and_watch(world, world.sides.gateway, lot)
        return
    supergraph = from_here(world.folder / "supergraph.graphql")
    log = world.folder / "sse.log"
    running = running_gateway(supergraph, hive_tools(), subscriptions=kind, log=log)
    url = await asyncio.to_thread(running.__enter__)
    try:
        await bid_and_watch(world, url, lot)
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


def open_lot(world: GatewayWorld) -> dict[str, Any]:
    """An auction that the second person may bid on."""
    query = """{ auctions(first: 50, filter: {status: [OPEN]}) { nodes {
      id title eventCursor seller { username } minimumBid { amount } } } me { username } }"""
    answer = world.ask(world.sides.whole, query, token=world.other_token)["data"]
    me = answer["me"]["username"]
    return next(n for n in answer["auctions"]["nodes"] if n["seller"]["username"] != me)


async def bid_and_watch(world: GatewayWorld, gateway: str, lot: dict[str, Any]) -> None:
    """Follow a lot through a gateway, bid through it, and see that bid."""
    async with open_socket(gateway.replace("http", "ws"), token=world.token) as socket:
        await socket.subscribe("1", LIVE_BID, lot=lot["id"], after=lot["eventCursor"])
        given = {
            "auctionId": lot["id"],
            "maximum": lot["minimumBid"]["amount"],
            "idempotencyKey": lot["eventCursor"],
        }
        placed = await asyncio.to_thread(
            world.ask, gateway, BID, token=world.other_token, input=given
        )
        assert placed["data"]["placeBid"]["__typename"] == "PlaceBidSuccess", placed
        assert placed["data"]["placeBid"]["auction"]["seller"] == lot["seller"]
        message = await socket.receive(within_s=20)
        assert message["type"] == "next", message
        bid = message["payload"]["data"]["bidPlaced"]["bid"]
        assert bid["sequence"] == placed["data"]["placeBid"]["bid"]["sequence"]
        assert bid["auction"] == {"title": lot["title"]}
        assert bid["bidder"]["username"]
        assert "player" in bid["bidder"]


async def test_a_sockets_token_is_passed_on_and_judged(world: GatewayWorld) -> None:
    url = world.sides.gateway.replace("http", "ws")
    wallet = "subscription { walletChanged { __typename } }"
    async with open_socket(url, token=world.token) as socket:
        await socket.subscribe("1", "{ me { username } }")
        message = await socket.receive()
        assert message["payload"]["data"] == {"me": {"username": "demo"}}
    for authorization in (None, "Bearer nonsense"):
        async with open_socket(url, authorization=authorization) as socket:
            await socket.subscribe("1", wallet)
            message = await socket.receive()
            errors = message["payload"]
            errors = errors["errors"] if isinstance(errors, dict) else errors
            assert errors[0]["extensions"]["code"] == "UNAUTHENTICATED", message
