"""What people are told of, and by which channels."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from loaders import users as loaders
from loaders.notifications import NotificationRow, PreferenceRow
from models.notification_kinds import KINDS
from resolvers import nodes
from resolvers import notifications as resolvers
from schema.common import Connection, InvalidInput, Node, NotFound
from schema.fields import (
    After,
    Before,
    Context,
    First,
    Last,
    argument,
    attribute,
    bounded,
    loaded,
    mutation,
    page_size,
    resolved,
    subscription,
)
from schema.rows import shows
from schema.scalars import JSON, Cursor, code_of
from services.users.notifications import MARKED_MAX

if TYPE_CHECKING:
    from schema.users.types import User

LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]


@strawberry.enum(description="What a notification is about.")
class NotificationKind(Enum):
    OUTBID = strawberry.enum_value("OUTBID", description="Someone bid more than you on a lot.")
    AUCTION_WON = strawberry.enum_value("AUCTION_WON", description="You won a lot.")
    AUCTION_SOLD = strawberry.enum_value("AUCTION_SOLD", description="A lot of yours was sold.")
    AUCTION_UNSOLD = strawberry.enum_value(
        "AUCTION_UNSOLD", description="A lot of yours ended without a sale."
    )
    AUCTION_ENDING_SOON = strawberry.enum_value(
        "AUCTION_ENDING_SOON", description="A lot that you watch ends soon."
    )
    ORDER = strawberry.enum_value("ORDER", description="News of an order, yours or for you.")
    LOW_STOCK = strawberry.enum_value("LOW_STOCK", description="A product of yours runs out.")
    AVAILABILITY = strawberry.enum_value(
        "AVAILABILITY", description="Where a title of your watchlist can be watched has changed."
    )
    NEW_TITLE = strawberry.enum_value("NEW_TITLE", description="A title that may interest you.")
    COMMENT = strawberry.enum_value("COMMENT", description="Someone commented on a post of yours.")
    REPLY = strawberry.enum_value("REPLY", description="Someone replied to a comment of yours.")
    MENTION = strawberry.enum_value("MENTION", description="Someone mentioned you.")
    REACTION = strawberry.enum_value(
        "REACTION", description="Someone reacted to something of yours."
    )
    FOLLOW = strawberry.enum_value("FOLLOW", description="Someone follows you; told once for each.")
    QUEST_REMINDER = strawberry.enum_value("QUEST_REMINDER", description="A quest awaits you.")
    REVIEW_REQUESTED = strawberry.enum_value(
        "REVIEW_REQUESTED", description="You are asked, as a witness, about evidence of a quest."
    )
    EVIDENCE_REVIEWED = strawberry.enum_value(
        "EVIDENCE_REVIEWED", description="What you handed in for a quest was judged."
    )
    REWARD = strawberry.enum_value("REWARD", description="You were given something.")
    LEVEL_UP = strawberry.enum_value("LEVEL_UP", description="Your reputation rose a level.")
    BADGE = strawberry.enum_value("BADGE", description="You earned a badge.")
    PAYMENT = strawberry.enum_value("PAYMENT", description="News of a payment of yours.")
    MODERATION = strawberry.enum_value(
        "MODERATION", description="A moderator decided about something of yours, or about you."
    )
    SECURITY = strawberry.enum_value("SECURITY", description="Something changed in your account.")
    ANNOUNCEMENT = strawberry.enum_value("ANNOUNCEMENT", description="News for everyone.")
    WELCOME = strawberry.enum_value("WELCOME", description="Your account is ready.")


@strawberry.enum(description="A way to be told.")
class NotificationChannel(Enum):
    IN_APP = strawberry.enum_value("IN_APP", description="Your list of notifications.")
    EMAIL = strawberry.enum_value("EMAIL", description="A mail to your address.")
    PUSH = strawberry.enum_value("PUSH", description="Web push, to each browser registered.")


@strawberry.federation.type(keys=["id"], description="Something you are told. Yours alone.")
@shows(NotificationRow)
class Notification(Node):
    kind: NotificationKind = attribute("What it is about.")
    created_at: datetime = attribute("When you were told.")
    read_at: datetime | None = attribute("When you marked it as read; null before that.")
    facts: JSON = attribute(
        "Amounts and other facts of its kind: OUTBID, AUCTION_WON and AUCTION_SOLD have `amount` "
        "(minor units) and `asset`; AUCTION_ENDING_SOON has `endsAt`."
    )
    actor: LazyUser | None = loaded(
        loaders.visible_user_by_id,
        key="actor_id",
        description="Who caused it; null where nobody did, or they are gone for you.",
        viewer=True,
    )

    @resolved("What it is about: an auction, a person …; null where it is gone.", viewer=True)
    async def subject(root: strawberry.Parent[Any], info: Context) -> Node | None:
        if root.reference is None:
            return None
        return cast("Node | None", await nodes.find_node(info.context, root.reference))

    @classmethod
    async def resolve_reference(cls, info: Context, id: strawberry.ID) -> Any:
        return await nodes.find_node(info.context, id)


@strawberry.type(description="By which channels you are told of a kind of things.")
@shows(PreferenceRow)
class NotificationPreference:
    kind: NotificationKind = attribute("What you are told of.")
    in_app: bool = attribute("Whether it comes into your list.")
    email: bool = attribute("Whether you get a mail.")
    push: bool = attribute("Whether your browsers are told.")


@strawberry.type(description="You were told something.")
class NotificationReceived:
    cursor: Cursor = attribute("Where this event is in your stream: resume after it.")
    occurred_at: datetime = attribute("When it happened, by the server's clock.")
    notification: Notification = attribute("What you were told.")


@strawberry.type
class NotificationUserFields:
    @resolved(
        "What you were told, newest first; null for anyone but yourself.",
        viewer=True,
        list_size=page_size(),
    )
    async def notifications(
        root: strawberry.Parent[Any],
        info: Context,
        unread_only: Annotated[bool, argument("Leave out what you have read.")] = False,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Notification] | None:
        page: Connection[Notification] | None = await resolvers.own_notifications(
            info.context, root.id, unread_only, first, after, last, before
        )
        return page

    @resolved("How many you have not read; null for anyone but yourself.", viewer=True)
    async def unread_count(root: strawberry.Parent[Any], info: Context) -> int | None:
        return await resolvers.unread_count(info.context, root.id)

    @resolved(
        "By which channels you are told of what; null for anyone but yourself.",
        viewer=True,
        list_size=bounded(len(KINDS)),
    )
    async def notification_preferences(
        root: strawberry.Parent[Any], info: Context
    ) -> list[NotificationPreference] | None:
        rows = await resolvers.own_preferences(info.context, root.id)
        return cast("list[NotificationPreference] | None", rows)

    @resolved(
        "The end of your own stream (`notificationReceived`, `walletChanged`): subscribe after it "
        "and nothing is missed. Null for anyone but yourself.",
        viewer=True,
    )
    async def event_cursor(root: strawberry.Parent[Any], info: Context) -> Cursor | None:
        cursor = await resolvers.own_cursor(info.context, root.id)
        return None if cursor is None else Cursor(cursor)


@strawberry.input(description="What you have read.")
class MarkNotificationsReadInput:
    ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description=f"These, {MARKED_MAX} at most."
    )
    all: bool = strawberry.field(default=False, description="All, instead of `ids`.")


@strawberry.input(description="Whether to be told of one kind by one channel.")
class NotificationPreferenceInput:
    kind: NotificationKind = strawberry.field(description="What to be told of.")
    channel: NotificationChannel = strawberry.field(description="By which channel.")
    enabled: bool = strawberry.field(description="Whether to be told.")


@strawberry.input(description="Changes of your preferences: what is not named stays.")
class UpdateNotificationPreferencesInput:
    changes: list[NotificationPreferenceInput] = strawberry.field(
        description="72 at most; of two for one kind and channel the last holds."
    )


@strawberry.input(description="A browser's push subscription, as `PushSubscription.toJSON()` has.")
class RegisterPushSubscriptionInput:
    endpoint: str = strawberry.field(description="The push service's address for this browser.")
    p256dh: str = strawberry.field(description="`keys.p256dh`, base64url.")
    auth: str = strawberry.field(description="`keys.auth`, base64url.")


@strawberry.input(description="A browser that is to get no more pushes.")
class RemovePushSubscriptionInput:
    endpoint: str = strawberry.field(description="The address it was registered with.")


@strawberry.type(description="They are marked as read.")
class MarkNotificationsReadSuccess:
    marked: int = attribute("How many were not read before.")
    unread_count: int = attribute("How many you have not read now.")


@strawberry.type(description="The preferences hold from now on.")
class UpdateNotificationPreferencesSuccess:
    preferences: list[NotificationPreference] = attribute(
        "All of them.", list_size=bounded(len(KINDS))
    )


@strawberry.type(description="The browser gets your pushes.")
class RegisterPushSubscriptionSuccess:
    endpoint: str = attribute("The browser's address.")


@strawberry.type(description="The browser gets no more pushes of yours.")
class RemovePushSubscriptionSuccess:
    removed: bool = attribute("Whether it got them before.")


MarkNotificationsReadResult = Annotated[
    MarkNotificationsReadSuccess | InvalidInput | NotFound,
    strawberry.union("MarkNotificationsReadResult", description="What became of the marks."),
]
UpdateNotificationPreferencesResult = Annotated[
    UpdateNotificationPreferencesSuccess | InvalidInput,
    strawberry.union(
        "UpdateNotificationPreferencesResult", description="What became of the preferences."
    ),
]
RegisterPushSubscriptionResult = Annotated[
    RegisterPushSubscriptionSuccess | InvalidInput,
    strawberry.union("RegisterPushSubscriptionResult", description="What became of the browser."),
]
RemovePushSubscriptionResult = Annotated[
    RemovePushSubscriptionSuccess | InvalidInput,
    strawberry.union("RemovePushSubscriptionResult", description="What became of the browser."),
]


@strawberry.type
class NotificationQuery:
    @resolved("The key a browser subscribes to pushes with (VAPID); null where there are none.")
    def push_public_key(self, info: Context) -> str | None:
        return resolvers.push_public_key(info.context)


@strawberry.type
class NotificationMutation:
    @mutation("Mark notifications as read.", authenticated=True)
    async def mark_notifications_read(
        self, info: Context, input: Annotated[MarkNotificationsReadInput, argument("Which ones.")]
    ) -> MarkNotificationsReadResult:
        marked, unread = await resolvers.mark_read(info.context, input.ids, everything=input.all)
        return MarkNotificationsReadSuccess(marked=marked, unread_count=unread)

    @mutation("Choose by which channels you are told of what.", authenticated=True)
    async def update_notification_preferences(
        self,
        info: Context,
        input: Annotated[UpdateNotificationPreferencesInput, argument("The changes.")],
    ) -> UpdateNotificationPreferencesResult:
        changes = [(code_of(c.kind), code_of(c.channel), c.enabled) for c in input.changes]
        rows = await resolvers.update_preferences(info.context, changes)
        return UpdateNotificationPreferencesSuccess(
            preferences=cast("list[NotificationPreference]", rows)
        )

    @mutation("Send your pushes to this browser too.", authenticated=True)
    async def register_push_subscription(
        self,
        info: Context,
        input: Annotated[RegisterPushSubscriptionInput, argument("Which ones.")],
    ) -> RegisterPushSubscriptionResult:
        await resolvers.add_browser(
            info.context, endpoint=input.endpoint, p256dh=input.p256dh, auth=input.auth
        )
        return RegisterPushSubscriptionSuccess(endpoint=input.endpoint)

    @mutation("Send no more pushes to a browser.", authenticated=True)
    async def remove_push_subscription(
        self, info: Context, input: Annotated[RemovePushSubscriptionInput, argument("Which ones.")]
    ) -> RemovePushSubscriptionResult:
        removed = await resolvers.remove_browser(info.context, input.endpoint)
        return RemovePushSubscriptionSuccess(removed=removed)


@strawberry.type
class NotificationSubscription:
    @subscription("Each thing you are told, once, in order.", authenticated=True, viewer=True)
    async def notification_received(
        self,
        info: Context,
        after: Annotated[
            Cursor | None,
            argument(
                "Go on after this event: the last `cursor` you saw, or `me.eventCursor`. From now "
                "on if not given."
            ),
        ] = None,
    ) -> AsyncGenerator[NotificationReceived, None]:
        events = resolvers.watch_notifications(info.context, after)
        async with aclosing(events):
            async for event, row in events:
                yield NotificationReceived(
                    cursor=Cursor(event.cursor),
                    occurred_at=event.occurred_at,
                    notification=cast(Notification, row),
                )
