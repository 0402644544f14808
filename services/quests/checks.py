"""The checks of evidence: from facts and terms to findings, pure. Nothing is read or written here,
and nothing is decided: that is authenticity.py.

A missing fact is "not checked"; a check of what was not asked for is absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import combinations, pairwise

from services.quests.contract import Check
from services.quests.facts import (
    LIKE_PICTURE_BITS,
    MAX_ACCURACY_M,
    MAX_OUTSIDE_M,
    MAX_PHOTO_FROM_FIX_M,
    MAX_SKEW,
    MAX_ZONE_OFFSET,
    PACE,
    SAME_PICTURE_BITS,
    EvidenceFacts,
    EvidenceTerms,
    Fix,
    PhotoFacts,
    PictureFacts,
    flagged,
    metres_between,
    not_checked,
    passed,
)
from services.quests.movement import check_grid, check_movement

REFUSED = frozenset({"PACE", "UPLOAD"})
"""Flags of these refuse the submission as a whole: nothing of it is kept."""
_SHARP = 0.35
_SHOWS = 0.5


def run_checks(facts: EvidenceFacts, terms: EvidenceTerms) -> list[Check]:
    """All findings, in the order in which people read them."""
    found = [check_pace(facts), check_upload(facts, terms)]
    found += [check_location(facts), check_accuracy(facts)]
    found += [check_window(facts, terms), check_clock(facts)]
    found.append(check_movement(facts.fixes, last_fix=facts.last_fix, on_foot=terms.on_foot))
    if facts.fixes:
        found.append(check_grid(facts.fixes))
    if facts.photos:
        found += [check_photo_place(facts), check_duplicates(facts)]
        found += [check_edited(facts.photos), check_quality(facts.photos)]
    elif facts.videos:
        found.append(check_duplicates(facts))
    if facts.pictures:
        found.append(check_pictures(facts.pictures))
    return found


def check_location(facts: EvidenceFacts) -> Check:
    """Some fix within 50 m of the zone, less its accuracy, and no photo far from it. Without any
    fix, the photos' positions stand in."""
    places = facts.fixes or tuple(p.position for p in facts.photos if p.position is not None)
    distances = [
        max(0.0, fix.outside_m + (fix.accuracy_m or 0.0) if fix.outside_m else 0.0)
        for fix in places
        if fix.outside_m is not None
    ]
    if not distances:
        return not_checked("LOCATION", "nothing says where this was")
    nearest = min(distances)
    sure = 1.0 if facts.fixes else 0.5
    if nearest > MAX_OUTSIDE_M:
        return flagged(
            "LOCATION",
            f"{nearest:,.0f} m from the quest's zone, its accuracy counted;"
            f" {MAX_OUTSIDE_M:.0f} m at most",
        )
    score = 1.0 - 0.5 * nearest / MAX_OUTSIDE_M
    return passed("LOCATION", "in the quest's zone", score=score, confidence=sure)


def check_accuracy(facts: EvidenceFacts) -> Check:
    """Each fix says its accuracy, 15 m at most. Coarser is doubtful, and a receiver's own
    confession: no flag."""
    said = [fix.accuracy_m for fix in facts.fixes if fix.accuracy_m is not None]
    if not said or len(said) < len(facts.fixes):
        return not_checked("ACCURACY", "not every fix says how accurate it is")
    worst = max(said)
    if min(said) <= 0:
        return flagged("ACCURACY", "an accuracy of 0 m and less is no receiver's")
    if worst > MAX_ACCURACY_M:
        score = max(0.0, 1 - (worst - MAX_ACCURACY_M) / 100)
        return passed("ACCURACY", f"accurate to {worst:.0f} m, more than 15", score=score * 0.5)
    return passed("ACCURACY", f"accurate to {worst:.0f} m")


def check_window(facts: EvidenceFacts, terms: EvidenceTerms) -> Check:
    """Everything that has a time is after acceptance, within the quest's window and not after it
    was sent; an error of five minutes of the device's clock is allowed for."""
    begins = max(filter(None, (terms.accepted_at, terms.opens_at))) - MAX_SKEW
    ends = min(filter(None, (facts.submitted_at, terms.closes_at))) + MAX_SKEW
    for what, at in _times(facts):
        if at < begins:
            return flagged("WINDOW", f"{what} is of {at:%FT%TZ}, before the quest was accepted")
        if at > ends:
            return flagged("WINDOW", f"{what} is of {at:%FT%TZ}, after its time")
    for photo in facts.photos:
        local = photo.taken_local
        if photo.taken_at is not None or local is None:
            continue
        # A clock without a zone: wrong only where no zone on Earth makes it right.
        if local < begins - MAX_ZONE_OFFSET or local > ends + MAX_ZONE_OFFSET:
            return flagged("WINDOW", f"a photo is of {local:%F %T} (the camera's clock)")
    untimed = any(fix.at is None for fix in facts.fixes) or any(
        photo.taken_at is None and photo.taken_local is None for photo in facts.photos
    )
    if untimed or not (facts.fixes or facts.photos or facts.videos):
        return not_checked("WINDOW", "not everything says when it was")
    exact = all(photo.taken_at is not None for photo in facts.photos)
    return passed("WINDOW", "all within the quest's time", confidence=1.0 if exact else 0.6)


def check_clock(facts: EvidenceFacts) -> Check:
    """The device's clock is right to five minutes, and its times go forward, each its own."""
    times = [fix.at for fix in facts.fixes if fix.at is not None]
    for before, after in pairwise(times):
        if after < before:
            back_s = (before - after).total_seconds()
            return flagged("CLOCK", f"the clock went back by {back_s:,.0f} s between two fixes")
    frozen = sum(
        one.at == other.at and metres_between(one, other) > 1
        for one, other in pairwise(facts.fixes)
        if one.at is not None
    )
    if frozen > max(1, len(times) // 10):
        return flagged("CLOCK", f"{frozen} steps took no time at all: the clock stood still")
    if facts.device_now is None:
        return not_checked("CLOCK", "the device did not say what its clock shows")
    skew = abs(facts.device_now - facts.submitted_at)
    if skew > MAX_SKEW:
        return flagged("CLOCK", f"the device's clock is wrong by {_minutes(skew)} minutes")
    return passed("CLOCK", "the device's clock is right", score=1 - 0.2 * (skew / MAX_SKEW))


def check_photo_place(facts: EvidenceFacts) -> Check:
    """Each photo's own position is within 150 m of a fix; where there is no fix, of the zone."""
    far, compared = 0.0, 0
    for photo in facts.photos:
        place = photo.position
        if place is None:
            continue
        if facts.fixes:
            off = _from_fixes(place, photo.taken_at, facts.fixes)
        elif place.outside_m is not None:
            off = place.outside_m
        else:
            continue
        far, compared = max(far, off), compared + 1
    if far > MAX_PHOTO_FROM_FIX_M:
        return flagged("PHOTO_PLACE", f"a photo's own position is {far:,.0f} m from the fix")
    if compared < len(facts.photos):
        return not_checked("PHOTO_PLACE", "not every photo says where it was taken")
    return passed("PHOTO_PLACE", "the photos were taken where the fix is")


def check_duplicates(facts: EvidenceFacts) -> Check:
    """No photo or video was handed in before, nor twice in this submission: not the same file, nor
    the same picture made anew."""
    files = [photo.sha256 for photo in facts.photos] + [video.sha256 for video in facts.videos]
    seen = [photo.seen_exactly for photo in facts.photos]
    seen += [video.seen_exactly for video in facts.videos]
    if len(set(files)) < len(files):
        return flagged("DUPLICATE", "the same file is here twice")
    if any(seen):
        return flagged("DUPLICATE", "this very file was handed in before")
    hashes = [photo.phash for photo in facts.photos if photo.phash is not None]
    bits = [photo.seen_bits for photo in facts.photos if photo.seen_bits is not None]
    bits += [hash_bits(one, other) for one, other in combinations(hashes, 2)]
    nearest = min(bits, default=64)
    if nearest <= SAME_PICTURE_BITS:
        return flagged(
            "DUPLICATE",
            f"the same picture was handed in before ({nearest} of 64 bits differ)",
            confidence=0.9,
        )
    if nearest <= LIKE_PICTURE_BITS:
        return passed("DUPLICATE", "a picture much like it was handed in before", score=0.6)
    return passed("DUPLICATE", "not handed in before")


def check_edited(photos: tuple[PhotoFacts, ...]) -> Check:
    """No photo names a program that changes pictures."""
    for photo in photos:
        if photo.edited_by is not None:
            return flagged("EDITED", f"edited with {photo.edited_by}", score=0.2)
    return passed("EDITED", "no trace of editing", confidence=0.7)


def check_quality(photos: tuple[PhotoFacts, ...]) -> Check:
    """The worst photo still shows something. Bad photos are not flagged: blank ones alone are."""
    known = [photo.quality for photo in photos if photo.quality is not None]
    if len(known) < len(photos):
        return not_checked("QUALITY", "a photo's quality is not known")
    worst = min(known, key=lambda each: min(each.contrast, each.sharpness / _SHARP, each.size))
    if worst.contrast < 0.02:
        return flagged("QUALITY", "a photo shows nothing")
    score = min(1.0, worst.contrast * 5, worst.sharpness / _SHARP, worst.size)
    said = "clear" if score > 0.5 else "hard to make out, or very small"
    return passed("QUALITY", f"the photos are {said}", score=score, confidence=0.5)


def check_pace(facts: EvidenceFacts) -> Check:
    """Not two submissions of one player within a second: no person does that."""
    last = facts.last_submitted_at
    if last is not None and abs(facts.submitted_at - last) < PACE:
        return flagged("PACE", "another submission came within the same second")
    return passed("PACE", "no other submission at the same time")


def check_upload(facts: EvidenceFacts, terms: EvidenceTerms) -> Check:
    """Sent within the hours of its terms (24 unless set) of being captured."""
    known = [at for at in facts.captured_at if at is not None]
    if not known or len(known) < len(facts.captured_at):
        return not_checked("UPLOAD", "not everything says when it was captured")
    late = facts.submitted_at - min(known)
    if late > terms.upload_within + MAX_SKEW:
        hours = terms.upload_within / timedelta(hours=1)
        return flagged("UPLOAD", f"captured more than {hours:.0f} h before it was sent")
    return passed("UPLOAD", "sent soon after it was captured")


def check_pictures(pictures: Sequence[PictureFacts]) -> Check:
    """What a classifier says of the photo that shows least, as sure as it is of that."""
    known = [(each.score, each) for each in pictures if each.score is not None]
    if len(known) < len(pictures):
        return not_checked("PICTURE", "not every photo could be looked at by the classifier")
    score, least = min(known, key=lambda pair: pair[0])
    result = passed if score >= _SHOWS else flagged
    return result("PICTURE", least.words, score=score, confidence=least.confidence)


def hash_bits(one: int, other: int) -> int:
    """In how many of 64 bits two perceptual hashes differ, signed or not."""
    return ((one ^ other) & 0xFFFF_FFFF_FFFF_FFFF).bit_count()


def _times(facts: EvidenceFacts) -> Iterator[tuple[str, datetime]]:
    for fix in facts.fixes:
        if fix.at is not None:
            yield "a fix", fix.at
    for photo in facts.photos:
        if photo.taken_at is not None:
            yield "a photo", photo.taken_at
    for video in facts.videos:
        if video.taken_at is not None:
            yield "a video", video.taken_at
    for at in facts.captured_at:
        if at is not None:
            yield "what was captured", at


def _from_fixes(place: Fix, taken_at: datetime | None, fixes: tuple[Fix, ...]) -> float:
    """From the fix that is nearest in time, or of those without times from the nearest."""
    timed = [(abs(fix.at - taken_at), fix) for fix in fixes if fix.at and taken_at]
    if timed:
        return metres_between(place, min(timed, key=lambda pair: pair[0])[1])
    return min(metres_between(place, fix) for fix in fixes)


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:,.0f}"
