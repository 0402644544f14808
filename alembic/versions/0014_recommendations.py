"""What goes with each title, and the runs that compute it.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "title_neighbours",
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("neighbours", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("scores", postgresql.ARRAY(sa.REAL()), nullable=False),
        sa.CheckConstraint(
            "cardinality(neighbours) <= 50", name=op.f("ck_title_neighbours_neighbours_bounded")
        ),
        sa.CheckConstraint(
            "cardinality(scores) = cardinality(neighbours)",
            name=op.f("ck_title_neighbours_scores_whole"),
        ),
        sa.CheckConstraint("0 < ALL (scores)", name=op.f("ck_title_neighbours_scores_positive")),
        sa.ForeignKeyConstraint(
            ["title_id"], ["title.id"], name=op.f("fk_title_neighbours_title_id_title")
        ),
        sa.PrimaryKeyConstraint("title_id", name=op.f("pk_title_neighbours")),
    )
    op.create_table(
        "recommendation_run",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("runner", sa.Uuid(), nullable=True),
        sa.Column("runs_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_from", sa.Text(), nullable=True),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_recommendation_run_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendation_run")),
    )
    op.execute("INSERT INTO recommendation_run (id) VALUES (1)")


def downgrade() -> None:
    op.drop_table("recommendation_run")
    op.drop_table("title_neighbours")
