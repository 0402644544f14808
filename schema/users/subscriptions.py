"""The root fields of users that push: each part's own, put together."""

from __future__ import annotations

import strawberry

from schema.users.notifications import NotificationSubscription
from schema.users.presence import PresenceSubscription


@strawberry.type
class UserSubscription(PresenceSubscription, NotificationSubscription):
    """A part adds its class of root fields to the bases."""
