"""uvicorn's HTTP protocol with a way past it for answers that last: whole chunks, made once for
many streams, go to the transport at once or not at all, and a stream hears that the server goes
down. What a chunk says is of no concern here."""

from __future__ import annotations

from asyncio import BaseTransport, Transport
from collections.abc import Callable, MutableMapping
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from web.wire import bound_unsent

EXTENSION = "mela.stream"
"""Where an ASGI scope has its connection's `StreamingProtocol`, if it was served by one."""


def chunk(body: bytes) -> bytes:
    """A chunk of HTTP/1.1's chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(body), body)


class StreamingProtocol(HttpToolsProtocol):
    """uvicorn's, with what `StreamWire` needs of it."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Nobody waits for anything yet."""
        super().connection_made(cast(Transport, transport))
        self.writable_calls: list[Callable[[], None]] = []
        self.shutdown_calls: list[Callable[[], None]] = []

    def on_message_begin(self) -> None:
        """Let the application find this protocol in the scope."""
        super().on_message_begin()
        cast("MutableMapping[str, Any]", self.scope)["extensions"] = {EXTENSION: self}

    def resume_writing(self) -> None:
        """What waited for the client to read may go on."""
        super().resume_writing()
        calls, self.writable_calls = self.writable_calls, []
        for call in calls:
            call()

    def shutdown(self) -> None:
        """An answer that lasts is to end now; uvicorn would wait for it."""
        super().shutdown()
        calls, self.shutdown_calls = self.shutdown_calls, []
        for call in calls:
            call()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing will be written any more."""
        self.writable_calls.clear()
        self.shutdown_calls.clear()
        super().connection_lost(exc)


class StreamWire:
    """One answer's way past ASGI, once its head has been sent."""

    __slots__ = ("_cycle", "_protocol")

    def __init__(self, protocol: StreamingProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        bound_unsent(protocol.transport)

    def write(self, chunks: bytes) -> bool:
        """Send whole chunks; False, and nothing sent, while the client takes none. To a client that
        is gone they are sent nowhere."""
        if self._cycle.disconnected or self._cycle.response_complete:
            return True
        if self._protocol.flow.write_paused:
            return False
        self._protocol.transport.write(chunks)
        return True

    def when_writable(self, call: Callable[[], None]) -> None:
        """Call once when the client takes chunks again."""
        self._protocol.writable_calls.append(call)

    def when_shutdown(self, call: Callable[[], None]) -> None:
        """Call once when the server goes down."""
        self._protocol.shutdown_calls.append(call)

    def release(self) -> None:
        """The answer is over: nobody of it is called any more."""
        self._protocol.writable_calls.clear()
        self._protocol.shutdown_calls.clear()

    def give_up(self) -> None:
        """Break the connection off: its client does not read."""
        self._protocol.transport.abort()


def stream_wire(scope: Scope) -> StreamWire | None:
    """The wire of a request's answer; None on another server, and where the client has sent its
    next request before this one was answered."""
    protocol = scope.get("extensions", {}).get(EXTENSION)
    if protocol is None or protocol.cycle is None or protocol.cycle.scope is not protocol.scope:
        return None
    return StreamWire(protocol, protocol.cycle) if _is_of(protocol, scope) else None


def _is_of(protocol: StreamingProtocol, scope: Scope) -> bool:
    # Middleware and routers copy a scope; its headers they hand on.
    return protocol.scope["headers"] is scope["headers"]
