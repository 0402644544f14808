"""Pictures from outside made into pictures of ours: decoded within limits, turned upright, and
encoded anew. No database and no storage here.

Nothing of a file but its pixels is kept, so no place, no camera, no second file behind the first
one survives.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from PIL import Image, ImageOps

from core.errors import InvalidInput
from core.files import media_type_of
from models.content.images import SIDE_MAX

MAX_PIXELS = 40_000_000
ORIGINAL = "original"
SQUARES = (50, 200)
"""Sides of an avatar's variants, in pixels: the middle is cut out."""
BOXES = (100, 400)
"""Longest sides of other pictures' variants: whole, and never enlarged."""

READ = ("JPEG", "PNG", "WEBP", "GIF")
_WRITTEN = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "GIF": "PNG", "WEBP": "WEBP"}
"""A camera's MPO is a JPEG with more behind it, and is read as one."""
_MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "JPEG": {"quality": 88, "progressive": True},
    "PNG": {},
    "WEBP": {"quality": 88},
}

# Pillow only warns of what is up to twice too large; a file's header must not get further.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One size of a picture, as it will be kept."""

    variant: str
    content: bytes
    width: int
    height: int

    @property
    def sha256(self) -> bytes:
        """Of the content."""
        return hashlib.sha256(self.content).digest()


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """A picture in all its sizes, of one media type; the original is the first."""

    media_type: str
    files: tuple[Encoded, ...]

    @property
    def size_bytes(self) -> int:
        """What all its sizes take."""
        return sum(len(file.content) for file in self.files)


def encode_image(source: IO[bytes], *, kind: str, max_bytes: int) -> EncodedImage:
    """A JPEG, PNG, WebP or GIF (its first frame) in the sizes of its kind. GIF becomes PNG; the
    original is at most 2,048 pixels on a side. Blocks: call it in a thread.

    Raises `InvalidInput("file")`: larger than `max_bytes`, more than 40 million pixels, no image
    by its content, or one that cannot be read to its end.
    """
    source.seek(0)
    content = source.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InvalidInput("file", f"{max_bytes} bytes at most")
    try:
        picture, written = _decoded(content)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _too_many_pixels() from None
    except (InvalidInput, MemoryError):
        raise
    except Exception:
        # Decoders say in many ways that they cannot go on: all of them mean the same here.
        raise _unreadable(content) from None
    files = [_encoded(ORIGINAL, picture, written)]
    if kind == "AVATAR":
        files += [_encoded(str(side), _square(picture, side), written) for side in SQUARES]
    else:
        files += [_encoded(str(side), _within(picture, side), written) for side in BOXES]
    return EncodedImage(_MEDIA_TYPES[written], tuple(files))


def _decoded(content: bytes) -> tuple[Image.Image, str]:
    """The picture upright and bare, and the format to write it in."""
    with Image.open(io.BytesIO(content), formats=READ) as image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_many_pixels()
        written = _WRITTEN[image.format or ""]
        if written == "JPEG":
            # Before it is read: a decoder of JPEG that knows what is wanted reads a quarter.
            image.draft(None, (SIDE_MAX, SIDE_MAX))
        image.load()
        picture = _plain(image, alpha=written != "JPEG" and image.has_transparency_data)
        picture.thumbnail((SIDE_MAX, SIDE_MAX), Image.Resampling.LANCZOS)
        turn = _TURNS.get(_orientation(image))
        if turn is not None:
            picture = picture.transpose(turn)
    # Formats write what they find in `info`: comments, profiles. A new picture has none.
    bare = Image.new(picture.mode, picture.size)
    bare.paste(picture)
    return bare, written


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF's orientations, and what undoes them."""
_ORIENTATION = 0x0112


def _orientation(image: Image.Image) -> int:
    """What EXIF says of it; 1 (upright) where that cannot be read, which is no reason to refuse."""
    try:
        said = image.getexif().get(_ORIENTATION)
    except Exception:
        return 1
    return said if isinstance(said, int) else 1


def _plain(image: Image.Image, *, alpha: bool) -> Image.Image:
    """RGB, or RGBA: palettes, inks and greys become it."""
    if image.mode.startswith("I"):
        # 16 bits a pixel: converted as they are, all but the darkest would be white.
        image = image.convert("I").point([n >> 8 for n in range(65_536)], "L")
    mode = "RGBA" if alpha else "RGB"
    return image if image.mode == mode else image.convert(mode)  # at most one large copy


def _square(picture: Image.Image, side: int) -> Image.Image:
    return ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)


def _within(picture: Image.Image, side: int) -> Image.Image:
    smaller = picture.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    return smaller


def _encoded(variant: str, picture: Image.Image, written: str) -> Encoded:
    out = io.BytesIO()
    picture.save(out, written, **_OPTIONS[written])
    return Encoded(variant, out.getvalue(), picture.width, picture.height)


def _too_many_pixels() -> InvalidInput:
    return InvalidInput("file", f"{MAX_PIXELS} pixels at most")


def _unreadable(content: bytes) -> InvalidInput:
    found = media_type_of(io.BytesIO(content))
    if found in ("image/jpeg", "image/png", "image/webp", "image/gif"):
        return InvalidInput("file", "an image that can be read to its end")
    looks = found or "nothing that is known"
    return InvalidInput("file", f"a JPEG, PNG, WebP or GIF image (it looks like {looks})")
