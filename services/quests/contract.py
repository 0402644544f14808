"""The values that parts of quests hand to each other: frozen, and read or written as JSON by nobody
but `terms_json` and `terms_of`. No rule and no SQL is here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Flag = Literal["PASSED", "NOT_CHECKED", "FLAGGED"]
Kind = Literal["PHOTO", "VIDEO", "LOCATION", "NOTE"]


@dataclass(frozen=True, slots=True)
class Place:
    """A point, WGS 84, in degrees: latitude -90 to 90, longitude -180 to 180."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Area:
    """Where a quest is to be done: a circle about `centre`, or a GeoJSON polygon that was checked
    (then `radius_m` is None). `services/quests/geometry.distance_m` measures to it."""

    centre: Place
    radius_m: int | None = None
    polygon: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a quest was when a player took it on: nothing of it changes for that assignment.

    `need_hundredths` is the zone's need factor (100 without a zone). `maps` are the parameters of
    checks and multipliers (services/parameters.py) as they were, by key, whole numbers.
    """

    quest_id: UUID
    category: str
    region: str | None
    difficulty: int
    area: Area
    opens_at: datetime
    closes_at: datetime
    need_hundredths: int
    photos: int
    locations: int
    notes: int
    videos: int
    reviewers_needed: int
    on_foot: bool
    auto_verify: bool
    base_xp: int
    reward_minor: int
    asset: str
    sponsor_id: UUID | None
    maps: Mapping[str, int] = field(default_factory=dict)

    def asked(self) -> dict[Kind, int]:
        """How much of each kind of evidence is asked for."""
        return {
            "PHOTO": self.photos,
            "LOCATION": self.locations,
            "NOTE": self.notes,
            "VIDEO": self.videos,
        }


@dataclass(frozen=True, slots=True)
class Missing:
    """So many more of a kind of evidence are asked for."""

    kind: Kind
    count: int


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found, in hundredths; NOT_CHECKED has no score."""

    name: str
    score: int | None
    confidence: int
    flag: Flag
    words: str
    weight: int = 100
    evidence_id: UUID | None = None


def terms_json(terms: Terms) -> dict[str, Any]:
    """Terms as `assignment.terms` keeps them."""
    area = terms.area
    return {
        "v": 1,
        "questId": terms.quest_id.hex,
        "category": terms.category,
        "region": terms.region,
        "difficulty": terms.difficulty,
        "latitude": area.centre.latitude,
        "longitude": area.centre.longitude,
        "radiusM": area.radius_m,
        "polygon": None if area.polygon is None else dict(area.polygon),
        "opensAt": terms.opens_at.isoformat(),
        "closesAt": terms.closes_at.isoformat(),
        "needHundredths": terms.need_hundredths,
        "photos": terms.photos,
        "locations": terms.locations,
        "notes": terms.notes,
        "videos": terms.videos,
        "reviewersNeeded": terms.reviewers_needed,
        "onFoot": terms.on_foot,
        "autoVerify": terms.auto_verify,
        "baseXp": terms.base_xp,
        "rewardMinor": terms.reward_minor,
        "asset": terms.asset,
        "sponsorId": None if terms.sponsor_id is None else terms.sponsor_id.hex,
        "maps": dict(terms.maps),
    }


def terms_of(kept: Mapping[str, Any]) -> Terms:
    """What `terms_json` wrote."""
    sponsor = kept["sponsorId"]
    return Terms(
        quest_id=UUID(hex=kept["questId"]),
        category=kept["category"],
        region=kept["region"],
        difficulty=kept["difficulty"],
        area=Area(Place(kept["latitude"], kept["longitude"]), kept["radiusM"], kept["polygon"]),
        opens_at=datetime.fromisoformat(kept["opensAt"]),
        closes_at=datetime.fromisoformat(kept["closesAt"]),
        need_hundredths=kept["needHundredths"],
        photos=kept["photos"],
        locations=kept["locations"],
        notes=kept["notes"],
        videos=kept["videos"],
        reviewers_needed=kept["reviewersNeeded"],
        on_foot=kept["onFoot"],
        auto_verify=kept["autoVerify"],
        base_xp=kept["baseXp"],
        reward_minor=kept["rewardMinor"],
        asset=kept["asset"],
        sponsor_id=None if sponsor is None else UUID(hex=sponsor),
        maps=kept["maps"],
    )


def missing(terms: Terms, handed_in: Mapping[str, int]) -> Sequence[Missing]:
    """What is still asked for, given how many of each kind were handed in."""
    return [
        Missing(kind, count - handed_in.get(kind, 0))
        for kind, count in terms.asked().items()
        if handed_in.get(kind, 0) < count
    ]
