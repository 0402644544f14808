"""Presence over real sockets: a person is here as long as one of theirs is signed in."""

import asyncio

import pytest

from core.database import Database
from services.users.access import user_public_id
from tests.concurrency.presence_crowd import make_people
from tests.concurrency.serving import open_socket, serve_here, token_for
from tests.conformance.worlds import settings_for

SEE = "query ($ids: [ID!]!) { presence(userIds: $ids) { status lastSeenAt } }"
DEVICES = "query { me { devices { device sessionId } } }"


@pytest.fixture
def settings(database_url, redis_url, redis_prefix, tmp_path):
    return settings_for(database_url, redis_url, tmp_path, bus_prefix=redis_prefix)


@pytest.fixture
async def server(settings):
    async with serve_here(settings) as here:
        yield here


@pytest.fixture
async def persons(database_url):
    db = Database(database_url)
    yield await make_people(db, 2)
    await db.close()


@pytest.fixture
def becomes(server, persons):
    """`await becomes("ONLINE")`: the first person is so, as the second sees it."""
    token = token_for(server.ring, persons[1])

    async def wait(status):
        async with asyncio.timeout(10):
            while True:
                ids = [user_public_id(persons[0])]
                [found] = (await server.ask(SEE, token=token, ids=ids))["presence"]
                if found["status"] == status:
                    return found
                await asyncio.sleep(0.02)

    return wait


async def test_the_last_socket_to_close_takes_its_person_along(server, persons, becomes):
    token = token_for(server.ring, persons[0])
    async with open_socket(server.socket_url):
        await becomes("OFFLINE")  # nobody is signed in on it
        async with open_socket(server.socket_url, token=token, user_agent_header="laptop"):
            await becomes("ONLINE")
            async with open_socket(server.socket_url, token=token, user_agent_header="phone"):
                devices = (await server.ask(DEVICES, token=token))["me"]["devices"]
                while len(devices) < 2:
                    devices = (await server.ask(DEVICES, token=token))["me"]["devices"]
                assert [row["device"] for row in devices] == ["laptop", "phone"]
            await becomes("ONLINE")
    found = await becomes("OFFLINE")
    assert found["lastSeenAt"] is not None
    assert (await server.ask(DEVICES, token=token))["me"]["devices"] == []


async def test_a_socket_whose_token_expires_is_nobodys(server, persons, becomes):
    token = token_for(server.ring, persons[0], lifetime_s=2)
    async with open_socket(server.socket_url, token=token) as socket:
        await becomes("ONLINE")
        await becomes("OFFLINE")
        await socket.send(type="ping")
        assert (await socket.receive())["type"] == "pong"  # open, and nobody is signed in on it


async def test_a_server_that_goes_down_says_goodbye_for_its_sockets(
    settings, server, persons, becomes
):
    other = settings.model_copy(update={"state_dir": settings.state_dir})
    async with serve_here(other, drain_s=1) as leaving:
        token = token_for(leaving.ring, persons[0])
        async with open_socket(leaving.socket_url, token=token):
            await becomes("ONLINE")
            leaving.leave()
            await becomes("OFFLINE")
