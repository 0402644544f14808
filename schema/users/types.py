"""The user, profile and session as clients see them."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import strawberry

from execution.caching import INHERITS
from loaders import users as loaders
from loaders.users import ProfileRow, SessionRow
from models.user_tables import SESSIONS_MAX
from resolvers import users as resolvers
from resolvers.references import referred
from schema.auctions.types import AuctionUserFields
from schema.common import Connection, Node
from schema.content.types import ContentUserFields
from schema.fields import Context, attribute, bounded, connected, loaded, resolved
from schema.quests.player import PlayerUserFields
from schema.quests.reviews import ReviewUserFields
from schema.quests.sponsors import SponsorUserFields
from schema.quests.types import QuestUserFields
from schema.rows import shows
from schema.scalars import URL
from schema.search.user_fields import SearchUserFields
from schema.users.notifications import NotificationUserFields
from schema.users.presence import PresenceUserFields
from schema.wallets.types import WalletUserFields
from services.users.profiles import SOCIAL_LINKS_MAX

ROLES_MAX = 5
LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]


@strawberry.enum(description="Whether an account can be used.")
class UserStatus(Enum):
    ACTIVE = strawberry.enum_value("ACTIVE", description="It can sign in and write.")
    SUSPENDED = strawberry.enum_value(
        "SUSPENDED", description="A moderator has closed it for now: no sign-in, no writing."
    )
    DELETED = strawberry.enum_value("DELETED", description="It is gone for everyone but admins.")


@strawberry.enum(description="What a person pays for.")
class UserTier(Enum):
    FREE = strawberry.enum_value("FREE", description="Nothing: what everyone has.")
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


@strawberry.type(description="What a person tells of themselves.", directives=[INHERITS])
@shows(ProfileRow)
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


@strawberry.type(description="A sign-in on one device, as long as it lasts.")
@shows(SessionRow)
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


@strawberry.federation.type(
    keys=["id"], description="A person with an account.", directives=[INHERITS]
)
@shows(*loaders.USER_ROWS)
class User(
    PresenceUserFields,
    NotificationUserFields,
    AuctionUserFields,
    WalletUserFields,
    ContentUserFields,
    SearchUserFields,
    QuestUserFields,
    ReviewUserFields,
    PlayerUserFields,
    SponsorUserFields,
    Node,
):
    username: str = attribute("Their unique name: letters, digits and `_`.")
    display_name: str = attribute("What they are called; not unique.")
    avatar_url: URL | None = attribute("Their picture.")
    created_at: datetime = attribute("When they signed up.")
    profile: Profile | None = loaded(
        loaders.profile_by_user_id,
        key="id",
        description="What they tell of themselves; null where it is private to you.",
        viewer=True,
    )
    viewer_follows: bool = loaded(
        loaders.viewer_follows_user_id,
        key="id",
        description="Whether you follow them.",
        viewer=True,
    )
    followers: Connection[LazyUser] = connected(
        loaders.followers_by_user_id,
        key="id",
        description="Who follows them, newest first; empty where the profile is private to you.",
        viewer=True,
    )
    following: Connection[LazyUser] = connected(
        loaders.following_by_user_id,
        key="id",
        description="Whom they follow, newest first; empty where the profile is private to you.",
        viewer=True,
    )
    mutuals: Connection[LazyUser] = connected(
        loaders.mutuals_by_user_id,
        key="id",
        description="Whom they follow and who follow them; empty where it is private to you.",
        viewer=True,
    )

    @resolved("For themselves and administrators, or where they show it; else null.", viewer=True)
    async def email(root: strawberry.Parent[Any], info: Context) -> str | None:
        return await resolvers.shown_email(info.context, root)

    @resolved("For themselves, moderators and administrators; else null.", viewer=True)
    def status(root: strawberry.Parent[Any], info: Context) -> UserStatus | None:
        shown = resolvers.is_own(
            info.context, root, resolvers.ADMIN_SCOPE, resolvers.MODERATOR_SCOPE
        )
        return UserStatus(root.status) if shown else None

    @resolved("For themselves and administrators; else null.", viewer=True)
    def tier(root: strawberry.Parent[Any], info: Context) -> UserTier | None:
        shown = resolvers.is_own(info.context, root, resolvers.ADMIN_SCOPE)
        return UserTier(root.tier) if shown else None

    @resolved(
        "For themselves and administrators; else null.",
        viewer=True,
        list_size=bounded(ROLES_MAX),
    )
    async def roles(root: strawberry.Parent[Any], info: Context) -> list[UserRole] | None:
        if not resolvers.is_own(info.context, root, resolvers.ADMIN_SCOPE):
            return None
        held = await info.context.loaders.load(loaders.roles_by_user_id, root.id)
        return [UserRole(role) for role in held]

    @resolved(
        "Where you are signed in, last seen first; null for anyone but yourself.",
        viewer=True,
        list_size=bounded(SESSIONS_MAX),
    )
    async def sessions(root: strawberry.Parent[Any], info: Context) -> list[Session] | None:
        if not resolvers.is_own(info.context, root):
            return None
        key = (root.id, SESSIONS_MAX)
        found: list[Session] = await info.context.loaders.load(loaders.sessions_by_user_id, key)
        return found

    @classmethod
    async def resolve_reference(cls, info: Context, id: strawberry.ID) -> Any:
        return await resolvers.referred_user(info.context, id)

    @classmethod
    async def resolve_references(cls, info: Context, ids: list[str]) -> list[Any]:
        return await referred(info.context, loaders.user_by_id, ids, "usr", "User")
