"""Handing in evidence: rows, files, findings and what follows from them.

No transaction is open while files are stored. Their rows are written first, so that no file is ever
stored that no row knows; all else is one transaction, after them.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import IO, Any
from uuid import UUID

from sqlalchemy import insert, text

from core.database import Database, ReadSession, Transaction, database_now
from core.errors import IdempotencyConflict, NotFound
from core.files import new_file_key
from core.ids import new_id
from core.ports import Classifier, Storage
from models.quests.evidence import Evidence
from services.idempotency import claim, recall
from services.quests.authenticity import Authenticity, judge
from services.quests.checks import REFUSED, run_checks
from services.quests.classifying import classified
from services.quests.contract import Check, Terms, missing, terms_of
from services.quests.errors import (
    EvidenceIncomplete,
    EvidenceRejected,
    NotYourAssignment,
    WrongAssignmentStatus,
)
from services.quests.facts import EvidenceFacts
from services.quests.gathering import captured_at, evidence_terms, gather
from services.quests.photos import ExaminedPhoto, ExaminedVideo
from services.quests.pieces import OPERATION, Examined, Submission, TakenFile, checked, examine
from services.quests.verifying import judge_submission

STORED_AS = "evidence"
SHOWN_AS = "evidence-shown"
LOST_AFTER = timedelta(days=1)
"""A file that has been on its way for so long will not arrive."""
_MILLISECOND = timedelta(milliseconds=1)
_SHOWN_TYPES = {"image/gif": "image/png"}
"""What a picture becomes where it is not shown in its own format."""

_rows = Evidence.__table__  # type: ignore[attr-defined]

_PLAYER_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_LOCK = text(
    """
    SELECT id, quest_id, player_id, team_id, status, terms, accepted_at, due_at
    FROM assignment WHERE id = :id FOR NO KEY UPDATE
    """
)
_ORDINAL = text(
    "SELECT coalesce(max(ordinal) + 1, 0) FROM evidence WHERE assignment_id = :assignment"
)
_CATEGORY = text("SELECT terms ->> 'category' FROM assignment WHERE id = :id")
_STORED = text(
    "UPDATE evidence SET stored_at = :now, submitted_at = :now, skew_ms = :skew"
    " WHERE id = ANY (CAST(:ids AS uuid[])) AND stored_at IS NULL"
)
_FORGET = text("DELETE FROM evidence WHERE id = ANY (CAST(:ids AS uuid[])) AND stored_at IS NULL")
_LOST = text(
    """
    SELECT id, file_key, shown_key FROM evidence
    WHERE file_key IS NOT NULL AND stored_at IS NULL
      AND submitted_at < now() - CAST(:lost AS interval)
    ORDER BY submitted_at LIMIT :limit
    """
)
_TO_SEND = text(
    "SELECT file_key, shown_key, media_type FROM evidence WHERE id = :id AND stored_at IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """Where a file is kept, and what to say of it."""

    storage_key: str
    media_type: str


@dataclass(frozen=True, slots=True)
class _Ready:
    """A submission that may be handed in: its assignment, locked, and what the checks found."""

    assignment: Any
    terms: Terms
    facts: EvidenceFacts
    checks: Sequence[Check]
    judged: Authenticity
    now: datetime


@dataclass(frozen=True, slots=True)
class _OnItsWay:
    """A file's row, and what is to be stored under its keys."""

    evidence_id: UUID
    contents: dict[str, IO[bytes]]


async def submit_evidence(
    db: Database,
    storage: Storage,
    submission: Submission,
    *,
    max_bytes: int,
    classifier: Classifier | None = None,
) -> UUID:
    """Hand in all evidence of an accepted assignment, and let it be judged: verified and rewarded
    at once, or sent to witnesses, or to a moderator. The assignment's id.

    The same key with the same pieces is one submission, however often it is sent. Raises
    `InvalidInput` (files and pieces, see pieces.py), `NotFound("assignment")`, `NotYourAssignment`,
    `WrongAssignmentStatus`, `EvidenceIncomplete`, `EvidenceRejected`, `IdempotencyConflict`: then
    nothing is kept, no file either.
    """
    examined = await examine(checked(submission), max_bytes=max_bytes)
    pending = await db.transaction(partial(_begin, submission=submission, examined=examined))
    if pending is None:
        return submission.assignment_id
    try:
        if classifier is not None:
            category = await _category(db, submission.assignment_id)
            examined = await classified(examined, classifier, category=category)
        for each in pending:
            for key, content in each.contents.items():
                await storage.put(key, content)
        ids = [each.evidence_id for each in pending]
        taken = await db.transaction(
            partial(_finish, submission=submission, examined=examined, ids=ids)
        )
        if not taken:  # a retry that ran beside us was first
            await _remove(db, storage, pending)
    except BaseException:
        # Whatever fails here, the rows stay, and the sweep finds the files by them.
        with suppress(Exception):
            await asyncio.shield(_remove(db, storage, pending))
        raise
    return submission.assignment_id


async def remove_lost_evidence(db: Database, storage: Storage, *, limit: int = 100) -> int:
    """Remove up to `limit` files that were lost on their way a day ago, and their rows; how many.
    Safe to run twice at once, and again after a crash."""
    async with db.read() as session:
        found = (await session.execute(_LOST, {"lost": LOST_AFTER, "limit": limit})).all()
    for row in found:
        for key in filter(None, (row.file_key, row.shown_key)):
            await storage.delete(key)
        await db.transaction(partial(_forget, ids=[row.id]))
    return len(found)


async def file_to_send(session: ReadSession, evidence_id: UUID, *, original: bool) -> EvidenceFile:
    """What is shown of a photo, or the file as it came. Raises `NotFound("evidence")`."""
    row = (await session.execute(_TO_SEND, {"id": evidence_id})).one_or_none()
    if row is None:
        raise NotFound("evidence")
    key = row.file_key if original else row.shown_key
    if key is None:
        raise NotFound("evidence")
    shown = _SHOWN_TYPES.get(row.media_type, row.media_type)
    return EvidenceFile(key, row.media_type if original else shown)


async def _category(db: Database, assignment_id: UUID) -> str:
    async with db.read() as session:
        return str((await session.execute(_CATEGORY, {"id": assignment_id})).scalar_one())


async def _begin(
    tx: Transaction, *, submission: Submission, examined: Examined
) -> list[_OnItsWay] | None:
    """The rows of files that are to be stored; None where this was answered before."""
    # First the lock: a retry that waits here for the one before it finds that one's answer.
    await _lock_player(tx, submission)
    kept = (await recall(tx, OPERATION, [examined.request])).get(examined.request)
    if isinstance(kept, IdempotencyConflict):
        raise kept
    if kept is not None:
        return None
    ready = await _ready(tx, submission, examined)
    ordinal = await _next_ordinal(tx, submission)
    rows, pending = [], []
    for taken, photo in zip(submission.photos, examined.photos, strict=True):
        row, contents = _photo_row(taken, photo)
        rows.append(row)
        pending.append(_OnItsWay(row["id"], contents))
    for taken, video in zip(submission.videos, examined.videos, strict=True):
        row, contents = _video_row(taken, video)
        rows.append(row)
        pending.append(_OnItsWay(row["id"], contents))
    same = _same(submission, ready.now)
    for n, row in enumerate(rows):  # ten photos and three videos at most, with columns of their own
        await tx.execute(insert(_rows).values(**row, **same, ordinal=ordinal + n))
    return pending


async def _finish(
    tx: Transaction, *, submission: Submission, examined: Examined, ids: list[UUID]
) -> bool:
    """The files are stored: everything else, in one transaction. False where a retry of the same
    did it before."""
    answer = {"assignment": submission.assignment_id.hex}
    if await claim(tx, OPERATION, examined.request, answer) is not None:
        return False
    ready = await _ready(tx, submission, examined)
    device_now = submission.device_now
    skew_ms = None if device_now is None else round((device_now - ready.now) / _MILLISECOND)
    if ids:
        await tx.execute(_STORED, {"ids": ids, "now": ready.now, "skew": skew_ms})
    ordinal = await _next_ordinal(tx, submission)
    rows = [*map(_location_row, submission.locations), *map(_note_row, submission.notes)]
    if rows:
        same = {**_same(submission, ready.now), "skew_ms": skew_ms, "stored_at": ready.now}
        await tx.execute(
            insert(_rows), [{**row, **same, "ordinal": ordinal + n} for n, row in enumerate(rows)]
        )
    await judge_submission(
        tx, ready.assignment, checks=ready.checks, judged=ready.judged, now=ready.now
    )
    return True


async def _ready(tx: Transaction, submission: Submission, examined: Examined) -> _Ready:
    """Lock, and refuse whatever is to be refused."""
    await _lock_player(tx, submission)
    assignment = (await tx.execute(_LOCK, {"id": submission.assignment_id})).one_or_none()
    if assignment is None:
        raise NotFound("assignment")
    if assignment.player_id != submission.player_id:
        raise NotYourAssignment
    now = await database_now(tx)
    if assignment.status != "ACCEPTED" or assignment.due_at <= now:
        status = assignment.status
        raise WrongAssignmentStatus("EXPIRED" if status == "ACCEPTED" else status)
    terms = terms_of(assignment.terms)
    lacking = missing(terms, submission.counts())
    if lacking:
        raise EvidenceIncomplete(lacking)
    facts = await gather(
        tx, submission, examined, terms=terms, quest_id=assignment.quest_id, now=now
    )
    checks = run_checks(facts, evidence_terms(terms, assignment.accepted_at))
    refused = [check for check in checks if check.flag == "FLAGGED" and check.name in REFUSED]
    if refused:
        raise EvidenceRejected(refused)
    judged = judge(checks, auto_verify=terms.auto_verify)
    return _Ready(assignment, terms, facts, checks, judged, now)


async def _lock_player(tx: Transaction, submission: Submission) -> None:
    """Before the assignment: one player's submissions come one after the other."""
    await tx.execute(_PLAYER_LOCK, {"name": f"evidence:{submission.player_id.hex}"})


async def _next_ordinal(tx: Transaction, submission: Submission) -> int:
    asked = {"assignment": submission.assignment_id}
    return int((await tx.execute(_ORDINAL, asked)).scalar_one())


def _same(submission: Submission, now: datetime) -> dict[str, Any]:
    return {
        "assignment_id": submission.assignment_id,
        "player_id": submission.player_id,
        "submitted_at": now,
    }


def _photo_row(
    taken: TakenFile, photo: ExaminedPhoto
) -> tuple[dict[str, Any], dict[str, IO[bytes]]]:
    file_key, shown_key = new_file_key(STORED_AS), new_file_key(SHOWN_AS)
    quality = photo.quality
    row = {
        "id": new_id(),
        "kind": "PHOTO",
        "file_key": file_key,
        "shown_key": shown_key,
        "media_type": photo.media_type,
        "size_bytes": photo.size_bytes,
        "width": photo.shown.width,
        "height": photo.shown.height,
        "sha256": photo.sha256,
        "phash": photo.phash,
        "exif": photo.exif.as_json(),
        "quality": {
            "contrast": quality.contrast,
            "sharpness": quality.sharpness,
            "size": quality.size,
        },
        "captured_at": captured_at(taken, photo.exif.taken_at),
    }
    return row, {file_key: taken.file.content, shown_key: io.BytesIO(photo.shown.content)}


def _video_row(
    taken: TakenFile, video: ExaminedVideo
) -> tuple[dict[str, Any], dict[str, IO[bytes]]]:
    file_key = new_file_key(STORED_AS)
    row = {
        "id": new_id(),
        "kind": "VIDEO",
        "file_key": file_key,
        "shown_key": None,
        "media_type": video.media_type,
        "size_bytes": video.size_bytes,
        "duration_ms": None if video.duration_s is None else max(1, round(video.duration_s * 1000)),
        "sha256": video.sha256,
        "captured_at": captured_at(taken, video.taken_at),
    }
    return row, {file_key: taken.file.content}


def _location_row(told: Any) -> dict[str, Any]:
    return {
        "id": new_id(),
        "kind": "LOCATION",
        "latitude": told.latitude,
        "longitude": told.longitude,
        "accuracy_m": told.accuracy_m,
        "captured_at": told.at,
        "note": None,
    }


def _note_row(note: str) -> dict[str, Any]:
    return {
        "id": new_id(),
        "kind": "NOTE",
        "latitude": None,
        "longitude": None,
        "accuracy_m": None,
        "captured_at": None,
        "note": note,
    }


async def _remove(db: Database, storage: Storage, pending: Sequence[_OnItsWay]) -> None:
    """The files first: while there is one, there is a row that knows it."""
    for each in pending:
        for key in each.contents:
            await storage.delete(key)
    if pending:
        await db.transaction(partial(_forget, ids=[each.evidence_id for each in pending]))


async def _forget(tx: Transaction, *, ids: list[UUID]) -> None:
    await tx.execute(_FORGET, {"ids": ids})
