"""What an HTTP request asks for. The seam for every transport over HTTP is `read_request(scope,
receive, headers, settings) -> Asked`: a plain GET or POST, and an upload; who answers in another
way (events, multipart) or keeps documents elsewhere (`extensions.persistedQuery`) takes its `Asked`
and may `dataclasses.replace` its query. Nothing here runs or answers anything.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Final, Literal, TypeVar
from urllib.parse import parse_qsl

import orjson
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.types import Receive, Scope

from core.errors import BadUserInput, Unauthenticated
from core.settings import Settings
from core.waiting import TimeLimit
from web.headers import Headers
from web.refusing import Gone, Refused
from web.uploads import placed, read_form

T = TypeVar("T")

MAX_URL_BYTES: Final = 16_384
"""Of a query string; a longer document goes by POST."""
MAX_URL_PARAMETERS: Final = 20
PREFLIGHT: Final = (
    b"x-mela-csrf",
    b"graphql-preflight",
    b"graphql-require-preflight",
    b"apollo-require-preflight",
    b"x-apollo-operation-name",
    b"authorization",
)
"""Headers that a page of another site cannot send without asking first (CORS): the Fetch standard's
safelist has none of them."""
ALLOWED: Final = b"GET, POST, PUT, DELETE"
"""PUT and DELETE are for streams of events (`web/streams_single.py`) and never come here."""
_TEXT: Final = (str, NoneType)
_OBJECT: Final = (dict, NoneType)
"""As tuples, which are looked into in half the time of a union."""
_PARAMETERS: Final = ("query", "documentId", "operationName", "variables", "extensions")


@dataclass(slots=True)  # one for each request: frozen, it takes four times as long to make
class Asked:
    """What a request asks for: each part of its type, or None. The text itself may be missing,
    where extensions name it. Nobody changes one."""

    query: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None
    method: Literal["GET", "POST"] = "POST"
    form: FormData | None = None
    """Of an upload: whose files are in the variables, and are to be closed at the end."""
    document_id: str | None = None
    """Names the text, where `query` does not have it (`MelaSchema.text_of`)."""
    headers: Headers | None = None
    """Of a GET: what the client has already may be named there."""


async def read_request(
    scope: Scope, receive: Receive, headers: Headers, settings: Settings, *, may_upload: bool
) -> Asked:
    """The operation that a GET or POST asks for. `headers` are `headers_of(scope)`; `may_upload`
    says whether someone is signed in.

    Raises `Refused`: 405 for other methods, 415 for another type, charset or coding of the body,
    414 for a long URL, 413 for large files, 408 for a body that does not come, 400 for what cannot
    be read and for a request that browsers send to other sites without asking; `Unauthenticated`
    for nobody's files, before they are read; and `Gone`.
    """
    method = scope["method"]
    if method == "POST":
        kind = headers.get(b"content-type")
        if kind != b"application/json":
            kind = body_type(headers)
        if b"content-encoding" in headers:
            _refuse_coding(headers[b"content-encoding"])
        if kind == b"application/json":
            return read_json(await _in_time(_body(receive), settings.body_timeout_s))
        require_preflight(headers)
        if not may_upload:
            raise Unauthenticated("TOKEN_MISSING", "sign in before you upload")
        upload = _upload(Request(scope, receive), settings)
        return await _in_time(upload, settings.body_timeout_s)
    if method != "GET":
        raise Refused(405, f"{method} is not for operations: send POST", {b"allow": ALLOWED})
    require_preflight(headers)
    return replace(read_url(scope["query_string"]), headers=headers)


def body_type(headers: Headers) -> bytes:
    """The media type of a body that can be read: application/json or multipart/form-data. Raises
    `Refused` (415)."""
    given = headers.get(b"content-type")
    if given is None:
        raise _no_type("a POST says what its body is: send Content-Type: application/json")
    name, *rest = (part.strip() for part in given.lower().split(b";"))
    if name not in (b"application/json", b"multipart/form-data") or b"," in given:
        raise _no_type("the body must be JSON, as Content-Type: application/json says")
    for parameter in rest:
        key, _, value = parameter.partition(b"=")
        if key.strip() == b"charset" and value.strip().strip(b'"') not in (b"utf-8", b"utf8"):
            raise _no_type("a request is in UTF-8")
    return name


def require_preflight(headers: Headers) -> None:
    """Refuse what a page of another site could make a browser send without asking us first. Raises
    `Refused` (400)."""
    if any(headers.get(name, b"").strip() for name in PREFLIGHT):
        return
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == b"application/json":
        return  # not a type that forms and simple requests can have
    said = (
        "this request must carry a header that browsers ask about first: send GraphQL-Preflight: 1"
    )
    raise Refused(400, BadUserInput(said, {"header": "GraphQL-Preflight"}))


def read_json(body: bytes | str) -> Asked:
    """The parts of a JSON body. Raises `Refused` (400)."""
    return asked_of(_json_of("the body", body))


def asked_of(found: object) -> Asked:
    """The parts of a request, of whatever was read as one. Raises `Refused` (400)."""
    if isinstance(found, list):
        raise Refused(400, "one operation a request: lists of operations are not taken")
    if not isinstance(found, dict):
        raise Refused(400, "the body must be a JSON object")
    query, variables = found.get("query"), found.get("variables")
    name, extensions = found.get("operationName"), found.get("extensions")
    document_id = found.get("documentId")
    if not isinstance(query, _TEXT):
        raise _wrong("query", "a string")
    if not isinstance(document_id, _TEXT):
        raise _wrong("documentId", "a string")
    if not isinstance(variables, _OBJECT):
        raise _wrong("variables", "an object")
    if not isinstance(name, _TEXT):
        raise _wrong("operationName", "a string")
    if not isinstance(extensions, _OBJECT):
        raise _wrong("extensions", "an object")
    return Asked(query, variables, name, extensions, document_id=document_id)


def read_url(text: bytes) -> Asked:
    """The parts of a query string: an empty one is as one that is missing. Raises `Refused` (400,
    414)."""
    if len(text) > MAX_URL_BYTES:
        said = f"the query string is longer than {MAX_URL_BYTES} bytes: send a POST"
        raise Refused(414, BadUserInput(said, {"maxUrlBytes": MAX_URL_BYTES}))
    try:
        pairs = parse_qsl(
            text.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_URL_PARAMETERS,
        )
    except ValueError:
        raise Refused(400, "the query string cannot be read as UTF-8 parameters") from None
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in _PARAMETERS:
            continue
        if name in found:
            raise Refused(400, f"{name} is given twice")
        found[name] = value
    for name in ("variables", "extensions"):
        if text_of := found.get(name):
            found[name] = _json_of(name, text_of)
    asked = asked_of({name: value for name, value in found.items() if value != ""})
    return replace(asked, method="GET")


async def _upload(request: Request, settings: Settings) -> Asked:
    """A form whose files are in their places. Nothing is left of one that is refused."""
    form = await read_form(request, settings)
    try:
        operation = placed(form, _operation_of, max_places=settings.max_upload_files)
        return replace(asked_of(operation), form=form)
    except BaseException:
        await form.close()
        raise


def _operation_of(text: str) -> object:
    operation = _json_of("operations", text)
    asked_of(operation)  # whether files may be put into it
    return operation


def _json_of(name: str, text: bytes | str) -> object:
    """orjson: strict UTF-8, no NaN, no infinity, 1,024 levels at most."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"{name} is not JSON: {error}") from None


def _wrong(name: str, wanted: str) -> Refused:
    return Refused(400, f"{name} must be {wanted} or null")


def _no_type(said: str) -> Refused:
    return Refused(415, said, {b"accept-post": b"application/json, multipart/form-data"})


def _refuse_coding(coding: bytes) -> None:
    if coding.strip().lower() not in (b"", b"identity"):
        said = "a body is sent as it is: no Content-Encoding is taken"
        raise Refused(415, said, {b"accept-encoding": b"identity"})


async def _in_time(reading: Awaitable[T], limit_s: float) -> T:
    try:
        with TimeLimit(limit_s):
            return await reading
    except TimeoutError:
        said = f"the body took longer than {limit_s:g} s"
        details = {"timeoutMs": round(limit_s * 1000)}
        raise Refused(408, BadUserInput(said, details), {b"connection": b"close"}) from None


async def _body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
