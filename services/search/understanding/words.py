"""A query as words: where each stands in the text, and how it is compared. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

WORDS_MAX = 40
"""A longer text was not asked in words but pasted: nothing is read into it."""

# What unicodedata does not take apart, and PostgreSQL's unaccent does.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"}  # noqa: RUF001
)
_APOSTROPHES = "'’‘ʼ`´"  # noqa: RUF001
_WORD = re.compile(
    rf"[^\W\d_]+(?:[{_APOSTROPHES}][^\W\d_]+)*|\d+(?:[.,]\d+)*|[$€£¥₹]",
)
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»")
_ADDRESS = re.compile(r"\S*(?:://|@\S)\S*")
OPAQUE = "\0"
"""In place of a word that is taken as it is written: in quotes, or part of an address."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word from `start` to `end` of the text. `key` is compared; `gap` is what stands between it
    and the word before; `capital`: it is written with a capital letter."""

    start: int
    end: int
    key: str
    gap: str
    capital: bool


Phrases = tuple[tuple[str, ...], ...]


def phrases(listed: str) -> Phrases:
    """`under | less than` as the words of each phrase."""
    return tuple(tuple(each.split()) for each in listed.split("|"))


@lru_cache(maxsize=4_096)
def fold(text: str) -> str:
    """Lower case without accents; the apostrophe is always the same."""
    lower = text.casefold().translate(_LETTERS)
    if lower.isascii():
        return lower
    apart = unicodedata.normalize("NFD", lower)
    plain = "".join(each for each in apart if not unicodedata.combining(each))
    same = "".join("'" if each in _APOSTROPHES else each for each in plain)
    return unicodedata.normalize("NFC", same)


def phrase(text: str) -> str:
    """A name as the words of a query are compared with it: `Sci-Fi & Fantasy` → `sci fi fantasy`.
    The words' own order and number stay."""
    return " ".join(word.key for word in words_of(text))


def words_of(text: str) -> tuple[Word, ...]:
    """The words of a text, in order, `WORDS_MAX` + 1 at most."""
    opaque = [found.span() for form in (_QUOTED, _ADDRESS) for found in form.finditer(text)]
    found: list[Word] = []
    end = 0
    for match in _WORD.finditer(text):
        start, stop = match.span()
        taken = any(first <= start < last for first, last in opaque)
        raw = match[0]
        key = OPAQUE if taken else fold(raw)
        found.append(Word(start, stop, key, text[end:start], raw[:1].isupper()))
        end = stop
        if len(found) > WORDS_MAX:
            break
    return tuple(found)


def runs(words: tuple[Word, ...], *, longest: int) -> Iterator[tuple[int, int, str]]:
    """Every run of up to `longest` words that may be compared: first, end, key."""
    for first in range(len(words)):
        key = ""
        for end in range(first + 1, min(first + longest, len(words)) + 1):
            if words[end - 1].key == OPAQUE:
                break
            key = f"{key} {words[end - 1].key}" if key else words[end - 1].key
            yield first, end, key
