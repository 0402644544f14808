"""What content adds to a user: each part's own fields, put together."""

from __future__ import annotations

import strawberry

from schema.content.images import ImageUserFields
from schema.content.moderation import ModerationUserFields
from schema.content.posts_types import PostUserFields
from schema.content.viewing_types import ViewingUserFields


@strawberry.type
class ContentUserFields(ViewingUserFields, PostUserFields, ModerationUserFields, ImageUserFields):
    """A part adds its class of fields to the bases."""
