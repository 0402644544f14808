"""The value types of a user: profile, session, and their enums."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import strawberry

from loaders.users import ProfileRow, SessionRow
from schema.fields import Context, attribute, bounded, resolved
from schema.scalars import URL
from services.users.profiles import SOCIAL_LINKS_MAX


@strawberry.enum(description="Whether an account can be used.")
class UserStatus(Enum):
    ACTIVE = strawberry.enum_value("ACTIVE", description="It can.")
    SUSPENDED = strawberry.enum_value(
        "SUSPENDED", description="A moderator has closed it for now: no sign-in, no writing."
    )
    DELETED = strawberry.enum_value("DELETED", description="It is gone for everyone but admins.")


@strawberry.enum(description="What a person pays for.")
class UserTier(Enum):
    FREE = strawberry.enum_value("FREE", description="Nothing.")
    PREMIUM = strawberry.enum_value("PREMIUM", description="The premium tier.")


@strawberry.enum(description="What a person may do; each stands for scopes in the access token.")
class UserRole(Enum):
    USER = strawberry.enum_value("USER", description="Everyone with an account.")
    ARTISAN = strawberry.enum_value("ARTISAN", description="Sells: whoever opened a stall.")
    SPONSOR = strawberry.enum_value("SPONSOR", description="Pays for quests.")
    MODERATOR = strawberry.enum_value("MODERATOR", description="Keeps content and people in order.")
    ADMIN = strawberry.enum_value("ADMIN", description="Runs the place.")


@strawberry.enum(description="Who sees a profile.")
class ProfileVisibility(Enum):
    PUBLIC = strawberry.enum_value("PUBLIC", description="Everyone, save who is blocked.")
    PRIVATE = strawberry.enum_value(
        "PRIVATE",
        description="Followers; and only people its owner follows may become followers.",
    )


@strawberry.type(description="What a person tells of themselves.")
class Profile:
    bio: str = attribute("About them, in their words; may have several lines.")
    banner_url: URL | None = attribute("A wide picture.")
    location: str | None = attribute("Where they are, in their words.")
    website: URL | None = attribute("Their own site.")
    pronouns: str | None = attribute("How to speak of them.")
    time_zone: str = attribute("IANA time zone: `Europe/Paris`.")
    locale: str = attribute("Language tag: `en`, `pt-BR`.")
    region: str | None = attribute("ISO 3166 country code: `FR`.")
    social_links: list[URL] = attribute(
        "Where else to find them.", list_size=bounded(SOCIAL_LINKS_MAX)
    )
    visibility: ProfileVisibility = attribute("Who sees this.")
    theme: str = attribute("`system`, `light` or `dark`.")
    accent_colour: str = attribute("Their colour: `#6366f1`.")
    updated_at: datetime = attribute("When it last changed.")

    @classmethod
    def is_type_of(cls, obj: Any, info: Any) -> bool:
        return isinstance(obj, ProfileRow)


@strawberry.type(description="A sign-in on one device, as long as it lasts.")
class Session:
    public_id: strawberry.ID = attribute("Begins with `ses_`.", name="id")
    device: str = attribute("What signed in, by its user agent; may be empty.")
    address: str | None = attribute("Where it was last refreshed from.")
    created_at: datetime = attribute("When it was signed in.")
    last_seen_at: datetime = attribute("When it was last refreshed.")
    expires_at: datetime = attribute("When it ends unless it is refreshed.")

    @resolved("Whether it is the session that asks.", viewer=True)
    def current(root: strawberry.Parent[Any], info: Context) -> bool:
        viewer = info.context.viewer
        return viewer is not None and viewer.session_id == root.id

    @classmethod
    def is_type_of(cls, obj: Any, info: Any) -> bool:
        return isinstance(obj, SessionRow)
