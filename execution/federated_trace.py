"""ftv1: how long each field took, as federation gateways ask for it by a header and read it from
`extensions.ftv1`. An operation that is traced runs by graphql-core, field by field; others know
nothing of this. What of Apollo's `reports.proto` is told stands in `_MESSAGES`."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import orjson
from graphql import GraphQLError, GraphQLResolveInfo, MiddlewareManager

from execution.levels import LevelExecutor

KEY: Final = "ftv1"
"""Of a request's extensions, where the transport puts what the header says, and of an answer's."""

_PACKAGE: Final = "mela.ftv1"
_TIMESTAMP: Final = "google/protobuf/timestamp.proto"
# name: number, type, whether repeated
_MESSAGES: Final[dict[str, dict[str, tuple[int, str, bool]]]] = {
    "Location": {"line": (1, "uint32", False), "column": (2, "uint32", False)},
    "Error": {
        "message": (1, "string", False),
        "location": (2, f".{_PACKAGE}.Location", True),
        "time_ns": (3, "uint64", False),
        "json": (4, "string", False),
    },
    "Node": {
        "response_name": (1, "string", False),
        "index": (2, "uint32", False),
        "type": (3, "string", False),
        "start_time": (8, "uint64", False),
        "end_time": (9, "uint64", False),
        "error": (11, f".{_PACKAGE}.Error", True),
        "child": (12, f".{_PACKAGE}.Node", True),
        "parent_type": (13, "string", False),
        "original_field_name": (14, "string", False),
    },
    "Trace": {
        "end_time": (3, ".google.protobuf.Timestamp", False),
        "start_time": (4, ".google.protobuf.Timestamp", False),
        "duration_ns": (11, "uint64", False),
        "root": (14, f".{_PACKAGE}.Node", False),
    },
}
_ONE_OF: Final = {("Node", "response_name"), ("Node", "index")}


class Tracer:
    """The trace of one operation, from its making on."""

    def __init__(self) -> None:
        self._began = time.perf_counter_ns()
        self._trace = messages()["Trace"]()
        self._trace.start_time.FromDatetime(datetime.now(UTC))
        self._nodes: dict[tuple[str | int, ...], Any] = {(): self._trace.root}

    def follow(self, begun: LevelExecutor) -> None:
        """Let an operation that has not run yet be timed."""
        begun.middleware_manager = MiddlewareManager(self)

    def encoded(self, errors: Sequence[GraphQLError] | None) -> str:
        """The trace of what has run, with its errors as clients are told them."""
        self._trace.duration_ns = self._now()
        self._trace.end_time.FromDatetime(datetime.now(UTC))
        for error in errors or ():
            self._tell(error)
        return base64.b64encode(self._trace.SerializeToString()).decode()

    def _now(self) -> int:
        return time.perf_counter_ns() - self._began

    def resolve(
        self, resolve: Callable[..., Any], source: Any, info: GraphQLResolveInfo[Any], **given: Any
    ) -> Any:
        """A field called, and its time noted: graphql-core asks for this name."""
        node = self._node(tuple(info.path.as_list()))
        if info.field_name != node.response_name:
            node.original_field_name = info.field_name
        node.type, node.parent_type = str(info.return_type), info.parent_type.name
        node.start_time = self._now()
        try:
            found = resolve(source, info, **given)
        finally:
            node.end_time = self._now()
        return self._awaited(found, node) if info.is_awaitable(found) else found

    async def _awaited(self, found: Any, node: Any) -> Any:
        try:
            return await found
        finally:
            node.end_time = self._now()

    def _node(self, path: tuple[str | int, ...]) -> Any:
        """The node of a path; those above it are made with it."""
        if path not in self._nodes:
            node = self._node(path[:-1]).child.add()
            if isinstance(path[-1], int):
                node.index = path[-1]
            else:
                node.response_name = path[-1]
            self._nodes[path] = node
        return self._nodes[path]

    def _tell(self, error: GraphQLError) -> None:
        path = tuple(error.path or ())
        while path not in self._nodes:
            path = path[:-1]
        told = self._nodes[path].error.add()
        told.message, told.time_ns = error.message, self._now()
        told.json = orjson.dumps(error.formatted).decode()
        for at in error.locations or ():
            told.location.add(line=at.line, column=at.column)


@cache
def messages() -> dict[str, Any]:
    """The classes of the messages, by name."""
    # Not above: who is never traced needs none of it.
    from google.protobuf import (  # type: ignore[import-untyped]
        descriptor_pb2,
        descriptor_pool,
        message_factory,
        timestamp_pb2,
    )

    file = descriptor_pb2.FileDescriptorProto(
        name="mela/ftv1.proto", package=_PACKAGE, syntax="proto3", dependency=[_TIMESTAMP]
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if any(owner == name for owner, _ in _ONE_OF):
            message.oneof_decl.add(name="id")
        for field in _fields(name, fields):
            message.field.add(**field)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


def _fields(owner: str, fields: dict[str, tuple[int, str, bool]]) -> Iterator[dict[str, Any]]:
    scalars = {"string": 9, "uint64": 4, "uint32": 13}  # descriptor.proto's
    for name, (number, kind, repeated) in fields.items():
        made: dict[str, Any] = {"name": name, "number": number, "label": 3 if repeated else 1}
        made |= {"type": scalars[kind]} if kind in scalars else {"type": 11, "type_name": kind}
        yield made | ({"oneof_index": 0} if (owner, name) in _ONE_OF else {})
