"""An HTTP answer that lasts: its head, signs of life, and what ends it: its operations, the client,
the viewer's token or session, the server. What is written, and when, is its operations' concern."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from graphql import GraphQLError
from starlette.types import Receive, Scope, Send

from core.errors import RequestError, Unavailable
from services.users.access import Viewer
from services.users.revocations import Revocations
from subscriptions.reading import GOING_DOWN
from web.error_shapes import shaped
from web.headers import Headers
from web.presence import until_signed_out
from web.streams_framing import Framing, error_payload
from web.streams_wire import StreamWire, stream_wire

STALLED_S: Final = 60.0
"""A client that takes nothing for so long is cut off."""
PARTING_S: Final = 2.0
"""How long the end of a stream may take to leave; then it is cut off."""
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"vary", b"accept"),
)
"""Nobody keeps a stream, nor holds it back: the second is for nginx."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and where its answer goes."""

    scope: Scope
    headers: Headers
    receive: Receive
    send: Send


class Running(Protocol):
    """An operation of a stream."""

    framing: Framing
    lasting: bool
    """Whether it is a subscription: any other is let finish when the server goes down."""

    async def stop(self) -> None:
        """Write nothing more; return when its work has ended."""


class Stream:
    """One answer that lasts. Operations stand in `running`; `serve` returns when it is over."""

    def __init__(
        self, framing: Framing, *, revocations: Revocations, viewer: Viewer | None, request_id: str
    ) -> None:
        self.running: dict[str, Running] = {}
        self.wire: StreamWire | None = None
        self._framing = framing
        self._revocations = revocations
        self._viewer = viewer
        self._request_id = request_id
        self._send: Send | None = None
        self._opened = asyncio.Event()
        self._over: asyncio.Future[RequestError | None] = asyncio.get_running_loop().create_future()
        self._quiet = True
        self._going_down = False
        self._sending: list[float] = []
        """Since when each piece waits that is being sent; the oldest first."""

    async def send(self, data: bytes) -> None:
        """Write a whole piece, when the stream is open and its client takes it."""
        if self._send is None:
            await self._opened.wait()
        assert self._send is not None
        since = asyncio.get_running_loop().time()
        self._sending.append(since)
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            self._sending.remove(since)
        self._quiet = False

    def write(self, chunks: bytes) -> bool:
        """Write whole chunks at once, or not at all: see `StreamWire.write`."""
        assert self.wire is not None
        written = self.wire.write(chunks)
        self._quiet = self._quiet and not written
        return written

    def end(self, error: RequestError | None = None) -> None:
        """Let `serve` return, after it has told each operation's error if there is one."""
        if not self._over.done():
            self._over.set_result(error)

    def finished(self, operation_id: str) -> None:
        """An operation has written its end."""
        self.running.pop(operation_id, None)
        if self._going_down:
            self._go_down()

    @property
    def ended(self) -> bool:
        """Whether nothing may be added any more."""
        return self._over.done()

    async def serve(self, exchange: Exchange, begin: Callable[[], None]) -> None:
        """Answer a request with this stream, whose operations `begin` begins."""
        send = exchange.send
        headers = [(b"content-type", self._framing.content_type), *_HEADERS]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._framing.opening, "more_body": True})
        self.wire = stream_wire(exchange.scope)
        if self.wire is not None:
            self.wire.when_shutdown(self._go_down)
        self._send = send
        self._opened.set()
        gone = asyncio.create_task(self._end_with_client(exchange.receive))
        watching = [gone]
        if self._viewer is not None:
            watching.append(asyncio.create_task(self._end_with(self._viewer)))
        try:
            begin()
            await self._live()
            await self._finish(self._over.result(), gone=gone.done())
        finally:
            await _cancelled(watching)
            await self.stop()

    async def stop(self) -> None:
        """End all operations, and tell nobody."""
        self.end()
        if self.wire is not None:
            self.wire.release()
        for operation in list(self.running.values()):
            await operation.stop()
        self.running.clear()

    async def _live(self) -> None:
        """Until it is over: a sign of life whenever nothing was said for a while."""
        loop, every_s = asyncio.get_running_loop(), self._framing.heartbeat_s
        beat: asyncio.Task[None] | None = None
        try:
            while True:
                await asyncio.wait((self._over,), timeout=every_s)
                if self._over.done():
                    return
                if self._sending:
                    if loop.time() - self._sending[0] > STALLED_S:
                        self._give_up()
                elif self._quiet and self._framing.heartbeat is not None:
                    beat = asyncio.create_task(self.send(self._framing.heartbeat))
                self._quiet = True
        finally:
            if beat is not None:
                await _cancelled([beat])

    def _give_up(self) -> None:
        if self.wire is not None:
            self.wire.give_up()
        self.end()

    async def _finish(self, error: RequestError | None, *, gone: bool) -> None:
        """Tell what is still running why it ends, and end the answer."""
        assert self._send is not None
        parting = b""
        for operation in list(self.running.values()):
            await operation.stop()
            if error is not None:
                parting += operation.framing.error(error_payload(self.shaped(error)))
                parting += operation.framing.complete()
        if gone:
            return
        try:
            async with asyncio.timeout(PARTING_S):
                await self._send({"type": "http.response.body", "body": parting})
        except TimeoutError:
            self._give_up()

    def shaped(self, error: RequestError) -> GraphQLError:
        """An error as clients see it."""
        return shaped(error, self._request_id)

    def _go_down(self) -> None:
        """Events just end: clients come again by themselves, with the last id. Others are told."""
        self._going_down = True
        if all(operation.lasting for operation in self.running.values()):
            self.end(Unavailable(GOING_DOWN) if self._framing.tells_of_end else None)

    async def _end_with_client(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.end()

    async def _end_with(self, viewer: Viewer) -> None:
        self.end(await until_signed_out(viewer, self._revocations))


async def _cancelled(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
