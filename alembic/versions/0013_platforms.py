"""How platforms are asked: feeds, runs, priorities of titles, messages taken.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "availability_check",
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("platform_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.Column("claimed_until", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["platform_id"],
            ["platform.id"],
            name=op.f("fk_availability_check_platform_id_platform"),
        ),
        sa.ForeignKeyConstraint(
            ["title_id"], ["title.id"], name=op.f("fk_availability_check_title_id_title")
        ),
        sa.PrimaryKeyConstraint(
            "title_id", "platform_id", "region", name=op.f("pk_availability_check")
        ),
    )
    op.create_index(
        "ix_availability_check_claimed", "availability_check", ["claimed_until"], unique=False
    )
    op.create_table(
        "platform_feed",
        sa.Column("platform_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("regions", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "options",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "updated_at", MOMENT, server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "kind IN ('JSON_FEED', 'TMDB')", name=op.f("ck_platform_feed_kind_known")
        ),
        sa.CheckConstraint(
            "cardinality(regions) BETWEEN 1 AND 50", name=op.f("ck_platform_feed_regions_bounded")
        ),
        sa.CheckConstraint(
            "char_length(url) BETWEEN 1 AND 2048", name=op.f("ck_platform_feed_url_length")
        ),
        sa.CheckConstraint(
            "octet_length(options::text) <= 10000", name=op.f("ck_platform_feed_options_bounded")
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platform.id"], name=op.f("fk_platform_feed_platform_id_platform")
        ),
        sa.PrimaryKeyConstraint("platform_id", name=op.f("pk_platform_feed")),
    )
    op.create_table(
        "platform_message",
        sa.Column("platform_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column(
            "received_at", MOMENT, server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "char_length(message_id) BETWEEN 1 AND 200",
            name=op.f("ck_platform_message_message_id_length"),
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platform.id"], name=op.f("fk_platform_message_platform_id_platform")
        ),
        sa.PrimaryKeyConstraint(
            "platform_id", "message_id", "part", name=op.f("pk_platform_message")
        ),
    )
    op.create_index(
        "ix_platform_message_expires_at", "platform_message", ["expires_at"], unique=False
    )
    op.create_table(
        "platform_sync",
        sa.Column("platform_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("after_id", sa.Uuid(), nullable=True),
        sa.Column("asked", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column(
            "started_at", MOMENT, server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("moved_at", MOMENT, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "scope IN ('HIGH', 'MEDIUM', 'LOW', 'FULL', 'INCREMENTAL')",
            name=op.f("ck_platform_sync_scope_known"),
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platform.id"], name=op.f("fk_platform_sync_platform_id_platform")
        ),
        sa.PrimaryKeyConstraint("platform_id", "region", "scope", name=op.f("pk_platform_sync")),
    )
    op.create_table(
        "title_priority",
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("priority_ppm", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "bucket IN ('HIGH', 'MEDIUM')", name=op.f("ck_title_priority_bucket_known")
        ),
        sa.CheckConstraint(
            "priority_ppm BETWEEN 0 AND 1000000", name=op.f("ck_title_priority_priority_range")
        ),
        sa.ForeignKeyConstraint(
            ["title_id"], ["title.id"], name=op.f("fk_title_priority_title_id_title")
        ),
        sa.PrimaryKeyConstraint("title_id", name=op.f("pk_title_priority")),
    )
    op.create_index(
        "ix_title_priority_bucket", "title_priority", ["bucket", "title_id"], unique=False
    )
    op.create_table(
        "title_signal",
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("searches", sa.Integer(), server_default="0", nullable=False),
        sa.Column("checks", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "least(searches, checks) >= 0", name=op.f("ck_title_signal_counts_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["title_id"], ["title.id"], name=op.f("fk_title_signal_title_id_title")
        ),
        sa.PrimaryKeyConstraint("title_id", "day", name=op.f("pk_title_signal")),
    )
    op.create_index("ix_title_signal_day", "title_signal", ["day"], unique=False)
    op.create_index(
        "ix_availability_stale",
        "availability",
        ["platform_id", "title_id"],
        unique=False,
        postgresql_where=sa.text("stale"),
    )


def downgrade() -> None:
    op.drop_index("ix_availability_stale", table_name="availability")
    for table in (
        "title_signal",
        "title_priority",
        "platform_sync",
        "platform_message",
        "platform_feed",
        "availability_check",
    ):
        op.drop_table(table)
