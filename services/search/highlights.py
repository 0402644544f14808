"""Where the words of a query stand in a document's own text. Pure: pieces of plain text and ranges
in them, no markup, so that nothing of a text can become part of a page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import Stemmer

from services.search.contract import Highlight, Span

PIECE = 200
"""Characters of a piece of a long text, about."""
RANGES_MAX = 20
FIELDS_MAX = 3
_WORD = re.compile(r"[^\W_]+")
_BORDER = re.compile(r"\s")
_STEMMER = Stemmer.Stemmer("english", 10_000)

Field = Literal["NAME", "SUMMARY", "BODY"]


def highlight(terms: frozenset[str], fields: Sequence[tuple[Field, str]]) -> tuple[Highlight, ...]:
    """Each field that has any of the terms (words by their stem), in the order given: short texts
    whole, of long ones the piece with most different terms in it."""
    found = []
    for field, text in fields:
        if marks := _marks(terms, text):
            piece, ranges = _piece(text, marks)
            found.append(Highlight(field, piece, tuple(ranges[:RANGES_MAX])))
    return tuple(found[:FIELDS_MAX])


def stem(word: str) -> str:
    """The term of a word, as the index has it."""
    folded = word.lower()
    if not folded.isascii():
        split = unicodedata.normalize("NFKD", folded)
        folded = "".join(sign for sign in split if not unicodedata.combining(sign))
    stemmed: str = _STEMMER.stemWord(folded)
    return stemmed


def _marks(terms: frozenset[str], text: str) -> list[tuple[int, int, str]]:
    """The words that are terms, with their places. A term and its words begin alike, so that most
    words need not be stemmed."""
    if not text or not terms:
        return []
    words = _beginning_so(terms) if text.isascii() else _WORD
    found = []
    for match in words.finditer(text):
        if (term := stem(match.group())) in terms:
            found.append((match.start(), match.end(), term))
    return found


@lru_cache(maxsize=256)
def _beginning_so(terms: frozenset[str]) -> re.Pattern[str]:
    """Words with the first letters of any of the terms."""
    beginnings = "|".join(sorted({re.escape(term[:2]) for term in terms}))
    return re.compile(rf"(?<![^\W_])(?:{beginnings})[^\W_]*", re.IGNORECASE | re.ASCII)


def _piece(text: str, marks: Sequence[tuple[int, int, str]]) -> tuple[str, list[Span]]:
    if len(text) <= PIECE:
        return text, [Span(start, end) for start, end, _ in marks]
    first = max(range(len(marks)), key=lambda i: (_worth(marks, i), -i))
    begin = _begin(text, marks[first][0])
    end = _end(text, begin + PIECE, marks[first][1])
    ranges = [Span(s - begin, e - begin) for s, e, _ in marks if begin <= s and e <= end]
    return text[begin:end], ranges


def _worth(marks: Sequence[tuple[int, int, str]], first: int) -> int:
    """How many different terms stand within a piece from a mark on."""
    start = marks[first][0]
    near = [term for begin, end, term in marks[first:] if end - start <= PIECE * 3 // 4]
    return len(set(near))


def _begin(text: str, start: int) -> int:
    """Some words before a mark, at the beginning of one."""
    earliest = max(0, start - PIECE // 4)
    if earliest == 0:
        return 0
    border = _BORDER.search(text, earliest, start)
    return border.end() if border else start


def _end(text: str, latest: int, least: int) -> int:
    if latest >= len(text):
        return len(text)
    for at in range(latest, least, -1):
        if text[at].isspace():
            return at
    return max(latest, least)
