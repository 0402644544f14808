"""Orders, stock set aside for lots, deleted products, the platform's parameters and their log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ASSET_KNOWN = "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')"
PRICE_LIMIT = (
    "CASE asset WHEN 'JPY' THEN 99999999 WHEN 'SPARK' THEN 99999999990000 ELSE 9999999999 END"
)
ORDER_CHECKS = {
    "status_known": "status IN ('PAID', 'FULFILLED', 'REFUNDED')",
    "asset_known": ASSET_KNOWN,
    "quantity_range": "quantity BETWEEN 1 AND 1000",
    "one_of_a_lot": "auction_id IS NULL OR quantity = 1",
    "unit_price_positive": "unit_price_minor > 0",
    "price_is_of_all": "price_minor = quantity * unit_price_minor",
    "fee_within_price": "fee_minor BETWEEN 0 AND price_minor",
    "two_people": "buyer_id <> seller_id",
    "transfers_bounded": "cardinality(transfer_ids) <= 20",
    "not_fulfilled_if_paid": "status <> 'PAID' OR fulfilled_at IS NULL",
    "fulfilled_at_if_fulfilled": "status <> 'FULFILLED' OR fulfilled_at IS NOT NULL",
    "refunded_at_if_refunded": "(status = 'REFUNDED') = (refunded_at IS NOT NULL)",
}
KEY_FORM = "key ~ '^[a-z][a-z0-9_]{0,62}$'"
REFUSE = """
    CREATE FUNCTION platform_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% of % is refused: what was changed stays told', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END
    $$
"""
# For each statement, so that one which meets no row is refused too.
APPEND_ONLY = """
    CREATE TRIGGER platform_parameter_change_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON platform_parameter_change
    FOR EACH STATEMENT EXECUTE FUNCTION platform_refuse_change()
"""


def upgrade() -> None:
    _change_lots_and_products()
    _create_orders()
    _create_parameters()


def _change_lots_and_products() -> None:
    op.add_column("product", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    # Nobody may buy at such a price: such a product is for auctions until it gets another.
    op.execute(f"UPDATE product SET price_minor = NULL WHERE price_minor > {PRICE_LIMIT}")
    op.create_check_constraint(
        op.f("ck_product_price_limited"), "product", f"price_minor <= {PRICE_LIMIT}"
    )
    op.add_column(
        "auction",
        sa.Column("fee_basis_points", sa.Integer(), server_default=sa.text("250"), nullable=False),
    )
    op.add_column(
        "auction",
        sa.Column("stock_reserved", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_auction_fee_range"), "auction", "fee_basis_points BETWEEN 0 AND 10000"
    )


def _create_orders() -> None:
    op.create_table(
        "sale_order",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("auction_id", sa.Uuid(), nullable=True),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("stall_id", sa.Uuid(), nullable=False),
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="PAID", nullable=False),
        sa.Column("transfer_ids", postgresql.ARRAY(sa.Uuid()), server_default="{}", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("fulfilled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=True),
        *(
            sa.CheckConstraint(condition, name=op.f(f"ck_sale_order_{name}"))
            for name, condition in ORDER_CHECKS.items()
        ),
        *(
            sa.ForeignKeyConstraint(
                [column], [f"{table}.id"], name=op.f(f"fk_sale_order_{column}_{table}")
            )
            for column, table in (
                ("auction_id", "auction"),
                ("product_id", "product"),
                ("stall_id", "stall"),
                ("seller_id", "user_account"),
                ("buyer_id", "user_account"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sale_order")),
        sa.UniqueConstraint("auction_id", name=op.f("uq_sale_order_auction_id")),
    )
    for whose in ("buyer", "stall", "product"):
        op.create_index(f"ix_sale_order_{whose}", "sale_order", [f"{whose}_id", "created_at", "id"])


def _create_parameters() -> None:
    op.create_table(
        "platform_parameter",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(KEY_FORM, name=op.f("ck_platform_parameter_key_form")),
        sa.ForeignKeyConstraint(
            ["changed_by"],
            ["user_account.id"],
            name=op.f("fk_platform_parameter_changed_by_user_account"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_platform_parameter")),
    )
    op.create_table(
        "platform_parameter_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("old_value", sa.BigInteger(), nullable=False),
        sa.Column("new_value", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(KEY_FORM, name=op.f("ck_platform_parameter_change_key_form")),
        sa.CheckConstraint(
            "char_length(reason) BETWEEN 1 AND 500",
            name=op.f("ck_platform_parameter_change_reason_length"),
        ),
        sa.ForeignKeyConstraint(
            ["actor_id"],
            ["user_account.id"],
            name=op.f("fk_platform_parameter_change_actor_id_user_account"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_parameter_change")),
    )
    op.create_index(
        "ix_platform_parameter_change_key",
        "platform_parameter_change",
        ["key", "changed_at", "id"],
    )
    op.execute(REFUSE)
    op.execute(APPEND_ONLY)


def downgrade() -> None:
    op.drop_table("platform_parameter_change")
    op.drop_table("platform_parameter")
    op.execute("DROP FUNCTION platform_refuse_change")
    op.drop_table("sale_order")
    op.drop_constraint(op.f("ck_auction_fee_range"), "auction", type_="check")
    op.drop_column("auction", "stock_reserved")
    op.drop_column("auction", "fee_basis_points")
    op.drop_constraint(op.f("ck_product_price_limited"), "product", type_="check")
    op.drop_column("product", "deleted_at")
