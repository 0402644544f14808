"""What the mutations of content answer instead of success, and the exceptions behind it."""

from __future__ import annotations

from schema.errors import ErrorRow

ERRORS: tuple[ErrorRow, ...] = ()
