"""What a post is made of: blocks, checked by a schema, and what follows from them. Pure; text is
data here: never interpreted, never changed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from core.errors import BadUserInput, InvalidInput
from core.ids import decode_id
from core.text import clean_text
from services.users.access import USER_PREFIX
from services.users.profiles import clean_url

BLOCKS_MAX = 200
BLOCK_TEXT_MAX = 10_000
ITEMS_MAX = 200
SHORT_TEXT_MAX = 500
POST_MENTIONS_MAX = 20
OPENING_MAX = 300
WORDS_A_MINUTE = 230
CHARACTERS_A_WORD = 2.5
"""Of scripts that put no blanks between words."""

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_STRICT = ConfigDict(extra="forbid", strict=True)


def _kept(maximum: int) -> AfterValidator:
    """Any text of so many characters, also none, exactly as it came."""
    return AfterValidator(
        lambda value: clean_text(value, field="blocks", minimum=0, maximum=maximum, multiline=True)
    )


def _person(value: str) -> str:
    try:
        decode_id(value, USER_PREFIX)
    except BadUserInput as error:
        raise ValueError(error.message) from None
    return value


def _items_bounded(items: list[str]) -> list[str]:
    if sum(map(len, items)) > BLOCK_TEXT_MAX:
        raise ValueError(f"{BLOCK_TEXT_MAX} characters at most, all items together")
    return items


Words = Annotated[str, _kept(BLOCK_TEXT_MAX)]
Line = Annotated[str, _kept(SHORT_TEXT_MAX)]
Address = Annotated[str, AfterValidator(lambda value: clean_url("blocks", value))]
Person = Annotated[str, AfterValidator(_person)]
Items = Annotated[list[Words], Field(max_length=ITEMS_MAX), AfterValidator(_items_bounded)]


class Paragraph(TypedDict):
    """Running text."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    type: Literal["paragraph"]
    text: Words


class Heading(TypedDict):
    """A heading of a level."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    type: Literal["heading"]
    level: Annotated[int, Field(ge=1, le=6)]
    text: Words


class Quote(TypedDict):
    """Somebody else's words, and whose."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    type: Literal["quote"]
    text: Words
    cite: NotRequired[Line]


class Code(TypedDict):
    """Text of a machine, and in which language."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    type: Literal["code"]
    text: Words
    language: NotRequired[Annotated[str, Field(pattern=r"^[A-Za-z0-9+#._-]{1,40}$")]]


class ListOfItems(TypedDict):
    """Items, numbered or not."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    type: Literal["list"]
    ordered: bool
    items: Items


class Image(TypedDict):
    """A picture at an address, with what it shows for who cannot see it."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    type: Literal["image"]
    url: Address
    alt: NotRequired[Line]
    caption: NotRequired[Line]


class Video(TypedDict):
    """A video at an address; which of them to embed is the client's choice."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    type: Literal["video"]
    url: Address
    caption: NotRequired[Line]


class Link(TypedDict):
    """An address, and what to call it."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    type: Literal["link"]
    url: Address
    text: NotRequired[Line]


class Mention(TypedDict):
    """A person, who is told once."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    type: Literal["mention"]
    userId: Person
    text: NotRequired[Line]


Block = Annotated[
    Paragraph | Heading | Quote | Code | ListOfItems | Image | Video | Link | Mention,
    Field(discriminator="type"),
]
_BLOCKS: TypeAdapter[Any] = TypeAdapter(Annotated[list[Block], Field(max_length=BLOCKS_MAX)])


def checked_blocks(given: object) -> list[dict[str, Any]]:
    """The blocks, if they are as the schema says. Limits: 200 blocks, 10,000 characters of text in
    each, 20 mentions. Raises `InvalidInput("blocks")`."""
    try:
        blocks: list[dict[str, Any]] = _BLOCKS.validate_python(given)
    except ValidationError as error:
        raise InvalidInput("blocks", _first_fault(error)) from None
    if len(mentioned_in(blocks)) > POST_MENTIONS_MAX:
        raise InvalidInput("blocks", f"{POST_MENTIONS_MAX} people mentioned at most")
    return blocks


def block_texts(blocks: Sequence[dict[str, Any]]) -> Iterator[str]:
    """All words in blocks, in order, each text as it is."""
    for block in blocks:
        yield from (block[name] for name in ("text", "caption", "cite") if name in block)
        yield from block.get("items", ())


def mentioned_in(blocks: Sequence[Mapping[str, Any]]) -> list[UUID]:
    """Who is mentioned, each once, in order."""
    named = (block["userId"] for block in blocks if block["type"] == "mention")
    return list(dict.fromkeys(decode_id(id, USER_PREFIX) for id in named))


def reading_time_s(title: str, blocks: Sequence[dict[str, Any]]) -> int:
    """Whole seconds it takes to read: 230 words a minute, rounded up."""
    words = 0.0
    for text in (title, *block_texts(blocks)):
        unspaced = len(_UNSPACED.findall(text))
        words += unspaced / CHARACTERS_A_WORD + len(_UNSPACED.sub(" ", text).split())
    return math.ceil(words * 60 / WORDS_A_MINUTE)


def opening_of(blocks: Sequence[dict[str, Any]]) -> str:
    """The first 300 characters of the first paragraph or quote with any words; "" without one."""
    for block in blocks:
        if block["type"] in ("paragraph", "quote") and block["text"].strip():
            return str(block["text"][:OPENING_MAX])
    return ""


def _first_fault(error: ValidationError) -> str:
    """Where and what, without the value itself."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = fault["loc"]
    if not place:
        return f"must be a list of {BLOCKS_MAX} blocks at most"
    number, *rest = place
    field = ".".join(str(part) for part in rest[1:])
    where = f"block {int(number) + 1}" + (f", {field}" if field else "")
    if fault["type"] == "union_tag_invalid":
        return f"{where}: of no known type"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}"
