"""What a trial shows of itself, all through the gateway: one query over all domains, with the
picture of its plan, and one live bid."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from deploy.gateway import GatewayError
from deploy.picture import picture_of
from services.seed.demo import DemoAccess

ROOT = Path(__file__).resolve().parent.parent
OPERATIONS = ROOT / "deploy" / "operations"
PICTURE = ROOT / "docs" / "images" / "federation-plan.svg"
WORDS = "cloth"
TITLE = "One query over six subgraphs: the gateway's plan"
TIMEOUT_S = 30.0
FOUND_IN_S = 120.0
SIGN_IN = """mutation ($input: SignInInput!) { signIn(input: $input) {
  ... on AuthSuccess { accessToken } ... on Error { message } } }"""
LOT = "query ($lot: ID!) { auction(id: $lot) { title eventCursor minimumBid { amount } } }"
BID = """mutation ($input: PlaceBidInput!) { placeBid(input: $input) {
  __typename
  ... on PlaceBidSuccess { bid { sequence amount { amount asset } } }
  ... on Error { message code } } }"""


async def tour(url: str, access: DemoAccess, out: Console) -> None:
    """Ask, bid and watch through the gateway at `url`; write the picture of the plan."""
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as http:
        signing = {"input": {"login": access.username, "password": access.password}}
        token = (await _ask(http, url, SIGN_IN, signing))["data"]["signIn"]["accessToken"]
        headers = {"Authorization": f"Bearer {token}"}
        assert access.auction_id is not None
        lot = access.auction_id
        answer = await _everything(http, url, headers, lot)
        plan = answer.pop("extensions")["queryPlan"]
        PICTURE.write_text(picture_of(plan, TITLE), encoding="utf-8")
        out.print(json.dumps(answer, ensure_ascii=False, indent=1), markup=False)
        out.print(f"mela: the plan is drawn in {PICTURE}", highlight=False, soft_wrap=True)
        await _live_bid(http, url, token, lot, out)


async def _ask(
    http: httpx.AsyncClient, url: str, query: str, variables: Any, headers: Any = None
) -> Any:
    body = {"query": query, "variables": variables}
    answer = (await http.post(url, json=body, headers=headers)).json()
    if "errors" in answer:
        raise GatewayError(f"the gateway answers with errors: {json.dumps(answer)[:2000]}")
    return answer


async def _everything(http: httpx.AsyncClient, url: str, headers: dict[str, str], lot: str) -> Any:
    """The answer, once search has found its index: jobs build it in the first seconds."""
    query = (OPERATIONS / "everything.graphql").read_text()
    asked = headers | {"hive-expose-query-plan": "true"}
    ends_at = time.monotonic() + FOUND_IN_S
    while True:
        answer = await _ask(http, url, query, {"words": WORDS, "lot": lot}, asked)
        if answer["data"]["search"]["nodes"] or time.monotonic() > ends_at:
            return answer
        await asyncio.sleep(0.5)


async def _live_bid(http: httpx.AsyncClient, url: str, token: str, lot: str, out: Console) -> None:
    protocol = Subprotocol("graphql-transport-ws")
    socket_url = url.replace("http", "ws", 1)
    async with connect(socket_url, subprotocols=[protocol], proxy=None) as socket:
        parameters = {"authorization": f"Bearer {token}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": parameters}))
        await socket.recv()
        found = (await _ask(http, url, LOT, {"lot": lot}))["data"]["auction"]
        query = (OPERATIONS / "live-bid.graphql").read_text()
        payload = {"query": query, "variables": {"lot": lot, "after": found["eventCursor"]}}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        given = {
            "auctionId": lot,
            "maximum": found["minimumBid"]["amount"],
            "idempotencyKey": secrets.token_hex(16),
        }
        headers = {"Authorization": f"Bearer {token}"}
        placed = await _ask(http, url, BID, {"input": given}, headers)
        out.print(json.dumps(placed, ensure_ascii=False), markup=False, soft_wrap=True)
        async with asyncio.timeout(TIMEOUT_S):
            out.print(str(await socket.recv()), markup=False, soft_wrap=True)
