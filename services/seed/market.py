"""Stalls and products of a seeded world, as rows ready to be copied. Lots stand in lots.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from slugify import slugify

from core.jsontext import to_json
from core.money import ASSETS
from services.seed.crafts import CHARACTERS, CRAFTS, DESCRIPTIONS, STORIES, Craft
from services.seed.ids import IdMaker
from services.seed.people import Person

STALL_COLUMNS = ("id", "owner_id", "name", "description", "slug", "theme", "active", "created_at")
MEMBER_COLUMNS = ("stall_id", "user_id", "created_at")
ROLE_COLUMNS = ("user_id", "role", "granted_at")
PRODUCT_COLUMNS = (
    "id",
    "stall_id",
    "kind",
    "name",
    "description",
    "story",
    "category",
    "region",
    "tags",
    "price_minor",
    "asset",
    "inventory_count",
    "low_stock_threshold",
    "created_at",
)
_THEMES = ("#b45309", "#0f766e", "#6366f1", "#be123c", "#4d7c0f", "#1d4ed8")
# What a dollar is in each asset, roughly: only so that prices look right.
_PER_DOLLAR = {"USD": 1.0, "EUR": 0.92, "INR": 84.0, "JPY": 150.0, "SPARK": 10.0}
_SPARK_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class SeededStall:
    """A stall, and all who may not bid on its lots."""

    id: UUID
    owner: Person
    members: tuple[Person, ...]
    craft: Craft
    name: str
    slug: str
    opened_at: datetime

    @property
    def seller_ids(self) -> frozenset[UUID]:
        return frozenset((self.owner.id, *(member.id for member in self.members)))


@dataclass(frozen=True, slots=True)
class SeededProduct:
    """A piece. `value_minor` is what it is worth to those who want it, in `asset`."""

    id: UUID
    stall: SeededStall
    name: str
    description: str
    story: str
    tags: tuple[str, ...]
    asset: str
    value_minor: int
    listed_at: datetime


def make_stalls(
    count: int,
    people: Sequence[Person],
    *,
    now: datetime,
    dice: Random,
    ids: IdMaker,
    taken: set[str],
) -> list[SeededStall]:
    """`count` stalls of as many owners, some shared with another person. `taken` are slugs."""
    owners = dice.sample(people, count)
    return [_stall(owner, people, now, dice, ids, taken) for owner in owners]


def _stall(
    owner: Person,
    people: Sequence[Person],
    now: datetime,
    dice: Random,
    ids: IdMaker,
    taken: set[str],
) -> SeededStall:
    craft = dice.choice(CRAFTS)
    opened_at = owner.joined_at + (now - timedelta(days=45) - owner.joined_at) * dice.random()
    name = f"{dice.choice((owner.town, owner.name.split(' ', 1)[1]))} {dice.choice(craft.workshop)}"
    slug, number = slugify(name, max_length=50), 2
    while slug in taken:
        slug, number = f"{slugify(name, max_length=50)}-{number}", number + 1
    taken.add(slug)
    helpers = dice.sample(people, 2) if dice.random() < 0.12 else []
    members = tuple(person for person in helpers[: dice.randint(1, 2)] if person is not owner)
    return SeededStall(ids.at(opened_at), owner, members, craft, name, slug, opened_at)


def stall_rows(stalls: Sequence[SeededStall], *, dice: Random) -> Iterator[tuple[object, ...]]:
    """Rows of `stall`."""
    for stall in stalls:
        theme = to_json({"accent": dice.choice(_THEMES)})
        told = f"{stall.craft.category} from {stall.owner.town}, by {stall.owner.name}."
        yield (
            stall.id,
            stall.owner.id,
            stall.name,
            f"{told} {_story(stall, dice)}",
            stall.slug,
            theme,
            True,
            stall.opened_at,
        )


def member_rows(stalls: Sequence[SeededStall]) -> Iterator[tuple[object, ...]]:
    """Rows of `stall_member`."""
    for stall in stalls:
        for member in stall.members:
            yield (stall.id, member.id, max(stall.opened_at, member.joined_at))


def role_rows(stalls: Sequence[SeededStall]) -> Iterator[tuple[object, ...]]:
    """Rows of `user_role`: who opened a stall is an artisan. Nobody moderates a seeded world."""
    for stall in stalls:
        yield (stall.owner.id, "ARTISAN", stall.opened_at)


def make_product(
    stall: SeededStall, *, now: datetime, dice: Random, ids: IdMaker, worth: float = 1.0
) -> SeededProduct:
    """A piece of the stall's trade, listed at least forty days ago; `worth` scales its value."""
    craft = stall.craft
    thing, material = dice.choice(craft.things), dice.choice(craft.materials)
    technique = dice.choice(craft.techniques)
    listed_at = stall.opened_at + (now - timedelta(days=40) - stall.opened_at) * dice.random()
    asset = "SPARK" if dice.random() < _SPARK_SHARE else stall.owner.culture.asset
    dollars = craft.low * (craft.high / craft.low) ** dice.betavariate(1.6, 2.4) * worth
    return SeededProduct(
        id=ids.at(listed_at),
        stall=stall,
        name=_name(thing, material, technique, dice),
        description=_description(thing, material, technique, stall, dice),
        story=_story(stall, dice),
        tags=(*dice.sample(craft.tags, dice.randint(1, 3)), technique),
        asset=asset,
        value_minor=minor(dollars, asset),
        listed_at=listed_at,
    )


def product_rows(
    products: Sequence[SeededProduct], *, dice: Random
) -> Iterator[tuple[object, ...]]:
    """Rows of `product`."""
    for product in products:
        digital = product.stall.craft.digital
        yield (
            product.id,
            product.stall.id,
            "DIGITAL" if digital else "PHYSICAL",
            product.name,
            product.description,
            product.story,
            product.stall.craft.category,
            product.stall.owner.culture.region,
            list(product.tags),
            nice(product.value_minor) if dice.random() < 0.8 else None,
            product.asset,
            1_000 if digital else dice.randint(1, 12),
            0 if digital else 2,
            product.listed_at,
        )


def minor(dollars: float, asset: str) -> int:
    """About so many dollars in minor units of `asset`; at least 1."""
    return max(round(dollars * _PER_DOLLAR[asset] * float(10 ** ASSETS[asset].scale)), 1)


def nice(amount_minor: int) -> int:
    """The amount with two leading digits, as people name prices; at least 1."""
    unit: int = 10 ** max(len(str(amount_minor)) - 2, 0)
    return max(amount_minor // unit * unit, 1)


def _name(thing: str, material: str, technique: str, dice: Random) -> str:
    character = f"{dice.choice(CHARACTERS)} " if dice.random() < 0.4 else ""
    name = dice.choice(
        (
            f"{character}{technique} {thing}",
            f"{character}{thing} in {material}",
            f"{character}{thing}, {technique}",
        )
    )
    return _sentence(name)


def _description(
    thing: str, material: str, technique: str, stall: SeededStall, dice: Random
) -> str:
    return dice.choice(DESCRIPTIONS).format(
        thing=thing,
        material=material,
        technique=technique,
        Material=_sentence(material),
        Technique=_sentence(technique),
        town=stall.owner.town,
        days=dice.randint(2, 40),
    )


def _story(stall: SeededStall, dice: Random) -> str:
    return dice.choice(STORIES).format(name=stall.owner.name, town=stall.owner.town)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
