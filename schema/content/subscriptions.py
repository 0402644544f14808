"""The root fields of content that push: each part's own, put together. Fields stand in the parts'
files."""

from __future__ import annotations

import strawberry


@strawberry.type
class ContentSubscription:
    """A part adds its class of root fields to the bases."""
