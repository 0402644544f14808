"""Names by the start of each word, popular queries by how many people searched them.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SLOTS = (0, 1)


def upgrade() -> None:
    op.create_table(
        "search_start",
        sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("word", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("weight", sa.REAL(), nullable=False),
        sa.PrimaryKeyConstraint("slot", "document", "place", "word", name=op.f("pk_search_start")),
        postgresql_partition_by="LIST (slot)",
    )
    for slot in SLOTS:
        op.execute(
            f"CREATE TABLE search_start_{slot} PARTITION OF search_start FOR VALUES IN ({slot})"
        )
    for letters in (1, 2, 3):
        op.create_index(
            f"ix_search_start_{letters}",
            "search_start",
            [sa.text(f'"left"(key, {letters})'), sa.text("weight DESC")],
        )
    op.create_index("ix_search_start_key", "search_start", ["key"])
    op.create_index(
        "ix_search_facet_value_label",
        "search_facet_value",
        [sa.text("search_key(label)")],
        postgresql_where=sa.text("facet IN ('SELLER', 'STALL')"),
    )
    op.add_column(
        "search_popular",
        sa.Column("searchers", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.create_table(
        "search_searcher",
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("searcher", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("query", "searcher", name=op.f("pk_search_searcher")),
    )


def downgrade() -> None:
    op.drop_table("search_searcher")
    op.drop_column("search_popular", "searchers")
    op.drop_index("ix_search_facet_value_label", table_name="search_facet_value")
    op.drop_table("search_start")
