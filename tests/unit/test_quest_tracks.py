"""Recorded tracks and photos of others as evidence: what is honest passes, and what was bent is
flagged with its reason. None says how accurate it is, so none is verified without witnesses."""

import io
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

import gpxpy
import pytest
from PIL import Image

from services.quests.authenticity import judge
from services.quests.checks import hash_bits, run_checks
from services.quests.facts import EvidenceFacts, EvidenceTerms, Fix, PhotoFacts
from services.quests.photos import examine_photo
from tests.data import DATA

GEO = DATA / "geo"
needs_tracks = pytest.mark.skipif(
    not (GEO / "gpx").is_dir(), reason="the recorded tracks are not on this machine"
)
needs_photos = pytest.mark.skipif(
    not (GEO / "photos").is_dir(), reason="the cameras' photos are not on this machine"
)
HONEST = ("korita-zbevnica", "track-with-empty-segment")
MAX_BYTES = 10 * 1024**2


@cache
def track(name):
    with (GEO / "gpx" / f"{name}.gpx").open(encoding="utf-8") as file:
        recorded = gpxpy.parse(file)
    points = [p for one in recorded.tracks for part in one.segments for p in part.points]
    return tuple(
        Fix(p.latitude, p.longitude, None, p.time, outside_m=0.0)
        for p in points
        if p.time is not None
    )


def submitted(fixes, *, on_foot=True, at=None, **more):
    """A submission two minutes after the last fix, of a quest accepted ten before the first."""
    at = at or max(fix.at for fix in fixes) + timedelta(minutes=2)
    begun = min(fix.at for fix in fixes) - timedelta(minutes=10)
    facts = EvidenceFacts(
        submitted_at=at, fixes=fixes, captured_at=(fixes[-1].at,), device_now=at, **more
    )
    return facts, EvidenceTerms(accepted_at=begun, on_foot=on_foot)


def judged(facts, terms):
    checks = run_checks(facts, terms)
    return judge(checks), {check.name: check.words for check in checks if check.flag == "FLAGGED"}


@needs_tracks
@pytest.mark.parametrize(("name", "fixes"), [(HONEST[0], 513), (HONEST[1], 9)])
def test_honest_tracks_are_not_flagged_and_go_to_witnesses_for_want_of_accuracy(name, fixes):
    assert len(track(name)) == fixes
    verdict, flags = judged(*submitted(track(name)))
    assert flags == {}
    assert verdict.verdict == "WITNESSES"
    assert verdict.unchecked == ("ACCURACY",)
    assert verdict.score >= 85  # by its score alone it would have been verified


@needs_tracks
@pytest.mark.parametrize("name", HONEST)
def test_honest_tracks_with_an_accuracy_would_be_verified(name):
    fixes = tuple(replace(fix, accuracy_m=5.0) for fix in track(name))
    verdict, flags = judged(*submitted(fixes))
    assert (verdict.verdict, flags) == ("VERIFIED", {})


@needs_tracks
def test_a_clock_of_1901_is_flagged():
    fixes = track("Mojstrovka")
    today = datetime.fromisoformat("2010-12-14T06:17:04+00:00")
    facts, _ = submitted(fixes, at=today)
    terms = EvidenceTerms(accepted_at=today - timedelta(hours=12), on_foot=True)
    verdict, flags = judged(facts, terms)
    assert verdict.verdict != "VERIFIED"
    assert "1901-12-13" in flags["WINDOW"]
    assert "stood still" in flags["CLOCK"] or "went back" in flags["CLOCK"]


@needs_tracks
def test_one_step_of_331_km_h_is_flagged():
    _, flags = judged(*submitted(track("cerknicko-jezero")))
    assert flags.keys() == {"MOVEMENT"}
    assert "184 m in 2 s" in flags["MOVEMENT"]


@needs_tracks
def test_a_drive_is_flagged_on_a_quest_on_foot_and_not_on_another():
    fixes = track("around-visnjan-with-car")
    _, flags = judged(*submitted(fixes))
    assert flags.keys() == {"MOVEMENT"}
    assert "is no walk" in flags["MOVEMENT"]
    verdict, flags = judged(*submitted(fixes, on_foot=False))
    assert (verdict.verdict, flags) == ("WITNESSES", {})


@needs_tracks
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_track_with_a_teleport_is_flagged(name):
    fixes = list(track(name))
    middle = len(fixes) // 2
    # A place 40 km to the north, a few seconds later.
    fixes[middle:] = [replace(fix, latitude=fix.latitude + 0.36) for fix in fixes[middle:]]
    _, flags = judged(*submitted(tuple(fixes)))
    assert flags.keys() == {"MOVEMENT"}
    assert "km/h at the least" in flags["MOVEMENT"]


@needs_tracks
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_track_after_a_fix_on_another_continent_is_flagged(name):
    fixes = track(name)
    before = Fix(35.6812362, 139.7671248, 5.0, fixes[0].at - timedelta(minutes=50), 0.0)
    _, flags = judged(*submitted(fixes, last_fix=before))
    assert flags.keys() == {"MOVEMENT"}
    assert "between continents" in flags["MOVEMENT"]


@needs_tracks
@pytest.mark.parametrize("step", [0.0001, 1 / 3600])
def test_an_honest_track_snapped_to_a_grid_is_flagged(step):
    def snapped(degrees):
        return round(round(degrees / step) * step, 7)

    fixes = tuple(
        replace(fix, latitude=snapped(fix.latitude), longitude=snapped(fix.longitude))
        for fix in track(HONEST[0])
    )
    _, flags = judged(*submitted(fixes, on_foot=False))
    assert "GRID" in flags
    assert "grid of" in flags["GRID"] or "rounded" in flags["GRID"]


@needs_tracks
@pytest.mark.parametrize("name", HONEST)
def test_one_fix_of_an_honest_track_that_was_rounded_is_flagged(name):
    one = track(name)[0]
    rounded = replace(one, latitude=round(one.latitude, 4), longitude=round(one.longitude, 4))
    _, flags = judged(*submitted((rounded,)))
    assert flags == {"GRID": "the position is rounded to 4 decimals: no receiver's"}


@needs_tracks
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_track_with_the_clock_set_back_on_the_way_is_flagged(name):
    fixes = list(track(name))
    middle = len(fixes) // 2
    fixes[middle:] = [replace(fix, at=fix.at - timedelta(hours=1)) for fix in fixes[middle:]]
    _, flags = judged(*submitted(tuple(fixes)))
    assert "the clock went back by" in flags["CLOCK"]


@needs_tracks
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_track_with_the_clock_set_back_from_the_start_is_flagged(name):
    facts, terms = submitted(track(name))
    back = timedelta(days=2)
    fixes = tuple(replace(fix, at=fix.at - back) for fix in facts.fixes)
    device_now = facts.submitted_at - back
    _, flags = judged(replace(facts, fixes=fixes, device_now=device_now), terms)
    assert flags["CLOCK"] == "the device's clock is wrong by 2,880 minutes"
    assert "before the quest was accepted" in flags["WINDOW"]


def content_of(name):
    return (GEO / "photos" / name).read_bytes()


def photo_facts(content, **more):
    found = examine_photo(io.BytesIO(content), max_bytes=MAX_BYTES)
    exif = found.exif
    place = Fix(exif.latitude, exif.longitude, outside_m=0.0) if exif.latitude else None
    return PhotoFacts(
        sha256=found.sha256,
        phash=found.phash,
        taken_at=exif.taken_at,
        taken_local=exif.taken_local,
        position=place,
        edited_by=exif.edited_by,
        quality=found.quality,
        **more,
    )


def beside(photo, *, metres=0.0, **more):
    """A submission of a photo with a fix, minutes after it was taken, `metres` to the north."""
    at = photo.taken_at + timedelta(minutes=3)
    fix = Fix(photo.position.latitude + metres / 111_100, photo.position.longitude, 5.0, at, 0.0)
    before = replace(fix, at=at - timedelta(minutes=30))
    facts = EvidenceFacts(
        submitted_at=at + timedelta(minutes=1),
        fixes=(fix,),
        photos=(photo,),
        captured_at=(photo.taken_at,),
        device_now=at + timedelta(minutes=1),
        last_fix=before,
        **more,
    )
    return facts, EvidenceTerms(accepted_at=photo.taken_at - timedelta(hours=1), on_foot=True)


@needs_photos
@pytest.mark.parametrize(
    ("name", "at", "latitude", "longitude"),
    [
        ("gps__DSCN0010.jpg", "2008-10-23T14:27:07.240000+00:00", 43.467448, 11.885127),
        ("gps__DSCN0021.jpg", "2008-10-23T14:36:47.230000+00:00", 43.467082, 11.884538),
    ],
)
def test_a_photo_where_its_fix_is_is_verified(name, at, latitude, longitude):
    photo = photo_facts(content_of(name))
    assert photo.taken_at.isoformat() == at
    assert photo.position.latitude == pytest.approx(latitude, abs=1e-6)
    assert photo.position.longitude == pytest.approx(longitude, abs=1e-6)
    verdict, flags = judged(*beside(photo, metres=140))
    assert (verdict.verdict, flags) == ("VERIFIED", {})


@needs_photos
def test_a_photo_that_was_taken_elsewhere_is_flagged():
    photo = photo_facts(content_of("gps__DSCN0010.jpg"))
    _, flags = judged(*beside(photo, metres=160))
    assert flags == {"PHOTO_PLACE": "a photo's own position is 160 m from the fix"}


@needs_photos
def test_photos_that_went_through_an_editor_are_flagged_and_say_no_place():
    for name in ("Canon_40D.jpg", "Nikon_D70.jpg"):
        photo = photo_facts(content_of(name))
        assert (photo.position, photo.taken_at) == (None, None)
        assert photo.taken_local is not None
        at = photo.taken_local
        facts = EvidenceFacts(submitted_at=at, photos=(photo,), device_now=at)
        verdict, flags = judged(facts, EvidenceTerms(accepted_at=at - timedelta(hours=2)))
        assert flags == {"EDITED": "edited with GIMP"}
        assert verdict.verdict == "WITNESSES"
        assert {"LOCATION", "ACCURACY", "PHOTO_PLACE"} <= set(verdict.unchecked)


@needs_photos
def test_a_copied_photo_is_flagged_however_it_was_made_anew():
    name = "gps__DSCN0010.jpg"
    first = photo_facts(content_of(name))
    _, flags = judged(*beside(replace(first, seen_exactly=True)))
    assert flags == {"DUPLICATE": "this very file was handed in before"}
    with Image.open(io.BytesIO(content_of(name))) as image:
        exif = image.getexif().tobytes()
        for side, quality in ((640, 40), (320, 85), (200, 70)):
            copy = io.BytesIO()
            image.resize((side, side * 3 // 4)).save(copy, "JPEG", quality=quality, exif=exif)
            again = photo_facts(copy.getvalue())
            assert again.sha256 != first.sha256
            bits = hash_bits(first.phash, again.phash)
            _, flags = judged(*beside(replace(again, seen_bits=bits)))
            assert flags.keys() == {"DUPLICATE"}
            assert "the same picture was handed in before" in flags["DUPLICATE"]


@needs_photos
def test_different_photos_are_not_taken_for_copies():
    hashes = [
        photo_facts(content_of(name)).phash
        for name in ("gps__DSCN0010.jpg", "gps__DSCN0021.jpg", "Canon_40D.jpg", "Nikon_D70.jpg")
    ]
    nearest = min(
        hash_bits(one, other) for n, one in enumerate(hashes) for other in hashes[n + 1 :]
    )
    assert nearest > 10
