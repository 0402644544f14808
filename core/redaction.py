"""What must never be read in a log line or a settings dump: how to find it, how to hide it.

Pure functions on values; nothing here logs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

MASK: Final = "***"
MAX_TEXT: Final = 20_000
"""Characters of one value that a line keeps: a line is bounded whatever a client sent."""
MAX_DEPTH: Final = 6
MAX_ITEMS: Final = 200

_SECRET_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        """password passwd passphrase pwd secret secrets token tokens authorization cookie cookies
        credential credentials jwt otp totp apikey dsn""",
    )
)
_SECRET_PAIRS: Final = ("api_key", "private_key", "signing_key", "recovery_code")
_WORD: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")

# Every quantifier is bounded, so that a hostile string costs time linear in its length.
_URL_PASSWORD: Final = re.compile(r"(\b[a-zA-Z][\w+.-]{0,30}://[^\s:/@?#]{0,200}):[^\s/?#]{1,500}@")
_JWT: Final = re.compile(r"(?<![\w-])eyJ[\w-]{5,8000}\.[\w-]{2,8000}(?:\.[\w-]{0,8000})?")
_SCHEME: Final = re.compile(r"\b(Bearer|Basic)\s{1,8}[\w.~+/=-]{4,8000}", re.IGNORECASE)
_PAIR: Final = re.compile(
    r"(?i)((?:password|passwd|secret|token|api_?key)[\"']?\s{0,4}[=:]\s{0,4})"
    r"(?:\"[^\"]{1,2000}\"|'[^']{1,2000}'|[^\s&,;\"'{}()\[\]]{1,2000})"
)
# Not after `://`: what stands there before the @ is a user of a server.
_EMAIL: Final = re.compile(
    r"(?<!://)(?<![\w.%+-])([^\W_])[\w.%+'!#$^`~-]{0,319}@([^\W_][\w.-]{0,252})"
)


def redact_text(text: str) -> str:
    """The text without e-mail addresses, tokens and passwords; of a long one, its two ends."""
    if len(text) > MAX_TEXT:
        text = f"{text[: MAX_TEXT // 2]}… ({len(text)} characters) …{text[-MAX_TEXT // 2 :]}"
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
    if "eyJ" in text:
        text = _JWT.sub(f"jwt:{MASK}", text)
    text = _SCHEME.sub(rf"\1 {MASK}", text)
    if "=" in text or ":" in text:
        text = _PAIR.sub(rf"\1{MASK}", text)
    if "@" in text:
        text = _EMAIL.sub(rf"\1{MASK}@\2", text)
    return text


def is_secret_name(name: str) -> bool:
    """Whether a value under this name is one to hide: `refresh_token`, `newPassword`, `DSN`."""
    words = [word.lower() for word in _WORD.findall(name)]
    return not _SECRET_WORDS.isdisjoint(words) or any(
        pair in "_".join(words) for pair in _SECRET_PAIRS
    )


def redact(name: str, value: Any, depth: int = 0) -> Any:
    """The value as it may be logged under `name`; unknown objects become their redacted repr."""
    if value is None or isinstance(value, bool):
        return value
    if is_secret_name(name) and not _is_a_count(name, value):
        return MASK
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, int | float | UUID | date | timedelta | Decimal | Enum):
        return value
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return _redact_mapping(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return [redact("", item, depth + 1) for item in list(value)[:MAX_ITEMS]]
    return redact_text(repr(value))


def _redact_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    items = list(value.items())[:MAX_ITEMS]
    return {redact_text(str(k)): redact(str(k), v, depth + 1) for k, v in items}


def _is_a_count(name: str, value: object) -> bool:
    # `max_tokens=2000`, `access_token_s=900`: numbers about tokens, not tokens.
    return isinstance(value, int | float) and "token" in name.lower()
