"""Multipart requests made by hand, so that they can be wrong in every way, and what they may leave
behind."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest

BOUNDARY = "a-boundary-of-tests"
PREFLIGHT = {"GraphQL-Preflight": "1"}


@dataclass(frozen=True)
class Sent:
    """A part of a form: a file where it has a name for one, given as bytes to be exact."""

    name: str
    content: bytes
    file_name: bytes | None = None
    media_type: str = "application/octet-stream"


def form_of(*parts: Sent, end: bool = True) -> bytes:
    """The body of a form."""
    body = b""
    for part in parts:
        head = f'Content-Disposition: form-data; name="{part.name}"'.encode()
        if part.file_name is not None:
            head += b'; filename="' + part.file_name + b'"'
            head += f"\r\nContent-Type: {part.media_type}".encode()
        body += f"--{BOUNDARY}\r\n".encode() + head + b"\r\n\r\n" + part.content + b"\r\n"
    return body + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


def upload_of(query, variables, content, *, file_name=b"file", path="variables.input.file"):
    """The parts of a right request with one file."""
    operations = orjson.dumps({"query": query, "variables": variables})
    places = orjson.dumps({"0": [path]})
    return [Sent("operations", operations), Sent("map", places), Sent("0", content, file_name)]


@pytest.fixture
def files():
    """The makers of bodies, which tests cannot import."""
    return type("Files", (), {"Sent": Sent, "form_of": form_of, "upload_of": upload_of})


@pytest.fixture
def send(client):
    """`await send(body, person, headers=…, **changes)`: the response to a multipart POST."""

    async def run(body, person=None, *, headers=None, path="/graphql", type=None) -> httpx.Response:
        sent = {"Content-Type": type or f"multipart/form-data; boundary={BOUNDARY}"}
        sent |= PREFLIGHT if headers is None else headers
        if person is not None:
            sent["Authorization"] = f"Bearer {person.token}"
        return await client.post(path, content=body, headers=sent)

    return run


@pytest.fixture
def upload(send):
    """`await upload(query, person, content, file_name=…, **input)`: the data of a mutation with
    `input.file`, which must not fail at the top."""

    async def run(query, person, content, *, file_name=b"file.csv", **given):
        variables = {"input": {**given, "file": None}}
        parts = upload_of(query, variables, content, file_name=file_name)
        response = await send(form_of(*parts), person)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert "errors" not in answer, answer
        return answer["data"]

    return run


@pytest.fixture
def stored(settings):
    """`stored()`: the files in the storage's folder."""

    def look() -> list[Path]:
        folder = settings.state_dir / "files"
        return sorted(path for path in folder.rglob("*") if path.is_file())

    return look


@pytest.fixture
def seller(make_user):
    """`await seller()`: an artisan of their own each time."""
    numbers = itertools.count(1)

    async def make():
        return await make_user(f"maker_{next(numbers)}", roles=("ARTISAN",))

    return make


@pytest.fixture
def untouched(sql, stored):
    """`async with`-less proof: `before = await untouched()`, later `assert before == await
    untouched()`."""
    tables = "product product_file download_grant download_log event idempotency_key"

    async def look():
        rows = {
            table: sorted(row[0] for row in await sql(f"SELECT CAST(t AS text) FROM {table} AS t"))
            for table in tables.split()
        }
        return rows, stored()

    return look
