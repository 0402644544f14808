"""When a payment's provider is to be asked again, and how often it was."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Constant defaults: no row is written anew, and servers that know nothing of them go on.
    op.add_column(
        "payment",
        sa.Column("times_asked_again", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("payment", sa.Column("ask_again_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_payment_times_asked_again_not_negative"), "payment", "times_asked_again >= 0"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_payment_times_asked_again_not_negative"), "payment", type_="check")
    op.drop_column("payment", "ask_again_at")
    op.drop_column("payment", "times_asked_again")
