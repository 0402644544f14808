"""What the checks of evidence look at: facts of one submission, and the terms of its assignment.
Values alone; where they come from is evidence.py's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.quests.contract import Check, Flag, Place
from services.quests.geometry import between_m

MAX_OUTSIDE_M = 50.0
"""How far from its zone a fix may be, before its accuracy takes some of that away."""
MAX_ACCURACY_M = 15.0
MAX_SKEW = timedelta(minutes=5)
MAX_SPEED_KMH = 100.0
MAX_ON_FOOT_KMH = 25.0
"""Sustained for `ON_FOOT_FOR_S`: nobody runs so fast for so long."""
ON_FOOT_FOR_S = 30.0
INTERCONTINENTAL_M = 1_000_000.0
MAX_PHOTO_FROM_FIX_M = 150.0
UPLOAD_WITHIN = timedelta(hours=24)
"""Where an assignment's terms say nothing: it is older than the parameter."""
SAME_PICTURE_BITS = 6
"""Perceptual hashes that differ in so few of their 64 bits are of the same picture."""
LIKE_PICTURE_BITS = 10
"""So few, of pictures that look much alike: doubtful, and no proof."""
PACE = timedelta(seconds=1)
MAX_ZONE_OFFSET = timedelta(hours=14)
"""No place on Earth has a clock further from UTC than this."""

WEIGHTS: Final = {
    "LOCATION": 500,
    "MOVEMENT": 400,
    "DUPLICATE": 400,
    "WINDOW": 300,
    "PHOTO_PLACE": 300,
    "ACCURACY": 200,
    "CLOCK": 200,
    "GRID": 200,
    "EDITED": 200,
}
"""How much each check counts, in hundredths; one that is not here counts 100."""


@dataclass(frozen=True, slots=True)
class Fix:
    """Where a device says that it was: degrees (WGS 84), metres; None is what it did not say.

    `outside_m` is how far that is from the quest's zone, 0 within it; None where nobody measured.
    """

    latitude: float
    longitude: float
    accuracy_m: float | None = None
    at: datetime | None = None
    outside_m: float | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """Of a photo, all 0-1: contrast, sharpness, and size (1 from 640 x 480)."""

    contrast: float
    sharpness: float
    size: float


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What is known of a photo. `taken_at` is exact; `taken_local` is a clock without a zone.

    `phash` is 64 bits, None of a blank picture. `seen_exactly` and `seen_bits` (how many bits
    differ from the most alike of all photos handed in before) compare with other submissions.
    """

    sha256: bytes
    phash: int | None = None
    taken_at: datetime | None = None
    taken_local: datetime | None = None
    position: Fix | None = None
    edited_by: str | None = None
    quality: Quality | None = None
    seen_exactly: bool = False
    seen_bits: int | None = None


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What is known of a video; its length where its file says it."""

    sha256: bytes
    duration_s: float | None = None
    taken_at: datetime | None = None
    seen_exactly: bool = False


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a classifier says of one photo, both 0-1; None where it could not tell."""

    score: float | None
    confidence: float
    words: str


@dataclass(frozen=True, slots=True)
class EvidenceFacts:
    """One submission. Fixes stand in the order in which the device recorded them.

    `device_now` is the device's clock when it sent this, `submitted_at` ours when it came;
    `last_fix` the player's last one before it; `last_submitted_at` when they last submitted.
    `pictures` is what a classifier says of the photos: empty where there is none.
    """

    submitted_at: datetime
    fixes: tuple[Fix, ...] = ()
    photos: tuple[PhotoFacts, ...] = ()
    videos: tuple[VideoFacts, ...] = ()
    captured_at: tuple[datetime | None, ...] = ()
    device_now: datetime | None = None
    last_fix: Fix | None = None
    last_submitted_at: datetime | None = None
    pictures: tuple[PictureFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidenceTerms:
    """What the assignment asks of evidence; frozen when it was accepted."""

    accepted_at: datetime
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    on_foot: bool = False
    upload_within: timedelta = UPLOAD_WITHIN


def passed(name: str, words: str, *, score: float = 1.0, confidence: float = 1.0) -> Check:
    """Nothing contradicts what is claimed. `score` and `confidence` are 0-1 here."""
    return _check(name, score, confidence, "PASSED", words)


def flagged(name: str, words: str, *, score: float = 0.0, confidence: float = 1.0) -> Check:
    """Something contradicts what is claimed: no good score elsewhere makes up for it."""
    return _check(name, score, confidence, "FLAGGED", words)


def not_checked(name: str, words: str) -> Check:
    """A fact is missing: that is never a pass, and counts as half."""
    return Check(name, None, 0, "NOT_CHECKED", words, WEIGHTS.get(name, 100))


def _check(name: str, score: float, confidence: float, flag: Flag, words: str) -> Check:
    hundredths = [round(min(max(part, 0.0), 1.0) * 100) for part in (score, confidence)]
    return Check(name, hundredths[0], hundredths[1], flag, words, WEIGHTS.get(name, 100))


def metres_between(one: Fix, other: Fix) -> float:
    """Along the ellipsoid (WGS 84): right at the poles and across the antimeridian."""
    return between_m(Place(one.latitude, one.longitude), Place(other.latitude, other.longitude))
