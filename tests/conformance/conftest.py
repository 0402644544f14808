"""A server, its database and its lots for a whole module of tests. Modules whose tests are about
another server have a `server` of their own."""

from functools import partial

import httpx
import pytest
import pytest_asyncio

from tests.concurrency.racing import make_lots
from tests.concurrency.serving import serve_here, token_for
from tests.conformance.worlds import cloned_database, settings_for

LOTS = 20


@pytest.fixture(scope="module")
def module_database(postgres_url, template_database):
    with cloned_database(postgres_url, template_database) as database_url:
        yield database_url


@pytest.fixture(scope="module")
def served(module_database, redis_server_url, tmp_path_factory):
    """`served(**changes)`: settings of a server on the module's database."""
    state = tmp_path_factory.mktemp("state")
    return partial(settings_for, module_database, redis_server_url, state)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(served):
    async with serve_here(served(profile="dev")) as here:
        yield here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(server):
    """Sends no header that is not in the test but Host and what the body needs."""
    async with httpx.AsyncClient(trust_env=False, timeout=20) as made:
        for name in ("accept", "accept-encoding", "user-agent"):
            del made.headers[name]
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lots(module_database):
    return await make_lots(module_database, 3, lots=LOTS)


@pytest.fixture
def lot(lots):
    """One that no other test has."""
    return lots.pop()


@pytest.fixture
def token(server, lot):
    """`token(1)`: the header of a bidder."""
    return lambda n: {"Authorization": f"Bearer {token_for(server.ring, lot.bidders[n])}"}
