"""A gateway that asks for traces gets each field's time, and nobody else pays for it."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from execution.federated_trace import messages
from tests.federation.gateway_world import GatewayWorld

QUERY = """query ($id: ID!) { lot: auction(id: $id) { title topBids(first: 2) { sequence } }
  wallet { accounts { id } } }"""


@pytest.fixture(scope="module")
def world(gateway_world_of_session: GatewayWorld) -> GatewayWorld:
    return gateway_world_of_session


def ask(world: GatewayWorld, **headers: str) -> Any:
    body = {"query": QUERY, "variables": {"id": world.ids["auction"][0]}}
    url = world.sides.whole
    return httpx.post(url, json=body, headers=headers, timeout=60, trust_env=False).json()


def test_a_trace_tells_each_field_its_type_time_and_errors(world: GatewayWorld) -> None:
    plain = ask(world)
    answer = ask(world, **{"apollo-federation-include-trace": "ftv1"})
    assert answer["data"] == plain["data"]
    trace = messages()["Trace"].FromString(base64.b64decode(answer["extensions"]["ftv1"]))
    assert trace.duration_ns > 0
    assert trace.end_time.ToNanoseconds() >= trace.start_time.ToNanoseconds()
    lot, wallet = trace.root.child
    assert (lot.response_name, lot.original_field_name) == ("lot", "auction")
    assert (lot.parent_type, lot.type) == ("Query", "Auction")
    assert [one.response_name for one in lot.child] == ["title", "topBids"]
    bids = lot.child[1].child
    assert [one.index for one in bids] == list(range(len(plain["data"]["lot"]["topBids"])))
    assert all(one.child[0].response_name == "sequence" for one in bids)
    for node in (lot, wallet, *lot.child):
        assert 0 < node.start_time <= node.end_time <= trace.duration_ns
    (error,) = wallet.error
    assert error.message == plain["errors"][0]["message"]
    assert '"code":"UNAUTHENTICATED"' in error.json


def test_who_asks_for_none_gets_none(world: GatewayWorld) -> None:
    assert "ftv1" not in ask(world).get("extensions", {})
    other = ask(world, **{"apollo-federation-include-trace": "ftv9"})
    assert "ftv1" not in other.get("extensions", {})
