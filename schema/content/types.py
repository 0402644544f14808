"""What content adds to a user: each part's own fields, put together."""

from __future__ import annotations

import strawberry


@strawberry.type
class ContentUserFields:
    """A part adds its class of fields to the bases."""
