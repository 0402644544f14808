"""The tables of users for statements: SQLModel's own attributes are typed as values. The limits
that both who writes and who reads must know stand here too."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table
from sqlmodel import SQLModel

from models import users as models

SESSIONS_MAX = 50
"""Live sessions of one person; one more signs the one that was seen longest ago out."""


def _table(model: type[SQLModel]) -> Table:
    return cast("Table", model.__table__)  # type: ignore[attr-defined]


accounts = _table(models.UserAccount)
profiles = _table(models.Profile)
roles = _table(models.UserRole)
grants = _table(models.UserScope)
sessions = _table(models.UserSession)
refresh_tokens = _table(models.RefreshToken)
follows = _table(models.Follow)
blocks = _table(models.Block)
mutes = _table(models.Mute)
security_events = _table(models.SecurityEvent)
