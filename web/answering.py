"""An operation run and answered as one body of JSON: what status, type and keys an answer has.
Nothing here reads a request.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from starlette.types import Receive, Send
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from resolvers.context import OperationContext
from schema.executing import MelaSchema
from web.caching import VARY, cache_control, entity_tag, is_current
from web.encoding import encoded
from web.leaving import unless_left
from web.limiting import limit_headers
from web.negotiating import JSON, RESPONSE, Plain
from web.refusing import Refused
from web.requests import Asked

ALLOWED: Final = {
    "GET": frozenset({OperationType.QUERY}),
    "POST": frozenset({OperationType.QUERY, OperationType.MUTATION}),
}
TYPES: Final = {kind: kind + b"; charset=utf-8" for kind in (JSON, RESPONSE)}
STATUSES: Final = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "RATE_LIMITED": 429,
    "INTERNAL_SERVER_ERROR": 500,
    "UNAVAILABLE": 503,
    "TIMEOUT": 504,
}
"""Of operations that did not begin, by their error's code; of any other code 400."""


async def answer(
    schema: MelaSchema,
    context: OperationContext,
    asked: Asked,
    plain: Plain,
    receive: Receive,
    send: Send,
) -> None:
    """Run what is asked and send the answer, as `plain`. A query whose client leaves is stopped.

    Raises `Refused` for what cannot be run by this method, and where it cannot be told what is to
    be run; and `Gone`.
    """
    work = _run(schema, context, asked)
    result = await unless_left(work, receive, partial(_is_query, schema, asked))
    body = encoded(result, with_data=not is_request_error(result))
    kept = cache_control(schema, context, asked, result)
    headers = [
        (b"content-length", b"%d" % len(body)),
        (b"content-type", TYPES[plain]),
        (b"cache-control", kept),
        VARY,
    ]
    status = 200 if result.data is not None or plain is JSON else status_of(result)
    if (limited := limit_headers(result)) is not None:
        status = 429  # whatever is asked for: clients and proxies wait by the status
        headers += limited
    if asked.headers is not None and status == 200 and not result.errors:
        tag = entity_tag(body, asked.headers)
        headers.append((b"etag", tag))
        if is_current(tag, asked.headers):
            status, body, headers = 304, b"", headers[2:]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_query(schema: MelaSchema, asked: Asked) -> bool:
    """Whether nothing is lost where the work is stopped."""
    if asked.query is None:
        return False
    found = schema.documents.operation(schema._schema, asked.query, asked.operation_name)
    return found is not None and found.operation.value == "query"


async def _run(schema: MelaSchema, context: OperationContext, asked: Asked) -> Any:
    try:
        return await schema.execute_own(
            asked.query,
            variable_values=asked.variables,
            context_value=context,
            operation_name=asked.operation_name,
            allowed_operation_types=ALLOWED[asked.method],
            operation_extensions=asked.extensions,
        )
    except CannotGetOperationTypeError as error:
        raise Refused(400, error.as_http_error_reason()) from error
    except InvalidOperationTypeError as error:
        raise _not_here(error, asked.method) from error
    except MissingQueryError as error:
        raise Refused(400, "there is no query in this request") from error


def is_request_error(result: Any) -> bool:
    """Whether the operation did not begin: then the answer has no `data`. Errors of fields have a
    path, and `data` beside them, be it null."""
    return result.data is None and bool(result.errors) and result.errors[0].path is None


def status_of(result: Any) -> int:
    """The status of an answer as application/graphql-response+json; as application/json it is 200,
    for its readers take nothing else for GraphQL's."""
    if not is_request_error(result):
        return 200
    code = (result.errors[0].extensions or {}).get("code")
    return STATUSES.get(str(code), 400)


def _not_here(error: InvalidOperationTypeError, method: str) -> Refused:
    """A mutation by GET; a subscription where it is answered once."""
    if error.operation_type is OperationType.MUTATION:
        return Refused(405, "a mutation is sent by POST", {b"allow": b"POST"})
    said = "a subscription is answered by a stream: use a WebSocket, or accept text/event-stream"
    return Refused(400, said)
