"""uvicorn's WebSocket protocol with a way past it: whole text frames, made once for many sockets,
go to the transport at once or not at all. What a frame says is of no concern here."""

from __future__ import annotations

import asyncio
import socket
from asyncio import BaseTransport, Transport
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

EXTENSION = "mela.wire"
"""Where an ASGI scope has the socket's `SocketProtocol`, if it was served by one."""

UNSENT_BYTES = 32 * 1024
"""What may wait in the kernel, and again as much here, for a client that does not read. Without it
the kernel would take megabytes, and nobody would notice for a long time."""

CLOSING_S = 2.0
"""How long a close frame may take to leave a socket whose client is thought to be gone."""
PONG_TIMEOUT = 4408, "Pong timeout"
"""A code after which clients come back; after uvicorn's own, 1011, graphql-ws's does not."""


def bound_unsent(transport: Transport) -> None:
    """Let `UNSENT_BYTES` wait for a client that does not read, here and in the kernel."""
    transport.set_write_buffer_limits(high=UNSENT_BYTES)
    raw = transport.get_extra_info("socket")
    if raw is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with suppress(OSError):  # a Unix socket, or a system that has no such option
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def text_frame(payload: bytes) -> bytes:
    """A whole text frame."""
    return frame_head(len(payload)) + payload


def frame_head(length: int) -> bytes:
    """The head of an unmasked text frame of one piece (RFC 6455, 5.2)."""
    if length < 126:
        return bytes((0x81, length))
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")


class Inbox:
    """What uvicorn uses of `asyncio.Queue`, for one reader, in a tenth of the memory."""

    __slots__ = ("_items", "_reader")

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._reader: asyncio.Future[None] | None = None

    def empty(self) -> bool:
        """Whether there is nothing to get."""
        return not self._items

    def put_nowait(self, item: Any) -> None:
        """Add an item. Reading from the socket rests after each message: few ever wait."""
        self._items.append(item)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Any:
        """The next item, when there is one."""
        while not self._items:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._items.pop(0)


class Gate:
    """What uvicorn uses of `asyncio.Event`, open at first, in a tenth of the memory."""

    __slots__ = ("_open", "_waiters")

    def __init__(self) -> None:
        self._open = True
        self._waiters: list[asyncio.Future[None]] = []

    def is_set(self) -> bool:
        """Whether `wait` returns at once."""
        return self._open

    def clear(self) -> None:
        """Let everybody wait."""
        self._open = False

    def set(self) -> None:
        """Let everybody through who waits, and who comes."""
        self._open = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        """Return when it is open."""
        if not self._open:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, and `write_frame` beside its `send`. Both may be used by turns: uvicorn sends
    every message in one piece, and buffers none of it above the transport."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.queue = Inbox()  # type: ignore[assignment]
        self.writable = Gate()  # type: ignore[assignment]
        self._calls: list[Callable[[], None]] = []

    def connection_made(self, transport: BaseTransport) -> None:
        """Bound what waits for a client that does not read."""
        super().connection_made(transport)
        bound_unsent(self.transport)

    def handle_connect(self, event: Request) -> None:
        """Let the application find this protocol in the scope."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions = cast("MutableMapping[str, Any]", self.scope["extensions"])
            extensions[EXTENSION] = self

    def start_keepalive(self) -> None:
        """Called when the handshake is over: what it said is not needed for the socket's life."""
        super().start_keepalive()
        del self.request, self.response

    def write_frame(self, frame: bytes) -> bool:
        """Send a whole frame; False, and nothing sent, while the client takes none. To a socket
        that is closing it is sent nowhere, as uvicorn's `send` does after a close."""
        if self.conn.state is not State.OPEN or self.close_sent or self.disconnected:
            return True
        if not self.writable.is_set():
            return False
        self.transport.write(frame)
        return True

    def give_up(self, code: int, reason: str) -> None:
        """Close, and wait for nothing that the client would have to do."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.stop_keepalive()
        told = {"type": "websocket.disconnect", "code": code, "reason": reason}
        self.queue.put_nowait(cast(Any, told))
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()
        self.loop.call_later(CLOSING_S, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """No pong came in time."""
        self.give_up(*PONG_TIMEOUT)

    def send_receive_event_to_app(self) -> None:
        """As uvicorn's; text that is no UTF-8 closes the socket, and is nothing to log."""
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.frames = []
            self.conn.send_close(1007, "Invalid UTF-8")
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def when_writable(self, call: Callable[[], None]) -> None:
        """Call once when the client takes frames again."""
        self._calls.append(call)

    def resume_writing(self) -> None:
        """What waited here goes before what waits in uvicorn's `send`."""
        super().resume_writing()
        calls, self._calls = self._calls, []
        for call in calls:
            call()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing will be written any more."""
        self._calls.clear()
        super().connection_lost(exc)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
