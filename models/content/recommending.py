"""Tables of what goes with each title, as a job last computed it, and of that job's runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import REAL, CheckConstraint, SmallInteger, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.columns import moment, reference, words


def _several(kind: Any) -> Any:
    return Field(sa_type=ARRAY(kind), nullable=False)


class TitleNeighbours(SQLModel, table=True):
    """The titles that go with one, the best first, and how well. One row a title: a run changes
    few of them, and a reader wants them together."""

    __tablename__ = "title_neighbours"
    __table_args__ = (
        CheckConstraint("cardinality(neighbours) <= 50", name="neighbours_bounded"),
        CheckConstraint("cardinality(scores) = cardinality(neighbours)", name="scores_whole"),
        CheckConstraint("0 < ALL (scores)", name="scores_positive"),
    )

    title_id: UUID = reference("title.id", primary_key=True)
    neighbours: list[UUID] = _several(Uuid)
    scores: list[float] = _several(REAL)


class RecommendationRun(SQLModel, table=True):
    """One row: who computes now and until when at most, and what the last run was made from."""

    __tablename__ = "recommendation_run"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: int = Field(primary_key=True, sa_type=SmallInteger)
    runner: UUID | None = Field(default=None, sa_type=Uuid, nullable=True)
    runs_until: datetime | None = moment(nullable=True)
    made_from: str | None = words(nullable=True)
    computed_at: datetime | None = moment(nullable=True)
