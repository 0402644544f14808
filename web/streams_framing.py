"""How results are written into an answer that lasts: as server-sent events (npm graphql-sse's
PROTOCOL.md), as Apollo's multipart subscriptions, as parts of incremental delivery. Bytes alone."""

from __future__ import annotations

from typing import Final, Protocol

import orjson
from graphql import GraphQLError

BOUNDARY: Final = b"graphql"
_PART: Final = b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
_EDGE: Final = b"\r\n--" + BOUNDARY
HEARTBEAT_S: Final = 12.0
MULTIPART_HEARTBEAT_S: Final = 5.0


class Framing(Protocol):
    """A way to write results. Each piece is whole: a client can read it as soon as it is there."""

    @property
    def content_type(self) -> bytes:
        """Of the whole answer."""

    @property
    def opening(self) -> bytes:
        """Sent at once, so that the head of the answer is too."""

    @property
    def heartbeat(self) -> bytes | None:
        """Sent after `heartbeat_s` without anything else."""

    @property
    def heartbeat_s(self) -> float:
        """Seconds."""

    @property
    def tells_of_end(self) -> bool:
        """Whether clients must be told that the server goes down."""

    @property
    def later(self) -> bool:
        """Whether parts of an answer may come later."""

    def result(self, payload: bytes, cursor: str | None) -> bytes:
        """A result; of an event that may be resumed after, with its cursor."""

    def mark(self, cursor: str) -> bytes:
        """Where a stream begins that has not told anything yet."""

    def error(self, payload: bytes) -> bytes:
        """An operation's errors from outside of it, which end it."""

    def complete(self) -> bytes:
        """The end of an operation."""


class EventFraming:
    """Server-sent events, with LF alone: not every client splits at CRLF. An event's cursor is its
    id, which browsers send back as Last-Event-ID."""

    content_type = b"text/event-stream; charset=utf-8"
    opening = b":\n\n"
    heartbeat = b":\n\n"
    heartbeat_s = HEARTBEAT_S
    tells_of_end = False
    later = True

    def result(self, payload: bytes, cursor: str | None) -> bytes:
        """See `Framing`. JSON has no line breaks of its own."""
        if cursor is None:
            return b"event: next\ndata: %b\n\n" % payload
        return b"id: %b\nevent: next\ndata: %b\n\n" % (cursor.encode(), payload)

    def mark(self, cursor: str) -> bytes:
        """An id without data: remembered, and no event."""
        return b"id: %b\n\n" % cursor.encode()

    def error(self, payload: bytes) -> bytes:
        """As a result: the protocol has nothing else."""
        return self.result(payload, None)

    def complete(self) -> bytes:
        """With an empty `data`, or EventSource would not tell of it."""
        return b"event: complete\ndata:\n\n"


class SharedEventFraming(EventFraming):
    """Server-sent events of one of many operations on a connection, by its id."""

    def __init__(self, operation_id: str) -> None:
        self._id = orjson.dumps(operation_id)

    def result(self, payload: bytes, cursor: str | None) -> bytes:
        """Without an event id: one connection has one, and its operations are many."""
        return b'event: next\ndata: {"id":%b,"payload":%b}\n\n' % (self._id, payload)

    def mark(self, cursor: str) -> bytes:
        """Nothing, for the same reason."""
        return b""

    def complete(self) -> bytes:
        """See `Framing`."""
        return b'event: complete\ndata: {"id":%b}\n\n' % self._id


class PartFraming:
    """Parts of multipart/mixed, each followed by its boundary: clients take a part for whole when
    they see the next one's beginning."""

    opening = _EDGE
    heartbeat: bytes | None = None
    heartbeat_s = MULTIPART_HEARTBEAT_S
    tells_of_end = True
    later = True

    def __init__(self, parameters: bytes = b"") -> None:
        self.content_type = b'multipart/mixed; boundary="%b"%b' % (BOUNDARY, parameters)

    def result(self, payload: bytes, cursor: str | None) -> bytes:
        """See `Framing`."""
        return _PART + payload + _EDGE

    def mark(self, cursor: str) -> bytes:
        """Nothing: no client of the protocol resumes by itself."""
        return b""

    def error(self, payload: bytes) -> bytes:
        """See `Framing`."""
        return self.result(payload, None)

    def complete(self) -> bytes:
        """The last boundary."""
        return b"--\r\n"


class SubscriptionFraming(PartFraming):
    """Apollo's multipart subscriptions: results in an envelope, `{}` as a sign of life."""

    heartbeat = _PART + b"{}" + _EDGE
    later = False

    def __init__(self) -> None:
        super().__init__(b";subscriptionSpec=1.0")

    def result(self, payload: bytes, cursor: str | None) -> bytes:
        """See `Framing`."""
        return _PART + b'{"payload":%b}' % payload + _EDGE

    def error(self, payload: bytes) -> bytes:
        """Of the transport, as the protocol tells them from those of results."""
        return _PART + b'{"payload":null,%b' % payload[1:] + _EDGE


EVENTS: Final = EventFraming()
SUBSCRIPTION: Final = SubscriptionFraming()
PARTS: Final = PartFraming()
PARTS_2022: Final = PartFraming(b";deferSpec=20220824")
PARTS_V02: Final = PartFraming(b";incrementalSpec=v0.2")


def error_payload(error: GraphQLError) -> bytes:
    """An error alone, with the keys of a result."""
    return orjson.dumps({"errors": [error.formatted]})
