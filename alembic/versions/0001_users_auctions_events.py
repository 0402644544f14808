"""Users, auctions, events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from models.events import TransactionId

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "transaction_id",
            TransactionId(),
            server_default=sa.text("pg_current_xact_id()"),
            nullable=False,
        ),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column(
            "payload",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_event_sequence_positive")),
        sa.PrimaryKeyConstraint("topic", "sequence", name=op.f("pk_event")),
        sa.UniqueConstraint("id", name=op.f("uq_event_id")),
    )
    op.create_index("ix_event_occurred_at", "event", ["occurred_at"], unique=False)
    op.create_index("ix_event_transaction", "event", ["transaction_id", "id"], unique=False)
    op.create_table(
        "event_topic",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("head", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("head >= 1", name=op.f("ck_event_topic_head_positive")),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_event_topic")),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "char_length(key) BETWEEN 1 AND 200", name=op.f("ck_idempotency_key_key_length")
        ),
        sa.CheckConstraint(
            "octet_length(request_hash) = 32", name=op.f("ck_idempotency_key_request_hash_sha256")
        ),
        sa.PrimaryKeyConstraint("user_id", "operation", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_index(
        "ix_idempotency_key_created_at", "idempotency_key", ["created_at"], unique=False
    )
    op.create_table(
        "user_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("avatar_url", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="ACTIVE", nullable=False),
        sa.Column("tier", sa.Text(), server_default="FREE", nullable=False),
        sa.Column("show_email", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("email_verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_login_address", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status IN ('ACTIVE', 'SUSPENDED', 'DELETED')",
            name=op.f("ck_user_account_status_known"),
        ),
        sa.CheckConstraint("tier IN ('FREE', 'PREMIUM')", name=op.f("ck_user_account_tier_known")),
        sa.CheckConstraint(
            "username ~ '^[A-Za-z0-9_]{3,30}$'", name=op.f("ck_user_account_username_form")
        ),
        sa.CheckConstraint(
            "char_length(avatar_url) <= 2048", name=op.f("ck_user_account_avatar_url_length")
        ),
        sa.CheckConstraint(
            "char_length(display_name) BETWEEN 1 AND 100",
            name=op.f("ck_user_account_display_name_length"),
        ),
        sa.CheckConstraint(
            "char_length(email) BETWEEN 3 AND 320", name=op.f("ck_user_account_email_length")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
    )
    op.create_index(
        "ix_user_account_created_at", "user_account", ["created_at", "id"], unique=False
    )
    op.create_index(
        "uq_user_account_email", "user_account", [sa.literal_column("lower(email)")], unique=True
    )
    op.create_index(
        "uq_user_account_username",
        "user_account",
        [sa.literal_column("lower(username)")],
        unique=True,
    )
    op.create_table(
        "block",
        sa.Column("blocker_id", sa.Uuid(), nullable=False),
        sa.Column("blocked_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("blocker_id <> blocked_id", name=op.f("ck_block_not_oneself")),
        sa.ForeignKeyConstraint(
            ["blocked_id"], ["user_account.id"], name=op.f("fk_block_blocked_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["blocker_id"], ["user_account.id"], name=op.f("fk_block_blocker_id_user_account")
        ),
        sa.PrimaryKeyConstraint("blocker_id", "blocked_id", name=op.f("pk_block")),
    )
    op.create_index("ix_block_blocked", "block", ["blocked_id"], unique=False)
    op.create_table(
        "follow",
        sa.Column("follower_id", sa.Uuid(), nullable=False),
        sa.Column("followee_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("follower_id <> followee_id", name=op.f("ck_follow_not_oneself")),
        sa.ForeignKeyConstraint(
            ["followee_id"], ["user_account.id"], name=op.f("fk_follow_followee_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["follower_id"], ["user_account.id"], name=op.f("fk_follow_follower_id_user_account")
        ),
        sa.PrimaryKeyConstraint("follower_id", "followee_id", name=op.f("pk_follow")),
    )
    op.create_index(
        "ix_follow_followee", "follow", ["followee_id", "created_at", "follower_id"], unique=False
    )
    op.create_index(
        "ix_follow_follower", "follow", ["follower_id", "created_at", "followee_id"], unique=False
    )
    op.create_table(
        "mute",
        sa.Column("muter_id", sa.Uuid(), nullable=False),
        sa.Column("muted_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("muter_id <> muted_id", name=op.f("ck_mute_not_oneself")),
        sa.ForeignKeyConstraint(
            ["muted_id"], ["user_account.id"], name=op.f("fk_mute_muted_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["muter_id"], ["user_account.id"], name=op.f("fk_mute_muter_id_user_account")
        ),
        sa.PrimaryKeyConstraint("muter_id", "muted_id", name=op.f("pk_mute")),
    )
    op.create_table(
        "profile",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("bio", sa.Text(), server_default="", nullable=False),
        sa.Column("banner_url", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column("pronouns", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("locale", sa.Text(), server_default="en", nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("social_links", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("visibility", sa.Text(), server_default="PUBLIC", nullable=False),
        sa.Column("theme", sa.Text(), server_default="system", nullable=False),
        sa.Column("accent_colour", sa.Text(), server_default="#6366f1", nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "accent_colour ~ '^#[0-9a-f]{6}$'", name=op.f("ck_profile_accent_colour_hex")
        ),
        sa.CheckConstraint("region ~ '^[A-Z]{2}$'", name=op.f("ck_profile_region_iso3166")),
        sa.CheckConstraint(
            "theme IN ('system', 'light', 'dark')", name=op.f("ck_profile_theme_known")
        ),
        sa.CheckConstraint(
            "visibility IN ('PUBLIC', 'PRIVATE')", name=op.f("ck_profile_visibility_known")
        ),
        sa.CheckConstraint(
            "cardinality(social_links) <= 10", name=op.f("ck_profile_social_links_bounded")
        ),
        sa.CheckConstraint(
            "char_length(banner_url) <= 2048", name=op.f("ck_profile_banner_url_length")
        ),
        sa.CheckConstraint("char_length(bio) <= 2000", name=op.f("ck_profile_bio_length")),
        sa.CheckConstraint("char_length(location) <= 100", name=op.f("ck_profile_location_length")),
        sa.CheckConstraint("char_length(pronouns) <= 40", name=op.f("ck_profile_pronouns_length")),
        sa.CheckConstraint("char_length(website) <= 2048", name=op.f("ck_profile_website_length")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_profile_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_profile")),
    )
    op.create_table(
        "security_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column(
            "details",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["user_account.id"], name=op.f("fk_security_event_actor_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_security_event_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_event")),
    )
    op.create_index("ix_security_event_user", "security_event", ["user_id", "at"], unique=False)
    op.create_table(
        "stall",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column(
            "theme",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "slug ~ '^[a-z0-9](-?[a-z0-9]){2,59}$'", name=op.f("ck_stall_slug_form")
        ),
        sa.CheckConstraint(
            "char_length(description) <= 5000", name=op.f("ck_stall_description_length")
        ),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 100", name=op.f("ck_stall_name_length")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user_account.id"], name=op.f("fk_stall_owner_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stall")),
        sa.UniqueConstraint("slug", name=op.f("uq_stall_slug")),
    )
    op.create_index("ix_stall_owner", "stall", ["owner_id", "created_at", "id"], unique=False)
    op.create_table(
        "user_role",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column(
            "granted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "role IN ('ARTISAN', 'SPONSOR', 'MODERATOR', 'ADMIN')",
            name=op.f("ck_user_role_role_known"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_user_role_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("user_id", "role", name=op.f("pk_user_role")),
    )
    op.create_table(
        "user_scope",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column(
            "granted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_user_scope_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("user_id", "scope", name=op.f("pk_user_scope")),
    )
    op.create_table(
        "user_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "char_length(device) <= 200", name=op.f("ck_user_session_device_length")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_user_session_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_session")),
    )
    op.create_index(
        "ix_user_session_revoked_at",
        "user_session",
        ["revoked_at"],
        unique=False,
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )
    op.create_index(
        "ix_user_session_user", "user_session", ["user_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "product",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stall_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("story", sa.Text(), server_default="", nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("image_urls", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=True),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("inventory_count", sa.Integer(), nullable=False),
        sa.Column("low_stock_threshold", sa.Integer(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')", name=op.f("ck_product_asset_known")
        ),
        sa.CheckConstraint("kind IN ('PHYSICAL', 'DIGITAL')", name=op.f("ck_product_kind_known")),
        sa.CheckConstraint("region ~ '^[A-Z]{2}$'", name=op.f("ck_product_region_iso3166")),
        sa.CheckConstraint("cardinality(image_urls) <= 10", name=op.f("ck_product_images_bounded")),
        sa.CheckConstraint("cardinality(tags) <= 20", name=op.f("ck_product_tags_bounded")),
        sa.CheckConstraint(
            "char_length(category) BETWEEN 1 AND 60", name=op.f("ck_product_category_length")
        ),
        sa.CheckConstraint(
            "char_length(description) <= 10000", name=op.f("ck_product_description_length")
        ),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 200", name=op.f("ck_product_name_length")
        ),
        sa.CheckConstraint("char_length(story) <= 10000", name=op.f("ck_product_story_length")),
        sa.CheckConstraint("inventory_count >= 0", name=op.f("ck_product_inventory_not_negative")),
        sa.CheckConstraint(
            "low_stock_threshold >= 0", name=op.f("ck_product_threshold_not_negative")
        ),
        sa.CheckConstraint("price_minor > 0", name=op.f("ck_product_price_positive")),
        sa.ForeignKeyConstraint(["stall_id"], ["stall.id"], name=op.f("fk_product_stall_id_stall")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
    )
    op.create_index("ix_product_stall", "product", ["stall_id", "created_at", "id"], unique=False)
    op.create_table(
        "refresh_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "octet_length(token_hash) = 32", name=op.f("ck_refresh_token_token_hash_sha256")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["user_session.id"],
            name=op.f("fk_refresh_token_session_id_user_session"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_refresh_token_token_hash")),
    )
    op.create_index("ix_refresh_token_expires_at", "refresh_token", ["expires_at"], unique=False)
    op.create_index("ix_refresh_token_session", "refresh_token", ["session_id"], unique=False)
    op.create_table(
        "stall_member",
        sa.Column("stall_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["stall_id"], ["stall.id"], name=op.f("fk_stall_member_stall_id_stall")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_stall_member_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("stall_id", "user_id", name=op.f("pk_stall_member")),
    )
    op.create_index("ix_stall_member_user", "stall_member", ["user_id"], unique=False)
    op.create_table(
        "auction",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("stall_id", sa.Uuid(), nullable=False),
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("format", sa.Text(), server_default="ENGLISH", nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("starting_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("reserve_minor", sa.BigInteger(), nullable=True),
        sa.Column("buy_now_minor", sa.BigInteger(), nullable=True),
        sa.Column("increments", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("soft_close_window_s", sa.Integer(), nullable=False),
        sa.Column("soft_close_extension_s", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), server_default="SCHEDULED", nullable=False),
        sa.Column("current_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("bid_count", sa.Integer(), nullable=False),
        sa.Column("leader_id", sa.Uuid(), nullable=True),
        sa.Column("leader_bid_id", sa.Uuid(), nullable=True),
        sa.Column("leader_maximum_minor", sa.BigInteger(), nullable=True),
        sa.Column("runner_up_maximum_minor", sa.BigInteger(), nullable=True),
        sa.Column("reserve_met", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("extension_count", sa.Integer(), nullable=False),
        sa.Column("winner_id", sa.Uuid(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(status = 'SOLD') = (winner_id IS NOT NULL)", name=op.f("ck_auction_winner_if_sold")
        ),
        sa.CheckConstraint(
            "(status IN ('SOLD', 'UNSOLD', 'CANCELLED')) = (closed_at IS NOT NULL)",
            name=op.f("ck_auction_closed_at_if_closed"),
        ),
        sa.CheckConstraint(
            "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')", name=op.f("ck_auction_asset_known")
        ),
        sa.CheckConstraint(
            "format IN ('ENGLISH', 'SEALED_SECOND_PRICE', 'DUTCH')",
            name=op.f("ck_auction_format_known"),
        ),
        sa.CheckConstraint(
            "status IN ('SCHEDULED', 'OPEN', 'SOLD', 'UNSOLD', 'CANCELLED')",
            name=op.f("ck_auction_status_known"),
        ),
        sa.CheckConstraint(
            "(bid_count = 0) = (leader_id IS NULL)"
            " AND (leader_id IS NULL) = (leader_bid_id IS NULL)"
            " AND (leader_id IS NULL) = (leader_maximum_minor IS NULL)",
            name=op.f("ck_auction_leader_if_bids"),
        ),
        sa.CheckConstraint("bid_count >= 0", name=op.f("ck_auction_bid_count_not_negative")),
        sa.CheckConstraint(
            "buy_now_minor >= starting_price_minor", name=op.f("ck_auction_buy_now_not_below_start")
        ),
        sa.CheckConstraint(
            "char_length(description) <= 10000", name=op.f("ck_auction_description_length")
        ),
        sa.CheckConstraint(
            "char_length(title) BETWEEN 1 AND 200", name=op.f("ck_auction_title_length")
        ),
        sa.CheckConstraint(
            "current_price_minor >= starting_price_minor",
            name=op.f("ck_auction_price_not_below_start"),
        ),
        sa.CheckConstraint(
            "leader_maximum_minor >= current_price_minor",
            name=op.f("ck_auction_price_not_above_maximum"),
        ),
        sa.CheckConstraint(
            "reserve_minor >= starting_price_minor", name=op.f("ck_auction_reserve_not_below_start")
        ),
        sa.CheckConstraint(
            "soft_close_extension_s BETWEEN 0 AND 86400",
            name=op.f("ck_auction_soft_close_extension_range"),
        ),
        sa.CheckConstraint(
            "soft_close_window_s BETWEEN 0 AND 86400",
            name=op.f("ck_auction_soft_close_window_range"),
        ),
        sa.CheckConstraint(
            "starting_price_minor > 0", name=op.f("ck_auction_starting_price_positive")
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_auction_starts_before_it_ends")),
        sa.ForeignKeyConstraint(
            ["leader_id"], ["user_account.id"], name=op.f("fk_auction_leader_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name=op.f("fk_auction_product_id_product")
        ),
        sa.ForeignKeyConstraint(
            ["seller_id"], ["user_account.id"], name=op.f("fk_auction_seller_id_user_account")
        ),
        sa.ForeignKeyConstraint(["stall_id"], ["stall.id"], name=op.f("fk_auction_stall_id_stall")),
        sa.ForeignKeyConstraint(
            ["winner_id"], ["user_account.id"], name=op.f("fk_auction_winner_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auction")),
    )
    op.create_index("ix_auction_bid_count", "auction", ["bid_count", "id"], unique=False)
    op.create_index("ix_auction_created_at", "auction", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_auction_current_price", "auction", ["current_price_minor", "id"], unique=False
    )
    op.create_index("ix_auction_ends_at", "auction", ["ends_at", "id"], unique=False)
    op.create_index("ix_auction_product", "auction", ["product_id"], unique=False)
    op.create_index("ix_auction_seller", "auction", ["seller_id", "created_at", "id"], unique=False)
    op.create_index("ix_auction_stall", "auction", ["stall_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_auction_status_ends_at", "auction", ["status", "ends_at", "id"], unique=False
    )
    op.create_index("ix_auction_tags", "auction", ["tags"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_auction_to_close",
        "auction",
        ["ends_at"],
        unique=False,
        postgresql_where=sa.text("status = 'OPEN'"),
    )
    op.create_index(
        "ix_auction_to_open",
        "auction",
        ["starts_at"],
        unique=False,
        postgresql_where=sa.text("status = 'SCHEDULED'"),
    )
    op.create_table(
        "auction_watch",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("auction_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["auction_id"], ["auction.id"], name=op.f("fk_auction_watch_auction_id_auction")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_auction_watch_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("user_id", "auction_id", name=op.f("pk_auction_watch")),
    )
    op.create_index("ix_auction_watch_auction", "auction_watch", ["auction_id"], unique=False)
    op.create_table(
        "bid",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("auction_id", sa.Uuid(), nullable=False),
        sa.Column("bidder_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("maximum_minor", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')", name=op.f("ck_bid_asset_known")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_bid_amount_positive")),
        sa.CheckConstraint(
            "maximum_minor >= amount_minor", name=op.f("ck_bid_amount_not_above_maximum")
        ),
        sa.CheckConstraint("octet_length(commitment) = 32", name=op.f("ck_bid_commitment_sha256")),
        sa.CheckConstraint("octet_length(nonce) = 16", name=op.f("ck_bid_nonce_length")),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_bid_sequence_positive")),
        sa.ForeignKeyConstraint(
            ["auction_id"], ["auction.id"], name=op.f("fk_bid_auction_id_auction")
        ),
        sa.ForeignKeyConstraint(
            ["bidder_id"], ["user_account.id"], name=op.f("fk_bid_bidder_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bid")),
        sa.UniqueConstraint("auction_id", "sequence", name=op.f("uq_bid_auction_id_sequence")),
    )
    op.create_index(
        "ix_bid_auction_bidder",
        "bid",
        ["auction_id", "bidder_id", sa.literal_column("maximum_minor DESC")],
        unique=False,
    )
    op.create_index(
        "ix_bid_auction_top",
        "bid",
        ["auction_id", sa.literal_column("amount_minor DESC"), "sequence"],
        unique=False,
    )
    op.create_index("ix_bid_bidder", "bid", ["bidder_id", "placed_at", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_bid_bidder", table_name="bid")
    op.drop_index("ix_bid_auction_top", table_name="bid")
    op.drop_index("ix_bid_auction_bidder", table_name="bid")
    op.drop_table("bid")
    op.drop_index("ix_auction_watch_auction", table_name="auction_watch")
    op.drop_table("auction_watch")
    op.drop_index(
        "ix_auction_to_open", table_name="auction", postgresql_where=sa.text("status = 'SCHEDULED'")
    )
    op.drop_index(
        "ix_auction_to_close", table_name="auction", postgresql_where=sa.text("status = 'OPEN'")
    )
    op.drop_index("ix_auction_tags", table_name="auction", postgresql_using="gin")
    op.drop_index("ix_auction_status_ends_at", table_name="auction")
    op.drop_index("ix_auction_stall", table_name="auction")
    op.drop_index("ix_auction_seller", table_name="auction")
    op.drop_index("ix_auction_product", table_name="auction")
    op.drop_index("ix_auction_ends_at", table_name="auction")
    op.drop_index("ix_auction_current_price", table_name="auction")
    op.drop_index("ix_auction_created_at", table_name="auction")
    op.drop_index("ix_auction_bid_count", table_name="auction")
    op.drop_table("auction")
    op.drop_index("ix_stall_member_user", table_name="stall_member")
    op.drop_table("stall_member")
    op.drop_index("ix_refresh_token_session", table_name="refresh_token")
    op.drop_index("ix_refresh_token_expires_at", table_name="refresh_token")
    op.drop_table("refresh_token")
    op.drop_index("ix_product_stall", table_name="product")
    op.drop_table("product")
    op.drop_index("ix_user_session_user", table_name="user_session")
    op.drop_index(
        "ix_user_session_revoked_at",
        table_name="user_session",
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )
    op.drop_table("user_session")
    op.drop_table("user_scope")
    op.drop_table("user_role")
    op.drop_index("ix_stall_owner", table_name="stall")
    op.drop_table("stall")
    op.drop_index("ix_security_event_user", table_name="security_event")
    op.drop_table("security_event")
    op.drop_table("profile")
    op.drop_table("mute")
    op.drop_index("ix_follow_follower", table_name="follow")
    op.drop_index("ix_follow_followee", table_name="follow")
    op.drop_table("follow")
    op.drop_index("ix_block_blocked", table_name="block")
    op.drop_table("block")
    op.drop_index("uq_user_account_username", table_name="user_account")
    op.drop_index("uq_user_account_email", table_name="user_account")
    op.drop_index("ix_user_account_created_at", table_name="user_account")
    op.drop_table("user_account")
    op.drop_index("ix_idempotency_key_created_at", table_name="idempotency_key")
    op.drop_table("idempotency_key")
    op.drop_table("event_topic")
    op.drop_index("ix_event_transaction", table_name="event")
    op.drop_index("ix_event_occurred_at", table_name="event")
    op.drop_table("event")
