"""What a transport tells a crowd of an operation (`subscriptions.crowds.Outlet`): the question it
asks, and the answers to it. How answers are written is each transport's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from typing import Any, TypeVar

from core.ids import new_id
from loaders.base import Loaders
from resolvers.context import OperationContext, Place, Server
from schema.executing import MelaSchema
from services.users.access import Viewer
from subscriptions.log import LogEvent
from web.requests import Asked

T = TypeVar("T")


def question_of(
    schema: MelaSchema, asked: Asked, viewer: Viewer | None, *, transport: str
) -> Hashable | None:
    """The text and the variables that answers depend on, by the transport that they are written
    for; None where an answer is personal."""
    query, name = asked.query, asked.operation_name
    asking = None if query is None else schema.asking(query, name)
    if asking is None or asking.guarded:
        return None
    if asking.personal and viewer is not None:
        return None
    given = asked.variables or {}
    read = tuple((one, one in given, repr(given.get(one))) for one in asking.variables)
    return (transport, query, name, read)


async def answers_to(
    schema: MelaSchema,
    asked: Asked,
    events: AsyncGenerator[LogEvent, None],
    server: Server,
    write: Callable[[Any], T],
    *,
    place: Place | None = None,
) -> AsyncGenerator[T | None, None]:
    """What `write` makes of the result of each event, as nobody in particular gets it; None where
    it has errors. `place` learns each result's event, before it is written."""
    context = OperationContext(
        server=server,
        viewer=None,
        request_id=new_id().hex,
        address=None,
        user_agent="",
        loaders=Loaders(server.db),
        feeding=events,
        place=place,
    )
    results = await schema.stream(
        asked.query,
        variable_values=asked.variables,
        context_value=context,
        operation_name=asked.operation_name,
    )
    async with aclosing(results):
        async for result in results:
            # Errors carry the id of a request, and are logged with it: each has its own.
            yield None if result.errors else write(result)
