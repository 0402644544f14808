"""Made-up submissions, honest and cheating, to measure the checks by: from a seed, pure.

Honest people have broken clocks, fast trains and cropped photos too, and some cheats leave no
trace: both are in here, at rates that are written down, or the measure would say nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from services.quests.authenticity import Verdict, judge
from services.quests.checks import run_checks
from services.quests.facts import (
    EvidenceFacts,
    EvidenceTerms,
    Fix,
    PhotoFacts,
    Quality,
)

_DAY = datetime(2026, 5, 2, tzinfo=UTC)
_DEGREE_M = 111_200.0
Submission = tuple[EvidenceFacts, EvidenceTerms]
Bend = Callable[[random.Random, Submission], Submission]


@dataclass(frozen=True, slots=True)
class KindOutcome:
    """What became of the submissions of one kind: `rejected` were flagged, or sent to a moderator;
    `verdicts` counts where all went; `reasons` the checks that flagged, most frequent first."""

    kind: str
    submissions: int
    rejected: int
    verdicts: Mapping[Verdict, int]
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """`recall` is the part of the cheating submissions that was rejected, `false_rejections` of the
    honest ones, both 0-1."""

    honest: KindOutcome
    cheats: tuple[KindOutcome, ...]

    @property
    def recall(self) -> float:
        """Of all cheating submissions, whatever their kind."""
        sent = sum(kind.submissions for kind in self.cheats)
        return sum(kind.rejected for kind in self.cheats) / sent

    @property
    def false_rejections(self) -> float:
        """Of all honest submissions."""
        return self.honest.rejected / self.honest.submissions

    @property
    def cheats_verified(self) -> int:
        """Cheating submissions that would have been paid at once."""
        return sum(kind.verdicts.get("VERIFIED", 0) for kind in self.cheats)


def simulate(*, seed: int, honest: int = 1000, cheating: int = 1000) -> Report:
    """Judge so many submissions; the same for the same seed. Cheats are of each kind in turn."""
    chance = random.Random(seed)
    fair = [_honest(chance) for _ in range(honest)]
    kinds: dict[str, list[Submission]] = {kind: [] for kind in CHEATS}
    for number in range(cheating):
        kind = list(CHEATS)[number % len(CHEATS)]
        kinds[kind].append(CHEATS[kind](chance, _unblemished(chance)))
    return Report(
        honest=_outcome("honest", fair),
        cheats=tuple(_outcome(kind, sent) for kind, sent in kinds.items()),
    )


def _outcome(kind: str, sent: list[Submission]) -> KindOutcome:
    verdicts: Counter[Verdict] = Counter()
    reasons: Counter[str] = Counter()
    rejected = 0
    for facts, terms in sent:
        judged = judge(run_checks(facts, terms))
        verdicts[judged.verdict] += 1
        reasons.update(judged.flags)
        rejected += bool(judged.flags) or judged.verdict == "MODERATOR"
    return KindOutcome(kind, len(sent), rejected, verdicts, tuple(reasons.most_common()))


def _honest(chance: random.Random) -> Submission:
    """What honest people send: mostly in order, often with something missing, rarely odd."""
    facts, terms = _unblemished(chance)
    if chance.random() < 0.15:  # browsers and old phones do not say how accurate they are
        facts = replace(facts, fixes=tuple(replace(fix, accuracy_m=None) for fix in facts.fixes))
    if chance.random() < 0.35:  # most apps take the place out of a photo
        facts = _with_photos(facts, lambda photo: replace(photo, position=None))
    if chance.random() < 0.3:  # a camera's clock without a zone
        hours = timedelta(hours=chance.randint(-11, 13))
        facts = _with_photos(
            facts,
            lambda photo: replace(photo, taken_at=None, taken_local=_shown(photo.taken_at, hours)),
        )
    if chance.random() < 0.1:
        facts = replace(facts, last_fix=None)
    if chance.random() < 0.08:  # among houses
        coarse = chance.uniform(16, 45)
        facts = replace(facts, fixes=tuple(replace(fix, accuracy_m=coarse) for fix in facts.fixes))
    if chance.random() < 0.05:  # again before the same wall
        facts = _with_photos(facts, lambda photo: replace(photo, seen_bits=chance.randint(8, 20)))
    odd = chance.random()
    if odd < 0.002:  # a fast train, or a flight
        facts = replace(facts, last_fix=_away(chance, facts, km=300, minutes=110))
    elif odd < 0.004 and facts.device_now is not None:  # a clock that nobody set
        facts = replace(facts, device_now=facts.device_now + timedelta(minutes=7))
    elif odd < 0.006:  # brightened in an editor
        facts = _with_photos(facts, lambda photo: replace(photo, edited_by="Snapseed"))
    return facts, terms


def _unblemished(chance: random.Random) -> Submission:
    """A walk in the zone with photos on the way, by a phone that says everything."""
    accepted = _DAY + timedelta(minutes=chance.uniform(0, 600))
    begun = accepted + timedelta(minutes=chance.uniform(8, 600))
    fixes = _walk(chance, begun, count=chance.randint(1, 12), mps=chance.uniform(0.3, 1.6))
    done = fixes[-1].at or begun
    photos = tuple(_photo(chance, chance.choice(fixes)) for _ in range(chance.randint(1, 3)))
    submitted = done + timedelta(minutes=min(1200.0, chance.expovariate(1 / 40)), seconds=20)
    minutes_before = chance.uniform(30, 2000)
    speed_kmh = min(85.0, chance.expovariate(1 / 12))
    facts = EvidenceFacts(
        submitted_at=submitted,
        fixes=fixes,
        photos=photos,
        captured_at=tuple(photo.taken_at for photo in photos),
        device_now=submitted + timedelta(seconds=chance.gauss(0, 25)),
        last_fix=_moved(fixes[0], speed_kmh * minutes_before / 60, minutes_before),
        last_submitted_at=submitted - timedelta(minutes=minutes_before),
    )
    return facts, EvidenceTerms(
        accepted_at=accepted,
        opens_at=_DAY - timedelta(days=5),
        closes_at=submitted + timedelta(days=5),
        on_foot=chance.random() < 0.6,
    )


def _walk(
    chance: random.Random, begun: datetime, *, count: int, mps: float, every_s: float = 20
) -> tuple[Fix, ...]:
    """Fixes about a way that bends, each off by a few metres, as receivers are."""
    latitude, longitude = chance.uniform(-60, 65), chance.uniform(-179, 179)
    accuracy = min(14.9, max(3.0, chance.lognormvariate(1.8, 0.35)))
    at, north, east = begun, 0.0, 0.0
    fixes = []
    for _ in range(count):
        fixes.append(
            Fix(
                latitude=latitude + (north + chance.gauss(0, accuracy / 3)) / _DEGREE_M,
                longitude=longitude + (east + chance.gauss(0, accuracy / 3)) / _DEGREE_M,
                accuracy_m=round(accuracy, 1),
                at=at,
                outside_m=0.0 if chance.random() < 0.9 else chance.uniform(0, 30),
            )
        )
        took_s = chance.uniform(every_s * 0.6, every_s * 1.4)
        at += timedelta(seconds=took_s)
        north += mps * took_s * chance.uniform(0.4, 0.8)
        east += mps * took_s * chance.uniform(-0.5, 0.5)
    return tuple(fixes)


def _photo(chance: random.Random, fix: Fix) -> PhotoFacts:
    at = (fix.at or _DAY) + timedelta(seconds=chance.uniform(-15, 15))
    off_m = abs(chance.gauss(0, 20))
    return PhotoFacts(
        sha256=chance.randbytes(32),
        phash=chance.getrandbits(64),
        taken_at=at,
        position=Fix(fix.latitude + off_m / _DEGREE_M, fix.longitude, at=at, outside_m=0.0),
        quality=Quality(chance.uniform(0.2, 0.6), chance.uniform(0.1, 0.9), 1.0),
        # The most alike of many others: 64 fair coins, the least of thousands.
        seen_bits=chance.randint(14, 24),
    )


def _elsewhere(chance: random.Random, sent: Submission) -> Submission:
    """At home, honestly said."""
    facts, terms = sent
    far = 60 + chance.expovariate(1 / 2000)
    return replace(facts, fixes=tuple(replace(fix, outside_m=far) for fix in facts.fixes)), terms


def _faked_place(chance: random.Random, sent: Submission) -> Submission:
    """A fix made up in the zone, and a photo from home. One of twelve takes its place out."""
    facts, terms = sent
    if chance.random() < 1 / 12:
        return _with_photos(facts, lambda photo: replace(photo, position=None)), terms
    off = (160 + chance.expovariate(1 / 5000)) / _DEGREE_M

    def moved(photo: PhotoFacts) -> PhotoFacts:
        place = photo.position
        return (
            photo
            if place is None
            else replace(photo, position=replace(place, latitude=place.latitude + off))
        )

    return _with_photos(facts, moved), terms


def _teleported(chance: random.Random, sent: Submission) -> Submission:
    """From another town a moment ago."""
    facts, terms = sent
    km = 15 + chance.expovariate(1 / 400)
    return replace(facts, last_fix=_away(chance, facts, km=km, minutes=chance.uniform(1, 8))), terms


def _jumping(chance: random.Random, sent: Submission) -> Submission:
    """A track put together from two."""
    facts, terms = sent
    fixes = list(_walk(chance, facts.fixes[0].at or _DAY, count=8, mps=1))
    off = chance.uniform(0.01, 0.5)
    fixes[4:] = [replace(fix, latitude=fix.latitude + off) for fix in fixes[4:]]
    return _with_fixes(facts, tuple(fixes)), terms


def _driven(chance: random.Random, sent: Submission) -> Submission:
    """By car, on a quest on foot; a slow drive through a village passes for a run."""
    facts, terms = sent
    fixes = _walk(chance, facts.fixes[0].at or _DAY, count=12, mps=chance.uniform(11, 22))
    return _with_fixes(facts, fixes), replace(terms, on_foot=True)


def _copied(chance: random.Random, sent: Submission) -> Submission:
    """Somebody else's file."""
    facts, terms = sent
    photos = (replace(facts.photos[0], seen_exactly=True, seen_bits=0), *facts.photos[1:])
    return replace(facts, photos=photos), terms


def _made_anew(chance: random.Random, sent: Submission) -> Submission:
    """Somebody else's picture, smaller or encoded anew; a few are cropped beyond recognition."""
    facts, terms = sent
    bits = chance.choices([0, 1, 2, 3, 4, 5, 6, 12], [30, 15, 20, 8, 12, 4, 6, 5])[0]
    photos = (replace(facts.photos[0], seen_bits=bits), *facts.photos[1:])
    return replace(facts, photos=photos), terms


def _gridded(chance: random.Random, sent: Submission) -> Submission:
    """From a program that moves in squares; one of twenty sends a single fix with all decimals."""
    facts, terms = sent
    if chance.random() < 0.05:
        return facts, terms
    step = chance.choice([0.0001, 0.00025, 1 / 3600, 0.0005, 0.001])
    fixes = _walk(chance, facts.fixes[0].at or _DAY, count=12, mps=1.4, every_s=60)
    origin = 0.0 if chance.random() < 0.5 else chance.uniform(0, step)
    lines = list(range(len(fixes)))
    chance.shuffle(lines)
    snapped = tuple(
        replace(
            fix,
            latitude=round(round(fixes[0].latitude / step) * step + origin + line * step, 7),
            longitude=round(round(fixes[0].longitude / step) * step + origin + n * step, 7),
        )
        for n, (fix, line) in enumerate(zip(fixes, lines, strict=True))
    )
    return _with_fixes(facts, snapped), terms


def _set_back(chance: random.Random, sent: Submission) -> Submission:
    """The phone's clock turned back on the way, to be in time."""
    facts, terms = sent
    fixes = list(_walk(chance, facts.fixes[0].at or _DAY, count=6, mps=1))
    back = timedelta(minutes=chance.uniform(2, 600))
    fixes[3:] = [replace(fix, at=fix.at and fix.at - back) for fix in fixes[3:]]
    return _with_fixes(facts, tuple(fixes)), terms


def _wrong_clock(chance: random.Random, sent: Submission) -> Submission:
    """The phone's clock set back from the start: all times fit together."""
    facts, terms = sent
    back = timedelta(minutes=chance.uniform(6, 3000))
    return replace(facts, device_now=facts.submitted_at - back), terms


def _old_photo(chance: random.Random, sent: Submission) -> Submission:
    """A photo of the same place, from last year or this morning."""
    facts, terms = sent
    before = terms.accepted_at - timedelta(minutes=6 + chance.expovariate(1 / 100_000))
    return _with_photos(facts, lambda photo: replace(photo, taken_at=before)), terms


def _retouched(chance: random.Random, sent: Submission) -> Submission:
    """Litter put in or taken out; one of ten saves it without a trace of the program."""
    facts, terms = sent
    if chance.random() < 0.1:
        return facts, terms
    tool = chance.choice(["Photoshop", "GIMP", "Snapseed", "PicsArt"])
    return _with_photos(facts, lambda photo: replace(photo, edited_by=tool)), terms


def _scripted(chance: random.Random, sent: Submission) -> Submission:
    """Many submissions at once."""
    facts, terms = sent
    apart = timedelta(milliseconds=chance.uniform(1, 950))
    return replace(facts, last_submitted_at=facts.submitted_at - apart), terms


def _kept_back(chance: random.Random, sent: Submission) -> Submission:
    """Captured for another day, and sent on this one."""
    facts, terms = sent
    late = timedelta(hours=24.5 + chance.expovariate(1 / 30))
    captured = tuple(at and at - late for at in facts.captured_at)
    return replace(facts, captured_at=captured), terms


CHEATS: Mapping[str, Bend] = MappingProxyType(
    {
        "fix outside the zone": _elsewhere,
        "made-up fix, photo from elsewhere": _faked_place,
        "teleport since the last fix": _teleported,
        "track with a jump": _jumping,
        "car on a quest on foot": _driven,
        "copied file": _copied,
        "copied picture, encoded anew": _made_anew,
        "fixes on a grid": _gridded,
        "clock set back on the way": _set_back,
        "clock wrong throughout": _wrong_clock,
        "old photo": _old_photo,
        "retouched photo": _retouched,
        "several submissions in a second": _scripted,
        "captured long before": _kept_back,
    }
)


def _with_photos(facts: EvidenceFacts, change: Callable[[PhotoFacts], PhotoFacts]) -> EvidenceFacts:
    return replace(facts, photos=tuple(change(photo) for photo in facts.photos))


def _with_fixes(facts: EvidenceFacts, fixes: tuple[Fix, ...]) -> EvidenceFacts:
    """Another track, that begins where and when the first did; photos go along."""
    north = facts.fixes[0].latitude - fixes[0].latitude
    east = facts.fixes[0].longitude - fixes[0].longitude
    placed = tuple(
        replace(
            fix, latitude=round(fix.latitude + north, 7), longitude=round(fix.longitude + east, 7)
        )
        for fix in fixes
    )
    return replace(facts, fixes=placed)


def _moved(fix: Fix, km: float, minutes: float) -> Fix:
    """So far to the equator, so long before."""
    way = -1 if fix.latitude > 0 else 1
    before = None if fix.at is None else fix.at - timedelta(minutes=minutes)
    return replace(fix, latitude=fix.latitude + way * km * 1000 / _DEGREE_M, at=before)


def _away(chance: random.Random, facts: EvidenceFacts, *, km: float, minutes: float) -> Fix:
    return _moved(facts.fixes[0], min(km, 5000), minutes)


def _shown(at: datetime | None, hours: timedelta) -> datetime | None:
    return None if at is None else at + hours
