"""Accepted assignments in the middle of Ljubljana, photos that phones would take there, and people
who may be asked about them. Rows alone: how quests are taken on is tested elsewhere."""

import io
import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from functools import partial

import numpy as np
from PIL import Image
from sqlalchemy import null, text

from core.clock import utc_now
from core.database import Database
from core.files import UploadedFile
from core.ids import new_id
from models.quests.assignments import Assignment, Team, TeamMember
from models.quests.quests import Quest
from models.users import UserAccount
from services.quests import disputes, evidence, reviewing
from services.quests.contract import Area, Place, Terms, terms_json
from services.quests.pieces import Submission, TakenFile, ToldLocation

MAX_BYTES = 5 * 1024**2
HERE = (46.0512345, 14.5063217)
UNTOUCHED = (
    "assignment evidence verification_record evidence_review review_request quest_dispute witness"
    " impact_entry player achievement transfer ledger_account idempotency_key event notification"
)


def taken(content, at=None, name="photo.jpg"):
    """A file as a client sends it."""
    return TakenFile(UploadedFile(name, "image/jpeg", len(content), io.BytesIO(content)), at)


def picture(seed):
    """640 x 480 of blots that no other seed gives."""
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC)


def photo(seed=1, *, at=None, place=HERE, software=None, quality=85, size=None):
    """A JPEG with the words of a phone: when (UTC) and where it was taken."""
    exif = Image.Exif()
    exif[0x010F] = "Fairphone"
    if software is not None:
        exif[0x0131] = software
    if at is not None:
        detail = exif.get_ifd(0x8769)
        detail[0x9003] = f"{at.astimezone(UTC):%Y:%m:%d %H:%M:%S}"
        detail[0x9011] = "+00:00"
    if place is not None:
        gps = exif.get_ifd(0x8825)
        gps[1], gps[2] = "N", _sexagesimal(place[0])
        gps[3], gps[4] = "E", _sexagesimal(place[1])
    image, out = picture(seed), io.BytesIO()
    if size is not None:
        image = image.resize(size)
    image.save(out, "JPEG", quality=quality, exif=exif)
    return out.getvalue()


def _sexagesimal(degrees):
    whole, rest = divmod(degrees * 3600, 3600)
    minutes, seconds = divmod(rest, 60)
    return (whole, minutes, round(seconds, 4))


@dataclass
class EvidenceWorld:
    """A quest's worth of rows; numbers make names differ."""

    db: Database
    storage: object
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    async def add(self, *rows):
        async def work(tx):
            for row in rows:
                tx.add(row)
                await tx.flush()

        await self.db.transaction(work)

    async def person(self, *, reputation=None, region="SI"):
        """Somebody; with a reputation, a witness."""
        id, name = new_id(), f"person_{next(self.numbers)}"
        await self.add(
            UserAccount(
                id=id,
                email=f"{name}@mela.test",
                username=name,
                password_hash="-",
                display_name=name,
            )
        )
        if reputation is not None:
            await self.run(
                "INSERT INTO witness (user_id, reputation, region)"
                " VALUES (:id, :reputation, :region)",
                id=id,
                reputation=reputation,
                region=region,
            )
        return id

    async def assignment(self, player, *, accepted=timedelta(hours=3), team=None, **terms):
        """An assignment that was accepted three hours ago; one photo and one fix are asked for."""
        quest_id, now = new_id(), utc_now()
        given = {
            "quest_id": quest_id,
            "category": "river",
            "region": "SI",
            "difficulty": 3,
            "area": Area(Place(*HERE), 100),
            "opens_at": now - timedelta(days=2),
            "closes_at": now + timedelta(days=20),
            "need_hundredths": 100,
            "photos": 1,
            "locations": 1,
            "notes": 0,
            "videos": 0,
            "reviewers_needed": 3,
            "on_foot": True,
            "auto_verify": True,
            "base_xp": 100,
            "reward_minor": 0,
            "asset": "SPARK",
            "sponsor_id": None,
        }
        kept = Terms(**(given | terms))
        await self.run(
            "INSERT INTO quest_category (slug, name) VALUES ('river', 'Rivers')"
            " ON CONFLICT DO NOTHING"
        )
        id = new_id()
        await self.add(_quest(kept, player))
        team_id = None if team is None else await self._team(quest_id, team)
        await self.add(
            Assignment(
                id=id,
                quest_id=quest_id,
                player_id=player,
                team_id=team_id,
                team_size=1 if team is None else len(team),
                terms=terms_json(kept),
                base_xp=kept.base_xp,
                reward_minor=kept.reward_minor,
                accepted_at=now - accepted,
                due_at=now + timedelta(days=7),
            )
        )
        return id

    async def _team(self, quest_id, members):
        team_id = new_id()
        size = {"size": len(members), "size_max": max(2, len(members))}
        await self.add(Team(id=team_id, quest_id=quest_id, leader_id=members[0], name="Us", **size))
        for member in members:
            await self.add(TeamMember(team_id=team_id, user_id=member, quest_id=quest_id))
        return team_id

    def submission(self, assignment, player, *, seed=1, **changes):
        """What an honest phone sends: a photo ten minutes ago, fixes eleven and ten ago."""
        now = utc_now()
        at = now - timedelta(minutes=10)
        made = Submission(
            assignment_id=assignment,
            player_id=player,
            idempotency_key=new_id().hex,
            photos=(taken(photo(seed, at=at)),),
            locations=(
                ToldLocation(HERE[0], HERE[1], 6.0, at - timedelta(minutes=1)),
                ToldLocation(HERE[0] + 0.0002, HERE[1], 6.0, at),
            ),
            device_now=now,
        )
        return replace(made, **changes)

    async def submit(self, submission, **ports):
        return await evidence.submit_evidence(
            self.db, self.storage, submission, max_bytes=MAX_BYTES, **ports
        )

    async def under_review(self, player, *, seed=1, **terms):
        """An assignment whose evidence is before witnesses: no fix says how accurate it is."""
        id = await self.assignment(player, **terms)
        sent = self.submission(id, player, seed=seed)
        vague = tuple(replace(told, accuracy_m=None) for told in sent.locations)
        await self.submit(replace(sent, locations=vague))
        return id

    async def review(self, viewer, assignment, vote="APPROVE", **options):
        work = partial(
            reviewing.review_evidence,
            viewer_id=viewer,
            assignment_id=assignment,
            vote=vote,
            **options,
        )
        return await self.db.transaction(work)

    async def dispute(self, viewer, assignment, reason="It was me."):
        work = partial(
            disputes.open_dispute, viewer_id=viewer, assignment_id=assignment, reason=reason
        )
        return await self.db.transaction(work)

    async def resolve(self, moderator, assignment, *, uphold, resolution="Seen."):
        work = partial(
            disputes.resolve_dispute,
            moderator_id=moderator,
            assignment_id=assignment,
            uphold=uphold,
            resolution=resolution,
        )
        return await self.db.transaction(work)

    async def befriend(self, one, other):
        for follower, followee in ((one, other), (other, one)):
            await self.run(
                "INSERT INTO follow (follower_id, followee_id) VALUES (:a, :b)",
                a=follower,
                b=followee,
            )

    async def asked(self, assignment):
        rows = await self.rows(
            "SELECT witness_id FROM review_request WHERE assignment_id = :id", id=assignment
        )
        return {row.witness_id for row in rows}

    async def status(self, assignment):
        [row] = await self.rows("SELECT status FROM assignment WHERE id = :id", id=assignment)
        return row.status

    async def later(self):
        """Let a minute pass since all submissions: not two within a second."""
        await self.run("UPDATE assignment SET submitted_at = submitted_at - interval '1 minute'")

    async def rows(self, statement, **parameters):
        async with self.db.read() as session:
            return (await session.execute(text(statement), parameters)).all()

    async def run(self, statement, **parameters):
        await self.db.transaction(lambda tx: tx.execute(text(statement), parameters))

    async def everything(self):
        """All rows that a refusal could have changed."""
        found = {}
        for table in UNTOUCHED.split():
            rows = await self.rows(f"SELECT CAST(t AS text) FROM {table} AS t")
            found[table] = sorted(row[0] for row in rows)
        return found

    def files(self):
        """The keys of all stored files."""
        folder = self.storage.folder
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _quest(terms, creator):
    return Quest(
        id=terms.quest_id,
        creator_id=creator,
        title="Clean the bank",
        category=terms.category,
        region=terms.region,
        latitude=HERE[0],
        longitude=HERE[1],
        radius_m=100,
        polygon=null(),
        west=14.4,
        east=14.6,
        south=45.9,
        north=46.1,
        x_m=0.0,
        y_m=0.0,
        z_m=0.0,
        opens_at=terms.opens_at,
        closes_at=terms.closes_at,
        photos_asked=terms.photos,
        locations_asked=terms.locations,
        notes_asked=max(terms.notes, 1),
        status="OPEN",
    )
