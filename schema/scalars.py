"""The scalars, and the value types every domain shares. No fields with rules here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from types import NoneType
from typing import Any, NewType

import orjson
import strawberry
from strawberry.types.scalar import ScalarDefinition

from core.files import UploadedFile
from core.money import INT64_MAX
from execution.serialising import by_column

BigInt = NewType("BigInt", int)
Cursor = NewType("Cursor", str)
URL = NewType("URL", str)
JSON = NewType("JSON", object)
Upload = NewType("Upload", UploadedFile)

_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


_MOMENT_LENGTHS = {20, 27}
"""Of moments as this API writes them, without and with microseconds."""


def _datetime_text(value: datetime | str) -> str:
    """A moment's text; of one that the database has written (`loaders.rows`) the same again. Raises
    `ValueError` for what it could not write."""
    if not isinstance(value, str):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if len(value) not in _MOMENT_LENGTHS:
        raise ValueError("a moment beyond what a DateTime can tell")
    return value


def _datetime_texts(column: list[Any]) -> list[Any] | None:
    """As `_datetime_text`, by orjson, in a fifth of the time: what is in UTC already it writes the
    same way, and nothing else is given to it. Texts are looked at alone."""
    kinds = set(map(type, column))
    if str in kinds:
        texts = column if NoneType not in kinds else [text for text in column if text is not None]
        written = kinds <= {str, NoneType} and set(map(len, texts)) <= _MOMENT_LENGTHS
        return column if written else None
    if not kinds <= {datetime, NoneType}:
        return None
    if {value.tzinfo for value in column if value is not None} - {UTC}:
        return None
    made: list[Any] = orjson.loads(orjson.dumps(column, option=orjson.OPT_UTC_Z))
    return made


def _texts(column: list[Any]) -> list[Any] | None:
    """As `str`."""
    kinds = set(map(type, column))
    if kinds <= {str, NoneType}:
        return column
    return None if NoneType in kinds else list(map(str, column))


by_column(_datetime_text, _datetime_texts, takes_text=True)
by_column(str, _texts)


def _parse_datetime(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("DateTime must be a string, as in 2026-01-31T12:00:00Z")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("DateTime must be RFC 3339, as in 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("DateTime must name its offset: end it with Z or +01:00")
    return moment.astimezone(UTC)


def _parse_date(value: object) -> date:
    if not isinstance(value, str):
        raise ValueError("Date must be a string, as in 2026-01-31")
    return date.fromisoformat(value)


def _parse_decimal(value: object) -> Decimal:
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError('Decimal must be a string of 40 characters at most, as in "12.50"')
    # Python's own reading is laxer: blanks, underscores, digits of other scripts.
    if not _DECIMAL.fullmatch(value):
        raise ValueError('Decimal must be a number in a string, as in "12.50"')
    try:
        return Decimal(value)
    except InvalidOperation:  # an exponent beyond all bounds
        raise ValueError("Decimal must be of a size that can be counted") from None


def _parse_big_int(value: object) -> int:
    text = value if isinstance(value, str) else ""
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit():
        raise ValueError('BigInt must be a whole number in a string, as in "1250"')
    number = int(text) if len(text) <= 20 else INT64_MAX + 1
    if not -INT64_MAX - 1 <= number <= INT64_MAX:
        raise ValueError("BigInt must fit in 64 bits")
    return number


def _parse_upload(value: object) -> UploadedFile:
    if not isinstance(value, UploadedFile):
        raise ValueError("Upload must be a file of a multipart request, null in its operations")
    return value


def _no_output(value: object) -> object:
    raise ValueError("Upload is for input alone")


def _parse_text(name: str, maximum: int) -> Any:
    def parse(value: object) -> str:
        if not isinstance(value, str) or len(value) > maximum:
            raise ValueError(f"{name} must be a string of {maximum} characters at most")
        return value

    return parse


SCALARS: Mapping[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment in UTC, RFC 3339: `2026-01-31T12:00:00Z`. Input may carry an offset.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_datetime_text,
        parse_value=_parse_datetime,
    ),
    date: strawberry.scalar(
        name="Date",
        description="A day: `2026-01-31`.",
        serialize=date.isoformat,
        parse_value=_parse_date,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description='An exact decimal number, as a string: `"12.50"`. Never a float.',
        serialize=str,
        parse_value=_parse_decimal,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description='A 64-bit whole number, as a string: `"1250"`.',
        serialize=str,
        parse_value=_parse_big_int,
    ),
    Cursor: strawberry.scalar(
        name="Cursor",
        description="A position in a list or a stream: keep it, pass it back, never read it.",
        serialize=str,
        parse_value=_parse_text("Cursor", 512),
    ),
    URL: strawberry.scalar(
        name="URL",
        description="An absolute http or https address.",
        serialize=str,
        parse_value=_parse_text("URL", 2_048),
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
    Upload: strawberry.scalar(
        name="Upload",
        description="A file, sent in a multipart request: as a variable, null in `operations`.",
        specified_by_url="https://github.com/jaydenseric/graphql-multipart-request-spec",
        serialize=_no_output,
        parse_value=_parse_upload,
    ),
}


@strawberry.enum(description="What is counted: a currency (ISO 4217) or the platform's token.")
class AssetCode(Enum):
    USD = strawberry.enum_value("USD", description="US dollar, 2 decimal places.")
    EUR = strawberry.enum_value("EUR", description="Euro, 2 decimal places.")
    INR = strawberry.enum_value("INR", description="Indian rupee, 2 decimal places.")
    JPY = strawberry.enum_value("JPY", description="Yen, no decimal places.")
    SPARK = strawberry.enum_value("SPARK", description="The platform's token, 6 decimal places.")


def code_of(member: Enum) -> str:
    """The value of one of the schema's enums, as rows and services have it."""
    return str(member.value)
