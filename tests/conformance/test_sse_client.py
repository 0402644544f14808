"""npm's graphql-sse in both modes, and npm's meros for multipart, against a real server."""

import asyncio
import json
import sys
from pathlib import Path

from tests.concurrency.racing import make_lot
from tests.concurrency.serving import serve_here, token_for
from tests.conformance.worlds import settings_for
from tests.npm import node_with

NPM = Path(__file__).parent / "npm"


async def test_npms_clients_get_what_they_are_promised(database_url, redis_url, tmp_path, capsys):
    settings = settings_for(database_url, redis_url, tmp_path)
    tools = await asyncio.to_thread(node_with, NPM)
    lot = await make_lot(database_url, 3)
    async with serve_here(settings) as server, asyncio.timeout(120):
        tokens = [token_for(server.ring, bidder) for bidder in lot.bidders]
        process = await asyncio.create_subprocess_exec(
            *(tools.node, str(NPM / "sse_client.mjs"), server.url, lot.public_id, *tokens),
            cwd=NPM,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        await server.follows(0)
    told = json.loads(said.splitlines()[-1])
    with capsys.disabled():
        sys.stdout.write(f"\ngraphql-sse client and meros: {told['fine']} of {told['of']} cases\n")
    assert told["failed"] == []
    assert told["fine"] == told["of"] == 23
