"""Subscribers over graphql-transport-ws at the least cost: frames are counted, and each one's place
in the stream is checked. No WebSocket library, whose cost would be the server's on two cores."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
from collections.abc import Callable
from typing import Any, cast

from subscriptions.cursors import decode_cursor

SUBPROTOCOL = "graphql-transport-ws"
OPEN_AT_ONCE = 50
MANY = 10_000
FEW = 1_000
PING, PONG = b'{"type":"ping"}', b'{"type":"pong"}'

Delivered = Callable[["Subscriber", int], None]


class Broken(Exception):
    """A subscriber did not get what it must get; the message says what."""


def masked(text: bytes, opcode: int = 1) -> bytes:
    """A client's frame. The key is zero: masking protects proxies, and there is none here."""
    length = len(text)
    size = (
        struct.pack("!B", 128 | length) if length < 126 else struct.pack("!BH", 128 | 126, length)
    )
    return bytes([128 | opcode]) + size + b"\0\0\0\0" + text


class Reading:
    """The sequence in a frame: each distinct text is parsed once, however many sockets bring it,
    and so is what arrives at once. Where money is a number (`step_minor`), an event's own number
    is in its amount; else it is in its cursor."""

    def __init__(self, topic: str, step_minor: int | None = None) -> None:
        self.topic = topic
        self.step_minor = step_minor
        self.chunks: dict[bytes, tuple[int, ...]] = {}
        self._known: dict[bytes, int] = {}

    def remember(self, chunk: bytes, sequences: tuple[int, ...]) -> None:
        """What a chunk of whole frames holds."""
        if len(self.chunks) > FEW:
            self.chunks.clear()
        self.chunks[chunk] = sequences

    def sequence(self, frame: bytes) -> int:
        """Of the event in a `next` message. Raises `Broken` for any other message."""
        found = self._known.get(frame)
        if found is None:
            if len(self._known) > MANY:
                self._known.clear()
            found = self._known[frame] = self._parse(frame)
        return found

    def _parse(self, frame: bytes) -> int:
        message = json.loads(frame)
        data = (message.get("payload") or {}).get("data") if message["type"] == "next" else None
        if not data:
            raise Broken(f"not an event: {frame[:500]!r}")
        event = data["bidPlaced"]
        if self.step_minor is not None:
            if not event["bidder"]["username"]:
                raise Broken(f"a bid without its bidder: {frame[:500]!r}")
            return int(event["amount"]) // self.step_minor
        if not event["bid"]["bidder"]["username"]:
            raise Broken(f"a bid without its bidder: {frame[:500]!r}")
        cursor = event["cursor"]
        return int(cursor) if cursor.isdecimal() else decode_cursor(cursor, self.topic)


class Subscriber(asyncio.Protocol):
    """One socket with one subscription. `delivered` is told of each event, in order and once;
    anything else ends the run by `failed`."""

    __slots__ = (
        *("buffer", "delivered", "failed", "heard", "last"),
        *("reading", "ready", "subscribe", "wire"),
    )

    init = b'{"type":"connection_init"}'

    def __init__(
        self,
        subscribe: bytes,
        reading: Reading,
        delivered: Delivered,
        failed: Callable[[Exception], None],
    ) -> None:
        self.subscribe = subscribe
        self.reading = reading
        self.delivered = delivered
        self.failed = failed
        self.last = 0
        self.buffer = b""
        self.heard: list[int] = []
        self.ready: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.wire.write(
            f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        try:
            if not self.buffer and (known := self.reading.chunks.get(data)) is not None:
                for sequence in known:
                    self._next(sequence)
                return
            self._slowly(data)
        except Exception as error:
            self.failed(error)

    def _slowly(self, data: bytes) -> None:
        """Frame by frame. A chunk of nothing but whole events is remembered for the others."""
        whole = not self.buffer and self.ready is None
        chunk, data = data, self.buffer + data
        self.buffer = b""
        self.heard = []
        if self.ready is not None:
            data = self._greet(data)
        if data:
            self._frames(data)
        if whole and self.heard and not self.buffer:
            self.reading.remember(chunk, tuple(self.heard))

    def connection_lost(self, error: Exception | None) -> None:
        self.failed(Broken(f"the server closed a socket after event {self.last}: {error}"))

    def _greet(self, data: bytes) -> bytes:
        """Upgrade, `connection_init`, and once it is acknowledged, `subscribe`."""
        head, end, rest = data.partition(b"\r\n\r\n")
        if data.startswith(b"HTTP/"):
            if not end:
                self.buffer = data
                return b""
            if not head.startswith(b"HTTP/1.1 101"):
                raise Broken(f"no WebSocket: {head[:300]!r}")
            self.wire.write(masked(self.init))
        return rest if end else data

    def _frames(self, data: bytes) -> None:
        at, size = 0, len(data)
        while size - at >= 2:
            length = data[at + 1]
            body = at + 2
            if length == 126:
                if size - at < 4:
                    break
                length = (data[at + 2] << 8) | data[at + 3]
                body = at + 4
            elif length > 126:
                raise Broken("a frame of more than 64 KiB, or a masked one")
            if size - body < length:
                break
            self._frame(data[at] & 15, data[body : body + length])
            at = body + length
        self.buffer = data[at:]

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == 9:
            self.wire.write(masked(payload, 10))
            self.heard = []  # a ping is to be answered by each
        elif payload == PING:
            self.wire.write(masked(PONG))
            self.heard = []
        elif opcode == 8:
            raise Broken(f"the server closed: {payload[:200]!r}")
        elif self.ready is not None:
            if b"connection_ack" not in payload:
                raise Broken(f"not acknowledged: {payload[:300]!r}")
            self.wire.write(masked(self.subscribe))
            self.ready.set_result(None)
            self.ready = None
        elif opcode == 1:
            self._event(payload)

    def _event(self, payload: bytes) -> None:
        sequence = self.reading.sequence(payload)
        self.heard.append(sequence)
        self._next(sequence)

    def _next(self, sequence: int) -> None:
        if self.last and sequence != self.last + 1:
            raise Broken(f"event {sequence} came after {self.last}")
        self.last = sequence
        self.delivered(self, sequence)


def subscribe_message(text: str, variables: dict[str, Any]) -> bytes:
    """The `subscribe` of one subscriber; all use the same operation id, on sockets of their own."""
    payload = {"query": text, "variables": variables}
    return json.dumps({"id": "1", "type": "subscribe", "payload": payload}).encode()


async def open_subscribers(
    count: int, port: int, make: Callable[[], Subscriber]
) -> list[Subscriber]:
    """Open `count` sockets, fifty at a time, and subscribe on each."""
    gate = asyncio.Semaphore(OPEN_AT_ONCE)
    loop = asyncio.get_running_loop()

    async def open_one() -> Subscriber:
        async with gate:
            _, subscriber = await loop.create_connection(make, "127.0.0.1", port)
            if subscriber.ready is not None:
                await asyncio.wait_for(subscriber.ready, 30)
            return subscriber

    return list(await asyncio.gather(*(open_one() for _ in range(count))))
