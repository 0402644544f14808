"""How many sockets a process takes."""

import pytest
from websockets.exceptions import InvalidStatus

from core.settings import Settings
from tests.concurrency.serving import open_socket, serve_here


async def test_a_handshake_past_the_limit_is_refused_until_a_socket_leaves(
    database_url, redis_url, redis_prefix, tmp_path
):
    settings = Settings(
        profile="test",
        database_url=database_url,
        redis_url=redis_url,
        bus_prefix=redis_prefix,
        state_dir=tmp_path,
        signing_algorithm="EdDSA",
        jobs=False,
        demo=False,
        max_sockets=1,
    )
    async with serve_here(settings) as server:
        async with open_socket(server.socket_url) as first:
            with pytest.raises(InvalidStatus) as refused:
                async with open_socket(server.socket_url):
                    pass
            assert refused.value.response.status_code == 403
            await first.subscribe("a", "{ __typename }")
            assert (await first.receive())["payload"]["data"] == {"__typename": "Query"}
        async with open_socket(server.socket_url) as next_one:
            await next_one.subscribe("a", "{ __typename }")
            assert (await next_one.receive())["payload"]["data"] == {"__typename": "Query"}
