"""npm's graphql-ws, as browsers have it, against a real server that is restarted under it."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

from core.ids import new_id
from tests.concurrency.racing import make_lot
from tests.concurrency.serving import serve_here, token_for
from tests.conformance.worlds import settings_for
from tests.npm import node_with

NPM = Path(__file__).parent / "npm"
PLACE_BID = "mutation($input: PlaceBidInput!) { placeBid(input: $input) { __typename } }"


class Hands:
    """What the client asks for of the server's side."""

    def __init__(self, stack, settings, lot):
        self.stack, self.settings, self.lot = stack, settings, lot
        self.amounts = count(10)

    async def serve(self):
        self.server = await self.stack.enter_async_context(serve_here(self.settings))

    async def do(self, wanted):
        if wanted.get("restart"):
            self.server.leave()
            await asyncio.wait_for(asyncio.shield(self.server.task), 10)
            await self.serve()
        for _ in range(wanted.get("bids", 0)):
            await self.bid(next(self.amounts))
        if "follows" in wanted:
            await self.server.follows(wanted["follows"])
        return {"url": self.server.socket_url}

    async def bid(self, amount):
        token = token_for(self.server.ring, self.lot.bidders[amount % 2])
        key = new_id().hex
        placed = {"auctionId": self.lot.public_id, "maximum": f"{amount}.00", "idempotencyKey": key}
        data = await self.server.ask(PLACE_BID, token=token, input=placed)
        assert data["placeBid"]["__typename"] == "PlaceBidSuccess"


async def test_npms_client_gets_what_it_is_promised(database_url, redis_url, tmp_path, capsys):
    settings = settings_for(database_url, redis_url, tmp_path, socket_ping_s=0.1, profile="dev")
    tools = await asyncio.to_thread(node_with, NPM)
    lot = await make_lot(database_url, 3)
    async with AsyncExitStack() as stack, asyncio.timeout(120):
        hands = Hands(stack, settings, lot)
        await hands.serve()
        told = await converse(hands, tools.node, token_for(hands.server.ring, lot.bidders[2]))
    with capsys.disabled():
        sys.stdout.write(f"\ngraphql-ws client: {told['fine']} of {told['of']} cases\n")
    assert told["failed"] == []
    assert told["fine"] == told["of"] == 17


async def converse(hands, node, token):
    """Run the client, and do what it asks for; its last words."""
    process = await asyncio.create_subprocess_exec(
        *(node, str(NPM / "ws_client.mjs")),
        *(hands.server.socket_url, hands.lot.public_id, token),
        cwd=NPM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async for line in process.stdout:
            said = json.loads(line)
            if "want" not in said:
                return said
            answer = await hands.do(said["want"])
            process.stdin.write(json.dumps(answer).encode() + b"\n")
        raise AssertionError("it ended without a word")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
