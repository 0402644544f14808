"""Uploads as the GraphQL multipart request specification sends them: read to temporary files,
counted, and put where the operation's variables have null for them. No schema here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final

import orjson
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from core.files import UploadedFile
from core.settings import Settings
from web.refusing import Refused

FIELDS_MAX: Final = 2
"""`operations` and `map`; everything else is a file."""


async def read_form(request: Request, settings: Settings) -> FormData:
    """The parts of a multipart body; its files are temporary, and are for the caller to close.

    At most `max_upload_files` files, `max_upload_bytes` together, and `max_body_bytes` of text.
    Nothing is left where this raises. Raises `Refused` (400, 413).
    """
    parser = _WholeParser(
        request.headers,
        request.stream(),
        max_files=settings.max_upload_files,
        max_fields=FIELDS_MAX,
        max_part_size=settings.max_body_bytes,
    )
    parser.stream = _whole(parser.stream, parser)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refused(400, f"not a multipart request: {error.message}") from None
    except ClientDisconnect:
        raise Refused(400, "the body ended early") from None
    total = sum(part.size or 0 for _, part in form.multi_items() if isinstance(part, UploadFile))
    if total > settings.max_upload_bytes:
        await form.close()
        raise Refused(413, f"the files are larger than {settings.max_upload_bytes} bytes together")
    return form


def placed(form: FormData, parse: Callable[[str], object], *, max_places: int) -> dict[str, Any]:
    """The operation, with each file in its place. `parse` reads an operation's JSON. Raises
    `Refused` (400)."""
    operations, places = form.get("operations"), form.get("map")
    if not isinstance(operations, str) or not isinstance(places, str):
        raise Refused(400, "a multipart request needs the fields operations and map")
    operation = parse(operations)
    names = [name for name, part in form.multi_items() if isinstance(part, UploadFile)]
    wanted = _map_of(places)
    if sorted(names) != sorted(wanted):
        raise Refused(400, "map must name each file once, and nothing else")
    if sum(map(len, wanted.values())) > max_places:
        raise Refused(400, f"map names more than {max_places} places")
    for name, paths in wanted.items():
        for path in paths:
            _put(operation, path, _uploaded(form[name]))
    assert isinstance(operation, dict)
    return operation


class _WholeParser(MultiPartParser):
    """Knows whether the last boundary has come."""

    ended = False

    def on_end(self) -> None:
        self.ended = True


async def _whole(
    stream: AsyncGenerator[bytes, None], parser: _WholeParser
) -> AsyncGenerator[bytes, None]:
    async for chunk in stream:
        yield chunk
    if not parser.ended:
        raise MultiPartException("the body ends before its last boundary")


def _map_of(text: str) -> Mapping[str, list[str]]:
    try:
        found = orjson.loads(text)
    except ValueError:
        raise Refused(400, "map must be JSON") from None
    if not isinstance(found, dict) or not all(
        isinstance(paths, list) and paths and all(isinstance(path, str) for path in paths)
        for paths in found.values()
    ):
        raise Refused(400, "map must be an object of lists of paths")
    return found


def _put(operation: object, path: str, file: UploadedFile) -> None:
    """Only into variables, and only where null stands: a file must not become the query."""
    *steps, last = path.split(".")
    if steps[:1] != ["variables"]:
        raise Refused(400, "a path in map begins with variables.")
    target = operation
    for step in steps:
        target = _at(target, step)
    if _at(target, last) is not None:
        raise Refused(400, "where a file goes, operations must have null")
    if isinstance(target, list):
        target[int(last)] = file
    elif isinstance(target, dict):
        target[last] = file


def _at(target: object, step: str) -> object:
    if isinstance(target, dict) and step in target:
        return target[step]
    if isinstance(target, list) and step.isascii() and step.isdigit() and len(step) <= 4:
        position = int(step)
        if position < len(target):
            return target[position]
    raise Refused(400, "a path in map leads nowhere in operations")


def _uploaded(part: object) -> UploadedFile:
    assert isinstance(part, UploadFile)
    return UploadedFile(
        name=part.filename or "",
        media_type=part.content_type or "",
        size=part.size or 0,
        content=part.file,
    )
