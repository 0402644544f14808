"""What is streams' own: bytes and headers, ids that resume, what is refused before a stream begins,
what ends one, and what is shared among those who ask the same."""

import asyncio
import json
from contextlib import aclosing

import pytest

from core.ids import new_id
from subscriptions.cursors import decode_cursor, encode_cursor
from tests.concurrency.serving import BID_PLACED, open_socket, serve_here, token_for
from tests.conformance.stream_drivers import (
    EVENTS,
    MULTIPART,
    client_for,
    events_of,
    parts_of,
)
from tests.conformance.streaming import (
    PLACE_BID,
    asked,
    client,
    code,
    cursor_of,
    followed,
    next_of,
    say,
    sequence,
    stream,
)
from web import streams, streams_operations
from web.streams_framing import EventFraming, SubscriptionFraming

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINE = """subscription ($auction: ID!, $after: Cursor) {
  bidPlaced(auctionId: $auction, after: $after) {
    bid { sequence auction { viewerIsLeading } } } }"""
WIDE = """subscription ($auction: ID!, $after: Cursor) {
  auctionChanged(auctionId: $auction, after: $after) { cursor } }""".replace(
    "cursor", " ".join(f"a{n}: cursor" for n in range(20))
)
"""More text an event: what the kernel keeps for a client counts in bytes."""
SIGN_UP = """mutation { signUp(input:
    {email: "%s@example.org", username: "%s", password: "correct horse"}) {
    ... on AuthSuccess { accessToken } } }"""
SIGN_OUT = "mutation { signOut(input: {}) { __typename } }"


@pytest.fixture
def bid(server, lot, token):
    """`await bid(n, "12.00")`."""

    async def place(n, maximum):
        given = {"auctionId": lot.public_id, "maximum": maximum, "idempotencyKey": new_id().hex}
        async with client() as http:
            answer = await asked(http, server, PLACE_BID, headers=token(n), input=given)
        assert answer.json()["data"]["placeBid"]["__typename"] == "PlaceBidSuccess"

    return place


async def test_the_bytes_of_a_stream_are_what_every_client_splits(server, lot, bid, monkeypatch):
    monkeypatch.setattr(EventFraming, "heartbeat_s", 0.2)
    after = await cursor_of(server, lot)
    await bid(0, "10.00")
    async with client() as http:
        variables = {"auction": lot.public_id, "after": after}
        headers = {"Accept-Encoding": "gzip, br"}
        async with stream(http, server, BID_PLACED, variables, headers=headers) as response:
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["x-accel-buffering"] == "no"
            assert "content-encoding" not in response.headers
            assert "content-length" not in response.headers
            said = b""
            async for chunk in response.aiter_raw():
                said += chunk
                if said.endswith(b"\n\n:\n\n"):
                    break
    topic = lot.topic
    place = decode_cursor(after, topic)
    lines = said.decode().split("\n")
    begin, told = (encode_cursor(topic, place + n) for n in (0, 1))
    assert lines[:6] == [":", "", f"id: {begin}", "", f"id: {told}", "event: next"]
    name, _, data = lines[6].partition(": ")
    assert name == "data"
    assert json.loads(data)["data"]["bidPlaced"]["cursor"] == told
    assert lines[7:] == ["", ":", "", ""]


async def test_the_last_event_id_resumes_whatever_the_argument_says(server, lot, bid):
    after = await cursor_of(server, lot)
    for n in range(3):
        await bid(n, f"{10 + n}.00")
    query = BID_PLACED.replace("cursor", "")  # nothing of it has to be selected
    async with client() as http:
        async with followed(http, server, lot, query, variables={"after": after}) as events:
            first, second = await next_of(events), await next_of(events)
        assert (sequence(first), sequence(second)) == (1, 2)
        for given in ({}, {"after": after}):
            headers = {"Last-Event-ID": second.id}
            opened = followed(http, server, lot, query, variables=given, headers=headers)
            async with opened as events:
                third = await next_of(events)
                assert sequence(third) == 3
                assert decode_cursor(third.id, lot.topic) > decode_cursor(second.id, lot.topic)


async def test_a_stream_that_told_nothing_can_be_resumed_too(server, lot, bid):
    """The id of where it began comes at once: what happens while a client is away is not lost."""
    async with client() as http:
        variables = {"auction": lot.public_id}
        async with stream(http, server, BID_PLACED, variables) as response:
            said = b""
            async for chunk in response.aiter_raw():
                said += chunk
                if b"id: " in said and said.endswith(b"\n\n"):
                    break
        last = said.partition(b"id: ")[2].partition(b"\n")[0].decode()
        assert last == await cursor_of(server, lot)
        await bid(0, "10.00")
        headers = {"Last-Event-ID": last}
        async with followed(http, server, lot, headers=headers) as events:
            assert sequence(await next_of(events)) == 1


@pytest.mark.parametrize("wrong", ["nonsense", "of another", "ahead"])
async def test_an_id_that_is_no_cursor_of_the_stream_is_the_clients_error(server, lot, wrong):
    ids = {
        "nonsense": "42",
        "of another": encode_cursor("auction:0", 1),
        "ahead": encode_cursor(lot.topic, 10**6),
    }
    async with (
        client() as http,
        followed(http, server, lot, headers={"Last-Event-ID": ids[wrong]}) as events,
    ):
        event = await next_of(events)
        assert (code(event.data["errors"]), event.id) == ("BAD_USER_INPUT", None)
        assert (await next_of(events)).name == "complete"


@pytest.mark.parametrize("field", ["walletChanged", "notificationReceived"])
async def test_streams_of_ones_own_topic_resume_as_well(server, token, field):
    """Not only those fields that many share."""
    headers = {"Last-Event-ID": encode_cursor("user:0", 1), **token(0)}
    async with (
        client() as http,
        stream(
            http, server, f"subscription {{ {field} {{ cursor }} }}", headers=headers
        ) as response,
        aclosing(events_of(response)) as events,
    ):
        [error] = (await next_of(events)).data["errors"]
        assert error["message"] == "this cursor belongs to another subscription"


async def test_what_a_browsers_event_source_sends_is_enough(server, lot, bid):
    """A GET with an Accept header, and on coming back the last id: no other header can be set."""
    query = "subscription($a: ID!) { bidPlaced(auctionId: $a) { bid { sequence } } }"
    after = await cursor_of(server, lot)
    await bid(0, "10.00")
    parameters = {"query": query, "variables": json.dumps({"a": lot.public_id})}
    headers = {"Accept": EVENTS, "Last-Event-ID": after}
    async with (
        client() as http,
        http.stream("GET", server.url, params=parameters, headers=headers) as response,
        aclosing(events_of(response)) as events,
    ):
        assert sequence(await next_of(events)) == 1


async def test_requests_that_are_none_are_refused_before_a_stream_begins(server):
    async with client() as http:
        headers = {"Accept": EVENTS, "Content-Type": "application/json"}
        for body, status in (("{", 400), ("[]", 400), ("{}", 400), ('{"query": 3}', 400)):
            answer = await http.post(server.url, content=body, headers=headers)
            assert (answer.status_code, code(answer.json()["errors"])) == (status, "BAD_USER_INPUT")
        parameters = {"query": SIGN_OUT}
        answer = await http.get(server.url, params=parameters, headers={"Accept": EVENTS})
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        answer = await http.post(
            server.url, json={"query": "{ __typename }"}, headers={"Accept": "image/png"}
        )
        assert answer.status_code == 406


@pytest.mark.parametrize("accept", [EVENTS, MULTIPART])
async def test_signing_out_ends_the_sessions_streams(server, lot, accept):
    name = f"leaver{new_id().hex[-8:]}"
    signed = (await server.ask(SIGN_UP % (name, name)))["signUp"]["accessToken"]
    own = {"Authorization": f"Bearer {signed}"}
    async with client() as http:
        variables = {"auction": lot.public_id}
        opened = stream(http, server, BID_PLACED, variables, accept=accept, headers=own)
        async with opened as response:
            told = asyncio.create_task(ended(response))
            await server.follows(1)
            await server.ask(SIGN_OUT, token=signed)
            errors = await asyncio.wait_for(told, 5)
    assert code(errors) == "UNAUTHENTICATED"
    assert errors[0]["extensions"]["details"]["reason"] == "REVOKED"
    await server.follows(0)


async def ended(response):
    """The errors that end a stream, which then is complete."""
    if response.headers["content-type"].startswith(EVENTS):
        first, last = [event async for event in events_of(response)]
        assert last.name == "complete"
        return first.data["errors"]
    told = [part async for part in parts_of(response) if part]
    assert [part["payload"] for part in told] == [None]
    return told[0]["errors"]


@pytest.mark.parametrize("why", ["a minute", "revoked"])
async def test_who_does_not_read_is_cut_off(server, lot, monkeypatch, why):
    """After what may wait for it, and nothing of it stays behind."""
    if why == "a minute":
        monkeypatch.setattr(streams, "STALLED_S", 0.2)
        monkeypatch.setattr(EventFraming, "heartbeat_s", 0.1)
    monkeypatch.setattr(streams, "PARTING_S", 0.1)
    name = f"idler{new_id().hex[-8:]}"
    signed = (await server.ask(SIGN_UP % (name, name)))["signUp"]["accessToken"]
    own = {"Authorization": f"Bearer {signed}"}
    after = await cursor_of(server, lot)
    await say(lot, 300)
    variables = {"auction": lot.public_id, "after": after}
    async with (
        client_for(None, narrow=True) as http,
        stream(http, server, WIDE, variables, headers=own),
    ):
        await server.follows(1)
        if why == "revoked":
            await server.ask(SIGN_OUT, token=signed)
        await server.follows(0)


async def test_who_asks_the_same_shares_an_execution_and_its_chunk(server, lot, bid, monkeypatch):
    made, chunks = [], []

    class Counted(streams_operations.Answer):
        def __init__(self, *given):
            made.append(given)
            super().__init__(*given)

    def chunk(body, given=streams_operations.chunk):
        if b"bidPlaced" in body:  # the mark of where a stream begins may come as late as this
            chunks.append(body)
        return given(body)

    monkeypatch.setattr(streams_operations, "Answer", Counted)
    async with client() as http:
        many = [followed(http, server, lot) for _ in range(6)]
        opened = [await each.__aenter__() for each in many]
        variables = {"auction": lot.public_id}
        apollos = stream(http, server, BID_PLACED, variables, accept=MULTIPART)
        parts = parts_of(await apollos.__aenter__())
        try:
            await live(server, 7)
            monkeypatch.setattr(streams_operations, "chunk", chunk)
            for n in range(2):
                await bid(n, f"{10 + n}.00")
                seen = [await next_of(events) for events in opened]
                assert {sequence(event) for event in seen} == {n + 1}
                assert len({event.id for event in seen}) == 1
                while not (part := await next_of(parts)):
                    pass
                assert part["payload"] == seen[0].data
            assert len(made) == 2
            assert len(chunks) == 4  # of each event one for each way to write it
        finally:
            await parts.aclose()
            for each, events in zip(many, opened, strict=True):
                await events.aclose()
                await each.__aexit__(None, None, None)
            await apollos.__aexit__(None, None, None)
    await server.follows(0)


async def live(server, count):
    """Return when so many subscribers are pushed to."""
    async with asyncio.timeout(10), client() as http:
        while True:
            page = (await http.get(server.url.replace("/graphql", "/metrics"))).text
            found = [
                line for line in page.splitlines() if line.startswith("mela_subscriptions_active ")
            ]
            if found and float(found[0].split()[-1]) >= count:
                return
            await asyncio.sleep(0.02)


async def test_what_is_a_viewers_own_is_told_to_them_alone(server, lot, bid, token):
    async with client() as http:
        after = {"after": await cursor_of(server, lot)}
        who = [token(0), token(1), None]
        many = [followed(http, server, lot, MINE, headers=own, variables=after) for own in who]
        opened = [await each.__aenter__() for each in many]
        await bid(0, "30.00")
        seen = [(await next_of(events)).data["data"]["bidPlaced"]["bid"] for events in opened]
        assert [one["auction"]["viewerIsLeading"] for one in seen] == [True, False, False]
        for each, events in zip(many, opened, strict=True):
            await events.aclose()
            await each.__aexit__(None, None, None)


async def test_streams_have_their_place_among_sockets(served, lots):
    lot = lots.pop()
    made = served(max_sockets=3, max_sockets_per_viewer=1)
    async with serve_here(made) as server, client() as http:
        own = {"Authorization": f"Bearer {token_for(server.ring, lot.bidders[0])}"}
        async with open_socket(server.socket_url), followed(http, server, lot, headers=own):
            async with stream(
                http, server, BID_PLACED, {"auction": lot.public_id}, headers=own
            ) as two:
                assert two.status_code == 429
            async with followed(http, server, lot):
                async with stream(http, server, BID_PLACED, {"auction": lot.public_id}) as more:
                    assert (more.status_code, more.headers["retry-after"]) == (503, "1")
                assert (await http.put(server.url)).status_code == 503
                [event, _] = (await asked(http, server, "{ a: __typename }")).json(), None
                assert event == {"data": {"a": "Query"}}
        await server.follows(0)
        async with followed(http, server, lot, headers=own):
            pass


async def test_a_multipart_stream_shows_that_it_is_alive(server, lot, monkeypatch):
    monkeypatch.setattr(SubscriptionFraming, "heartbeat_s", 0.05)
    async with client() as http:
        variables = {"auction": lot.public_id}
        async with stream(http, server, BID_PLACED, variables, accept=MULTIPART) as response:
            kind = response.headers["content-type"]
            assert kind == 'multipart/mixed; boundary="graphql";subscriptionSpec=1.0'
            async with aclosing(parts_of(response)) as parts:
                assert [await next_of(parts) for _ in range(2)] == [{}, {}]


async def test_who_follows_by_a_stream_is_here(server, lot, token):
    query = "{ me { presence { status } } }"
    async with client() as http:

        async def status():
            answer = await asked(http, server, query, headers=token(0))
            return answer.json()["data"]["me"]["presence"]["status"]

        async def until(expected):
            async with asyncio.timeout(10):
                while await status() != expected:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

        await until("OFFLINE")
        async with followed(http, server, lot, headers=token(0)):
            await until("ONLINE")
        await until("OFFLINE")
