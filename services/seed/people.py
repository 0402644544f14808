"""People of a seeded world: accounts, profiles and who follows whom, as rows ready to be copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from slugify import slugify

from services.seed.crafts import BIOS, CRAFTS
from services.seed.ids import IdMaker
from services.seed.names import CULTURES, Culture

MAIL_DOMAIN = "mela.test"
"""`.test` never resolves (RFC 6761): no letter to a seeded person can leave."""

ACCOUNT_COLUMNS = (
    "id",
    "email",
    "username",
    "password_hash",
    "display_name",
    "tier",
    "email_verified_at",
    "last_login_at",
    "created_at",
)
PROFILE_COLUMNS = (
    "user_id",
    "bio",
    "location",
    "time_zone",
    "locale",
    "region",
    "visibility",
    "updated_at",
)
FOLLOW_COLUMNS = ("follower_id", "followee_id", "created_at")
_MEMBER_FOR_DAYS = (60, 700)
_USERNAME_MAX = 24


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who lives there, since `joined_at`."""

    id: UUID
    username: str
    name: str
    town: str
    culture: Culture
    joined_at: datetime


def make_people(
    count: int, *, now: datetime, dice: Random, ids: IdMaker, taken: set[str]
) -> list[Person]:
    """`count` people who joined in the last two years, the first to join first.

    `taken` are usernames in lower case that others have; it grows by those given here.
    """
    earliest, latest = _MEMBER_FOR_DAYS
    span_s = (latest - earliest) * 86_400
    joined = sorted(
        now - timedelta(days=latest, milliseconds=-int(dice.random() * span_s * 1000))
        for _ in range(count)
    )
    return [_person(moment, dice, ids, taken) for moment in joined]


def _person(joined_at: datetime, dice: Random, ids: IdMaker, taken: set[str]) -> Person:
    culture = dice.choice(CULTURES)
    given, family = dice.choice(culture.given), dice.choice(culture.family)
    return Person(
        id=ids.at(joined_at),
        username=_username(given, family, dice, taken),
        name=f"{given} {family}",
        town=dice.choice(culture.towns),
        culture=culture,
        joined_at=joined_at,
    )


def _username(given: str, family: str, dice: Random, taken: set[str]) -> str:
    parts = [slugify(given, separator="_"), slugify(family, separator="_")]
    base = dice.choice(("_", "")).join(parts)[:_USERNAME_MAX]
    username, number = base, dice.randint(2, 99)
    while username in taken:
        username, number = f"{base}{number}", number + 1
    taken.add(username)
    return username


def account_rows(
    people: Sequence[Person], *, password_hash: str, now: datetime, dice: Random
) -> Iterator[tuple[object, ...]]:
    """Rows of `user_account`: all share one password, so that anyone can be tried out."""
    for person in people:
        age_s = (now - person.joined_at).total_seconds()
        yield (
            person.id,
            f"{person.username}@{MAIL_DOMAIN}",
            person.username,
            password_hash,
            person.name,
            "PREMIUM" if dice.random() < 0.12 else "FREE",
            person.joined_at + timedelta(minutes=3) if dice.random() < 0.9 else None,
            now - timedelta(seconds=int(age_s * dice.random() ** 3)),
            person.joined_at,
        )


def profile_rows(people: Sequence[Person], *, dice: Random) -> Iterator[tuple[object, ...]]:
    """Rows of `profile`."""
    for person in people:
        bio = dice.choice(BIOS).format(
            category=dice.choice(CRAFTS).category.lower(), town=person.town
        )
        yield (
            person.id,
            bio,
            person.town,
            person.culture.time_zone,
            person.culture.locale,
            person.culture.region,
            "PRIVATE" if dice.random() < 0.05 else "PUBLIC",
            person.joined_at,
        )


def follow_rows(
    people: Sequence[Person], makers: Sequence[Person], *, now: datetime, dice: Random
) -> Iterator[tuple[object, ...]]:
    """Rows of `follow`: about six a person, makers rather than others, and nobody twice."""
    for person in people:
        wanted = min(int(dice.expovariate(1 / 6)), 40)
        chosen = [dice.choice(makers if dice.random() < 0.7 else people) for _ in range(wanted)]
        # A dict, not a set: its order is that of the dice, not of the hashes.
        for followee in {other.id: other for other in chosen if other is not person}.values():
            since = max(person.joined_at, followee.joined_at)
            yield (person.id, followee.id, since + (now - since) * dice.random())
