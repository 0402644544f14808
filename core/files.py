"""Files from outside: what a client sent, what it really is, and the keys files are kept under.

No storage here (adapters/storage.py) and no rule about who may send what.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import IO

import puremagic

from core.ids import new_id

NAME_MAX = 200
HEAD_BYTES = 64 * 1024
"""How much of a file is looked at to tell its type."""

PLAIN_TEXT = "text/plain"
_KEY = re.compile(r"[a-z][a-z-]{0,30}/[0-9a-f]{32}")
_KIND = re.compile(r"[a-z][a-z-]{0,30}")
# Control characters, and those that turn the direction of writing: `gpj.exe` must not read as
# `exe.jpg`.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file as a client sent it: `name` and `media_type` are its words, `size` is counted.

    `content` is a temporary file that is gone when the request ends.
    """

    name: str
    media_type: str
    size: int
    content: IO[bytes]


def new_file_key(kind: str) -> str:
    """A new key to keep a file under, `products/0193…`. Nothing of it comes from outside.

    `kind` is a word of a-z and hyphens; raises `ValueError` for another.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"not a kind of files: {kind!r}")
    return f"{kind}/{new_id().hex}"


def checked_file_key(key: str) -> str:
    """The key, if it is one of ours. Raises `ValueError`."""
    if not _KEY.fullmatch(key):
        raise ValueError("not a key that files are kept under")
    return key


def clean_file_name(name: str) -> str:
    """A name to show and to offer for saving: the last part of a path, without control characters,
    200 characters at most with its ending kept; `file` where nothing is left."""
    last = re.split(r"[/\\]", _UNSEEN.sub("", name))[-1].strip(" .")
    if len(last) > NAME_MAX:
        stem, dot, ending = last.rpartition(".")
        tail = f"{dot}{ending}" if stem and len(ending) <= 20 else ""
        last = last[: NAME_MAX - len(tail)] + tail
    return last or "file"


def media_type_of(content: IO[bytes]) -> str | None:
    """What the file's own bytes say that it is, as a media type; None if they do not.

    What no signature matches and is UTF-8 throughout the first 64 KiB, without NUL, is text.
    """
    content.seek(0)
    head = content.read(HEAD_BYTES)
    content.seek(0)
    if not head:
        return None
    try:
        found = puremagic.magic_string(head)
    except puremagic.PureError:
        return PLAIN_TEXT if _is_text(head) else None
    surest = max(match.confidence for match in found)
    types = [match.mime_type for match in found if match.confidence == surest]
    # Every office document is a ZIP archive, and by their heads alone they look alike.
    if head.startswith(b"PK\x03\x04") and len(set(types)) > 1:
        return "application/zip"
    return types[0] or None


def digest_of(content: IO[bytes]) -> bytes:
    """SHA-256 of the whole file. Blocks: call it in a thread."""
    content.seek(0)
    digest = hashlib.file_digest(content, "sha256").digest()  # type: ignore[arg-type]
    content.seek(0)
    return digest


def _is_text(head: bytes) -> bool:
    # The cut at the end may go through a character: up to three bytes of it may be missing.
    for missing in range(4):
        try:
            return "\0" not in head[: len(head) - missing].decode("utf-8")
        except UnicodeDecodeError:
            if len(head) < HEAD_BYTES:
                return False
    return False
