"""What may be said on a socket: the shapes of a client's messages, the credentials in them, and the
codes that a socket is closed with. Nothing here sends or runs anything."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

PERSISTED: Final = "persistedQuery"
REASON_BYTES: Final = 123
"""What a close frame has room for (RFC 6455, 5.5)."""


class Close(IntEnum):
    """Why we close a socket: PROTOCOL.md's codes, and those of RFC 6455's registry."""

    TRY_AGAIN_LATER = 1013
    BAD_MESSAGE = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    ID_IN_USE = 4409
    TOO_MANY_INITS = 4429


TRANSPORT_WS: Final = {
    name: name for name in ("connection_init", "ping", "pong", "subscribe", "complete")
}
"""A client's messages in graphql-transport-ws, and what we call them: the same."""


def fault_of(message: object, words: Mapping[str, str]) -> str | None:
    """What is wrong with a message of a protocol that calls its messages by these words; None where
    nothing is."""
    if not isinstance(message, dict):
        return "A message must be a JSON object"
    kind = message.get("type")
    if not isinstance(kind, str):
        return "A message must have a type, which is a string"
    meant = words.get(kind)
    if meant is None:
        return f"Unknown message type: {kind}"
    if meant in ("subscribe", "complete"):
        if not isinstance(message.get("id"), str) or not message["id"]:
            return f"{kind}: id must be a string that is not empty"
        return _fault_of_request(kind, message.get("payload")) if meant == "subscribe" else None
    if not isinstance(message.get("payload"), dict | None):
        return f"{kind}: payload must be an object or null, if provided"
    return None


def _fault_of_request(kind: str, payload: object) -> str | None:
    if not isinstance(payload, dict):
        return f"{kind}: payload must be an object"
    for name in ("operationName", "documentId"):
        if not isinstance(payload.get(name), str | None):
            return f"{kind}: payload.{name} must be a string or null, if provided"
    for name in ("variables", "extensions"):
        if not isinstance(payload.get(name), dict | None):
            return f"{kind}: payload.{name} must be an object or null, if provided"
    if not isinstance(payload.get("query"), str) and not _names_document(payload):
        return f"{kind}: payload.query must be a string"
    return None


def _names_document(payload: Mapping[str, Any]) -> bool:
    """Whether it may do without a text: the protocol knows of none that does, its clients do."""
    if payload.get("query") is not None:
        return False
    return payload.get("documentId") is not None or PERSISTED in (payload.get("extensions") or {})


def credentials_of(params: Mapping[str, Any]) -> str | None:
    """The authorization in the payload of `connection_init`: by that name in any case, on its own
    or, as gateways send it on, among `headers`. None where there is none."""
    headers = params.get("headers")
    for place in (params, headers if isinstance(headers, dict) else {}):
        for name, value in place.items():
            if name.lower() == "authorization" and value is not None:
                return str(value)
    return None


def cut_reason(reason: str) -> str:
    """As much of it as a close frame has room for."""
    return reason.encode()[:REASON_BYTES].decode(errors="ignore")
