"""The root fields of content that change something: each part's own, put together. Fields stand in
the parts' files."""

from __future__ import annotations

import strawberry

from schema.content.images import ImageMutation
from schema.content.moderation import ModerationMutation
from schema.content.platforms import PlatformMutation
from schema.content.posts_mutations import PostMutation
from schema.content.titles_mutations import TitleMutation
from schema.content.typing import TypingMutation


@strawberry.type
class ContentMutation(
    TitleMutation,
    PlatformMutation,
    PostMutation,
    ModerationMutation,
    TypingMutation,
    ImageMutation,
):
    """A part adds its class of root fields to the bases."""
