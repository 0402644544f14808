"""Records of a file, one after the other: a JSON array, JSON lines or CSV, plain or gzipped.

Whatever the file holds, memory stays bounded: a record that is too long is passed over, by number.
What a record means stands in drafts.py.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import orjson

MAX_RECORD = 1_048_576
"""Characters (of lines: bytes) of one record."""
MAX_COLUMNS = 200
_CHUNK = 262_144
_PEEK = 4_096
_GZIP = b"\x1f\x8b"
_BLANKS = " \t\r\n"


class ImportFailed(Exception):
    """The file cannot be read on from here; what was imported before stays."""


@dataclass(frozen=True, slots=True)
class Record:
    """The `row`th record of a file, from 1: its `value`, or why it has none."""

    row: int
    value: Any = None
    fault: str | None = None


@dataclass(slots=True)
class Source:
    """An open file: how far it is read, in bytes of `size`."""

    raw: BufferedReader
    size: int

    @property
    def position(self) -> int:
        """Bytes read of the file itself, compressed or not."""
        return self.raw.tell()


def open_source(path: Path) -> Source:
    """Raises `ImportFailed` for what is no readable file."""
    try:
        raw = path.open("rb")
        return Source(raw, path.stat().st_size)
    except OSError as error:
        raise ImportFailed(f"{path}: {error.strerror}") from None


def records(source: Source) -> Iterator[Record]:
    """All records, by what the file begins with: `[` a JSON array, `{` JSON lines, else CSV.

    Raises `ImportFailed` where it cannot go on: damaged gzip, a broken array.
    """
    zipped = source.raw.peek(2)[:2] == _GZIP
    data: Any = gzip.GzipFile(fileobj=source.raw) if zipped else source.raw
    try:
        yield from _of(data if isinstance(data, BufferedReader) else BufferedReader(data, _CHUNK))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ImportFailed(f"the file is damaged: {error}") from None
    except UnicodeDecodeError as error:
        raise ImportFailed(f"not UTF-8: {error.reason}") from None


def _of(data: BufferedReader) -> Iterator[Record]:
    head = data.peek(_PEEK)[:_PEEK]
    begin = 3 if head.startswith(codecs.BOM_UTF8) else 0
    data.read(begin)
    first = head[begin:].lstrip(_BLANKS.encode())[:1]
    if first == b"[":
        return _array(data)
    if first == b"{":
        return _lines(data)
    return _table(data) if first else iter(())


def _bounded_lines(data: IO[bytes]) -> Iterator[bytes | None]:
    """Lines with their ends; None for one that is too long, which is read away."""
    while line := data.readline(MAX_RECORD + 1):
        if len(line) <= MAX_RECORD:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = data.readline(MAX_RECORD)
        yield None


_TOO_LONG = f"longer than {MAX_RECORD} bytes"


def _lines(data: IO[bytes]) -> Iterator[Record]:
    for row, line in enumerate(_bounded_lines(data), start=1):
        if line is None:
            yield Record(row, fault=_TOO_LONG)
        elif not line.isspace():
            try:
                yield Record(row, orjson.loads(line))
            except orjson.JSONDecodeError as error:
                yield Record(row, fault=f"not JSON: {error.msg}")


def _array(data: IO[bytes]) -> Iterator[Record]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    # The bracket was seen in what was peeked at, which is no more than this.
    buffer = decoder.decode(data.read(max(_CHUNK, _PEEK))).lstrip(_BLANKS)[1:]
    at = row = 0
    comma = False  # whether one must come before the next value
    while True:
        at = _past_blanks(buffer, at)
        sign = buffer[at : at + 1]
        if sign == "]" and (comma or row == 0):
            return
        if comma and sign == ",":
            at, comma = at + 1, False
            continue
        if comma and sign:
            raise ImportFailed(f"row {row}: a comma or the end of the array is missing")
        found = _decoded(buffer, at, row + 1) if sign and not comma else None
        # A number that touches the end of what was read may go on: 12 of 123.
        if found is not None and (found[1] < len(buffer) or buffer[-1] in '}]"'):
            row, at, comma = row + 1, found[1], True
            yield Record(row, found[0])
            continue
        if len(buffer) - at > MAX_RECORD:
            raise ImportFailed(f"row {row + 1}: no JSON, or longer than {MAX_RECORD} characters")
        more = data.read(_CHUNK)
        if not more:
            raise ImportFailed(f"row {row + 1}: the array is broken off, or no JSON")
        buffer, at = buffer[at:] + decoder.decode(more), 0


def _past_blanks(buffer: str, at: int) -> int:
    while at < len(buffer) and buffer[at] in _BLANKS:
        at += 1
    return at


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


# The decoder recurses in C: where the interpreter's limit was raised (by a test tool, say), a flood
# of brackets would end the process.
_NESTED = re.compile(r'(?:[\[{]\s*(?:"[^"\\]{0,200}"\s*:\s*)?){100}')
_DECODER = json.JSONDecoder(parse_constant=_no_number)


def _decoded(buffer: str, at: int, row: int) -> tuple[Any, int] | None:
    """The value that begins at `at` and where it ends; None where more must be read."""
    if _NESTED.match(buffer, at):
        raise ImportFailed(f"row {row}: nested too deeply")
    try:
        return _DECODER.raw_decode(buffer, at)
    except json.JSONDecodeError:
        return None
    except (ValueError, RecursionError) as error:
        raise ImportFailed(f"row {row}: {error}") from None


def _table(data: IO[bytes]) -> Iterator[Record]:
    csv.field_size_limit(MAX_RECORD)
    rows = csv.reader(_TextLines(data), strict=True)
    header: list[str] | None = None
    row = 0
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if header is None:
                raise ImportFailed(f"the header: {error}") from None
            row += 1
            yield Record(row, fault=str(error))
            continue
        if header is None:
            header = _header(cells)
        elif cells:
            row += 1
            yield _row(row, header, cells)


class _TextLines:
    """Lines for `csv`. No generator: that would end with the first line that is too long."""

    def __init__(self, data: IO[bytes]) -> None:
        self._lines = _bounded_lines(data)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if line is None:
            raise csv.Error(_TOO_LONG)
        # What is no UTF-8 is refused with its row, as half of a surrogate pair.
        return line.decode("utf-8", "surrogateescape")


def _header(cells: list[str]) -> list[str]:
    if not 1 <= len(cells) <= MAX_COLUMNS:
        raise ImportFailed(f"the header has {len(cells)} columns; 1 to {MAX_COLUMNS} are read")
    return [cell.strip() for cell in cells]


def _row(row: int, header: list[str], cells: list[str]) -> Record:
    if len(cells) != len(header):
        return Record(row, fault=f"{len(cells)} cells where the header has {len(header)}")
    return Record(row, {name: cell for name, cell in zip(header, cells, strict=True) if cell})
