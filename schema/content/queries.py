"""The root fields of content that read: each part's own, put together. Fields stand in the parts'
files (`titles`, `posts` …)."""

from __future__ import annotations

import strawberry


@strawberry.type
class ContentQuery:
    """A part adds its class of root fields to the bases."""
