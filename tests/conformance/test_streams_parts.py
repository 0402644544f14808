"""Answers in parts, as each of their clients reads them; and streams of many operations."""

import asyncio
import email.parser
import email.policy
import json
from contextlib import aclosing

import pytest

from tests.concurrency.serving import BID_PLACED, open_socket, serve_here
from tests.conformance.deferring import merged, merged_2022
from tests.conformance.stream_drivers import EVENTS, TOKEN, events_of
from tests.conformance.streaming import asked, client, code, next_of, stream
from web import streams_single

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATER = """query ($id: ID!) { auction(id: $id) { id ... @defer(label: "rest") { bidCount status
    ... @defer { seller { username } } } tags @stream(initialCount: 0) } }"""
AT_ONCE = "query ($id: ID!) { auction(id: $id) { id bidCount status seller { username } tags } }"
FAILING = """query ($id: ID!) { auction(id: $id) { id
    ... @defer { bids(first: 9999) { totalCount } } } }"""


@pytest.mark.parametrize(
    ("accept", "kind", "merge"),
    [
        ("multipart/mixed;deferSpec=20220824,application/json", ";deferSpec=20220824", merged_2022),
        ("multipart/mixed;incrementalSpec=v0.2, application/json", ";incrementalSpec=v0.2", merged),
        ("application/graphql-response+json, multipart/mixed", "", merged),
        (EVENTS, None, merged),
    ],
    ids=["2022", "v0.2", "no format", "events"],
)
async def test_what_is_deferred_comes_later_and_is_all_there(server, lot, accept, kind, merge):
    async with client() as http:
        whole = (await asked(http, server, AT_ONCE, id=lot.public_id)).json()["data"]
        async with stream(http, server, LATER, {"id": lot.public_id}, accept=accept) as response:
            if kind is None:
                *told, last = [event async for event in events_of(response)]
                assert last.name == "complete"
                parts = [event.data for event in told]
            else:
                given = response.headers["content-type"]
                assert given == f'multipart/mixed; boundary="graphql"{kind}'
                parts = as_mail(given, await response.aread())
    assert parts[0]["data"]["auction"] == {"id": lot.public_id, "tags": []}
    assert len(parts) >= 2
    assert merge(parts) == (whole, [])


def as_mail(kind, body):
    """The JSON of parts, as Python's own parser of mails finds them."""
    head = f"MIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n".encode()
    mail = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    assert mail.is_multipart()
    assert not mail.defects
    parts = list(mail.iter_parts())
    assert {part.get_content_type() for part in parts} == {"application/json"}
    return [json.loads(part.get_payload(decode=True)) for part in parts]


async def test_who_does_not_take_parts_is_answered_at_once(server, lot):
    async with client() as http:
        whole = (await asked(http, server, AT_ONCE, id=lot.public_id)).json()
        answer = await asked(http, server, LATER, id=lot.public_id)
        assert answer.json() == whole
        assert answer.headers["content-type"].startswith("application/json")
    async with open_socket(server.socket_url) as socket:
        await socket.subscribe("a", LATER, id=lot.public_id)
        assert (await socket.receive())["payload"] == whole
        assert (await socket.receive())["type"] == "complete"


async def test_an_error_of_a_part_is_told_in_it_as_any_other(server, lot):
    async with client() as http:
        accept = "multipart/mixed;deferSpec=20220824"
        async with stream(http, server, FAILING, {"id": lot.public_id}, accept=accept) as response:
            parts = as_mail(response.headers["content-type"], await response.aread())
    assert parts[0] == {"data": {"auction": {"id": lot.public_id}}, "hasNext": True}
    [told] = parts[1]["incremental"]
    assert (told["path"], told["data"]) == (["auction"], None)
    assert code(told["errors"]) == "BAD_USER_INPUT"
    assert told["errors"][0]["extensions"]["details"]["maximum"] == 100


async def test_how_often_one_may_defer_is_bounded_with_fragments_unfolded(server):
    inner = "... @defer { __typename } " * 5
    parts = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(3))
    for query, found in (
        (f"{{ {' '.join('... @defer { __typename }' for _ in range(21))} }}", 21),
        (f"{{ ...F0 }} {parts} fragment F3 on Query {{ {inner} }}", 5 * 2**3),
    ):
        async with client() as http:
            told = (await asked(http, server, query)).json()["errors"]
        assert code(told) == "BAD_USER_INPUT"
        assert told[0]["extensions"]["details"] == {
            "limit": "deferred",
            "found": found,
            "maximum": 20,
        }


async def reserved(http, server, headers=None):
    answer = await http.put(server.url, headers=headers)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    return {TOKEN: answer.text, **(headers or {})}


def operation(id, query="{ __typename }", **variables):
    return {"query": query, "variables": variables, "extensions": {"operationId": id}}


async def test_a_reservation_is_its_makers_and_opened_once(server, token):
    async with client() as http:
        mine = await reserved(http, server, token(0))
        others = {**mine, **token(1)}
        nobodys = {TOKEN: mine[TOKEN]}
        for headers in (others, nobodys):
            answer = await http.post(server.url, json=operation("a"), headers=headers)
            assert answer.status_code == 403
            answer = await http.delete(server.url, headers=headers, params={"operationId": "a"})
            assert answer.status_code == 403
        opening = {"Accept": EVENTS}
        assert (await http.get(server.url, headers={**others, **opening})).status_code == 403
        # An operation may come before the stream is open; EventSource sends the token alone.
        added = await http.post(server.url, json=operation("a", "{ me { id } }"), headers=mine)
        assert added.status_code == 202
        parameters = {"token": mine[TOKEN]}
        opened = http.stream("GET", server.url, headers=opening, params=parameters)
        async with opened as response, aclosing(events_of(response)) as events:
            told = await next_of(events)
            assert told.data["id"] == "a"
            assert told.data["payload"]["data"]["me"]["id"].startswith("usr_")
            assert (await next_of(events)).data == {"id": "a"}
            again = await http.get(server.url, headers=opening, params=parameters)
            assert again.status_code == 409
        async with asyncio.timeout(5):
            body = operation("b")
            while (await http.post(server.url, json=body, headers=mine)).status_code != 404:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_operations_of_a_stream_are_named_bounded_and_stopped(served, lot):
    made = served(max_operations_per_socket=2)
    async with serve_here(made) as server, client() as http:
        mine = await reserved(http, server)
        opened = http.stream("GET", server.url, headers={**mine, "Accept": EVENTS})
        async with opened as response, aclosing(events_of(response)) as events:

            async def add(id, *given, **variables):
                body = operation(id, *given, **variables)
                return (await http.post(server.url, json=body, headers=mine)).status_code

            for id in ("a", "b"):
                assert await add(id, BID_PLACED, auction=lot.public_id) == 202
            await server.follows(1)
            assert await add("a") == 409
            assert await add("c") == 429
            assert await add("") == await add(3) == await add("x" * 101) == 400
            stop = await http.delete(server.url, headers=mine, params={"operationId": "a"})
            assert stop.status_code == 200
            assert await add("c") == 202
            assert (await next_of(events)).data["payload"] == {"data": {"__typename": "Query"}}
            assert (await next_of(events)).data == {"id": "c"}
        await server.follows(0)
        for answer in (
            await http.delete(server.url, headers=mine, params={"operationId": "a"}),
            await http.get(server.url, headers={TOKEN: "unknown", "Accept": EVENTS}),
        ):
            assert answer.status_code == 404
            assert "another server process" in answer.json()["errors"][0]["message"]


async def test_a_reservation_that_nobody_opens_is_forgotten_with_its_work(served, lot, monkeypatch):
    monkeypatch.setattr(streams_single, "UNUSED_S", 0.5)
    async with serve_here(served(max_sockets=1)) as server, client() as http:
        mine = await reserved(http, server)
        body = operation("a", BID_PLACED, auction=lot.public_id)
        assert (await http.post(server.url, json=body, headers=mine)).status_code == 202
        await server.follows(1)
        assert (await http.put(server.url)).status_code == 503
        await server.follows(0)
        await reserved(http, server)


async def test_with_several_workers_there_is_no_stream_of_many(served):
    async with serve_here(served(workers=2)) as server, client() as http:
        answer = await http.put(server.url)
    assert answer.status_code == 404
    assert "single server process" in answer.json()["errors"][0]["message"]
