"""The root fields of content that read: each part's own, put together. Fields stand in the parts'
files (`titles`, `posts` …)."""

from __future__ import annotations

import strawberry

from schema.content.moderation import ModerationQuery
from schema.content.posts_queries import PostQuery
from schema.content.recommendations_queries import RecommendationQuery
from schema.content.titles_queries import TitleQuery


@strawberry.type
class ContentQuery(TitleQuery, RecommendationQuery, PostQuery, ModerationQuery):
    """A part adds its class of root fields to the bases."""
