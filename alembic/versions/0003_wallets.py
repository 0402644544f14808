"""The ledger: accounts, transfers, holds, payments, linked addresses; and what the database itself
keeps of its rules: locks in order, and rows that nobody may change.
"""

import sqlalchemy as sa
from alembic import op

from models.events import TransactionId

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NIL = "00000000-0000-0000-0000-000000000000"
SYSTEM_KINDS = ("ISSUANCE", "EXTERNAL", "FEES", "REWARDS")
ASSETS = ("USD", "EUR", "INR", "JPY", "SPARK")
SPARK_CAP_MINOR = 1_000_000_000 * 10**6

# Locks the accounts asked for, and those of the holds asked for, in the order of their ids; makes
# the users' and lots' accounts that are missing (a user who does not exist gets none). With a lot's
# escrow come all holds on the lot (whoever makes those holds the lot's own lock). Answers with
# the accounts and the holds as they are once everything is locked: each statement in here has a
# snapshot of its own, so what the transaction waited for is seen. One round trip.
LOCK = """
    CREATE FUNCTION ledger_lock(
        ids uuid[], kinds text[], holders uuid[], assets text[], holds uuid[]
    ) RETURNS json LANGUAGE plpgsql AS $$
    DECLARE
        wanted uuid[];
        accounts json;
        pending json;
    BEGIN
        INSERT INTO ledger_account (id, kind, holder_id, owner_id, asset)
        SELECT w.id, w.kind, w.holder, CASE w.kind WHEN 'USER' THEN w.holder END, w.asset
        FROM unnest(ids, kinds, holders, assets) AS w(id, kind, holder, asset)
        WHERE w.kind IN ('USER', 'ESCROW')
          AND NOT EXISTS (
              SELECT FROM ledger_account AS a
              WHERE a.holder_id = w.holder AND a.asset = w.asset AND a.kind = w.kind)
          AND (w.kind = 'ESCROW' OR EXISTS (SELECT FROM user_account WHERE id = w.holder))
        ORDER BY w.holder, w.asset
        ON CONFLICT DO NOTHING;

        IF 'ESCROW' = ANY (kinds) THEN
            holds := holds || ARRAY(
                SELECT h.transfer_id
                FROM unnest(kinds, holders, assets) AS w(kind, holder, asset)
                JOIN ledger_account AS a
                  ON a.holder_id = w.holder AND a.asset = w.asset AND a.kind = w.kind
                JOIN ledger_hold AS h ON h.credit_account_id = a.id
                WHERE w.kind = 'ESCROW');
        END IF;

        SELECT array_agg(found.id) INTO wanted FROM (
            SELECT a.id
            FROM unnest(kinds, holders, assets) AS w(kind, holder, asset)
            JOIN ledger_account AS a
              ON a.holder_id = w.holder AND a.asset = w.asset AND a.kind = w.kind
            UNION
            SELECT unnest(ARRAY[t.debit_account_id, t.credit_account_id])
            FROM transfer AS t WHERE t.id = ANY (holds) AND t.kind = 'PENDING'
        ) AS found;

        WITH locked AS (
            SELECT * FROM ledger_account WHERE id = ANY (wanted) ORDER BY id FOR NO KEY UPDATE
        )
        SELECT json_agg(json_build_array(
                   a.id, a.kind, a.holder_id, a.asset, a.status, a.debits_pending,
                   a.debits_posted, a.credits_pending, a.credits_posted,
                   l.supply_cap_minor, l.transfer_max_minor))
        INTO accounts
        FROM locked AS a JOIN ledger_asset AS l USING (asset);

        IF cardinality(holds) > 0 THEN
            SELECT json_agg(json_build_array(
                       t.id, t.debit_account_id, t.credit_account_id, t.asset, t.amount_minor,
                       t.code, t.reference, t.expires_at <= clock_timestamp(),
                       (SELECT r.kind FROM transfer AS r WHERE r.pending_id = t.id)))
            INTO pending
            FROM transfer AS t WHERE t.id = ANY (holds) AND t.kind = 'PENDING';
        END IF;

        RETURN json_build_array(accounts, pending);
    END
    $$
"""

REFUSE = """
    CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% of % is refused: the ledger only grows', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END
    $$
"""

# For each statement, so that one which meets no row is refused too.
APPEND_ONLY = """
    CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()
"""
ACCOUNTS_STAY = """
    CREATE TRIGGER ledger_account_stays BEFORE DELETE OR TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()
"""


def system_accounts() -> list[dict[str, str]]:
    """The platform's own accounts. Their ids sort last, so that these rows, which many transactions
    want, are locked last and waited for the shortest."""
    return [
        {
            "id": f"ffffffff-0000-7000-8000-{n:08x}{m:04x}",
            "kind": kind,
            "holder_id": NIL,
            "asset": asset,
        }
        for n, kind in enumerate(SYSTEM_KINDS)
        for m, asset in enumerate(ASSETS)
    ]


def fill() -> None:
    """The assets, their limits, and the platform's accounts."""
    connection = op.get_bind()
    connection.execute(
        sa.text("INSERT INTO ledger_asset (asset, supply_cap_minor) VALUES (:asset, :cap)"),
        [{"asset": a, "cap": SPARK_CAP_MINOR if a == "SPARK" else None} for a in ASSETS],
    )
    connection.execute(
        sa.text(
            "INSERT INTO ledger_account (id, kind, holder_id, asset)"
            " VALUES (CAST(:id AS uuid), :kind, CAST(:holder_id AS uuid), :asset)"
        ),
        system_accounts(),
    )


def upgrade() -> None:
    op.create_table(
        "ledger_asset",
        sa.Column("asset", sa.String(), nullable=False),
        sa.Column("supply_cap_minor", sa.BigInteger(), nullable=True),
        sa.Column("transfer_max_minor", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')",
            name=op.f("ck_ledger_asset_asset_known"),
        ),
        sa.CheckConstraint(
            "supply_cap_minor > 0", name=op.f("ck_ledger_asset_supply_cap_positive")
        ),
        sa.CheckConstraint(
            "transfer_max_minor > 0", name=op.f("ck_ledger_asset_transfer_max_positive")
        ),
        sa.PrimaryKeyConstraint("asset", name=op.f("pk_ledger_asset")),
    )
    op.create_table(
        "payment_message",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "char_length(id) BETWEEN 1 AND 200", name=op.f("ck_payment_message_id_length")
        ),
        sa.PrimaryKeyConstraint("provider", "id", name=op.f("pk_payment_message")),
    )
    op.create_index(
        "ix_payment_message_received_at", "payment_message", ["received_at"], unique=False
    )
    op.create_table(
        "ledger_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="OPEN", nullable=False),
        sa.Column("debits_pending", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("debits_posted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credits_pending", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credits_posted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(kind = 'USER') = (owner_id IS NOT NULL)", name=op.f("ck_ledger_account_owner_if_user")
        ),
        sa.CheckConstraint(
            "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')",
            name=op.f("ck_ledger_account_asset_known"),
        ),
        sa.CheckConstraint(
            "kind IN ('ISSUANCE', 'EXTERNAL') OR credits_posted - debits_posted >= debits_pending",
            name=op.f("ck_ledger_account_not_overdrawn"),
        ),
        sa.CheckConstraint(
            "kind IN ('USER', 'ESCROW', 'ISSUANCE', 'EXTERNAL', 'FEES', 'REWARDS')",
            name=op.f("ck_ledger_account_kind_known"),
        ),
        sa.CheckConstraint(
            "status <> 'CLOSED' OR (credits_posted = debits_posted"
            " AND debits_pending = 0 AND credits_pending = 0)",
            name=op.f("ck_ledger_account_empty_if_closed"),
        ),
        sa.CheckConstraint(
            "status IN ('OPEN', 'FROZEN', 'CLOSED')", name=op.f("ck_ledger_account_status_known")
        ),
        sa.CheckConstraint(
            "credits_pending >= 0", name=op.f("ck_ledger_account_credits_pending_not_negative")
        ),
        sa.CheckConstraint(
            "credits_posted >= 0", name=op.f("ck_ledger_account_credits_posted_not_negative")
        ),
        sa.CheckConstraint(
            "debits_pending >= 0", name=op.f("ck_ledger_account_debits_pending_not_negative")
        ),
        sa.CheckConstraint(
            "debits_posted >= 0", name=op.f("ck_ledger_account_debits_posted_not_negative")
        ),
        sa.CheckConstraint("owner_id = holder_id", name=op.f("ck_ledger_account_owner_is_holder")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user_account.id"], name=op.f("fk_ledger_account_owner_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_account")),
        sa.UniqueConstraint(
            "holder_id", "asset", "kind", name=op.f("uq_ledger_account_holder_id_asset_kind")
        ),
        sa.UniqueConstraint("id", "asset", name=op.f("uq_ledger_account_id_asset")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("ix_ledger_account_owner", "ledger_account", ["owner_id"], unique=False)
    op.create_table(
        "linked_address",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "linked_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "address ~ '^0x[0-9a-fA-F]{40}$'", name=op.f("ck_linked_address_address_form")
        ),
        sa.CheckConstraint("chain_id > 0", name=op.f("ck_linked_address_chain_id_positive")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_linked_address_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_linked_address")),
    )
    op.create_index(
        "ix_linked_address_user", "linked_address", ["user_id", "linked_at", "id"], unique=False
    )
    op.create_index(
        "uq_linked_address_address",
        "linked_address",
        [sa.literal_column("lower(address)")],
        unique=True,
    )
    op.create_table(
        "wallet_challenge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "address ~ '^0x[0-9a-fA-F]{40}$'", name=op.f("ck_wallet_challenge_address_form")
        ),
        sa.CheckConstraint(
            "nonce ~ '^[0-9A-Za-z]{8,64}$'", name=op.f("ck_wallet_challenge_nonce_form")
        ),
        sa.CheckConstraint("chain_id > 0", name=op.f("ck_wallet_challenge_chain_id_positive")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_wallet_challenge_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wallet_challenge")),
        sa.UniqueConstraint("nonce", name=op.f("uq_wallet_challenge_nonce")),
    )
    op.create_index(
        "ix_wallet_challenge_expires_at", "wallet_challenge", ["expires_at"], unique=False
    )
    op.create_index(
        "ix_wallet_challenge_user", "wallet_challenge", ["user_id", "expires_at"], unique=False
    )
    op.create_table(
        "transfer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("row_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "transaction_id",
            TransactionId(),
            server_default=sa.text("pg_current_xact_id()"),
            nullable=False,
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("debit_account_id", sa.Uuid(), nullable=False),
        sa.Column("credit_account_id", sa.Uuid(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("pending_id", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("debit_balance_after", sa.BigInteger(), nullable=False),
        sa.Column("debit_held_after", sa.BigInteger(), nullable=False),
        sa.Column("credit_balance_after", sa.BigInteger(), nullable=False),
        sa.Column("credit_held_after", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(kind IN ('POST', 'VOID', 'EXPIRE')) = (pending_id IS NOT NULL)",
            name=op.f("ck_transfer_pending_if_resolution"),
        ),
        sa.CheckConstraint(
            "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')", name=op.f("ck_transfer_asset_known")
        ),
        sa.CheckConstraint(
            "code IN ('DEPOSIT', 'WITHDRAWAL', 'TRANSFER', 'MINT', 'BURN', 'BID', 'SALE', 'FEE',"
            " 'PURCHASE', 'REFUND', 'STAKE', 'REWARD', 'SPONSORSHIP', 'ADJUSTMENT')",
            name=op.f("ck_transfer_code_known"),
        ),
        sa.CheckConstraint(
            "expires_at IS NULL OR kind = 'PENDING'", name=op.f("ck_transfer_expiry_if_pending")
        ),
        sa.CheckConstraint(
            "kind IN ('SINGLE', 'PENDING', 'POST', 'VOID', 'EXPIRE')",
            name=op.f("ck_transfer_kind_known"),
        ),
        sa.CheckConstraint(
            "reference ~ '^[a-z]{3}_[0-9a-f]{32}$'", name=op.f("ck_transfer_reference_form")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_transfer_amount_positive")),
        sa.CheckConstraint(
            "debit_account_id <> credit_account_id", name=op.f("ck_transfer_two_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["credit_account_id", "asset"],
            ["ledger_account.id", "ledger_account.asset"],
            name="fk_transfer_credit_account",
        ),
        sa.ForeignKeyConstraint(
            ["debit_account_id", "asset"],
            ["ledger_account.id", "ledger_account.asset"],
            name="fk_transfer_debit_account",
        ),
        sa.ForeignKeyConstraint(
            ["pending_id"], ["transfer.id"], name=op.f("fk_transfer_pending_id_transfer")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
    )
    op.create_index(
        "ix_transfer_credit_account", "transfer", ["credit_account_id", "row_id"], unique=False
    )
    op.create_index(
        "ix_transfer_debit_account", "transfer", ["debit_account_id", "row_id"], unique=False
    )
    op.create_index("ix_transfer_log", "transfer", ["transaction_id", "row_id"], unique=True)
    op.create_index(
        "uq_transfer_pending_id",
        "transfer",
        ["pending_id"],
        unique=True,
        postgresql_where=sa.text("pending_id IS NOT NULL"),
    )
    op.create_table(
        "ledger_hold",
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("debit_account_id", sa.Uuid(), nullable=False),
        sa.Column("credit_account_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["credit_account_id"],
            ["ledger_account.id"],
            name=op.f("fk_ledger_hold_credit_account_id_ledger_account"),
        ),
        sa.ForeignKeyConstraint(
            ["debit_account_id"],
            ["ledger_account.id"],
            name=op.f("fk_ledger_hold_debit_account_id_ledger_account"),
        ),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfer.id"], name=op.f("fk_ledger_hold_transfer_id_transfer")
        ),
        sa.PrimaryKeyConstraint("transfer_id", name=op.f("pk_ledger_hold")),
    )
    op.create_index(
        "ix_ledger_hold_credit_account", "ledger_hold", ["credit_account_id"], unique=False
    )
    op.create_index(
        "ix_ledger_hold_debit_account",
        "ledger_hold",
        ["debit_account_id", "transfer_id"],
        unique=False,
    )
    op.create_index(
        "ix_ledger_hold_expires_at",
        "ledger_hold",
        ["expires_at", "transfer_id"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "payment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default="PENDING", nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_reference", sa.Text(), nullable=True),
        sa.Column("hold_id", sa.Uuid(), nullable=True),
        sa.Column("transfer_id", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'PENDING') = (resolved_at IS NULL)",
            name=op.f("ck_payment_resolved_at_if_done"),
        ),
        sa.CheckConstraint(
            "(status = 'SETTLED') = (transfer_id IS NOT NULL)",
            name=op.f("ck_payment_transfer_if_settled"),
        ),
        sa.CheckConstraint(
            "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')", name=op.f("ck_payment_asset_known")
        ),
        sa.CheckConstraint(
            "direction = 'DEPOSIT' OR hold_id IS NOT NULL",
            name=op.f("ck_payment_withdrawal_holds_its_amount"),
        ),
        sa.CheckConstraint(
            "direction IN ('DEPOSIT', 'WITHDRAWAL')", name=op.f("ck_payment_direction_known")
        ),
        sa.CheckConstraint(
            "status IN ('PENDING', 'SETTLED', 'FAILED')", name=op.f("ck_payment_status_known")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_amount_positive")),
        sa.CheckConstraint(
            "char_length(provider_reference) <= 200",
            name=op.f("ck_payment_provider_reference_length"),
        ),
        sa.ForeignKeyConstraint(
            ["hold_id"], ["transfer.id"], name=op.f("fk_payment_hold_id_transfer")
        ),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfer.id"], name=op.f("fk_payment_transfer_id_transfer")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_payment_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
    )
    op.create_index(
        "ix_payment_pending",
        "payment",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_index("ix_payment_user", "payment", ["user_id", "created_at", "id"], unique=False)
    for statement in (LOCK, REFUSE, APPEND_ONLY, ACCOUNTS_STAY):
        op.execute(statement)
    fill()


def downgrade() -> None:
    op.execute("DROP FUNCTION ledger_lock")
    op.execute("DROP FUNCTION ledger_refuse_change CASCADE")
    op.drop_index("ix_payment_user", table_name="payment")
    op.drop_index(
        "ix_payment_pending", table_name="payment", postgresql_where=sa.text("status = 'PENDING'")
    )
    op.drop_table("payment")
    op.drop_index(
        "ix_ledger_hold_expires_at",
        table_name="ledger_hold",
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.drop_index("ix_ledger_hold_debit_account", table_name="ledger_hold")
    op.drop_index("ix_ledger_hold_credit_account", table_name="ledger_hold")
    op.drop_table("ledger_hold")
    op.drop_index(
        "uq_transfer_pending_id",
        table_name="transfer",
        postgresql_where=sa.text("pending_id IS NOT NULL"),
    )
    op.drop_index("ix_transfer_log", table_name="transfer")
    op.drop_index("ix_transfer_debit_account", table_name="transfer")
    op.drop_index("ix_transfer_credit_account", table_name="transfer")
    op.drop_table("transfer")
    op.drop_index("ix_wallet_challenge_user", table_name="wallet_challenge")
    op.drop_index("ix_wallet_challenge_expires_at", table_name="wallet_challenge")
    op.drop_table("wallet_challenge")
    op.drop_index("uq_linked_address_address", table_name="linked_address")
    op.drop_index("ix_linked_address_user", table_name="linked_address")
    op.drop_table("linked_address")
    op.drop_index("ix_ledger_account_owner", table_name="ledger_account")
    op.drop_table("ledger_account")
    op.drop_index("ix_payment_message_received_at", table_name="payment_message")
    op.drop_table("payment_message")
    op.drop_table("ledger_asset")
