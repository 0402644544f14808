"""What a picture from outside becomes: its pixels and nothing else, within limits."""

import io
import struct
import tempfile
import zipfile
import zlib

import pytest
from PIL import Image, PngImagePlugin

from core.errors import InvalidInput
from services.content.image_encoding import MAX_PIXELS, encode_image
from tests.data import DATA

PHOTOS = DATA / "geo" / "photos"
MAX_BYTES = 10 * 1024**2
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
GPS, ORIENTATION, MAKER = 0x8825, 0x0112, 0x010F


def written(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def plain(width=300, height=200):
    return Image.new("RGB", (width, height), (90, 90, 90))


def encoded(content, kind="PICTURE", max_bytes=MAX_BYTES):
    return encode_image(io.BytesIO(content), kind=kind, max_bytes=max_bytes)


def opened(file):
    return Image.open(io.BytesIO(file.content))


def reason_of(content, **options):
    with pytest.raises(InvalidInput) as refused:
        encoded(content, **options)
    assert refused.value.field == "file"
    return refused.value.reason


def chunk(name, data):
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png_saying(width, height):
    """A small PNG whose header tells of a large one."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((3000, 1000), [(2048, 683), (100, 33), (400, 133)]),
        ((1000, 3000), [(683, 2048), (33, 100), (133, 400)]),
        ((2048, 2048), [(2048, 2048), (100, 100), (400, 400)]),
        ((60, 30), [(60, 30), (60, 30), (60, 30)]),
        ((5000, 1), [(2048, 1), (100, 1), (400, 1)]),
        ((1, 1), [(1, 1), (1, 1), (1, 1)]),
    ],
)
@pytest.mark.parametrize("kind", ["PICTURE", "BANNER"])
def test_pictures_are_whole_in_every_size(kind, size, sizes):
    made = encoded(written(plain(*size), "JPEG"), kind)
    assert [(file.width, file.height) for file in made.files] == sizes
    assert [opened(file).size for file in made.files] == sizes
    assert [file.variant for file in made.files] == ["original", "100", "400"]


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (10, 10), (2, 3000)])
def test_avatars_are_squares(size):
    made = encoded(written(plain(*size)), "AVATAR")
    assert [file.variant for file in made.files] == ["original", "50", "200"]
    assert [opened(file).size for file in made.files[1:]] == [(50, 50), (200, 200)]


def test_the_middle_is_cut_out_of_an_avatar():
    image = Image.new("RGB", (300, 100), RED)
    image.paste(GREEN, (100, 0, 200, 100))
    _, small, _ = encoded(written(image), "AVATAR").files
    # But for the edges, where what lies beside them weighs in.
    assert opened(small).crop((3, 3, 47, 47)).getcolors() == [(44 * 44, GREEN)]


@pytest.mark.parametrize(
    ("kind", "media_type", "format"),
    [
        ("JPEG", "image/jpeg", "JPEG"),
        ("PNG", "image/png", "PNG"),
        ("WEBP", "image/webp", "WEBP"),
        ("GIF", "image/png", "PNG"),
    ],
)
def test_four_formats_are_read(kind, media_type, format):
    made = encoded(written(plain(), kind))
    assert made.media_type == media_type
    assert {opened(file).format for file in made.files} == {format}
    assert made.size_bytes == sum(len(file.content) for file in made.files)


def test_of_a_gif_the_first_frame_stays():
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, GREEN, BLUE)]
    content = written(frames[0], "GIF", save_all=True, append_images=frames[1:])
    original = opened(encoded(content).files[0])
    assert getattr(original, "n_frames", 1) == 1
    assert original.convert("RGB").getcolors() == [(400, RED)]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_can_be_seen_through_stays_so(kind):
    image = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    for file in encoded(written(image, kind)).files:
        assert opened(file).getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGB", "RGBA"])
def test_every_kind_of_png_is_read(mode):
    original = opened(encoded(written(Image.new(mode, (30, 20)))).files[0])
    assert original.size == (30, 20)
    assert original.mode in ("RGB", "RGBA")


def test_sixteen_bits_a_pixel_become_eight():
    image = Image.new("I;16", (4, 4), 0x8000)
    original = opened(encoded(written(image)).files[0])
    assert original.getpixel((0, 0)) == (128, 128, 128)


def test_inks_become_colours():
    original = opened(encoded(written(Image.new("CMYK", (30, 20)), "JPEG")).files[0])
    assert original.mode == "RGB"
    assert min(original.getpixel((5, 5))) > 250


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"just words",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!DOCTYPE html><html><body onload=alert(1)>",
        b"%PDF-1.7\n" + bytes(100),
        b"PK\x03\x04" + bytes(100),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        written(Image.new("RGB", (9, 9)), "BMP"),
        written(Image.new("RGB", (9, 9)), "TIFF"),
        written(Image.new("RGB", (9, 9)), "ICO"),
    ],
    ids=["empty", "text", "svg", "html", "pdf", "zip", "postscript", "bmp", "tiff", "ico"],
)
def test_what_is_none_of_the_four_is_refused(content):
    assert reason_of(content).startswith("a JPEG, PNG, WebP or GIF image (it looks like ")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_an_image_that_ends_early_is_refused(kind):
    noise = Image.effect_noise((200, 200), 80).convert("RGB")
    content = written(noise, kind)
    for kept in (len(content) // 2, len(content) * 9 // 10, 40):
        assert "image" in reason_of(content[:kept])


def test_a_file_that_is_too_large_is_refused():
    content = written(plain())
    assert reason_of(content, max_bytes=len(content) - 1) == f"{len(content) - 1} bytes at most"
    assert encoded(content, max_bytes=len(content)).files


@pytest.mark.parametrize(
    ("width", "height"), [(40_001, 1_000), (8_000, 8_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)]
)
def test_a_header_that_tells_of_too_many_pixels_is_refused_unread(width, height):
    assert reason_of(png_saying(width, height)) == f"{MAX_PIXELS} pixels at most"


def test_other_formats_headers_are_not_believed_either():
    gif = written(plain(), "GIF")
    assert (
        reason_of(gif[:6] + struct.pack("<HH", 60_000, 60_000) + gif[10:])
        == f"{MAX_PIXELS} pixels at most"
    )


def test_text_that_unpacks_to_much_is_not_unpacked():
    """64 MiB of zeros in a chunk of text, 64 KiB as they come."""
    content = written(plain())
    bomb = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(64 * 1024**2)))
    bombed = content[:33] + bomb + content[33:]
    assert len(bombed) < 100_000
    assert reason_of(bombed) == "an image that can be read to its end"


def archive():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("evil.txt", b"the-second-file")
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("tail", [archive(), b"<script>the-second-file</script>"])
def test_what_stands_behind_an_image_is_gone(kind, tail):
    for file in encoded(written(plain(), kind) + tail).files:
        assert b"the-second-file" not in file.content
        assert not zipfile.is_zipfile(io.BytesIO(file.content))


def test_comments_and_profiles_are_gone():
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", "whose-words")
    words.add_itxt("XML:com.adobe.xmp", "whose-words")
    for content in (
        written(plain(), "JPEG", comment=b"whose-words", icc_profile=b"whose-words"),
        written(plain(), "PNG", pnginfo=words, icc_profile=b"whose-words"),
        written(plain(), "GIF", comment=b"whose-words"),
        written(plain(), "WEBP", xmp=b"whose-words", icc_profile=b"whose-words"),
    ):
        for file in encoded(content).files:
            assert b"whose-words" not in file.content
            assert "icc_profile" not in opened(file).info


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_where_it_was_taken_is_gone(kind):
    exif = Image.Exif()
    exif[MAKER] = "A-Maker"
    exif.get_ifd(GPS).update({1: "N", 2: (43.0, 28.0, 2.8), 3: "E", 4: (11.0, 53.0, 6.4)})
    content = written(plain(), kind, exif=exif)
    assert Image.open(io.BytesIO(content)).getexif().get_ifd(GPS)
    for file in encoded(content).files:
        assert dict(opened(file).getexif()) == {}
        assert b"A-Maker" not in file.content


def test_photos_of_cameras_lose_what_cameras_say():
    photos = sorted(PHOTOS.glob("*.jpg"))
    if not photos:
        pytest.skip("the photos with positions are not beside the repository (../shared/data)")
    located = 0
    for photo in photos:
        content = photo.read_bytes()
        before = Image.open(io.BytesIO(content)).getexif()
        assert MAKER in before, photo.name
        located += bool(before.get_ifd(GPS))
        made = encoded(content)
        for file in made.files:
            assert dict(opened(file).getexif()) == {}
            assert before[MAKER].encode() not in file.content
    assert located >= 2


def corners(image):
    """The colours of the four corners, clockwise from the upper left."""
    x, y = image.width - 3, image.height - 3
    ends = [image.convert("RGB").getpixel(at) for at in ((2, 2), (x, 2), (x, y), (2, y))]
    return [tuple(255 if n > 127 else 0 for n in colour) for colour in ends]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_are_turned_upright(kind, orientation):
    upright = Image.new("RGB", (64, 32), RED)
    upright.paste(GREEN, (32, 0, 64, 16))
    upright.paste(BLUE, (32, 16, 64, 32))
    upright.paste(WHITE, (0, 16, 32, 32))
    turn = Image.Transpose
    # How a camera that is held so keeps what stands upright.
    kept = {
        1: None,
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_90,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    taken = upright if kept is None else upright.transpose(kept)
    original = encoded(written(taken, kind, exif=exif)).files[0]
    assert (original.width, original.height) == (64, 32)
    assert corners(opened(original)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    "said", [b"Exif\0\0not-exif", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0"]
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_exif_that_cannot_be_read_is_no_reason_to_refuse(said):
    made = encoded(written(plain(), "JPEG", exif=said))
    assert (made.files[0].width, made.files[0].height) == (300, 200)


def test_a_file_on_disk_is_read_from_its_beginning():
    with tempfile.TemporaryFile() as file:
        file.write(written(plain()))
        assert encode_image(file, kind="PICTURE", max_bytes=MAX_BYTES).files[0].width == 300
