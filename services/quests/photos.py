"""Evidence photos and videos looked at: by content, within limits. No database and no storage.

What others will be shown is a picture of ours (image_encoding): pixels alone. What the file says of
itself is read before, and kept apart.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO

import imagehash
import numpy as np
from PIL import Image

from core.errors import InvalidInput
from core.files import digest_of, media_type_of
from services.content.image_encoding import Encoded, encode_image
from services.quests.exif import Exif, read_exif
from services.quests.facts import Quality

MAX_VIDEO_S = 180.0
VIDEO_TYPES = {
    "video/mp4": "video/mp4",
    "video/x-m4v": "video/mp4",
    "video/quicktime": "video/quicktime",
    "video/webm": "video/webm",
    "video/x-matroska": "video/webm",
}
_SIDE = 256
_EPOCH_1904 = datetime(1904, 1, 1, tzinfo=UTC)
_HEADER_BYTES = 1024 * 1024
"""How far into a WebM its length is looked for."""


@dataclass(frozen=True, slots=True)
class ExaminedPhoto:
    """A photo's facts, and the picture to show: the original's size, and smaller."""

    sha256: bytes
    size_bytes: int
    media_type: str
    exif: Exif
    phash: int | None
    quality: Quality
    shown: Encoded


@dataclass(frozen=True, slots=True)
class ExaminedVideo:
    """A video's facts; its length and time where the file says them."""

    sha256: bytes
    size_bytes: int
    media_type: str
    duration_s: float | None
    taken_at: datetime | None


def examine_photo(source: IO[bytes], *, max_bytes: int) -> ExaminedPhoto:
    """All that is to be known of a photo. Blocks: call it in a thread. Raises
    `InvalidInput("file")` as `encode_image` does."""
    encoded = encode_image(source, kind="PICTURE", max_bytes=max_bytes)
    shown = encoded.files[0]
    source.seek(0)
    content = source.read()
    with Image.open(io.BytesIO(content)) as original:
        exif = read_exif(original)
    with Image.open(io.BytesIO(shown.content)) as picture:
        quality = quality_of(picture)
        phash = phash_of(picture) if quality.contrast >= 0.02 else None
    return ExaminedPhoto(
        sha256=hashlib.sha256(content).digest(),
        size_bytes=len(content),
        media_type=media_type_of(source) or encoded.media_type,
        exif=exif,
        phash=phash,
        quality=quality,
        shown=shown,
    )


def phash_of(picture: Image.Image) -> int:
    """The perceptual hash: 64 bits, as the signed number that the database keeps. It stays the
    same, but for a few bits, when a picture is encoded anew or made smaller."""
    bits = imagehash.phash(picture.convert("L")).hash.flatten()
    number = int("".join("1" if bit else "0" for bit in bits), 2)
    return number - (1 << 64) if number >> 63 else number


def quality_of(picture: Image.Image) -> Quality:
    """Contrast (the spread of light), sharpness (how much edges stand out), and size."""
    grey = picture.convert("L")
    grey.thumbnail((_SIDE, _SIDE))
    light = np.asarray(grey, dtype=np.float64)
    if min(light.shape) < 3:
        return Quality(contrast=0.0, sharpness=0.0, size=0.0)
    edges = 4 * light[1:-1, 1:-1]
    edges = edges - light[:-2, 1:-1] - light[2:, 1:-1] - light[1:-1, :-2] - light[1:-1, 2:]
    spread = float(light.std())
    return Quality(
        contrast=round(min(1.0, spread / 128), 4),
        sharpness=round(min(1.0, float(edges.std()) / max(spread, 1.0)), 4),
        size=round(min(1.0, picture.width * picture.height / (640 * 480)), 4),
    )


def examine_video(source: IO[bytes], *, max_bytes: int) -> ExaminedVideo:
    """All that is to be known of a video. Blocks. Raises `InvalidInput("file")`: no MP4, WebM or
    MOV by its content, larger than `max_bytes`, longer than three minutes, or one that does not
    say how long it is."""
    source.seek(0, io.SEEK_END)
    size = source.tell()
    if size > max_bytes:
        raise InvalidInput("file", f"{max_bytes} bytes at most")
    looks = media_type_of(source)
    media_type = VIDEO_TYPES.get(looks or "")
    if media_type is None:
        known = looks or "nothing that is known"
        raise InvalidInput("file", f"an MP4, WebM or MOV video (it looks like {known})")
    try:
        found = _of_webm(source) if media_type == "video/webm" else _of_mp4(source, size)
    except (struct.error, IndexError, ValueError, OverflowError):
        found = None
    if found is None:
        raise InvalidInput("file", "a video that says how long it is")
    duration_s, taken_at = found
    if not 0 < duration_s <= MAX_VIDEO_S:
        raise InvalidInput("file", f"{MAX_VIDEO_S:.0f} seconds at most")
    return ExaminedVideo(digest_of(source), size, media_type, duration_s, taken_at)


def _of_mp4(source: IO[bytes], size: int) -> tuple[float, datetime | None] | None:
    """Length and time of creation by the `mvhd` box."""
    for kind, start, end in _mp4_boxes(source, 0, size):
        if kind != b"moov":
            continue
        for inner, at, _ in _mp4_boxes(source, start, end):
            if inner != b"mvhd":
                continue
            source.seek(at)
            head = source.read(32)
            if head[0] == 1:
                created, _, scale, length = struct.unpack(">QQIQ", head[4:32])
            else:
                created, _, scale, length = struct.unpack(">IIII", head[4:20])
            if not scale:
                return None
            taken = _EPOCH_1904 + timedelta(seconds=created) if created else None
            return length / scale, taken
    return None


def _mp4_boxes(source: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box; 1,000 of them at most."""
    for _ in range(1000):
        if start + 8 > end:
            return
        source.seek(start)
        size, kind = struct.unpack(">I4s", source.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", source.read(8))[0], 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            return
        yield kind, start + head, start + size
        start += size


def _of_webm(source: IO[bytes]) -> tuple[float, datetime | None] | None:
    """Length and time by the Info element, which stands near the beginning: its elements are looked
    for by their ids, 0x4489 (duration), 0x2AD7B1 (scale), 0x4461 (time)."""
    source.seek(0)
    head = source.read(_HEADER_BYTES)
    info = head.find(b"\x15\x49\xa9\x66")
    if info < 0:
        return None
    part = head[info : info + 4096]
    at = part.find(b"\x44\x89")
    if at < 0:
        return None
    width = part[at + 2] & 0x7F
    number = part[at + 3 : at + 3 + width]
    duration = struct.unpack(">d" if width == 8 else ">f", number)[0]
    scale = 1_000_000
    found = part.find(b"\x2a\xd7\xb1")
    if found >= 0:
        width = part[found + 3] & 0x7F
        scale = int.from_bytes(part[found + 4 : found + 4 + width], "big")
    taken = None
    found = part.find(b"\x44\x61\x88")
    if found >= 0:
        nanoseconds = int.from_bytes(part[found + 3 : found + 11], "big", signed=True)
        taken = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)
    return duration * scale / 1e9, taken
