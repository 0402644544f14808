"""Results of operations as JSON; of data that many get, the JSON that was made once."""

from __future__ import annotations

from typing import Any

import orjson
from strawberry.types.execution import PreExecutionError

from execution.sharing import SharedData


def json_once(data: Any) -> Any:
    """Data as orjson takes it: what was encoded before is not encoded again."""
    return orjson.Fragment(data.encoded) if isinstance(data, SharedData) else data


def encoded(result: Any, *, with_data: bool) -> bytes:
    """A result with the keys that GraphQL gives it, `data` if it is to be there."""
    answer: dict[str, Any] = {}
    if with_data:
        answer["data"] = json_once(result.data)
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        answer["extensions"] = result.extensions
    return orjson.dumps(answer)


def payload_of(result: Any) -> bytes:
    """A result of a stream. What did not begin has no `data`, and is told by its class: the error
    of a subscription that could not begin has a path, that of one which broke off may have none."""
    refused = result.data is None and isinstance(result, PreExecutionError)
    return encoded(result, with_data=not refused)
