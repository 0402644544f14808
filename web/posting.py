"""The common request, an operation as a JSON object in a POST, without a request or response object
between ASGI and the schema. What it means is what Strawberry's view makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from cross_web import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from execution.sharing import SharedData
from resolvers.context import OperationContext
from schema.executing import MelaSchema

ALLOWED = frozenset(OperationType.from_http("POST"))
_TYPE = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a body asks for."""

    query: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None


def is_plain_post(scope: Scope) -> bool:
    """Whether a request is a POST of JSON."""
    if scope["method"] != "POST":
        return False
    for name, value in scope["headers"]:
        if name == b"content-type":
            kind: bytes = value.partition(b";")[0].strip().lower()
            return kind == b"application/json"
    return False


async def answer_post(
    schema: MelaSchema,
    context: OperationContext,
    receive: Receive,
    send: Send,
    *,
    tell_plan: bool = False,
) -> None:
    """Read, run, answer; with the plan, as if the body's extensions had asked for it, if
    `tell_plan`. Raises `HTTPException` for what is no request for an operation."""
    asked = read_asked(await _body(receive))
    extensions = {"plan": True} if tell_plan else asked.extensions
    try:
        result = await schema.execute_own(
            asked.query,
            variable_values=asked.variables,
            context_value=context,
            operation_name=asked.operation_name,
            allowed_operation_types=ALLOWED,
            operation_extensions=extensions,
        )
    except CannotGetOperationTypeError as error:
        raise HTTPException(400, error.as_http_error_reason()) from error
    except InvalidOperationTypeError as error:
        raise HTTPException(400, error.as_http_error_reason("POST")) from error
    except MissingQueryError as error:
        raise HTTPException(400, "No GraphQL query found in the request") from error
    body = encode_result(result)
    headers = [(b"content-length", b"%d" % len(body)), _TYPE]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def encode_result(result: Any) -> bytes:
    """A result as JSON; of data that was encoded before, the same bytes."""
    data = result.data
    answer: dict[str, Any] = {
        "data": orjson.Fragment(data.encoded) if isinstance(data, SharedData) else data
    }
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        answer["extensions"] = result.extensions
    return orjson.dumps(answer)


def read_asked(body: bytes) -> Asked:
    """The parts of a body, each of its type. Raises `HTTPException`."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, "Unable to parse request body as JSON") from error
    if not isinstance(found, dict):
        raise HTTPException(400, "the body must be a JSON object")
    asked = Asked(
        found.get("query"),
        found.get("variables"),
        found.get("operationName"),
        found.get("extensions"),
    )
    if not isinstance(asked.operation_name, str | None):
        raise HTTPException(400, "operationName must be a string or null")
    if not isinstance(asked.query, str | None):
        raise _wrong("query", "a string")
    if not isinstance(asked.variables, dict | None):
        raise _wrong("variables", "an object")
    if not isinstance(asked.extensions, dict | None):
        raise _wrong("extensions", "an object")
    return asked


def _wrong(name: str, wanted: str) -> HTTPException:
    return HTTPException(
        400, f"The GraphQL operation's `{name}` must be {wanted} or null, if provided."
    )


async def _body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
