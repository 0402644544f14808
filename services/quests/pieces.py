"""What players hand in, before anything is written: pieces within limits, their files examined.
No database and no storage.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from core.errors import InvalidInput
from core.files import UploadedFile
from core.text import clean_text
from models.quests.quests import LOCATIONS_MAX, NOTES_MAX, PHOTOS_MAX, VIDEOS_MAX
from services.idempotency import IdempotentRequest, idempotent_request
from services.quests.facts import PictureFacts
from services.quests.geometry import checked_place
from services.quests.photos import ExaminedPhoto, ExaminedVideo, examine_photo, examine_video

NOTE_MAX = 5_000
MAX_ACCURACY_TOLD_M = 1_000_000.0
OPERATION = "submitEvidence"

# A picture of 40 million pixels takes 160 MB while it is read: two at once, the others wait.
_EXAMINERS = ThreadPoolExecutor(2, thread_name_prefix="evidence")


@dataclass(frozen=True, slots=True)
class TakenFile:
    """A photo or video, and when the device says that it was taken."""

    file: UploadedFile
    captured_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ToldLocation:
    """A position as the device told it: degrees, metres."""

    latitude: float
    longitude: float
    accuracy_m: float | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """All that a player hands in for an assignment. `device_now` is what their device's clock shows
    while it sends; locations come in the order in which they were recorded."""

    assignment_id: UUID
    player_id: UUID
    idempotency_key: str
    photos: tuple[TakenFile, ...] = ()
    videos: tuple[TakenFile, ...] = ()
    locations: tuple[ToldLocation, ...] = ()
    notes: tuple[str, ...] = ()
    device_now: datetime | None = None

    def counts(self) -> Mapping[str, int]:
        """How many of each kind there are."""
        return {
            "PHOTO": len(self.photos),
            "VIDEO": len(self.videos),
            "LOCATION": len(self.locations),
            "NOTE": len(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Examined:
    """A submission whose files were looked at, in the order of its pieces."""

    photos: tuple[ExaminedPhoto, ...]
    videos: tuple[ExaminedVideo, ...]
    request: IdempotentRequest
    pictures: tuple[PictureFacts, ...] = ()


def checked(submission: Submission) -> Submission:
    """The submission with clean words. Raises `InvalidInput`: too many pieces of a kind, a place
    that is none, a note of more than 5,000 characters."""
    limits = {
        "photos": (submission.photos, PHOTOS_MAX),
        "videos": (submission.videos, VIDEOS_MAX),
        "locations": (submission.locations, LOCATIONS_MAX),
        "notes": (submission.notes, NOTES_MAX),
    }
    for field, (given, most) in limits.items():
        if len(given) > most:
            raise InvalidInput(field, f"{most} at most")
    for told in submission.locations:
        checked_place(told.latitude, told.longitude, field="locations")
        accuracy = told.accuracy_m
        if accuracy is not None and not (
            math.isfinite(accuracy) and 0 <= accuracy <= MAX_ACCURACY_TOLD_M
        ):
            raise InvalidInput("locations", "an accuracy in metres, not negative")
    for note in submission.notes:
        clean_text(note, field="notes", maximum=NOTE_MAX, multiline=True)
    return submission


async def examine(submission: Submission, *, max_bytes: int) -> Examined:
    """Look at all files, and make the request that a retry is known by: the same files, places and
    words. Raises `InvalidInput` for a file that is no photo or video within the limits."""
    loop = asyncio.get_running_loop()
    photos = [
        await loop.run_in_executor(
            _EXAMINERS, partial(examine_photo, each.file.content, max_bytes=max_bytes)
        )
        for each in submission.photos
    ]
    videos = [
        await loop.run_in_executor(
            _EXAMINERS, partial(examine_video, each.file.content, max_bytes=max_bytes)
        )
        for each in submission.videos
    ]
    arguments = {
        "assignment": submission.assignment_id.hex,
        "photos": [photo.sha256.hex() for photo in photos],
        "videos": [video.sha256.hex() for video in videos],
        "locations": [
            [told.latitude, told.longitude, told.accuracy_m, told.at and told.at.isoformat()]
            for told in submission.locations
        ],
        "notes": list(submission.notes),
    }
    request = idempotent_request(submission.player_id, submission.idempotency_key, arguments)
    return Examined(tuple(photos), tuple(videos), request)
