"""Text from outside: refused with a reason or kept exactly as it came. Nothing is trimmed here."""

from __future__ import annotations

import re
import unicodedata

from core.errors import InvalidInput

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LINE_BREAK = re.compile("[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
# Letters and symbols by their category, and yet nothing is drawn: fillers and the blank braille.
_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})


def clean_text(
    value: str, *, field: str, minimum: int = 1, maximum: int, multiline: bool = False
) -> str:
    """`value`, unchanged, if it has `minimum` to `maximum` characters (code points).

    Raises `InvalidInput(field)` for another length, for NUL and lone surrogates (neither can be
    stored), for line breaks unless `multiline`, and, where `minimum` is at least 1, for text of
    which nothing can be seen. Everything else comes out exactly as it went in.
    """
    # Length first: the other checks then look at a bounded string.
    if len(value) > maximum:
        raise InvalidInput(field, f"{maximum} characters at most")
    if len(value) < minimum:
        raise InvalidInput(field, _too_short(minimum))
    if "\0" in value:
        raise InvalidInput(field, "contains a NUL character")
    if _SURROGATE.search(value):
        raise InvalidInput(field, "contains half of a surrogate pair")
    if not multiline and _LINE_BREAK.search(value):
        raise InvalidInput(field, "must be a single line")
    if minimum >= 1 and all(_invisible(character) for character in value):
        raise InvalidInput(field, "must not be blank")
    return value


def _too_short(minimum: int) -> str:
    return "must not be empty" if minimum == 1 else f"{minimum} characters at least"


def _invisible(character: str) -> bool:
    return character in _INVISIBLE or unicodedata.category(character) in _INVISIBLE_CATEGORIES
