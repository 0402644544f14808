"""What changed in the index that is read: servers keep its columns in memory by it.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# A slot that is being built is read whole when it is taken into use: its rows are not told.
FUNCTION = """
CREATE FUNCTION search_document_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_column_change (slot, document)
    SELECT DISTINCT c.slot, c.id
    FROM changed c JOIN search_slot s ON s.slot = c.slot AND s.state = 'ACTIVE';
    RETURN NULL;
END $$
"""
TABLES = ("search_document", "search_document_0", "search_document_1")
EVENTS = (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD"))


def upgrade() -> None:
    op.create_table(
        "search_column_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "xact",
            sa.BigInteger(),
            server_default=sa.text("CAST(CAST(pg_current_xact_id() AS text) AS bigint)"),
            nullable=False,
        ),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("document", sa.Integer(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_column_change")),
    )
    op.create_index("ix_search_column_change_xact", "search_column_change", ["xact", "id"])
    op.create_index("ix_search_column_change_at", "search_column_change", ["at"])
    op.execute(FUNCTION)
    # On each partition as well: a statement that names one fires its own triggers alone.
    for table in TABLES:
        for event, rows in EVENTS:
            op.execute(
                f"CREATE TRIGGER {table}_told_{event.lower()} AFTER {event} ON {table}"
                f" REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT"
                " EXECUTE FUNCTION search_document_changed()"
            )


def downgrade() -> None:
    for table in TABLES:
        for event, _ in EVENTS:
            op.execute(f"DROP TRIGGER {table}_told_{event.lower()} ON {table}")
    op.execute("DROP FUNCTION search_document_changed()")
    op.drop_table("search_column_change")
