"""Which operations over HTTP are answered by a stream, and how: by events or parts, by what the
client takes and what the operation gives. A connection for many operations is
`web/streams_single.py`'s."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from graphql import GraphQLError, OperationType

from core.errors import BadUserInput, Unavailable
from core.ids import new_id
from resolvers.context import OperationContext
from schema.executing import MelaSchema
from web.headers import Headers
from web.negotiating import Accepted
from web.presence import join_presence
from web.refusing import Refused
from web.requests import Asked
from web.socket_counts import SocketCounts
from web.streams import Exchange, Stream
from web.streams_framing import (
    EVENTS,
    PARTS,
    PARTS_2022,
    PARTS_V02,
    SUBSCRIPTION,
    EventFraming,
    Framing,
)
from web.streams_operations import StreamedOperation

LAST_EVENT_ID: Final = b"last-event-id"
THE_ONE: Final = ""
"""The id of a stream's only operation."""
FRAMINGS: Final[dict[str, Framing]] = {
    "events": EVENTS,
    "subscription": SUBSCRIPTION,
    "deferred": PARTS_2022,
    "incremental": PARTS_V02,
    "parts": PARTS,
}


@dataclass(frozen=True, slots=True)
class Look:
    """What a request's operation is; `kind` None where none can be run."""

    kind: OperationType | None
    incremental: bool = False
    """Whether it defers or streams parts of its answer."""


async def look_at(schema: MelaSchema, asked: Asked) -> Look:
    """What is asked for, before it is run."""
    if asked.query is None:
        return Look(None)
    try:
        prepared = await schema.documents.prepare_aside(schema._schema, asked.query)
    except GraphQLError:
        return Look(None)
    operation = prepared.operation(asked.operation_name)
    if operation is None or prepared.errors:
        return Look(None)
    return Look(operation.operation, prepared.incremental)


def framing_for(accepted: Accepted, look: Look) -> Framing | None:
    """How to write the answer's stream; None where it is one body of JSON.

    What has one answer alone goes as JSON wherever the client takes that.
    """
    wanted: Container[str]
    if look.kind is OperationType.SUBSCRIPTION:
        wanted = ("events", "subscription", "parts")
    elif look.incremental:
        wanted = ("events", "deferred", "incremental", "parts")
    else:
        wanted = FRAMINGS if accepted.plain is None else ()
    return next((FRAMINGS[kind] for kind in accepted.streams if kind in wanted), None)


def check_method(look: Look, asked: Asked) -> None:
    """Raises `Refused` (405) for a mutation by GET, (400) where nothing is asked for."""
    if look.kind is OperationType.MUTATION and asked.method == "GET":
        raise Refused(405, "a mutation is sent by POST", {b"allow": b"POST"})
    if asked.query is None and not (asked.extensions or {}).get("persistedQuery"):
        raise Refused(400, "there is no query in this request")


async def answer_by_stream(
    schema: MelaSchema,
    context: OperationContext,
    asked: Asked,
    accepted: Accepted,
    counts: SocketCounts,
    exchange: Exchange,
) -> bool:
    """Answer by a stream if that is how to answer this; whether it was. Raises `Refused` before
    the stream has begun."""
    look = await look_at(schema, asked)
    framing = framing_for(accepted, look)
    if framing is None:
        return False
    await _serve(schema, context, asked, framing, look, counts, exchange)
    return True


async def _serve(
    schema: MelaSchema,
    context: OperationContext,
    asked: Asked,
    framing: Framing,
    look: Look,
    counts: SocketCounts,
    exchange: Exchange,
) -> None:
    check_method(look, asked)
    context = replace(context, connection_id=new_id().hex)
    with counted(counts, context):
        stream = stream_for(context, framing)

        def ended() -> None:
            stream.finished(THE_ONE)
            stream.end()

        lasting = look.kind is OperationType.SUBSCRIPTION
        operation = StreamedOperation(
            stream,
            schema,
            context,
            asked,
            framing,
            lasting=lasting,
            after=_last_event_id(exchange.headers) if isinstance(framing, EventFraming) else None,
            ended=ended,
        )
        stream.running[THE_ONE] = operation
        if lasting:
            join_presence(context)
        try:
            await stream.serve(exchange, operation.begin)
        finally:
            context.server.live.presence.leave(context.connection_id)


def stream_for(context: OperationContext, framing: Framing) -> Stream:
    """A stream that whoever asks is to get, and that ends when they are signed in no longer."""
    return Stream(
        framing,
        revocations=context.server.revocations,
        viewer=context.viewer,
        request_id=context.request_id,
    )


@contextmanager
def counted(counts: SocketCounts, context: OperationContext) -> Iterator[None]:
    """A stream counts among the process's sockets meanwhile. Raises `Refused`: 503 where no more
    are taken from there, 429 where this viewer has as many as one may have."""
    if (full := counts.enter(context.address)) is not None:
        raise Refused(503, Unavailable(full.lower()), {b"retry-after": b"1"})
    try:
        viewer_id = context.viewer_id
        if viewer_id is None:
            yield
            return
        if (full := counts.sign_in(viewer_id)) is not None:
            raise Refused(429, BadUserInput(full.lower(), {"maximum": counts.per_viewer}))
        try:
            yield
        finally:
            counts.sign_out(viewer_id)
    finally:
        counts.leave(context.address)


def _last_event_id(headers: Headers) -> str | None:
    given = headers.get(LAST_EVENT_ID)
    return given.decode("latin-1") if given else None
