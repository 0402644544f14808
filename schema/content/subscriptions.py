"""The root fields of content that push: each part's own, put together. Fields stand in the parts'
files."""

from __future__ import annotations

import strawberry

from schema.content.new_content import NewContentSubscription
from schema.content.posts_subscriptions import PostSubscription
from schema.content.titles_subscriptions import TitleSubscription
from schema.content.typing import TypingSubscription


@strawberry.type
class ContentSubscription(
    TitleSubscription, NewContentSubscription, PostSubscription, TypingSubscription
):
    """A part adds its class of root fields to the bases."""
