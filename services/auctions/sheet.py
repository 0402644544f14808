"""Products as a sheet: the columns of the CSV file (RFC 4180) that sellers export, edit elsewhere
and import again. Pure: what is written here reads back as exactly what it was.

A cell that a spreadsheet would take for a formula (it begins with = + - @, a tab or a return) is
written with an apostrophe before it, and that apostrophe is taken away on reading.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.errors import BadUserInput, InvalidInput
from core.ids import decode_id, encode_id
from core.money import to_decimal

MAX_ROWS = 5_000
MAX_BYTES = 2 * 1024 * 1024
MAX_FAULTS = 100
"""Faults listed in a refusal; all are counted."""

ID = "id"
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_PRICE = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_COUNT = re.compile(r"[0-9]{1,9}")
_PIECE = re.compile(r"\\.|;|[^\\;]+|\\$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in one row (the header is row 1), in which column, if it is in one."""

    row: int
    column: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row as it was read: which product, if it names one, and the fields of the columns that the
    sheet has. `price` is text still: its asset may be the product's."""

    number: int
    product_id: UUID | None
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in the header, the product's field, and how a cell is written and read.
    Reading raises `ValueError` with the reason."""

    name: str
    field: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]


def write_sheet(products: Iterable[Any], *, max_rows: int, max_bytes: int) -> tuple[str, int]:
    """The sheet of as many products as fit, at least one, and how many those are."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([ID, *(column.name for column in COLUMNS)])
    size, count = len(out.getvalue()), 0
    for product in products:
        line = io.StringIO()
        csv.writer(line, lineterminator="\r\n").writerow(_cells(product))
        size += len(line.getvalue().encode())
        if count == max_rows or (count and size > max_bytes):
            break
        out.write(line.getvalue())
        count += 1
    return out.getvalue(), count


def read_sheet(content: bytes) -> tuple[list[SheetRow], list[Fault]]:
    """The rows that can be read, and what is wrong with the others. Raises `InvalidInput("file")`
    for what is no such sheet at all, or too large a one."""
    if len(content) > MAX_BYTES:
        raise InvalidInput("file", f"{MAX_BYTES} bytes at most")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("file", "must be text in UTF-8") from None
    lines = _numbered(text)
    header = next(lines, None)
    if header is None:
        raise InvalidInput("file", "has no header row")
    if isinstance(header, Fault):
        return [], [header]
    columns, faults = _columns(header[1])
    return ([], faults) if faults else _read_rows(lines, columns)


def _read_rows(
    lines: Iterator[tuple[int, list[str]] | Fault], columns: Sequence[Column | None]
) -> tuple[list[SheetRow], list[Fault]]:
    rows: list[SheetRow] = []
    faults: list[Fault] = []
    for seen, line in enumerate(lines, start=1):
        if seen > MAX_ROWS:
            raise InvalidInput("file", f"{MAX_ROWS} rows at most, besides the header")
        if isinstance(line, Fault):
            faults.append(line)
            continue
        row, wrong = _row(*line, columns)
        faults += wrong
        if not wrong:
            rows.append(row)
    return rows, faults


def _numbered(text: str) -> Iterator[tuple[int, list[str]] | Fault]:
    """Rows that are not empty, numbered as spreadsheets number them; a fault ends them."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Fault(number, None, f"not CSV as RFC 4180 has it: {error}")
            return
        if cells:
            yield number, [_unescaped(cell) for cell in cells]


def _columns(header: list[str]) -> tuple[list[Column | None], list[Fault]]:
    """The header's columns in its order, None for the id's."""
    known: dict[str, Column | None] = {ID: None, **{column.name: column for column in COLUMNS}}
    faults = [Fault(1, name[:60], "no such column") for name in header if name not in known]
    twice = {name for name in header if header.count(name) > 1} if len(header) <= 100 else set()
    faults += [Fault(1, name[:60], "stands twice") for name in sorted(twice)]
    return ([] if faults else [known[name] for name in header]), faults


def _row(
    number: int, cells: list[str], columns: Sequence[Column | None]
) -> tuple[SheetRow, list[Fault]]:
    product_id: UUID | None = None
    fields: dict[str, Any] = {}
    faults = []
    if len(cells) != len(columns):
        reason = f"has {len(cells)} cells where the header has {len(columns)}"
        return SheetRow(number, None, {}), [Fault(number, None, reason)]
    for column, cell in zip(columns, cells, strict=True):
        try:
            if column is None:
                product_id = _product_id(cell)
            else:
                fields[column.field] = column.read(cell)
        except ValueError as error:
            faults.append(Fault(number, ID if column is None else column.name, str(error)))
    return SheetRow(number, product_id, fields), faults


def _cells(product: Any) -> list[str]:
    cells = [encode_id("prd", product.id), *(column.write(product) for column in COLUMNS)]
    return [_escaped(cell) for cell in cells]


def _escaped(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _unescaped(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _product_id(cell: str) -> UUID | None:
    try:
        return decode_id(cell, "prd") if cell else None
    except BadUserInput:
        raise ValueError("not the id of a product: leave it empty for a new one") from None


def _price_text(cell: str) -> str | None:
    if cell and not _PRICE.fullmatch(cell):
        raise ValueError("a number in whole units, as 12.50, or nothing")
    return cell or None


def _whole_number(cell: str) -> int:
    if not _COUNT.fullmatch(cell):
        raise ValueError("a whole number")
    return int(cell)


def _joined(items: Sequence[str]) -> str:
    """With semicolons; what would be taken for one, or for a blank beside one, gets a backslash."""
    return ";".join(_guarded(item) for item in items)


def _guarded(item: str) -> str:
    text = re.sub(r"[\\;]", r"\\\g<0>", item)
    if text.startswith(" "):
        text = "\\" + text
    if item.endswith(" ") and len(item.rstrip(" ")) > 0:
        text = text[:-1] + "\\ "
    return text


def _split(cell: str) -> list[str]:
    """The items between semicolons, without the blanks around them."""
    if not cell:
        return []
    items: list[list[str]] = [[]]
    for piece in _PIECE.findall(cell):
        if piece == ";":
            items.append([])
        else:
            items[-1].append(piece)
    return [_item(pieces) for pieces in items]


def _item(pieces: list[str]) -> str:
    if pieces and not pieces[0].startswith("\\"):
        pieces[0] = pieces[0].lstrip(" ")
    if pieces and not pieces[-1].startswith("\\"):
        pieces[-1] = pieces[-1].rstrip(" ")
    return "".join(piece[1:] if len(piece) == 2 and piece[0] == "\\" else piece for piece in pieces)


def _as_is(cell: str) -> str:
    return cell


def _or_none(cell: str) -> str | None:
    return cell or None


def _price_of(product: Any) -> str:
    if product.price_minor is None:
        return ""
    return f"{to_decimal(product.price_minor, product.asset):f}"


COLUMNS = (
    Column("kind", "kind", lambda p: p.kind, _as_is),
    Column("name", "name", lambda p: p.name, _as_is),
    Column("category", "category", lambda p: p.category, _as_is),
    Column("asset", "asset", lambda p: p.asset, _as_is),
    Column("price", "price", _price_of, _price_text),
    Column("inventoryCount", "inventory_count", lambda p: str(p.inventory_count), _whole_number),
    Column(
        "lowStockThreshold",
        "low_stock_threshold",
        lambda p: str(p.low_stock_threshold),
        _whole_number,
    ),
    Column("region", "region", lambda p: p.region or "", _or_none),
    Column("tags", "tags", lambda p: _joined(p.tags), _split),
    Column("imageUrls", "image_urls", lambda p: _joined(p.image_urls), _split),
    Column("description", "description", lambda p: p.description, _as_is),
    Column("story", "story", lambda p: p.story, _as_is),
)
"""In the order in which they are written; a sheet may have them in any, and not all."""

COLUMN_OF = {column.field: column.name for column in COLUMNS}
