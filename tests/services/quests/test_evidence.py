"""Handing in evidence: what is kept, what becomes of it, and that a refusal leaves nothing."""

import asyncio
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from PIL import Image

from adapters.storage import open_storage
from core.clock import utc_now
from core.errors import IdempotencyConflict, InvalidInput, NotFound
from core.ids import new_id
from services.quests.errors import (
    EvidenceIncomplete,
    EvidenceRejected,
    NotYourAssignment,
    WrongAssignmentStatus,
)
from services.quests.evidence import remove_lost_evidence
from services.quests.pieces import ToldLocation
from tests.services.quests.evidence_world import HERE, EvidenceWorld, photo, taken


@pytest.fixture
def world(db, tmp_path):
    return EvidenceWorld(db, open_storage(None, folder=tmp_path / "files"))


async def refused(world, error, submission):
    """The refusal; nothing is kept of it, in the database or the storage, and nobody is told."""
    before, files = await world.everything(), world.files()
    world.db.published.clear()
    with pytest.raises(error) as caught:
        await world.submit(submission)
    assert await world.everything() == before
    assert world.files() == files
    assert world.db.published == []
    return caught.value


async def test_honest_evidence_is_verified_and_rewarded_in_the_same_transaction(world):
    player = await world.person()
    id = await world.assignment(player)
    assert await world.submit(world.submission(id, player)) == id
    [row] = await world.rows("SELECT * FROM assignment WHERE id = :id", id=id)
    assert (row.status, row.authenticity) == ("REWARDED", 95)
    assert row.submitted_at == row.decided_at
    [entry] = await world.rows("SELECT * FROM impact_entry")
    assert (entry.assignment_id, entry.player_id) == (id, player)
    records = await world.rows(
        "SELECT check_name, score, confidence, weight, flag FROM verification_record"
        " ORDER BY check_name"
    )
    assert {record.flag for record in records} == {"PASSED"}
    assert [(r.check_name, r.score, r.weight) for r in records if r.check_name[0] < "G"] == [
        ("ACCURACY", 100, 200),
        ("CLOCK", 100, 200),
        ("DUPLICATE", 100, 400),
        ("EDITED", 100, 200),
    ]
    told = [(event.type, event.payload.get("status")) for event in world.db.published]
    assert ("AssignmentChanged", "VERIFIED") in told
    assert "QuestRewarded" in {kind for kind, _ in told}


async def test_what_the_camera_said_is_kept_apart_from_what_others_are_shown(world):
    player = await world.person()
    id = await world.assignment(player)
    await world.submit(world.submission(id, player))
    [row] = await world.rows("SELECT * FROM evidence WHERE kind = 'PHOTO'")
    assert row.exif["make"] == "Fairphone"
    assert row.exif["latitude"] == pytest.approx(HERE[0], abs=1e-6)
    assert (row.latitude, row.longitude) == (None, None)
    assert world.files() == {row.file_key, row.shown_key}
    original = (world.storage.folder / row.file_key).read_bytes()
    shown = (world.storage.folder / row.shown_key).read_bytes()
    assert b"Fairphone" in original
    assert b"Fairphone" not in shown
    with Image.open(io.BytesIO(shown)) as image:
        assert dict(image.getexif()) == {}
        assert "exif" not in image.info
    assert row.stored_at is not None
    assert abs(row.skew_ms) < 5_000


async def test_pieces_are_kept_in_their_order(world):
    player = await world.person()
    id = await world.assignment(player, notes=1)
    sent = world.submission(id, player, notes=("Two bags of glass.",))
    await world.submit(sent)
    rows = await world.rows("SELECT * FROM evidence ORDER BY ordinal")
    assert [(row.ordinal, row.kind) for row in rows] == [
        (0, "PHOTO"),
        (1, "LOCATION"),
        (2, "LOCATION"),
        (3, "NOTE"),
    ]
    assert (rows[1].latitude, rows[1].accuracy_m) == (HERE[0], 6.0)
    assert rows[1].captured_at == sent.locations[0].at
    assert rows[3].note == "Two bags of glass."


async def test_what_is_missing_sends_evidence_to_witnesses(world):
    player = await world.person()
    witnesses = {await world.person(reputation=100) for _ in range(3)}
    id = await world.under_review(player)
    assert await world.status(id) == "UNDER_REVIEW"
    assert await world.asked(id) == witnesses
    [record] = await world.rows(
        "SELECT * FROM verification_record WHERE flag <> 'PASSED' AND check_name = 'ACCURACY'"
    )
    assert (record.flag, record.score, record.confidence) == ("NOT_CHECKED", None, 0)
    assert await world.rows("SELECT * FROM impact_entry") == []


async def test_a_quest_may_have_all_evidence_seen_by_witnesses(world):
    player = await world.person()
    id = await world.assignment(player, auto_verify=False)
    await world.submit(world.submission(id, player))
    assert await world.status(id) == "UNDER_REVIEW"


async def test_what_hardly_anything_speaks_for_goes_to_a_moderator(world):
    player = await world.person()
    await world.person(reputation=100)
    id = await world.assignment(player)
    home = (46.5, 15.6)
    old = utc_now() - timedelta(hours=20)
    sent = world.submission(
        id,
        player,
        photos=(taken(photo(3, at=old, place=HERE, software="GIMP 2.10")),),
        locations=(
            ToldLocation(*home, 30.0, old),
            ToldLocation(home[0] + 1, home[1], 30.0, old + timedelta(seconds=5)),
        ),
        device_now=utc_now() - timedelta(days=2),
    )
    await world.submit(sent)
    [row] = await world.rows("SELECT * FROM assignment WHERE id = :id", id=id)
    assert row.status == "SUBMITTED"
    assert row.authenticity < 40
    assert await world.asked(id) == set()
    flags = await world.rows("SELECT check_name FROM verification_record WHERE flag = 'FLAGGED'")
    assert {flag.check_name for flag in flags} >= {
        "LOCATION",
        "WINDOW",
        "CLOCK",
        "MOVEMENT",
        "PHOTO_PLACE",
        "EDITED",
    }


async def test_a_photo_that_was_handed_in_before_is_flagged_made_anew_too(world):
    first, second, third = [await world.person() for _ in range(3)]
    at = utc_now() - timedelta(minutes=10)
    shared = photo(7, at=at)
    one = await world.assignment(first)
    await world.submit(world.submission(one, first, photos=(taken(shared),)))
    copied = await world.assignment(second)
    await world.submit(world.submission(copied, second, photos=(taken(shared),)))
    again = await world.assignment(first)
    await world.later()
    anew = photo(7, at=at, quality=60, size=(400, 300))
    await world.submit(world.submission(again, first, photos=(taken(anew),)))
    other = await world.assignment(third)
    await world.submit(world.submission(other, third, seed=8))
    rows = await world.rows(
        "SELECT assignment_id, flag, words FROM verification_record WHERE check_name = 'DUPLICATE'"
    )
    said = {row.assignment_id: (row.flag, row.words) for row in rows}
    assert said[one] == ("PASSED", "not handed in before")
    assert said[copied] == ("FLAGGED", "this very file was handed in before")
    assert said[again][0] == "FLAGGED"
    assert "the same picture was handed in before" in said[again][1]
    assert said[other] == ("PASSED", "not handed in before")
    assert await world.status(copied) == "UNDER_REVIEW"


async def test_a_teleport_since_the_last_quest_is_flagged(world):
    player = await world.person()
    before = await world.assignment(player, accepted=timedelta(hours=5))
    at = utc_now() - timedelta(minutes=40)
    far = (ToldLocation(40.7127753, -74.0059728, 5.0, at),)
    sent = world.submission(before, player, locations=far)
    await world.submit(sent)
    await world.later()
    id = await world.assignment(player)
    await world.submit(world.submission(id, player, seed=2))
    [row] = await world.rows(
        "SELECT flag, words FROM verification_record"
        " WHERE check_name = 'MOVEMENT' AND assignment_id = :id",
        id=id,
    )
    assert row.flag == "FLAGGED"
    assert "between continents" in row.words


async def test_a_retry_with_the_same_key_is_one_submission(world):
    player = await world.person()
    id = await world.assignment(player)
    content = photo(1, at=utc_now() - timedelta(minutes=10))
    sent = world.submission(id, player, photos=(taken(content),))
    await world.submit(sent)
    before, files = await world.everything(), world.files()
    again = replace(sent, photos=(taken(content),), device_now=utc_now() + timedelta(seconds=3))
    assert await world.submit(again) == id
    assert await world.everything() == before
    assert world.files() == files
    await refused(world, IdempotencyConflict, replace(again, notes=("More.",)))


async def test_retries_that_run_at_once_are_one_submission(world):
    player = await world.person()
    id = await world.assignment(player)
    content = photo(1, at=utc_now() - timedelta(minutes=10))
    sent = world.submission(id, player)
    tries = [replace(sent, photos=(taken(content),)) for _ in range(5)]
    assert await asyncio.gather(*map(world.submit, tries)) == [id] * 5
    [row] = await world.rows("SELECT count(*) AS n FROM impact_entry")
    assert row.n == 1
    rows = await world.rows("SELECT kind FROM evidence ORDER BY kind")
    assert [row.kind for row in rows] == ["LOCATION", "LOCATION", "PHOTO"]
    assert len(world.files()) == 2


async def test_two_submissions_within_a_second_are_refused(world):
    player = await world.person()
    first, second = [await world.assignment(player) for _ in range(2)]
    await world.submit(world.submission(first, player))
    error = await refused(world, EvidenceRejected, world.submission(second, player, seed=2))
    assert [(check.name, check.flag) for check in error.checks] == [("PACE", "FLAGGED")]
    assert await world.status(second) == "ACCEPTED"


async def test_what_was_captured_a_day_before_is_refused(world):
    player = await world.person()
    id = await world.assignment(player, accepted=timedelta(days=2))
    late = utc_now() - timedelta(hours=25)
    sent = world.submission(id, player, photos=(taken(photo(1, at=late)),))
    error = await refused(world, EvidenceRejected, sent)
    assert [check.name for check in error.checks] == ["UPLOAD"]


async def test_how_late_it_may_be_sent_is_of_the_assignments_terms(world):
    player, ago = await world.person(), utc_now() - timedelta(hours=25)
    long, short = {"quest_upload_within_h": 48}, {"quest_upload_within_h": 1}
    id = await world.assignment(player, accepted=timedelta(days=2), maps=long)
    sent = world.submission(id, player, photos=(taken(photo(1, at=ago)),))
    assert await world.submit(sent) == id
    await world.later()
    id = await world.assignment(player, accepted=timedelta(days=2), maps=short)
    late = taken(photo(2, at=utc_now() - timedelta(hours=2)))
    error = await refused(world, EvidenceRejected, world.submission(id, player, photos=(late,)))
    [check] = error.checks
    assert (check.name, check.words) == ("UPLOAD", "captured more than 1 h before it was sent")


async def test_too_little_is_refused_with_what_is_missing(world):
    player = await world.person()
    id = await world.assignment(player, photos=2, notes=1)
    error = await refused(world, EvidenceIncomplete, world.submission(id, player))
    assert [(each.kind, each.count) for each in error.missing] == [("PHOTO", 1), ("NOTE", 1)]


async def test_only_ones_own_accepted_assignment_takes_evidence(world):
    player, stranger = await world.person(), await world.person()
    id = await world.assignment(player)
    await refused(world, NotYourAssignment, world.submission(id, stranger))
    await refused(world, NotFound, world.submission(new_id(), player))
    await world.run(
        "UPDATE assignment SET due_at = clock_timestamp() - interval '1 s' WHERE id = :id", id=id
    )
    error = await refused(world, WrongAssignmentStatus, world.submission(id, player))
    assert error.status == "EXPIRED"
    await world.run(
        "UPDATE assignment SET status = 'ABANDONED', ended_at = clock_timestamp() WHERE id = :id",
        id=id,
    )
    error = await refused(world, WrongAssignmentStatus, world.submission(id, player))
    assert error.status == "ABANDONED"


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("file", {"photos": (taken(b"no picture at all"),)}),
        ("photos", {"photos": tuple(taken(b"x") for _ in range(11))}),
        ("file", {"videos": (taken(photo(1), name="film.mp4"),)}),
        ("locations", {"locations": (ToldLocation(91.0, 0.0),)}),
        ("locations", {"locations": (ToldLocation(1.0, 0.0, -1.0),)}),
        ("locations", {"locations": (ToldLocation(1.0, 0.0, float("nan")),)}),
        ("notes", {"notes": ("x" * 5_001,)}),
        ("idempotencyKey", {"idempotency_key": ""}),
    ],
)
async def test_what_is_no_evidence_is_refused(world, field, changes):
    player = await world.person()
    id = await world.assignment(player)
    error = await refused(world, InvalidInput, world.submission(id, player, **changes))
    assert error.field == field


class BrokenStorage:
    """Stores so many files, then fails."""

    def __init__(self, storage, works):
        self.storage, self.works = storage, works
        self.folder = storage.folder

    async def put(self, key, content):
        if not self.works:
            raise OSError("the disk is full")
        self.works -= 1
        await self.storage.put(key, content)

    async def delete(self, key):
        await self.storage.delete(key)


async def test_a_storage_that_fails_leaves_nothing_and_the_next_try_works(world):
    player = await world.person()
    id = await world.assignment(player)
    whole = world.storage
    for works in (0, 1):
        world.storage = BrokenStorage(whole, works)
        await refused(world, OSError, world.submission(id, player))
    world.storage = whole
    await world.submit(world.submission(id, player))
    assert await world.status(id) == "REWARDED"


async def test_files_that_were_lost_on_their_way_are_removed_after_a_day(world):
    player = await world.person()
    id = await world.assignment(player)
    await world.submit(world.submission(id, player))
    assert await remove_lost_evidence(world.db, world.storage) == 0
    await world.run("UPDATE evidence SET stored_at = NULL WHERE kind = 'PHOTO'")
    assert await remove_lost_evidence(world.db, world.storage) == 0
    await world.run("UPDATE evidence SET submitted_at = submitted_at - interval '25 h'")
    assert await remove_lost_evidence(world.db, world.storage) == 1
    assert world.files() == set()
    assert await remove_lost_evidence(world.db, world.storage) == 0


@pytest.mark.parametrize("table", ["verification_record", "evidence_review"])
async def test_findings_and_votes_stay_as_they_are(world, table):
    for change in (f"UPDATE {table} SET at = now()", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with pytest.raises(Exception, match="is refused"):
            await world.run(change)
