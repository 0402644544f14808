"""The ledger's transparency log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    "ledger_account_seal",
    "ledger_leaf",
    "ledger_node",
    "ledger_tree_head",
    "ledger_attestation",
    "ledger_audit_mark",
)

# What never changes of an account, as services/wallets/leaves.py writes it too. In the database, so
# that no way of opening an account passes it by.
SEAL = """
    CREATE FUNCTION ledger_seal(a ledger_account) RETURNS bytea LANGUAGE sql STABLE
    RETURN sha256(convert_to(concat_ws('|', a.id, a.kind, a.holder_id,
        coalesce(a.owner_id::text, ''), a.asset,
        to_char(a.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')), 'UTF8'))
"""
SEAL_ACCOUNT = """
    CREATE FUNCTION ledger_seal_account() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO ledger_account_seal (account_id, seal) VALUES (NEW.id, ledger_seal(NEW));
        RETURN NULL;
    END
    $$
"""
SEALED = """
    CREATE TRIGGER ledger_account_sealed AFTER INSERT ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_seal_account()
"""
SEAL_THOSE_THERE = """
    INSERT INTO ledger_account_seal (account_id, seal)
    SELECT a.id, ledger_seal(a) FROM ledger_account AS a
"""


def hash_check(table: str, column: str, name: str, length: int) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"octet_length({column}) = {length}", name=op.f(f"ck_{table}_{name}"))


def upgrade() -> None:
    op.create_table(
        "ledger_account_seal",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        hash_check("ledger_account_seal", "seal", "seal_sha256", 32),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["ledger_account.id"],
            name=op.f("fk_ledger_account_seal_account_id_ledger_account"),
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_ledger_account_seal")),
    )
    create_tree()
    create_attestations()
    for statement in (SEAL, SEAL_ACCOUNT, SEALED, SEAL_THOSE_THERE):
        op.execute(statement)
    for table in TABLES:
        # For each statement, so that one which meets no row is refused too.
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()"
        )


def create_tree() -> None:
    op.create_table(
        "ledger_leaf",
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("index >= 0", name=op.f("ck_ledger_leaf_index_not_negative")),
        hash_check("ledger_leaf", "salt", "salt_length", 16),
        hash_check("ledger_leaf", "hash", "hash_sha256", 32),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfer.id"], name=op.f("fk_ledger_leaf_transfer_id_transfer")
        ),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_ledger_leaf")),
        sa.UniqueConstraint("transfer_id", name="uq_ledger_leaf_transfer"),
    )
    op.create_table(
        "ledger_node",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("level BETWEEN 1 AND 62", name=op.f("ck_ledger_node_level_inner")),
        sa.CheckConstraint("index >= 0", name=op.f("ck_ledger_node_index_not_negative")),
        hash_check("ledger_node", "hash", "hash_sha256", 32),
        sa.PrimaryKeyConstraint("level", "index", name=op.f("pk_ledger_node")),
    )
    op.create_table(
        "ledger_tree_head",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("size >= 1", name=op.f("ck_ledger_tree_head_size_positive")),
        hash_check("ledger_tree_head", "root", "root_sha256", 32),
        hash_check("ledger_tree_head", "public_key", "public_key_ed25519", 32),
        hash_check("ledger_tree_head", "signature", "signature_ed25519", 64),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_ledger_tree_head")),
    )


def create_attestations() -> None:
    op.create_table(
        "ledger_attestation",
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column(
            "sums",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("attested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            r"period ~ '^\d{4}-(0[1-9]|1[0-2])$'", name=op.f("ck_ledger_attestation_period_month")
        ),
        hash_check("ledger_attestation", "root", "root_sha256", 32),
        hash_check("ledger_attestation", "public_key", "public_key_ed25519", 32),
        hash_check("ledger_attestation", "signature", "signature_ed25519", 64),
        sa.ForeignKeyConstraint(
            ["size"],
            ["ledger_tree_head.size"],
            name="fk_ledger_attestation_size_ledger_tree_head",
        ),
        sa.PrimaryKeyConstraint("period", name=op.f("pk_ledger_attestation")),
    )
    op.create_table(
        "ledger_audit_mark",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("auditor", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column(
            "marked_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "char_length(auditor) BETWEEN 1 AND 200",
            name=op.f("ck_ledger_audit_mark_auditor_length"),
        ),
        sa.CheckConstraint(
            "char_length(statement) BETWEEN 1 AND 2000",
            name=op.f("ck_ledger_audit_mark_statement_length"),
        ),
        sa.ForeignKeyConstraint(
            ["period"],
            ["ledger_attestation.period"],
            name="fk_ledger_audit_mark_period_ledger_attestation",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_audit_mark")),
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER ledger_account_sealed ON ledger_account")
    op.execute("DROP FUNCTION ledger_seal_account")
    op.execute("DROP FUNCTION ledger_seal")
    for table in reversed(TABLES):
        op.drop_table(table)
