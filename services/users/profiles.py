"""What people tell of themselves: the limits of each field, and `update_profile`."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import func, update

from core.database import Transaction
from core.errors import InvalidInput, NotFound
from core.events import NewEvent
from core.text import clean_text
from models.user_tables import accounts, profiles
from services.users.access import user_public_id
from services.users.accounts import user_topic

URL_MAX = 2_048
SOCIAL_LINKS_MAX = 10

_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
_COLOUR = re.compile(r"#[0-9a-f]{6}")

# ISO 3166-1, the assigned two-letter codes.
_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT
BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH
ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT
HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS
LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI
NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG
SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG
UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
REGIONS = frozenset(_CODES.split())


@dataclass(frozen=True, slots=True)
class Rule:
    """One field of the input: where it is kept, how it is checked, whether it may be taken away."""

    column: str
    check: Callable[[str, Any], Any]
    nullable: bool = False
    account: bool = False


def _text(maximum: int, *, minimum: int = 1, multiline: bool = False) -> Callable[[str, Any], str]:
    return lambda field, value: clean_text(
        value, field=field, minimum=minimum, maximum=maximum, multiline=multiline
    )


def clean_url(field: str, value: str) -> str:
    """An absolute http or https address, unchanged. Raises `InvalidInput(field)`."""
    clean_text(value, field=field, maximum=URL_MAX)
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not value.isprintable() or " " in value:
        raise InvalidInput(field, "not an absolute http or https address")
    if "@" in parts.netloc:
        raise InvalidInput(field, "an address here carries no user name")
    return value


def _links(field: str, value: list[str]) -> list[str]:
    if len(value) > SOCIAL_LINKS_MAX:
        raise InvalidInput(field, f"{SOCIAL_LINKS_MAX} links at most")
    return [clean_url(field, link) for link in value]


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _time_zone(field: str, value: str) -> str:
    if value not in _time_zones():
        raise InvalidInput(field, "not an IANA time zone, as in Europe/Paris")
    return value


def _region(field: str, value: str) -> str:
    if value not in REGIONS:
        raise InvalidInput(field, "not an ISO 3166 country code of two letters")
    return value


def _pattern(pattern: re.Pattern[str], reason: str) -> Callable[[str, Any], str]:
    def check(field: str, value: str) -> str:
        if pattern.fullmatch(value) is None:
            raise InvalidInput(field, reason)
        return value

    return check


def _one_of(*values: str) -> Callable[[str, Any], str]:
    return _pattern(re.compile("|".join(values)), "one of " + ", ".join(values))


RULES: Mapping[str, Rule] = {
    "displayName": Rule("display_name", _text(100), account=True),
    "avatarUrl": Rule("avatar_url", clean_url, nullable=True, account=True),
    "showEmail": Rule("show_email", lambda field, value: bool(value), account=True),
    "bio": Rule("bio", _text(2_000, minimum=0, multiline=True)),
    "bannerUrl": Rule("banner_url", clean_url, nullable=True),
    "location": Rule("location", _text(100), nullable=True),
    "website": Rule("website", clean_url, nullable=True),
    "pronouns": Rule("pronouns", _text(40), nullable=True),
    "timeZone": Rule("time_zone", _time_zone),
    "locale": Rule("locale", _pattern(_LOCALE, "not a language tag, as in en or pt-BR")),
    "region": Rule("region", _region, nullable=True),
    "socialLinks": Rule("social_links", _links),
    "visibility": Rule("visibility", _one_of("PUBLIC", "PRIVATE")),
    "theme": Rule("theme", _one_of("system", "light", "dark")),
    "accentColour": Rule("accent_colour", _pattern(_COLOUR, "a colour as in #6366f1")),
}
"""Every field that `update_profile` takes, by its name in the input."""


async def update_profile(
    tx: Transaction, *, user_id: UUID, changes: Mapping[str, object | None]
) -> None:
    """Set the named fields and leave the others; None takes an optional one away.

    Raises `InvalidInput(field)`; `NotFound` for an account that is not there.
    """
    of_account, of_profile = _checked(changes)
    if not of_account and not of_profile:
        return
    for table, key, values in (
        (accounts, accounts.c.id, of_account),
        (profiles, profiles.c.user_id, {**of_profile, "updated_at": func.clock_timestamp()}),
    ):
        if not values:
            continue
        done = await tx.execute(update(table).where(key == user_id).values(**values).returning(key))
        if done.first() is None:
            raise NotFound("user")
    payload = {"userId": user_public_id(user_id)}
    tx.collect(NewEvent(user_topic(user_id), "ProfileUpdated", payload, actor_id=user_id))


def _checked(changes: Mapping[str, object | None]) -> tuple[dict[str, Any], dict[str, Any]]:
    of_account: dict[str, Any] = {}
    of_profile: dict[str, Any] = {}
    for field, value in changes.items():
        rule = RULES[field]
        if value is None and not rule.nullable:
            raise InvalidInput(field, "cannot be null")
        kept = None if value is None else rule.check(field, value)
        (of_account if rule.account else of_profile)[rule.column] = kept
    return of_account, of_profile
