"""What photos and videos say of themselves, read from whatever somebody wrote there."""

import io
import random
import struct
from datetime import UTC, datetime

import pytest
from PIL import Image, PngImagePlugin

from core.errors import InvalidInput
from services.quests.exif import Exif, read_exif
from services.quests.photos import examine_photo, examine_video

MAX_BYTES = 1024**2
EXIF, GPS = 0x8769, 0x8825


def jpeg(exif=None, **options):
    out = io.BytesIO()
    picture = Image.effect_noise((320, 240), 60).convert("RGB")
    picture.save(out, "JPEG", **({} if exif is None else {"exif": exif}), **options)
    return out.getvalue()


def read(content):
    with Image.open(io.BytesIO(content)) as image:
        return read_exif(image)


def words(*, main=(), detail=(), gps=()):
    exif = Image.Exif()
    exif.update(dict(main))
    for part, values in ((EXIF, detail), (GPS, gps)):
        exif.get_ifd(part).update(dict(values))
    return exif


def test_a_photo_without_words_has_none():
    assert read(jpeg()) == Exif()
    assert read(jpeg()).as_json() == {}


def test_the_south_and_the_west_are_negative():
    gps = {1: "S", 2: (33.0, 51.0, 24.84), 3: "W", 4: (70.0, 30.0, 36.0), 31: 8.5}
    found = read(jpeg(words(gps=gps.items())))
    assert found.latitude == pytest.approx(-33.8569, abs=1e-6)
    assert found.longitude == pytest.approx(-70.51, abs=1e-6)
    assert found.accuracy_m == 8.5


def test_a_satellites_time_comes_first_then_a_zone_then_the_bare_clock():
    detail = {0x9003: "2026:05:02 14:00:00"}
    bare = read(jpeg(words(detail=detail.items())))
    assert bare.taken_at is None
    assert bare.taken_local == datetime(2026, 5, 2, 14, tzinfo=UTC)
    zoned = read(jpeg(words(detail={**detail, 0x9011: "+05:30"}.items())))
    assert zoned.taken_at == datetime(2026, 5, 2, 8, 30, tzinfo=UTC)
    gps = {7: (12.0, 0.0, 3.0), 29: "2026:05:02"}
    both = read(jpeg(words(detail={**detail, 0x9011: "+05:30"}.items(), gps=gps.items())))
    assert both.taken_at == datetime(2026, 5, 2, 12, 0, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
        {1: "X", 2: (1.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
        {1: "N", 2: (1.0, 61.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
        {1: "N", 2: (1.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
        {1: "N", 2: (1.0, 0.0, 0.0)},
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
    ],
)
def test_a_place_that_is_none_is_left_out(gps):
    found = read(jpeg(words(gps=gps.items())))
    assert (found.latitude, found.longitude) == (None, None)


@pytest.mark.parametrize(
    "said", ["0000:00:00 00:00:00", "2026:13:01 00:00:00", "2026:02:30 10:00:00", "    ", "soon"]
)
def test_a_time_that_is_none_is_left_out(said):
    found = read(jpeg(words(detail={0x9003: said, 0x9011: "+99:99"}.items())))
    assert (found.taken_at, found.taken_local) == (None, None)


@pytest.mark.parametrize(
    ("said", "editor"),
    [
        ("Adobe Photoshop 25.1 (Windows)", "Photoshop"),
        ("GIMP 2.10.36", "GIMP"),
        ("Snapseed 2.0", "Snapseed"),
        ("Nikon Transfer 1.1 W", None),
        ("HDR+ 1.0.585804376zd", None),
    ],
)
def test_editors_are_known_by_their_names(said, editor):
    assert read(jpeg(words(main={0x0131: said}.items()))).edited_by == editor


def test_editors_are_found_in_xmp_and_in_text_of_a_png():
    xmp = b"<x:xmpmeta><rdf CreatorTool='Adobe Lightroom'/></x:xmpmeta>"
    assert read(jpeg(xmp=xmp)).edited_by == "Lightroom"
    made, out = PngImagePlugin.PngInfo(), io.BytesIO()
    made.add_text("parameters", "a clean river bank, Steps: 20, Model: stable-diffusion")
    Image.new("RGB", (64, 64)).save(out, "PNG", pnginfo=made)
    assert read(out.getvalue()).edited_by == "stable-diffusion"


def test_words_that_were_broken_at_random_never_stop_a_photo():
    gps = {1: "N", 2: (46.0, 3.0, 4.4), 3: "E", 4: (14.0, 30.0, 2.0), 29: "2026:05:02"}
    whole = jpeg(
        words(
            main={0x010F: "Fairphone", 0x0131: "x"}.items(),
            detail={0x9003: "2026"}.items(),
            gps=gps.items(),
        )
    )
    start, end = whole.index(b"Exif"), whole.index(b"Exif") + 300
    chance = random.Random(7)
    for _ in range(100):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 12)):
            broken[chance.randrange(start, end)] = chance.randrange(256)
        try:
            found = examine_photo(io.BytesIO(bytes(broken)), max_bytes=MAX_BYTES)
        except InvalidInput:
            continue  # what is broken is the picture
        assert found.exif.latitude is None or -90 <= found.exif.latitude <= 90


def box(kind, content):
    return struct.pack(">I4s", len(content) + 8, kind) + content


def mp4(seconds, *, brand=b"isom", created=3_900_000_000, scale=1000):
    head = struct.pack(">IIIII", 0, created, created, scale, int(seconds * scale)) + bytes(80)
    kinds = box(b"ftyp", brand + bytes(4) + b"isommp42")
    return kinds + box(b"mdat", bytes(64)) + box(b"moov", box(b"mvhd", head))


def webm(seconds):
    duration = b"\x44\x89\x88" + struct.pack(">d", seconds * 1000)
    info = b"\x2a\xd7\xb1\x83\x0f\x42\x40" + duration
    info = b"\x15\x49\xa9\x66" + bytes([0x80 | len(info)]) + info
    head = b"\x42\x82\x84webm"
    return b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(head)]) + head + b"\x18\x53\x80\x67\xff" + info


def test_videos_are_known_by_their_content():
    found = examine_video(io.BytesIO(mp4(12.5)), max_bytes=MAX_BYTES)
    assert (found.media_type, found.duration_s) == ("video/mp4", 12.5)
    assert found.taken_at == datetime(2027, 8, 1, 21, 20, tzinfo=UTC)
    found = examine_video(io.BytesIO(mp4(3, brand=b"qt  ", created=0)), max_bytes=MAX_BYTES)
    assert (found.media_type, found.duration_s, found.taken_at) == ("video/quicktime", 3.0, None)
    found = examine_video(io.BytesIO(webm(7.25)), max_bytes=MAX_BYTES)
    assert (found.media_type, found.duration_s) == ("video/webm", 7.25)


@pytest.mark.parametrize(
    ("content", "words_"),
    [
        (mp4(181), "180 seconds"),
        (mp4(0), "180 seconds"),
        (mp4(10) + bytes(MAX_BYTES), "bytes at most"),
        (mp4(10, scale=0), "says how long"),
        (box(b"ftyp", b"isom" + bytes(4)) + box(b"mdat", bytes(99)), "says how long"),
        (jpeg(), "an MP4, WebM or MOV"),
        (b"", "an MP4, WebM or MOV"),
    ],
)
def test_what_is_no_video_within_the_limits_is_refused(content, words_):
    with pytest.raises(InvalidInput, match=words_):
        examine_video(io.BytesIO(content), max_bytes=MAX_BYTES)


def test_videos_that_were_broken_at_random_are_read_or_refused():
    chance = random.Random(11)
    for whole in (mp4(12.5), webm(7.25)):
        for _ in range(300):
            broken = bytearray(whole[: chance.randint(8, len(whole))])
            for _ in range(chance.randint(0, 8)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            try:
                found = examine_video(io.BytesIO(bytes(broken)), max_bytes=MAX_BYTES)
            except InvalidInput:
                continue
            assert 0 < found.duration_s <= 180


def test_a_blank_picture_has_no_hash_to_be_mistaken_by():
    out = io.BytesIO()
    Image.new("RGB", (640, 480), (40, 90, 40)).save(out, "PNG")
    found = examine_photo(io.BytesIO(out.getvalue()), max_bytes=MAX_BYTES)
    assert found.phash is None
    assert found.quality.contrast == 0.0
