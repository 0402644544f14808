"""What content answers instead of doing it. Errors alone: no rule stands here."""

from __future__ import annotations
