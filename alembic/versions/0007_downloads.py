"""Files of digital products, who may download them, and the log of downloads."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FILE_CHECKS = {
    "storage_key_form": "storage_key ~ '^[a-z-]+/[0-9a-f]{32}$'",
    "file_name_length": "char_length(file_name) BETWEEN 1 AND 200",
    "size_positive": "size_bytes > 0",
    "sha256_length": "octet_length(sha256) = 32",
    "licence_length": "char_length(licence) <= 10000",
}
REFUSE = """
    CREATE FUNCTION download_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% of % is refused: a download stays told', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END
    $$
"""
APPEND_ONLY = """
    CREATE TRIGGER download_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON download_log
    FOR EACH STATEMENT EXECUTE FUNCTION download_refuse_change()
"""


def upgrade() -> None:
    _create_files()
    _create_grants()
    op.execute(REFUSE)
    op.execute(APPEND_ONLY)


def _created(name: str = "created_at") -> sa.Column:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text("clock_timestamp()"),
        nullable=False,
    )


def _create_files() -> None:
    op.create_table(
        "product_file",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("licence", sa.Text(), server_default="", nullable=False),
        _created(),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        *(
            sa.CheckConstraint(condition, name=op.f(f"ck_product_file_{name}"))
            for name, condition in FILE_CHECKS.items()
        ),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name=op.f("fk_product_file_product_id_product")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_file")),
        sa.UniqueConstraint("storage_key", name=op.f("uq_product_file_storage_key")),
    )
    op.create_index(
        "uq_product_file_current",
        "product_file",
        ["product_id"],
        unique=True,
        postgresql_where=sa.text("stored_at IS NOT NULL AND replaced_at IS NULL"),
    )
    op.create_index("ix_product_file_product", "product_file", ["product_id", "created_at"])


def _create_grants() -> None:
    op.create_table(
        "download_grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("product_file_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("download_limit", sa.Integer(), nullable=False),
        sa.Column("download_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _created(),
        sa.CheckConstraint("download_limit > 0", name=op.f("ck_download_grant_limit_positive")),
        sa.CheckConstraint(
            "download_count BETWEEN 0 AND download_limit",
            name=op.f("ck_download_grant_count_within_limit"),
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["sale_order.id"], name=op.f("fk_download_grant_order_id_sale_order")
        ),
        sa.ForeignKeyConstraint(
            ["product_file_id"],
            ["product_file.id"],
            name=op.f("fk_download_grant_product_file_id_product_file"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_download_grant")),
        sa.UniqueConstraint(
            "order_id", "product_file_id", name=op.f("uq_download_grant_order_id_product_file_id")
        ),
    )
    op.create_index("ix_download_grant_file", "download_grant", ["product_file_id", "expires_at"])
    op.create_table(
        "download_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        _created("at"),
        sa.ForeignKeyConstraint(
            ["grant_id"],
            ["download_grant.id"],
            name=op.f("fk_download_log_grant_id_download_grant"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_download_log")),
    )
    op.create_index("ix_download_log_grant", "download_log", ["grant_id", "at"])


def downgrade() -> None:
    op.drop_table("download_log")
    op.execute("DROP FUNCTION download_refuse_change")
    op.drop_table("download_grant")
    op.drop_table("product_file")
