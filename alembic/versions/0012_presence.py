"""When people were last here, notifications and how they reach people, consumers of the log.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from models.events import TransactionId

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def now():
    return sa.text("clock_timestamp()")


def upgrade() -> None:
    _presence()
    _notifications()
    _deliveries()
    op.create_table(
        "log_consumer",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("transaction_id", TransactionId(), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("taken", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("moved_at", MOMENT, server_default=now(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_log_consumer")),
    )
    # Nobody wants to be told of what happened before there were notifications.
    op.execute(
        "INSERT INTO log_consumer (name, transaction_id, row_id) VALUES"
        " ('notifications', pg_current_xact_id(), 'ffffffff-ffff-ffff-ffff-ffffffffffff')"
    )


def _presence() -> None:
    op.create_table(
        "last_seen",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_last_seen_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_last_seen")),
    )
    op.create_table(
        "privacy_settings",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("presence", sa.Text(), server_default="EVERYONE", nullable=False),
        sa.Column("updated_at", MOMENT, server_default=now(), nullable=False),
        sa.CheckConstraint(
            "presence IN ('EVERYONE', 'FOLLOWED', 'NOBODY')",
            name=op.f("ck_privacy_settings_presence_known"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_privacy_settings_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_privacy_settings")),
    )


def _notifications() -> None:
    op.create_table(
        "notification",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("in_app", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", MOMENT, server_default=now(), nullable=False),
        sa.Column("read_at", MOMENT, nullable=True),
        sa.CheckConstraint("kind ~ '^[A-Z_]{1,40}$'", name=op.f("ck_notification_kind_form")),
        sa.CheckConstraint(
            "char_length(dedupe_key) BETWEEN 1 AND 200",
            name=op.f("ck_notification_dedupe_key_length"),
        ),
        sa.CheckConstraint(
            "reference ~ '^[a-z]{3}_[0-9a-f]{32}$'", name=op.f("ck_notification_reference_form")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_notification_user_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["user_account.id"], name=op.f("fk_notification_actor_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint(
            "user_id", "dedupe_key", name=op.f("uq_notification_user_id_dedupe_key")
        ),
    )
    for name, condition in (("shown", "in_app"), ("unread", "in_app AND read_at IS NULL")):
        op.create_index(
            f"ix_notification_{name}",
            "notification",
            ["user_id", "created_at", "id"],
            postgresql_where=sa.text(condition),
        )
    op.create_index("ix_notification_created_at", "notification", ["created_at"])
    op.create_table(
        "notification_preference",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "kind ~ '^[A-Z_]{1,40}$'", name=op.f("ck_notification_preference_kind_form")
        ),
        sa.CheckConstraint(
            "channel IN ('IN_APP', 'EMAIL', 'PUSH')",
            name=op.f("ck_notification_preference_channel_known"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_account.id"],
            name=op.f("fk_notification_preference_user_id_user_account"),
        ),
        sa.PrimaryKeyConstraint(
            "user_id", "kind", "channel", name=op.f("pk_notification_preference")
        ),
    )


def _deliveries() -> None:
    op.create_table(
        "notification_delivery",
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("status", sa.Text(), server_default="PENDING", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed_at", MOMENT, server_default=now(), nullable=False),
        sa.CheckConstraint(
            "channel IN ('EMAIL', 'PUSH')", name=op.f("ck_notification_delivery_channel_known")
        ),
        sa.CheckConstraint(
            "status IN ('PENDING', 'SENDING', 'SENT', 'SKIPPED', 'FAILED')",
            name=op.f("ck_notification_delivery_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notification.id"],
            name=op.f("fk_notification_delivery_notification_id_notification"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "notification_id", "channel", name=op.f("pk_notification_delivery")
        ),
    )
    op.create_index(
        "ix_notification_delivery_open",
        "notification_delivery",
        ["changed_at"],
        postgresql_where=sa.text("status IN ('PENDING', 'SENDING')"),
    )
    op.create_table(
        "push_subscription",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("p256dh", sa.Text(), nullable=False),
        sa.Column("auth", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, server_default=now(), nullable=False),
        sa.CheckConstraint(
            "char_length(endpoint) BETWEEN 10 AND 1000",
            name=op.f("ck_push_subscription_endpoint_length"),
        ),
        sa.CheckConstraint(
            "char_length(p256dh) BETWEEN 80 AND 100",
            name=op.f("ck_push_subscription_p256dh_length"),
        ),
        sa.CheckConstraint(
            "char_length(auth) BETWEEN 16 AND 40", name=op.f("ck_push_subscription_auth_length")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_push_subscription_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_subscription")),
        sa.UniqueConstraint("endpoint", name=op.f("uq_push_subscription_endpoint")),
    )
    op.create_index(
        "ix_push_subscription_user", "push_subscription", ["user_id", "created_at", "id"]
    )


def downgrade() -> None:
    for table in (
        "log_consumer",
        "push_subscription",
        "notification_delivery",
        "notification_preference",
        "notification",
        "privacy_settings",
        "last_seen",
    ):
        op.drop_table(table)
