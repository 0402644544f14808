"""Posts, their comments and reactions; reports and what moderators did.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = (
    "category",
    "tag",
    "post",
    "post_comment",
    "reaction",
    "post_visit",
    "moderation_action",
    "report",
)


def upgrade() -> None:
    op.create_table(
        "category",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "slug ~ '^[a-z0-9](-?[a-z0-9]){0,59}$'", name=op.f("ck_category_slug_form")
        ),
        sa.CheckConstraint(
            "char_length(description) <= 1000", name=op.f("ck_category_description_length")
        ),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 60", name=op.f("ck_category_name_length")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category")),
        sa.UniqueConstraint("slug", name=op.f("uq_category_slug")),
    )
    op.create_index("ix_category_position", "category", ["position", "id"], unique=False)
    op.create_table(
        "tag",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("post_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 40", name=op.f("ck_tag_name_length")),
        sa.CheckConstraint("post_count >= 0", name=op.f("ck_tag_post_count_not_negative")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tag")),
    )
    op.create_index("ix_tag_most_used", "tag", ["post_count", "name"], unique=False)
    op.create_table(
        "post",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column(
            "blocks", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("excerpt", sa.Text(), nullable=True),
        sa.Column("opening", sa.Text(), server_default="", nullable=False),
        sa.Column("cover_url", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), server_default="DRAFT", nullable=False),
        sa.Column("removed_from", sa.Text(), nullable=True),
        sa.Column("reading_time_s", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("comment_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reaction_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "reactions",
            postgresql.ARRAY(sa.Integer()),
            server_default=sa.text("'{0,0,0,0,0,0}'"),
            nullable=False,
        ),
        sa.Column("share_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("view_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("popularity", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("heat", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("featured_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'REMOVED') = (removed_from IS NOT NULL)",
            name=op.f("ck_post_removed_from_something"),
        ),
        sa.CheckConstraint("jsonb_typeof(blocks) = 'array'", name=op.f("ck_post_blocks_array")),
        sa.CheckConstraint(
            "removed_from IN ('DRAFT', 'PUBLISHED', 'ARCHIVED')",
            name=op.f("ck_post_removed_from_known"),
        ),
        sa.CheckConstraint(
            "slug ~ '^[a-z0-9](-?[a-z0-9]){2,119}$'", name=op.f("ck_post_slug_form")
        ),
        sa.CheckConstraint(
            "status <> 'PUBLISHED' OR published_at IS NOT NULL", name=op.f("ck_post_published_once")
        ),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'PUBLISHED', 'ARCHIVED', 'REMOVED')",
            name=op.f("ck_post_status_known"),
        ),
        sa.CheckConstraint("0 <= ALL (reactions)", name=op.f("ck_post_reactions_not_negative")),
        sa.CheckConstraint("cardinality(reactions) = 6", name=op.f("ck_post_reactions_whole")),
        sa.CheckConstraint("cardinality(tags) <= 20", name=op.f("ck_post_tags_bounded")),
        sa.CheckConstraint("char_length(cover_url) <= 2048", name=op.f("ck_post_cover_url_length")),
        sa.CheckConstraint("char_length(excerpt) <= 500", name=op.f("ck_post_excerpt_length")),
        sa.CheckConstraint("char_length(opening) <= 300", name=op.f("ck_post_opening_length")),
        sa.CheckConstraint(
            "char_length(title) BETWEEN 1 AND 300", name=op.f("ck_post_title_length")
        ),
        sa.CheckConstraint("comment_count >= 0", name=op.f("ck_post_comment_count_not_negative")),
        sa.CheckConstraint(
            "jsonb_array_length(blocks) <= 200", name=op.f("ck_post_blocks_bounded")
        ),
        sa.CheckConstraint("reaction_count >= 0", name=op.f("ck_post_reaction_count_not_negative")),
        sa.CheckConstraint("share_count >= 0", name=op.f("ck_post_share_count_not_negative")),
        sa.CheckConstraint("view_count >= 0", name=op.f("ck_post_view_count_not_negative")),
        sa.ForeignKeyConstraint(
            ["author_id"], ["user_account.id"], name=op.f("fk_post_author_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["category_id"], ["category.id"], name=op.f("fk_post_category_id_category")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post")),
        sa.UniqueConstraint("slug", name=op.f("uq_post_slug")),
    )
    op.create_index("ix_post_author", "post", ["author_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_post_featured",
        "post",
        ["published_at", "id"],
        unique=False,
        postgresql_where=sa.text(
            "status = 'PUBLISHED' AND deleted_at IS NULL AND featured_at IS NOT NULL"
        ),
    )
    op.create_index(
        "ix_post_feed",
        "post",
        ["author_id", "published_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'PUBLISHED' AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_post_newest",
        "post",
        ["published_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'PUBLISHED' AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_post_popular",
        "post",
        ["popularity", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'PUBLISHED' AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_post_shelf",
        "post",
        ["category_id", "published_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'PUBLISHED' AND deleted_at IS NULL"),
    )
    op.create_index("ix_post_tags", "post", ["tags"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_post_trending",
        "post",
        ["heat", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'PUBLISHED' AND deleted_at IS NULL"),
    )
    op.create_table(
        "post_comment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("post_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="VISIBLE", nullable=False),
        sa.Column("reply_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reaction_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "reactions",
            postgresql.ARRAY(sa.Integer()),
            server_default=sa.text("'{0,0,0,0,0,0}'"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('VISIBLE', 'DELETED', 'REMOVED')", name=op.f("ck_post_comment_status_known")
        ),
        sa.CheckConstraint(
            "(depth = 1) = (parent_id IS NULL)", name=op.f("ck_post_comment_depth_of_roots")
        ),
        sa.CheckConstraint(
            "0 <= ALL (reactions)", name=op.f("ck_post_comment_reactions_not_negative")
        ),
        sa.CheckConstraint(
            "cardinality(reactions) = 6", name=op.f("ck_post_comment_reactions_whole")
        ),
        sa.CheckConstraint(
            "char_length(text) BETWEEN 1 AND 5000", name=op.f("ck_post_comment_text_length")
        ),
        sa.CheckConstraint("depth BETWEEN 1 AND 8", name=op.f("ck_post_comment_depth_bounded")),
        sa.CheckConstraint(
            "reaction_count >= 0", name=op.f("ck_post_comment_reaction_count_not_negative")
        ),
        sa.CheckConstraint(
            "reply_count >= 0", name=op.f("ck_post_comment_reply_count_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["author_id"], ["user_account.id"], name=op.f("fk_post_comment_author_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["post_comment.id"], name=op.f("fk_post_comment_parent_id_post_comment")
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["post.id"], name=op.f("fk_post_comment_post_id_post")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post_comment")),
    )
    op.create_index(
        "ix_post_comment_author", "post_comment", ["author_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_post_comment_parent", "post_comment", ["parent_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_post_comment_post",
        "post_comment",
        ["post_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NULL"),
    )
    op.create_table(
        "reaction",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("post_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind IN ('LIKE', 'LOVE', 'INSIGHTFUL', 'FUNNY', 'SUPPORT', 'CELEBRATE')",
            name=op.f("ck_reaction_kind_known"),
        ),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_reaction_post_id_post")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_reaction_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("subject_id", "user_id", "kind", name=op.f("pk_reaction")),
    )
    op.create_index("ix_reaction_user", "reaction", ["user_id", "created_at"], unique=False)
    op.create_table(
        "post_visit",
        sa.Column("post_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("viewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shared_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_post_visit_post_id_post")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_post_visit_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("post_id", "user_id", name=op.f("pk_post_visit")),
    )
    op.create_index("ix_post_visit_user", "post_visit", ["user_id"], unique=False)
    op.create_table(
        "moderation_action",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("moderator_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "action IN ('WARN', 'SUSPEND', 'REMOVE', 'RESTORE')",
            name=op.f("ck_moderation_action_action_known"),
        ),
        sa.CheckConstraint(
            "subject_kind ~ '^[a-z]{3}$'", name=op.f("ck_moderation_action_subject_kind_form")
        ),
        sa.CheckConstraint(
            "char_length(reason) BETWEEN 1 AND 500", name=op.f("ck_moderation_action_reason_length")
        ),
        sa.ForeignKeyConstraint(
            ["moderator_id"],
            ["user_account.id"],
            name=op.f("fk_moderation_action_moderator_id_user_account"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_moderation_action_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moderation_action")),
    )
    op.create_index(
        "ix_moderation_action_moderator",
        "moderation_action",
        ["moderator_id", "created_at"],
        unique=False,
    )
    op.create_index(
        "ix_moderation_action_subject",
        "moderation_action",
        ["subject_id", "created_at"],
        unique=False,
    )
    op.create_index(
        "ix_moderation_action_user",
        "moderation_action",
        ["user_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "report",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reporter_id", sa.Uuid(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="OPEN", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Uuid(), nullable=True),
        sa.Column("action_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(status = 'OPEN') = (resolved_at IS NULL)",
            name=op.f("ck_report_resolved_when_not_open"),
        ),
        sa.CheckConstraint(
            "reason IN ('SPAM', 'TOXICITY', 'INAPPROPRIATE', 'CULTURAL_MISREPRESENTATION',"
            " 'FRAUD', 'COPYRIGHT', 'OTHER')",
            name=op.f("ck_report_reason_known"),
        ),
        sa.CheckConstraint(
            "status IN ('OPEN', 'RESOLVED', 'DISMISSED')", name=op.f("ck_report_status_known")
        ),
        sa.CheckConstraint("subject_kind ~ '^[a-z]{3}$'", name=op.f("ck_report_subject_kind_form")),
        sa.CheckConstraint("char_length(details) <= 2000", name=op.f("ck_report_details_length")),
        sa.ForeignKeyConstraint(
            ["action_id"],
            ["moderation_action.id"],
            name=op.f("fk_report_action_id_moderation_action"),
        ),
        sa.ForeignKeyConstraint(
            ["reporter_id"], ["user_account.id"], name=op.f("fk_report_reporter_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["resolved_by"], ["user_account.id"], name=op.f("fk_report_resolved_by_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
    )
    op.create_index("ix_report_queue", "report", ["status", "created_at", "id"], unique=False)
    op.create_index("ix_report_reporter", "report", ["reporter_id", "created_at"], unique=False)
    op.create_index(
        "uq_report_open",
        "report",
        ["subject_id", "reporter_id"],
        unique=True,
        postgresql_where=sa.text("status = 'OPEN'"),
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
