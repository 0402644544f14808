"""Drivers for streams over HTTP: server-sent events in both modes, and multipart. What a client
reads is split here by hand, from bytes, so that nothing lenient hides what is sent."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from tests.conformance.transports import (
    NARROW_BYTES,
    Driver,
    Inbox,
    Left,
    Lost,
    Refused,
    Result,
    body_of,
)

EVENTS = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0", application/json'
TOKEN = "X-GraphQL-Event-Stream-Token"


@asynccontextmanager
async def client_for(token: str | None, *, narrow: bool) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client that is signed in with the token."""
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BYTES)] if narrow else None
    async with httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(socket_options=small),
        headers={} if token is None else {"Authorization": f"Bearer {token}"},
        timeout=httpx.Timeout(10, read=60),
    ) as client:
        yield client


@dataclass(frozen=True)
class Event:
    """A server-sent event."""

    name: str
    data: Any
    id: str | None = None


async def events_of(response: httpx.Response) -> AsyncGenerator[Event, None]:
    """The events of a stream, which may end anywhere between two of them. Raises `Lost`."""
    assert response.headers["content-type"].startswith(EVENTS), response.headers
    assert "content-encoding" not in response.headers
    rest = b""
    try:
        async for chunk in response.aiter_raw():
            *whole, rest = (rest + chunk).split(b"\n\n")
            for one in whole:
                if (event := _event(one)) is not None:
                    yield event
    except httpx.TransportError as error:
        raise Lost(repr(error)) from error
    assert not rest, rest


def _event(text: bytes) -> Event | None:
    assert b"\r" not in text
    fields: dict[str, str] = {}
    for line in text.decode().split("\n"):
        name, _, value = line.partition(":")
        if name:
            assert name not in fields
            fields[name] = value.removeprefix(" ")
    if "event" not in fields:
        return None  # a sign of life, or an id alone
    data = fields["data"]
    return Event(fields["event"], json.loads(data) if data else None, fields.get("id"))


class EventConnection:
    """A client that opens a stream for each operation."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client, self._url = client, url

    async def subscribe(
        self,
        query: str,
        variables: Mapping[str, object] | None = None,
        *,
        operation_name: str | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> AsyncGenerator[Result, None]:
        """See `Connection.subscribe`."""
        body = body_of(query, variables, operation_name, extensions)
        opened = self._client.stream("POST", self._url, json=body, headers={"Accept": EVENTS})
        async with opened as response:
            await checked(response)
            events = events_of(response)
            try:
                async for event in events:
                    if event.name == "complete":
                        assert event.data is None
                        return
                    assert event.name == "next"
                    yield event.data
                raise Left("the stream ended")
            finally:
                await events.aclose()


class MultipartConnection:
    """A client as Apollo's: it takes JSON for what is no subscription."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client, self._url = client, url

    async def subscribe(
        self,
        query: str,
        variables: Mapping[str, object] | None = None,
        *,
        operation_name: str | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> AsyncGenerator[Result, None]:
        """See `Connection.subscribe`."""
        body = body_of(query, variables, operation_name, extensions)
        opened = self._client.stream("POST", self._url, json=body, headers={"Accept": MULTIPART})
        async with opened as response:
            await checked(response)
            if response.headers["content-type"].startswith("application/json"):
                yield json.loads(await response.aread())
                return
            parts = parts_of(response)
            try:
                async for part in parts:
                    if not part:
                        continue  # a sign of life
                    assert set(part) in ({"payload"}, {"payload", "errors"}), part
                    yield {"errors": part["errors"]} if "errors" in part else part["payload"]
            finally:
                await parts.aclose()


async def parts_of(response: httpx.Response) -> AsyncGenerator[Any, None]:
    """The JSON of each part, as soon as the boundary behind it is there. Raises `Lost` where the
    last boundary is missing."""
    kind = response.headers["content-type"]
    assert kind.startswith("multipart/mixed;"), kind
    boundary = b"\r\n--graphql"
    assert 'boundary="graphql"' in kind
    rest, begun = b"", False
    try:
        async for chunk in response.aiter_raw():
            rest += chunk
            while boundary in rest:
                part, _, rest = rest.partition(boundary)
                if begun:
                    head, _, body = part.partition(b"\r\n\r\n")
                    assert head == b"\r\nContent-Type: application/json; charset=utf-8", part
                    yield json.loads(body)
                else:
                    assert part == b""
                    begun = True
    except httpx.TransportError as error:
        raise Lost(repr(error)) from error
    if rest != b"--\r\n":
        raise Lost(f"the last boundary is missing: {rest!r}")


async def checked(response: httpx.Response) -> None:
    """Raise `Refused` for credentials that are not taken."""
    if response.status_code in (401, 403):
        raise Refused(await response.aread())


class SingleConnection:
    """One stream of events for many operations, which are begun and stopped by requests."""

    def __init__(self, client: httpx.AsyncClient, url: str, events: Any) -> None:
        self._client, self._url, self._events = client, url, events
        self._ids = itertools.count(1)
        self._inbox = Inbox(self._read, id_of=lambda event: event.data["id"])

    async def subscribe(
        self,
        query: str,
        variables: Mapping[str, object] | None = None,
        *,
        operation_name: str | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> AsyncGenerator[Result, None]:
        """See `Connection.subscribe`."""
        id = f"operation {next(self._ids)}"
        given = {**(extensions or {}), "operationId": id}
        body = body_of(query, variables, operation_name, given)
        answer = await self._client.post(self._url, json=body)
        await checked(answer)
        if answer.status_code != 202:
            yield answer.json()
            return
        over = False
        try:
            while (event := await self._inbox.next(id)).name == "next":
                yield event.data["payload"]
            over = True
        except Left:
            over = True
            raise
        finally:
            if not over:
                await self._client.delete(self._url, params={"operationId": id})

    async def _read(self) -> Event:
        # Shielded: who gives an operation up must not break the stream off for the others.
        self._reading = getattr(self, "_reading", None) or asyncio.ensure_future(
            anext(self._events)
        )
        try:
            event: Event = await asyncio.shield(self._reading)
        except StopAsyncIteration:
            raise Left("the stream ended") from None
        except asyncio.CancelledError:
            raise
        self._reading = None
        return event


@dataclass(frozen=True)
class StreamDriver:
    """A stream for each operation."""

    name: str
    made: Any

    @asynccontextmanager
    async def connect(
        self, url: str, token: str | None = None, *, narrow: bool = False
    ) -> AsyncIterator[Any]:
        """See `Driver.connect`."""
        async with client_for(token, narrow=narrow) as client:
            yield self.made(client, url)


@dataclass(frozen=True)
class SingleDriver:
    """A stream for all operations."""

    name: str

    @asynccontextmanager
    async def connect(
        self, url: str, token: str | None = None, *, narrow: bool = False
    ) -> AsyncIterator[SingleConnection]:
        """See `Driver.connect`."""
        async with client_for(token, narrow=narrow) as client:
            reserved = await client.put(url)
            await checked(reserved)
            assert reserved.status_code == 201, reserved.text
            client.headers[TOKEN] = reserved.text
            async with client.stream("GET", url, headers={"Accept": EVENTS}) as response:
                events = events_of(response)
                made = SingleConnection(client, url, events)
                try:
                    yield made
                finally:
                    if (reading := getattr(made, "_reading", None)) is not None:
                        reading.cancel()
                        with suppress(BaseException):
                            await reading
                    await events.aclose()


STREAM_DRIVERS: list[Driver] = [
    StreamDriver("events", EventConnection),
    StreamDriver("multipart", MultipartConnection),
    SingleDriver("events of many"),
]
