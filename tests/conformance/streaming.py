"""Clients of streams over HTTP, for tests that look at what is sent."""

import asyncio
from contextlib import aclosing, asynccontextmanager

import httpx

from core.database import Database
from core.events import NewEvent
from tests.concurrency.serving import BID_PLACED
from tests.conformance.stream_drivers import EVENTS, events_of

CURSOR = "query($id: ID!) { auction(id: $id) { eventCursor } }"
PLACE_BID = """mutation($input: PlaceBidInput!) { placeBid(input: $input) { __typename } }"""


def client():
    return httpx.AsyncClient(trust_env=False, timeout=httpx.Timeout(10, read=30))


async def asked(http, server, query, /, *, headers=None, **variables):
    body = {"query": query, "variables": variables}
    return await http.post(server.url, json=body, headers=headers)


@asynccontextmanager
async def stream(http, server, query, variables=None, *, accept=EVENTS, headers=None):
    """The answer to a POST, as far as it is there."""
    body = {"query": query, "variables": variables or {}}
    given = {"Accept": accept, **(headers or {})}
    async with http.stream("POST", server.url, json=body, headers=given) as response:
        yield response


@asynccontextmanager
async def followed(http, server, lot, query=BID_PLACED, **options):
    """Events of a subscription to the lot."""
    variables = {"auction": lot.public_id, **options.pop("variables", {})}
    async with stream(http, server, query, variables, **options) as response:
        assert response.status_code == 200
        async with aclosing(events_of(response)) as events:
            yield events


async def next_of(events):
    return await asyncio.wait_for(anext(events), 10)


def code(errors):
    [error] = errors
    return error["extensions"]["code"]


def sequence(event):
    return event.data["data"]["bidPlaced"]["bid"]["sequence"]


async def cursor_of(server, lot):
    return (await server.ask(CURSOR, id=lot.public_id))["auction"]["eventCursor"]


async def say(lot, count):
    """Commit events that the server finds in the log."""
    payload = {"endsAt": "2030-01-01T00:00:00+00:00", "status": "CANCELLED"}

    async def work(tx):
        for _ in range(count):
            tx.collect(NewEvent(lot.topic, "AuctionCancelled", payload))

    db = Database(lot.database_url)
    try:
        await db.transaction(work)
    finally:
        await db.close()
