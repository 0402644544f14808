"""The facts of a submission, read from the database beside what was handed in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from services.parameters import QUEST_UPLOAD_WITHIN_H
from services.quests.contract import Area, Place, Terms
from services.quests.exif import Exif
from services.quests.facts import (
    UPLOAD_WITHIN,
    EvidenceFacts,
    EvidenceTerms,
    Fix,
    PhotoFacts,
    VideoFacts,
)
from services.quests.geometry import distance_m
from services.quests.pieces import Examined, Submission, TakenFile

COMPARED_MAX = 20_000
"""Photos of the same quest, and of the same player, that are compared by sight; the newest."""

_BEFORE = text(
    """
    SELECT (SELECT max(submitted_at) FROM assignment
            WHERE player_id = :player AND id <> :assignment) AS last_submitted_at,
           f.latitude, f.longitude, f.accuracy_m, f.captured_at
    FROM (VALUES (1)) AS one
    LEFT JOIN LATERAL (
        SELECT latitude, longitude, accuracy_m, captured_at FROM evidence
        WHERE player_id = :player AND latitude IS NOT NULL AND kind = 'LOCATION'
          AND assignment_id <> :assignment
          AND captured_at <= coalesce(CAST(:before AS timestamptz), clock_timestamp())
        ORDER BY captured_at DESC LIMIT 1
    ) AS f ON true
    """
)
_SEEN = text(
    "SELECT DISTINCT sha256 FROM evidence WHERE sha256 = ANY (CAST(:files AS bytea[]))"
    " AND stored_at IS NOT NULL"
)
# Of the same quest and the same player all are compared; of all others those whose hash is equal,
# by its index: what is copied is copied from there, and every photo of all time is too many.
_ALIKE = text(
    """
    WITH seen AS (
        (SELECT e.phash FROM assignment AS a JOIN evidence AS e ON e.assignment_id = a.id
         WHERE a.quest_id = :quest AND e.phash IS NOT NULL AND e.stored_at IS NOT NULL
         ORDER BY e.submitted_at DESC LIMIT :most)
        UNION
        (SELECT phash FROM evidence
         WHERE player_id = :player AND phash IS NOT NULL AND stored_at IS NOT NULL
         ORDER BY submitted_at DESC LIMIT :most)
        UNION
        (SELECT phash FROM evidence
         WHERE phash = ANY (CAST(:hashes AS bigint[])) AND stored_at IS NOT NULL)
    )
    SELECT wanted.hash, min(bit_count(CAST(seen.phash # wanted.hash AS bit(64)))) AS bits
    FROM unnest(CAST(:hashes AS bigint[])) AS wanted(hash), seen GROUP BY wanted.hash
    """
)


async def gather(
    tx: Transaction,
    submission: Submission,
    examined: Examined,
    *,
    terms: Terms,
    quest_id: UUID,
    now: datetime,
) -> EvidenceFacts:
    """All facts of a submission at `now`; three statements at most."""
    area, player_id = terms.area, submission.player_id
    fixes = fixes_of(submission, area)
    first = min((fix.at for fix in fixes if fix.at is not None), default=None)
    asked = {"player": player_id, "assignment": submission.assignment_id, "before": first}
    before = (await tx.execute(_BEFORE, asked)).one()
    files = [photo.sha256 for photo in examined.photos]
    files += [video.sha256 for video in examined.videos]
    seen = await _seen(tx, files)
    hashes = [photo.phash for photo in examined.photos if photo.phash is not None]
    alike = await _alike(tx, hashes, quest_id=quest_id, player_id=player_id)
    photos = tuple(
        PhotoFacts(
            sha256=photo.sha256,
            phash=photo.phash,
            taken_at=photo.exif.taken_at,
            taken_local=photo.exif.taken_local,
            position=_position(photo.exif, area),
            edited_by=photo.exif.edited_by,
            quality=photo.quality,
            seen_exactly=photo.sha256 in seen,
            seen_bits=None if photo.phash is None else alike.get(photo.phash),
        )
        for photo in examined.photos
    )
    videos = tuple(
        VideoFacts(video.sha256, video.duration_s, video.taken_at, video.sha256 in seen)
        for video in examined.videos
    )
    return EvidenceFacts(
        submitted_at=now,
        fixes=fixes,
        photos=photos,
        videos=videos,
        captured_at=(
            *map(
                captured_at, submission.photos, (photo.exif.taken_at for photo in examined.photos)
            ),
            *map(captured_at, submission.videos, (video.taken_at for video in examined.videos)),
            *(told.at for told in submission.locations),
        ),
        device_now=submission.device_now,
        last_fix=_last_fix(before),
        last_submitted_at=before.last_submitted_at,
        pictures=examined.pictures,
    )


def evidence_terms(terms: Terms, accepted_at: datetime) -> EvidenceTerms:
    """What the checks look at of an assignment's terms."""
    hours = terms.maps.get(QUEST_UPLOAD_WITHIN_H)
    return EvidenceTerms(
        accepted_at=accepted_at,
        opens_at=terms.opens_at,
        closes_at=terms.closes_at,
        on_foot=terms.on_foot,
        upload_within=UPLOAD_WITHIN if hours is None else timedelta(hours=hours),
    )


def fixes_of(submission: Submission, area: Area) -> tuple[Fix, ...]:
    """The locations, each with its distance to the quest's area."""
    return tuple(
        Fix(
            told.latitude,
            told.longitude,
            told.accuracy_m,
            told.at,
            distance_m(Place(told.latitude, told.longitude), area),
        )
        for told in submission.locations
    )


def captured_at(taken: TakenFile, said_by_file: datetime | None) -> datetime | None:
    """What the device says, or else the file itself."""
    return taken.captured_at or said_by_file


def _position(exif: Exif, area: Area) -> Fix | None:
    if exif.latitude is None or exif.longitude is None:
        return None
    place = Place(exif.latitude, exif.longitude)
    return Fix(
        exif.latitude, exif.longitude, exif.accuracy_m, exif.taken_at, distance_m(place, area)
    )


def _last_fix(before: Any) -> Fix | None:
    if before.latitude is None:
        return None
    return Fix(before.latitude, before.longitude, before.accuracy_m, before.captured_at)


async def _seen(tx: Transaction, files: Sequence[bytes]) -> set[bytes]:
    if not files:
        return set()
    rows = await tx.execute(_SEEN, {"files": list(files)})
    return {bytes(row.sha256) for row in rows}


async def _alike(
    tx: Transaction, hashes: Sequence[int], *, quest_id: UUID, player_id: UUID
) -> dict[int, int]:
    """For each hash, in how many bits the most alike of the photos handed in before differs."""
    if not hashes:
        return {}
    asked = {"hashes": list(hashes), "quest": quest_id, "player": player_id, "most": COMPARED_MAX}
    return {row.hash: row.bits for row in await tx.execute(_ALIKE, asked)}
