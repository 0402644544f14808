"""The root fields of content that change something: each part's own, put together. Fields stand in
the parts' files."""

from __future__ import annotations

import strawberry


@strawberry.type
class ContentMutation:
    """A part adds its class of root fields to the bases."""
