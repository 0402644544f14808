"""Who is here: presence of people, one's own connections, and who may know."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from core.ids import encode_id
from loaders import users as loaders
from resolvers import presence as resolvers
from resolvers.presence import DeviceRow, PresenceRow
from schema.common import InvalidInput, NotFound
from schema.fields import (
    Context,
    argument,
    attribute,
    bounded,
    loaded,
    mutation,
    resolved,
    subscription,
)
from schema.rows import shows
from schema.scalars import code_of
from services.users.access import SESSION_PREFIX
from services.users.settings import PresenceAudience as Audience
from subscriptions.presence import USERS_MAX
from subscriptions.presence_store import Status

DEVICES_MAX = 100
if TYPE_CHECKING:
    from schema.users.types import User

LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]
UserIds = Annotated[
    list[strawberry.ID] | None, argument(f"Whom to watch: {USERS_MAX} people at most.")
]


@strawberry.enum(description="Whether someone is here.")
class PresenceStatus(Enum):
    ONLINE = strawberry.enum_value("ONLINE", description="A connection of theirs is open.")
    AWAY = strawberry.enum_value("AWAY", description="One is open, and they said they are away.")
    OFFLINE = strawberry.enum_value("OFFLINE", description="No connection of theirs is open.")


@strawberry.enum(description="What you can say of yourself while a connection of yours is open.")
class OwnPresence(Enum):
    ONLINE = strawberry.enum_value("ONLINE", description="You are at it.")
    AWAY = strawberry.enum_value("AWAY", description="You are away, until you say otherwise.")


@strawberry.enum(description="Who sees whether you are here.")
class PresenceAudience(Enum):
    EVERYONE = strawberry.enum_value("EVERYONE", description="Everyone who may see your profile.")
    FOLLOWED = strawberry.enum_value("FOLLOWED", description="People you follow, and no others.")
    NOBODY = strawberry.enum_value("NOBODY", description="Nobody but yourself.")


@strawberry.type(description="One of your open connections.")
@shows(DeviceRow)
class ConnectedDevice:
    device: str = attribute("What is connected, by its user agent; may be empty.")
    connected_at: datetime = attribute("Since when it is open.")

    @resolved("The session it is of: one of `me.sessions`.", cost=0)
    def session_id(root: strawberry.Parent[Any]) -> strawberry.ID:
        return strawberry.ID(encode_id(SESSION_PREFIX, root.session_id))


@strawberry.type(description="Whether someone is here.")
@shows(PresenceRow)
class Presence:
    status: PresenceStatus = attribute("Online, away or offline.")
    last_seen_at: datetime | None = attribute(
        "When they left; null while they are here, and where it is not known."
    )
    user: LazyUser = loaded(loaders.user_by_id, key="user_id", description="Whose presence it is.")


@strawberry.type(description="What you let others know.")
class PrivacySettings:
    presence: PresenceAudience = attribute("Who sees whether you are here.")


@strawberry.type
class PresenceUserFields:
    @resolved("Whether they are here; null where they hide it from you.", viewer=True)
    async def presence(root: strawberry.Parent[Any], info: Context) -> Presence | None:
        return cast("Presence | None", await resolvers.presence_of(info.context, root.id))

    @resolved(
        "Your open connections, the oldest first; null for anyone but yourself.",
        viewer=True,
        list_size=bounded(DEVICES_MAX),
    )
    async def devices(root: strawberry.Parent[Any], info: Context) -> list[ConnectedDevice] | None:
        devices = await resolvers.own_devices(info.context, root.id)
        return None if devices is None else cast("list[ConnectedDevice]", devices[:DEVICES_MAX])

    @resolved("What you let others know; null for anyone but yourself.", viewer=True)
    async def privacy(root: strawberry.Parent[Any], info: Context) -> PrivacySettings | None:
        audience = await resolvers.own_audience(info.context, root.id)
        return None if audience is None else PrivacySettings(presence=PresenceAudience(audience))


@strawberry.input(description="What you say of yourself.")
class SetPresenceInput:
    status: OwnPresence = strawberry.field(description="Here or away.")


@strawberry.input(description="What you let others know: what is not given stays.")
class UpdatePrivacySettingsInput:
    presence: PresenceAudience = strawberry.field(description="Who sees whether you are here.")


@strawberry.type(description="Others see it now.")
class SetPresenceSuccess:
    presence: Presence = attribute("Your presence.")


@strawberry.type(description="The settings hold from now on, for open subscriptions too.")
class UpdatePrivacySettingsSuccess:
    privacy: PrivacySettings = attribute("What you let others know.")


SetPresenceResult = Annotated[
    SetPresenceSuccess | InvalidInput,
    strawberry.union("SetPresenceResult", description="What became of your presence."),
]
UpdatePrivacySettingsResult = Annotated[
    UpdatePrivacySettingsSuccess | NotFound,
    strawberry.union("UpdatePrivacySettingsResult", description="What became of the settings."),
]


@strawberry.type
class PresenceQuery:
    @resolved(
        "Whether some people are here, in their order; those who hide it from you are left out.",
        authenticated=True,
        viewer=True,
        list_size=bounded(USERS_MAX),
        sized_by="userIds",
    )
    async def presence(
        self,
        info: Context,
        user_ids: Annotated[list[strawberry.ID], argument(f"{USERS_MAX} people at most.")],
    ) -> list[Presence]:
        return cast("list[Presence]", await resolvers.presences(info.context, user_ids))


@strawberry.type
class PresenceMutation:
    @mutation("Say that you are here, or away.", authenticated=True)
    async def set_presence(
        self, info: Context, input: Annotated[SetPresenceInput, argument("Here or away.")]
    ) -> SetPresenceResult:
        row = await resolvers.set_presence(info.context, cast("Status", code_of(input.status)))
        return SetPresenceSuccess(presence=cast(Presence, row))

    @mutation("Choose what others may know of you.", authenticated=True)
    async def update_privacy_settings(
        self, info: Context, input: Annotated[UpdatePrivacySettingsInput, argument("The choice.")]
    ) -> UpdatePrivacySettingsResult:
        await resolvers.update_privacy(info.context, cast("Audience", code_of(input.presence)))
        return UpdatePrivacySettingsSuccess(privacy=PrivacySettings(presence=input.presence))


@strawberry.type
class PresenceSubscription:
    @subscription(
        "Whether some people are here: each one's state now, then each change. It cannot be "
        "resumed: subscribe again, and you are told all anew. Who hides it is not told of.",
        authenticated=True,
        viewer=True,
        cost=5,
    )
    async def presence_changed(
        self,
        info: Context,
        user_ids: UserIds = None,
        user_id: Annotated[
            strawberry.ID | None, argument("One person to watch, instead of `userIds`.")
        ] = None,
    ) -> AsyncGenerator[Presence, None]:
        changes = resolvers.watch_presence(info.context, user_ids, user_id)
        async with aclosing(changes):
            async for row in changes:
                yield cast(Presence, row)
