"""Titles, people, platforms and what viewers do with them.

Revision ID: 0010
Revises: 0005
"""

revision = "0010"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
