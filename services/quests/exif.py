"""What a photo says of itself: when and where it was taken, with what, and what changed it since.

A camera's words are somebody's words: whatever cannot be read, or is none of what it should be, is
left out, and nothing here raises for it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

T = TypeVar("T")

MAX_WORDS = 100
MAX_TEXT_BYTES = 64 * 1024
"""How much of a photo's XMP and text chunks is searched for editors."""

_EDITORS = re.compile(
    r"photoshop|lightroom|gimp|snapseed|picsart|facetune|faceapp|meitu|pixelmator|affinity"
    r"|canva\b|paint\.net|paintshop|corel|imagemagick|photopea|darktable|pixlr|fotor|vsco|luminar"
    r"|midjourney|dall[-\u00b7 ]?e|stable[- ]diffusion|firefly|comfyui|exiftool|piexif",
    re.IGNORECASE,
)
_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
_TEXT_KEYS = ("Software", "parameters", "prompt", "Comment", "comment")


@dataclass(frozen=True, slots=True)
class Exif:
    """A photo's own words. `taken_at` is exact (its zone, or a satellite's time, is known);
    `taken_local` is the camera's clock without a zone. Degrees are WGS 84."""

    taken_at: datetime | None = None
    taken_local: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    make: str | None = None
    model: str | None = None
    software: str | None = None
    edited_by: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What is known, as JSON values."""
        found = {
            "takenAt": self.taken_at and self.taken_at.isoformat(),
            "takenLocal": self.taken_local and self.taken_local.replace(tzinfo=None).isoformat(),
            "latitude": self.latitude,
            "longitude": self.longitude,
            "accuracyM": self.accuracy_m,
            "make": self.make,
            "model": self.model,
            "software": self.software,
            "editedBy": self.edited_by,
        }
        return {name: value for name, value in found.items() if value is not None}


def read_exif(image: Image.Image) -> Exif:
    """The words of an open image; empty ones where there are none."""
    none: dict[int, Any] = {}
    main = _safely(lambda: dict(image.getexif()), none)
    detail = _safely(lambda: dict(image.getexif().get_ifd(IFD.Exif)), none)
    gps = _safely(lambda: dict(image.getexif().get_ifd(IFD.GPSInfo)), none)
    local = _local_time(detail, main)
    latitude, longitude = _position(gps)
    accuracy = _safely(lambda: _number(gps.get(GPS.GPSHPositioningError)), None)
    return Exif(
        taken_at=_gps_time(gps) or _with_zone(local, detail),
        taken_local=local,
        latitude=latitude,
        longitude=longitude,
        accuracy_m=accuracy if accuracy is not None and 0 <= accuracy < 1e6 else None,
        make=_words(main.get(Base.Make)),
        model=_words(main.get(Base.Model)),
        software=_words(main.get(Base.Software)),
        edited_by=_editor(image, main),
    )


def _position(gps: Mapping[int, Any]) -> tuple[float | None, float | None]:
    latitude = _safely(
        lambda: _degrees(gps[GPS.GPSLatitude], gps.get(GPS.GPSLatitudeRef), "NS", 90), None
    )
    longitude = _safely(
        lambda: _degrees(gps[GPS.GPSLongitude], gps.get(GPS.GPSLongitudeRef), "EW", 180), None
    )
    # Null Island: what a camera writes that has no fix.
    if latitude is None or longitude is None or (latitude, longitude) == (0.0, 0.0):
        return None, None
    return latitude, longitude


def _degrees(parts: Any, side: Any, sides: str, most: int) -> float | None:
    degrees, minutes, seconds = (_number(part) for part in parts)
    if degrees is None or minutes is None or seconds is None:
        return None
    said = (side.decode("ascii") if isinstance(side, bytes) else str(side)).strip("\0 ")
    if said not in tuple(sides) or not (0 <= minutes <= 60 and 0 <= seconds <= 60):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    if not 0 <= value <= most:
        return None
    return -value if said == sides[1] else value


def _gps_time(gps: Mapping[int, Any]) -> datetime | None:
    def read() -> datetime | None:
        day = re.fullmatch(r"(\d{4})[:-](\d\d)[:-](\d\d)\0*", str(gps[GPS.GPSDateStamp]).strip())
        parts = [_number(part) for part in gps[GPS.GPSTimeStamp]]
        if day is None or len(parts) != 3 or any(part is None for part in parts):
            return None
        hours, minutes, seconds = (part or 0.0 for part in parts)
        if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 61):
            return None
        midnight = datetime(int(day[1]), int(day[2]), int(day[3]), tzinfo=UTC)
        return midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds)

    return _safely(read, None)


def _local_time(detail: Mapping[int, Any], main: Mapping[int, Any]) -> datetime | None:
    for said in (
        detail.get(Base.DateTimeOriginal),
        detail.get(Base.DateTimeDigitized),
        main.get(Base.DateTime),
    ):
        match = _DATE.match(str(said)) if said is not None else None
        if match is not None:
            with suppress(ValueError):  # a 31st of June
                year, month, day, hour, minute, second = (int(part) for part in match.groups())
                # Said to be UTC so that it can be compared; it is no such thing.
                return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return None


def _with_zone(local: datetime | None, detail: Mapping[int, Any]) -> datetime | None:
    said = detail.get(Base.OffsetTimeOriginal) or detail.get(Base.OffsetTime)
    match = _OFFSET.match(str(said)) if said is not None else None
    if local is None or match is None or int(match[2]) > 14 or int(match[3]) > 59:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    zone = timezone(-offset if match[1] == "-" else offset)
    return _safely(lambda: local.replace(tzinfo=zone).astimezone(UTC), None)


def _editor(image: Image.Image, main: Mapping[int, Any]) -> str | None:
    said: list[object] = [main.get(Base.Software), main.get(Base.ProcessingSoftware)]
    said += [main.get(Base.ImageDescription), image.info.get("xmp")]
    said += [image.info.get(key) for key in _TEXT_KEYS]
    for each in said:
        if isinstance(each, bytes):
            each = each[:MAX_TEXT_BYTES].decode("utf-8", "replace")
        found = _EDITORS.search(str(each)[:MAX_TEXT_BYTES]) if each else None
        if found is not None:
            return found[0]
    return None


def _number(value: Any) -> float | None:
    with suppress(TypeError, ValueError, ZeroDivisionError, OverflowError):
        number = float(value)
        return number if math.isfinite(number) else None
    return None


def _words(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    clean = "".join(each for each in value if each.isprintable()).strip()
    return clean[:MAX_WORDS] or None


def _safely(read: Callable[[], T], otherwise: T) -> T:
    """What `read` gives; decoders of such words fail in many ways, and all mean the same here."""
    try:
        return read()
    except Exception:
        return otherwise
