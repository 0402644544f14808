"""Uploaded images and the files of their sizes.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SIDES = {
    "width_bounded": "width BETWEEN 1 AND 2048",
    "height_bounded": "height BETWEEN 1 AND 2048",
    "size_positive": "size_bytes > 0",
}
IMAGE_CHECKS = {
    "kind_known": "kind IN ('AVATAR', 'BANNER', 'PICTURE')",
    "media_type_known": "media_type IN ('image/jpeg', 'image/png', 'image/webp')",
    **SIDES,
}
FILE_CHECKS = {
    "variant_known": "variant IN ('original', '50', '100', '200', '400')",
    "storage_key_form": "storage_key ~ '^[a-z-]+/[0-9a-f]{32}$'",
    "sha256_length": "octet_length(sha256) = 32",
    **SIDES,
}


def _checks(table: str, conditions: dict[str, str]) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))
        for name, condition in conditions.items()
    ]


def upgrade() -> None:
    op.create_table(
        "image",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        *_checks("image", IMAGE_CHECKS),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user_account.id"], name=op.f("fk_image_owner_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image")),
    )
    op.create_index("ix_image_owner", "image", ["owner_id", "created_at", "id"])
    op.create_index(
        "ix_image_to_remove",
        "image",
        ["created_at"],
        postgresql_where=sa.text("stored_at IS NULL OR deleted_at IS NOT NULL"),
    )
    op.create_table(
        "image_file",
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        *_checks("image_file", FILE_CHECKS),
        sa.ForeignKeyConstraint(
            ["image_id"], ["image.id"], name=op.f("fk_image_file_image_id_image")
        ),
        sa.PrimaryKeyConstraint("image_id", "variant", name=op.f("pk_image_file")),
    )
    op.create_index("uq_image_file_storage_key", "image_file", ["storage_key"], unique=True)


def downgrade() -> None:
    op.drop_table("image_file")
    op.drop_table("image")
