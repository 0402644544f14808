"""Quests can be found. Those that are there already are written by the next sweep of the index.

Revision ID: 0020
Revises: 0019
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

BEFORE = "kind IN ('TITLE', 'PERSON', 'POST', 'USER', 'PRODUCT', 'AUCTION')"
AFTER = "kind IN ('TITLE', 'PERSON', 'POST', 'USER', 'PRODUCT', 'AUCTION', 'QUEST')"
TABLES = ("search_entity", "search_document")
# What is kept by a document's number. Rarities are counted anew when the index is built anew.
OF_DOCUMENTS = ("search_posting", "search_name")


def _allow(condition: str) -> None:
    for table in TABLES:
        name = op.f(f"ck_{table}_kind_known")
        op.drop_constraint(name, table, type_="check")
        op.create_check_constraint(name, table, condition)


def upgrade() -> None:
    _allow(AFTER)


def downgrade() -> None:
    for table in OF_DOCUMENTS:
        op.execute(
            f"DELETE FROM {table} WHERE document IN"
            " (SELECT id FROM search_entity WHERE kind = 'QUEST')"
        )
    for table in reversed(TABLES):
        op.execute(f"DELETE FROM {table} WHERE kind = 'QUEST'")
    _allow(BEFORE)
