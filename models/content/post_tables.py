"""The tables of posts and of moderation for statements, and the limits that both who writes and who
reads must know: SQLModel's own attributes are typed as values."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table
from sqlmodel import SQLModel

from models.content import moderation as moderated
from models.content import posts as models

POSTS_TOPIC = "posts"
"""The topic of every publication."""


def _table(model: type[SQLModel]) -> Table:
    return cast("Table", model.__table__)  # type: ignore[attr-defined]


categories = _table(models.Category)
tags = _table(models.Tag)
posts = _table(models.Post)
comments = _table(models.Comment)
reactions = _table(models.Reaction)
visits = _table(models.PostVisit)
actions = _table(moderated.ModerationAction)
reports = _table(moderated.Report)
