"""Operations whose results go into an answer that lasts: one by one, or by a crowd that writes for
all who ask the same (`subscriptions/crowds.py`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from contextvars import Context
from dataclasses import replace
from typing import Any

import structlog
from graphql import SubsequentIncrementalExecutionResult

from core.errors import RequestError
from core.metrics import add_subscriptions
from execution.incremental import FirstPart
from resolvers.context import OperationContext, Place
from schema.executing import MelaSchema
from subscriptions.crowds import Resuming, Seat
from subscriptions.log import LogEvent
from web.crowding import answers_to, question_of
from web.encoding import payload_of
from web.requests import Asked
from web.streams import Stream
from web.streams_framing import PARTS_2022, Framing, SharedEventFraming, error_payload
from web.streams_incremental import Parts2022, encode_part
from web.streams_wire import chunk

log = structlog.get_logger(__name__)


class Answer:
    """An event's answer for many streams: its chunk is made once for each way to write it."""

    __slots__ = ("_chunks", "_cursor", "_payload")

    def __init__(self, payload: bytes, cursor: str | None) -> None:
        self._payload = payload
        self._cursor = cursor
        self._chunks: dict[Framing, bytes] = {}

    def chunk(self, framing: Framing) -> bytes:
        """As this framing writes it."""
        if isinstance(framing, SharedEventFraming):  # has the operation's own id
            return chunk(framing.result(self._payload, None))
        found = self._chunks.get(framing)
        if found is None:
            found = self._chunks[framing] = chunk(framing.result(self._payload, self._cursor))
        return found


class StreamedOperation:
    """One operation of a stream, and a crowd's `Outlet`."""

    def __init__(
        self,
        stream: Stream,
        schema: MelaSchema,
        context: OperationContext,
        asked: Asked,
        framing: Framing,
        *,
        lasting: bool,
        after: str | None = None,
        ended: Callable[[], None],
    ) -> None:
        self.framing = framing
        self.lasting = lasting
        self._stream = stream
        self._schema = schema
        self._context = context
        self._asked = asked
        self._ended = ended
        self._place = Place(after, begun=self._begun)
        self._seat: Seat | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._encode_part = Parts2022().encode if framing is PARTS_2022 else encode_part

    def begin(self, resuming: Resuming | None = None) -> None:
        """Run; after a ride with a crowd, from where it let go."""
        context = Context()
        context.run(structlog.contextvars.bind_contextvars, request_id=self._context.request_id)
        self._task = asyncio.create_task(self._run(resuming), context=context)

    async def stop(self) -> None:
        """See `web.streams.Running`."""
        self._stopped = True
        self._alight()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, resuming: Resuming | None) -> None:
        try:
            async with aclosing(await self._results(resuming)) as results:
                async for result in results:
                    await self._stream.send(self._framed(result))
            if self._seat is not None:
                return
            await self._stream.send(self.framing.complete())
        except RequestError as error:
            payload = error_payload(self._stream.shaped(error))
            await self._stream.send(self.framing.error(payload) + self.framing.complete())
        except Exception:
            log.exception("stream_failed")  # and the answer is cut off: what came of it is unknown
        self._ended()

    async def _results(self, resuming: Resuming | None) -> Any:
        """The operation's results; where it cannot run, one of errors alone."""
        rides = self.lasting and resuming is None and self._stream.wire is not None
        context = replace(
            self._context,
            outlet=self if rides else None,
            resuming=resuming,
            place=self._place if self.lasting else None,
        )
        asked = self._asked
        return await self._schema.stream(
            asked.query,
            variable_values=asked.variables,
            context_value=context,
            operation_name=asked.operation_name,
            operation_extensions=asked.extensions,
            later=self.framing.later,
        )

    def _framed(self, result: Any) -> bytes:
        if isinstance(result, FirstPart | SubsequentIncrementalExecutionResult):
            return self.framing.result(self._encode_part(result), None)
        event, self._place.event = self._place.event, None
        cursor = None if event is None or result.errors else event.cursor
        return self.framing.result(payload_of(result), cursor)

    def _begun(self, cursor: str) -> None:
        mark = self.framing.mark(cursor)
        if mark and self._stream.wire is not None:
            self._stream.write(chunk(mark))

    @property
    def question(self) -> Hashable | None:
        """See `web.crowding.question_of`."""
        return question_of(self._schema, self._asked, self._context.viewer, transport="streams")

    def answers(self, events: AsyncGenerator[LogEvent, None]) -> AsyncGenerator[Any, None]:
        """See `Outlet`: as nobody in particular gets them, with the cursors of their events."""
        place = Place()

        def written(result: Any) -> Answer:
            cursor = None if place.event is None else place.event.cursor
            return Answer(payload_of(result), cursor)

        server = self._context.server
        return answers_to(self._schema, self._asked, events, server, written, place=place)

    def write(self, answer: Answer) -> bool:
        """See `Outlet`."""
        return self._stopped or self._stream.write(answer.chunk(self.framing))

    def when_writable(self, call: Callable[[], None]) -> None:
        """See `Outlet`: when the whole stream is."""
        assert self._stream.wire is not None  # or it would not ride
        self._stream.wire.when_writable(call)

    def seated(self, seat: Seat) -> None:
        """See `Outlet`."""
        self._seat = seat
        add_subscriptions(1)

    def resume(self, resuming: Resuming) -> None:
        """See `Outlet`."""
        self._alight()
        if not self._stopped:
            self.begin(resuming)

    def _alight(self) -> None:
        seat, self._seat = self._seat, None
        if seat is not None:
            add_subscriptions(-1)
            seat.leave()
