"""Sealed and Dutch auctions, buy now, the commitment to a reserve.

Revision ID: 0005
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CHECKS = {
    "buy_now_not_below_reserve": "buy_now_minor >= reserve_minor",
    "buy_now_if_english": "format = 'ENGLISH' OR buy_now_minor IS NULL",
    "reserve_nonce_length": "octet_length(reserve_nonce) = 16",
    "dutch_terms_if_dutch": (
        "num_nonnulls(price_step_minor, step_interval_s, floor_minor)"
        " = CASE format WHEN 'DUTCH' THEN 3 ELSE 0 END"
    ),
    "dutch_has_floor": "format <> 'DUTCH' OR reserve_minor IS NULL",
    "price_step_positive": "price_step_minor > 0",
    "step_interval_range": "step_interval_s BETWEEN 1 AND 86400",
    "floor_below_start": "floor_minor > 0 AND floor_minor < starting_price_minor",
}
CHANGED = {
    "price_not_below_start": (
        "current_price_minor >= coalesce(floor_minor, starting_price_minor)",
        "current_price_minor >= starting_price_minor",
    ),
    "price_not_above_maximum": (
        "leader_maximum_minor >= current_price_minor"
        " OR status = 'SOLD' AND current_price_minor = buy_now_minor",
        "leader_maximum_minor >= current_price_minor",
    ),
}


def upgrade() -> None:
    op.add_column("auction", sa.Column("reserve_nonce", sa.LargeBinary(), nullable=True))
    op.add_column("auction", sa.Column("price_step_minor", sa.BigInteger(), nullable=True))
    op.add_column("auction", sa.Column("step_interval_s", sa.Integer(), nullable=True))
    op.add_column("auction", sa.Column("floor_minor", sa.BigInteger(), nullable=True))
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_auction_{name}"), "auction", condition)
    for name, (after, _) in CHANGED.items():
        _replace_check(name, after)
    op.alter_column("bid", "amount_minor", nullable=True)
    op.add_column(
        "bid", sa.Column("won", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.execute(
        "UPDATE bid SET won = true FROM auction"
        " WHERE auction.leader_bid_id = bid.id AND auction.status = 'SOLD'"
    )
    op.drop_index("ix_bid_auction_top", table_name="bid")
    op.create_index(
        "ix_bid_auction_top",
        "bid",
        ["auction_id", sa.text("amount_minor DESC"), sa.text("won DESC"), "sequence"],
    )


def downgrade() -> None:
    """Lots of the other formats stay, as rows that the checks before would not have let in."""
    op.drop_index("ix_bid_auction_top", table_name="bid")
    op.drop_column("bid", "won")
    op.create_index(
        "ix_bid_auction_top", "bid", ["auction_id", sa.text("amount_minor DESC"), "sequence"]
    )
    op.execute(
        "UPDATE bid SET amount_minor = auction.starting_price_minor FROM auction"
        " WHERE auction.id = bid.auction_id AND bid.amount_minor IS NULL"
    )
    op.alter_column("bid", "amount_minor", nullable=False)
    for name, (_, before) in CHANGED.items():
        _replace_check(name, before, postgresql_not_valid=True)
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_auction_{name}"), "auction", type_="check")
    for column in ("floor_minor", "step_interval_s", "price_step_minor", "reserve_nonce"):
        op.drop_column("auction", column)


def _replace_check(name: str, condition: str, **options: bool) -> None:
    op.drop_constraint(op.f(f"ck_auction_{name}"), "auction", type_="check")
    op.create_check_constraint(op.f(f"ck_auction_{name}"), "auction", condition, **options)
