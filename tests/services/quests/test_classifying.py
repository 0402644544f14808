"""A classifier of photos, where there is one, is one more check; without one nothing is claimed."""

import io
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from PIL import Image, ImageStat

from adapters.storage import open_storage
from core.clock import utc_now
from core.database import Database
from core.ports import Classified
from tests.services.quests.evidence_world import EvidenceWorld, photo, taken

PICTURE = "SELECT score, confidence, flag, words FROM verification_record WHERE check_name = :name"


@dataclass(frozen=True)
class Greenness:
    """How much of a photo is greener than it is red: what a park is, more or less."""

    confidence: float = 0.8

    def classify(self, photo, category):
        with Image.open(io.BytesIO(photo)) as picture:
            assert not picture.getexif()
            red, green, _ = ImageStat.Stat(picture.convert("RGB")).mean
        score = 0.9 if green > red else 0.1
        return Classified(score, self.confidence, f"of {category}: {score:.0%} green")


@dataclass(frozen=True)
class Nonsense:
    score: float

    def classify(self, photo, category):
        return Classified(self.score, 1.0, "sure")


class Lost:
    def classify(self, photo, category):
        raise RuntimeError("no model")


@pytest.fixture
async def world(database_url, tmp_path):
    db = Database(database_url)
    yield EvidenceWorld(db, open_storage(None, folder=tmp_path / "files"))
    await db.close()


def tinted(seed, colour, at):
    """A photo with its words, of a tint."""
    with Image.open(io.BytesIO(photo(seed, at=at))) as made:
        exif, out = made.getexif(), io.BytesIO()
        tint = Image.new("RGB", made.size, colour)
        Image.blend(made.convert("RGB"), tint, 0.4).save(out, "JPEG", quality=85, exif=exif)
    return out.getvalue()


async def handed_in(world, *colours, classifier):
    player = await world.person()
    id = await world.assignment(player, photos=len(colours))
    at = utc_now() - timedelta(minutes=10)
    photos = tuple(taken(tinted(n, colour, at)) for n, colour in enumerate(colours))
    sent = replace(world.submission(id, player), photos=photos)
    ports = {} if classifier is None else {"classifier": classifier}
    await world.submit(sent, **ports)
    found = await world.rows(PICTURE, name="PICTURE")
    return await world.status(id), [tuple(row) for row in found]


async def test_without_a_classifier_nothing_is_claimed(world):
    assert await handed_in(world, "green", classifier=None) == ("REWARDED", [])


async def test_what_it_says_is_one_more_check_with_its_confidence(world):
    found = await handed_in(world, "green", classifier=Greenness(0.75))
    assert found == ("REWARDED", [(90, 75, "PASSED", "of river: 90% green")])


async def test_the_photo_that_shows_least_counts_and_sends_it_to_witnesses(world):
    found = await handed_in(world, "green", "red", classifier=Greenness())
    assert found == ("UNDER_REVIEW", [(10, 80, "FLAGGED", "of river: 10% green")])


@pytest.mark.parametrize(
    ("colour", "classifier"),
    [("green", Lost()), ("green", Nonsense(float("nan"))), ("green", Nonsense(1.5))],
)
async def test_what_it_cannot_tell_is_not_checked_and_never_a_pass(world, colour, classifier):
    status, [(score, confidence, flag, _)] = await handed_in(world, colour, classifier=classifier)
    assert (status, score, confidence, flag) == ("UNDER_REVIEW", None, 0, "NOT_CHECKED")
