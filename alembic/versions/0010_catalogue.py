"""Titles, people, platforms and what viewers do with them.

Revision ID: 0010
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of the extensions that any user who may make schemas can make (PostgreSQL 13 on).
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table(
        "genre",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "slug ~ '^[a-z0-9](-?[a-z0-9]){0,59}$'", name=op.f("ck_genre_slug_form")
        ),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 60", name=op.f("ck_genre_name_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_genre")),
        sa.UniqueConstraint("slug", name=op.f("uq_genre_slug")),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=True),
        sa.Column("biography", sa.Text(), server_default="", nullable=False),
        sa.Column("born_on", sa.Date(), nullable=True),
        sa.Column("imdb_id", sa.Text(), nullable=True),
        sa.Column("wikidata_id", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("imdb_id ~ '^nm[0-9]{5,12}$'", name=op.f("ck_person_imdb_id_form")),
        sa.CheckConstraint(
            "wikidata_id ~ '^Q[0-9]{1,12}$'", name=op.f("ck_person_wikidata_id_form")
        ),
        sa.CheckConstraint(
            "char_length(biography) <= 10000", name=op.f("ck_person_biography_length")
        ),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 200", name=op.f("ck_person_name_length")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("name_key", name=op.f("uq_person_name_key")),
    )
    op.create_table(
        "platform",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("home_url", sa.Text(), nullable=True),
        sa.Column("logo_url", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("per_second", sa.Integer(), nullable=True),
        sa.Column("per_minute", sa.Integer(), nullable=True),
        sa.Column("per_hour", sa.Integer(), nullable=True),
        sa.Column("burst", sa.Integer(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "slug ~ '^[a-z0-9](-?[a-z0-9]){1,59}$'", name=op.f("ck_platform_slug_form")
        ),
        sa.CheckConstraint(
            "char_length(home_url) <= 2048", name=op.f("ck_platform_home_url_length")
        ),
        sa.CheckConstraint(
            "char_length(logo_url) <= 2048", name=op.f("ck_platform_logo_url_length")
        ),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 100", name=op.f("ck_platform_name_length")
        ),
        sa.CheckConstraint(
            "least(per_second, per_minute, per_hour, burst) > 0",
            name=op.f("ck_platform_limits_positive"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform")),
        sa.UniqueConstraint("slug", name=op.f("uq_platform_slug")),
    )
    op.create_table(
        "title",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sort_name", sa.Text(), nullable=False),
        sa.Column("original_name", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=True),
        sa.Column("released_on", sa.Date(), nullable=True),
        sa.Column(
            "release_key",
            sa.Integer(),
            sa.Computed(
                "coalesce(year, 0) * 10000 + coalesce(extract(month FROM released_on)::int * 100"
                " + extract(day FROM released_on)::int, 0)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("runtime_minutes", sa.Integer(), nullable=True),
        sa.Column("maturity", sa.SmallInteger(), nullable=True),
        sa.Column("languages", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("countries", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("imdb_id", sa.Text(), nullable=True),
        sa.Column("tmdb_id", sa.Text(), nullable=True),
        sa.Column("wikidata_id", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("popularity", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("trend", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("imdb_id ~ '^tt[0-9]{5,12}$'", name=op.f("ck_title_imdb_id_form")),
        sa.CheckConstraint(
            "kind IN ('MOVIE', 'SERIES', 'DOCUMENTARY', 'SHORT')", name=op.f("ck_title_kind_known")
        ),
        sa.CheckConstraint("tmdb_id ~ '^[0-9]{1,12}$'", name=op.f("ck_title_tmdb_id_form")),
        sa.CheckConstraint(
            "wikidata_id ~ '^Q[0-9]{1,12}$'", name=op.f("ck_title_wikidata_id_form")
        ),
        sa.CheckConstraint("cardinality(countries) <= 50", name=op.f("ck_title_countries_bounded")),
        sa.CheckConstraint("cardinality(languages) <= 50", name=op.f("ck_title_languages_bounded")),
        sa.CheckConstraint(
            "char_length(description) <= 10000", name=op.f("ck_title_description_length")
        ),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 500", name=op.f("ck_title_name_length")
        ),
        sa.CheckConstraint(
            "char_length(original_name) <= 500", name=op.f("ck_title_original_name_length")
        ),
        sa.CheckConstraint(
            "char_length(sort_name) BETWEEN 1 AND 40", name=op.f("ck_title_sort_name_length")
        ),
        sa.CheckConstraint("maturity BETWEEN 0 AND 4", name=op.f("ck_title_maturity_range")),
        sa.CheckConstraint(
            "octet_length(fingerprint) = 32", name=op.f("ck_title_fingerprint_sha256")
        ),
        sa.CheckConstraint(
            "runtime_minutes BETWEEN 1 AND 100000", name=op.f("ck_title_runtime_range")
        ),
        sa.CheckConstraint(
            "year = extract(year FROM released_on)", name=op.f("ck_title_year_of_release")
        ),
        sa.CheckConstraint("year BETWEEN 1870 AND 2200", name=op.f("ck_title_year_range")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_title")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_title_fingerprint")),
    )
    op.create_index(
        "ix_title_name_trigrams",
        "title",
        ["name"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.create_index("ix_title_popularity", "title", ["popularity", "id"], unique=False)
    op.create_index("ix_title_release", "title", ["release_key", "id"], unique=False)
    op.create_index("ix_title_sort_name", "title", ["sort_name", "id"], unique=False)
    op.create_index("ix_title_trend", "title", ["trend", "id"], unique=False)
    op.create_table(
        "availability",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("platform_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=True),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("available", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("available_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("available_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leaving_told_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("stale", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')",
            name=op.f("ck_availability_asset_known"),
        ),
        sa.CheckConstraint("region ~ '^[A-Z]{2}$'", name=op.f("ck_availability_region_iso3166")),
        sa.CheckConstraint(
            "source IN ('POLL', 'WEBHOOK', 'ON_DEMAND', 'MANUAL')",
            name=op.f("ck_availability_source_known"),
        ),
        sa.CheckConstraint(
            "tier IN ('FREE', 'ADS', 'SUBSCRIPTION', 'RENT', 'BUY')",
            name=op.f("ck_availability_tier_known"),
        ),
        sa.CheckConstraint(
            "(price_minor IS NULL) = (asset IS NULL)", name=op.f("ck_availability_price_has_asset")
        ),
        sa.CheckConstraint(
            "available_until > available_from", name=op.f("ck_availability_until_after_from")
        ),
        sa.CheckConstraint("char_length(link) <= 2048", name=op.f("ck_availability_link_length")),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_availability_price_not_negative")),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platform.id"], name=op.f("fk_availability_platform_id_platform")
        ),
        sa.ForeignKeyConstraint(
            ["title_id"], ["title.id"], name=op.f("fk_availability_title_id_title")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability")),
        sa.UniqueConstraint(
            "title_id", "platform_id", "region", "tier", name="uq_availability_offer"
        ),
    )
    op.create_index(
        "ix_availability_platform",
        "availability",
        ["platform_id", "region", "title_id"],
        unique=False,
        postgresql_where=sa.text("available"),
    )
    op.create_index(
        "ix_availability_until",
        "availability",
        ["available_until", "id"],
        unique=False,
        postgresql_where=sa.text("available AND available_until IS NOT NULL"),
    )
    op.create_table(
        "credit",
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("character", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "role IN ('ACTOR', 'DIRECTOR', 'WRITER', 'PRODUCER', 'COMPOSER', "
            "'CINEMATOGRAPHER', 'EDITOR', 'OTHER')",
            name=op.f("ck_credit_role_known"),
        ),
        sa.CheckConstraint(
            "char_length(character) <= 200", name=op.f("ck_credit_character_length")
        ),
        sa.CheckConstraint("position >= 0", name=op.f("ck_credit_position_not_negative")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_credit_person_id_person")
        ),
        sa.ForeignKeyConstraint(["title_id"], ["title.id"], name=op.f("fk_credit_title_id_title")),
        sa.PrimaryKeyConstraint("title_id", "position", name=op.f("pk_credit")),
        sa.UniqueConstraint("person_id", "title_id", "role", name="uq_credit_person_title_role"),
    )
    op.create_table(
        "rating",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("value_tenths", sa.SmallInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("value_tenths BETWEEN 0 AND 100", name=op.f("ck_rating_value_range")),
        sa.ForeignKeyConstraint(["title_id"], ["title.id"], name=op.f("fk_rating_title_id_title")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_rating_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("user_id", "title_id", name=op.f("pk_rating")),
    )
    op.create_index("ix_rating_title", "rating", ["title_id"], unique=False)
    op.create_index("ix_rating_updated_at", "rating", ["updated_at"], unique=False)
    op.create_table(
        "rating_stats",
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sum_tenths", sa.BigInteger(), nullable=False),
        sa.Column("histogram", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.CheckConstraint(
            "0 <= ALL (histogram)", name=op.f("ck_rating_stats_histogram_not_negative")
        ),
        sa.CheckConstraint(
            "cardinality(histogram) = 11", name=op.f("ck_rating_stats_histogram_length")
        ),
        sa.CheckConstraint("count >= 0", name=op.f("ck_rating_stats_count_not_negative")),
        sa.CheckConstraint(
            "sum_tenths BETWEEN 0 AND count * 100", name=op.f("ck_rating_stats_sum_range")
        ),
        sa.ForeignKeyConstraint(
            ["title_id"], ["title.id"], name=op.f("fk_rating_stats_title_id_title")
        ),
        sa.PrimaryKeyConstraint("title_id", name=op.f("pk_rating_stats")),
    )
    op.create_table(
        "review",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("headline", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("spoilers", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "char_length(body) BETWEEN 1 AND 10000", name=op.f("ck_review_body_length")
        ),
        sa.CheckConstraint(
            "char_length(headline) BETWEEN 1 AND 300", name=op.f("ck_review_headline_length")
        ),
        sa.ForeignKeyConstraint(["title_id"], ["title.id"], name=op.f("fk_review_title_id_title")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_review_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        sa.UniqueConstraint("title_id", "user_id", name="uq_review_title_user"),
    )
    op.create_index("ix_review_title", "review", ["title_id", "created_at", "id"], unique=False)
    op.create_index("ix_review_user", "review", ["user_id", "created_at", "id"], unique=False)
    op.create_table(
        "title_genre",
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("genre_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["genre_id"], ["genre.id"], name=op.f("fk_title_genre_genre_id_genre")
        ),
        sa.ForeignKeyConstraint(
            ["title_id"], ["title.id"], name=op.f("fk_title_genre_title_id_title")
        ),
        sa.PrimaryKeyConstraint("title_id", "genre_id", name=op.f("pk_title_genre")),
    )
    op.create_index("ix_title_genre_genre", "title_genre", ["genre_id", "title_id"], unique=False)
    op.create_table(
        "title_trend",
        sa.Column("timeframe", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("score", sa.BigInteger(), nullable=False),
        sa.Column(
            "computed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind IN ('MOVIE', 'SERIES', 'DOCUMENTARY', 'SHORT')",
            name=op.f("ck_title_trend_kind_known"),
        ),
        sa.CheckConstraint(
            "timeframe IN ('DAY', 'WEEK', 'MONTH', 'ALL')",
            name=op.f("ck_title_trend_timeframe_known"),
        ),
        sa.CheckConstraint("score > 0", name=op.f("ck_title_trend_score_positive")),
        sa.ForeignKeyConstraint(
            ["title_id"], ["title.id"], name=op.f("fk_title_trend_title_id_title")
        ),
        sa.PrimaryKeyConstraint("timeframe", "region", "title_id", name=op.f("pk_title_trend")),
    )
    op.create_index(
        "ix_title_trend_score",
        "title_trend",
        ["timeframe", "region", "score", "title_id"],
        unique=False,
    )
    op.create_table(
        "user_preference",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("genres", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("languages", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("maturity_limit", sa.SmallInteger(), nullable=True),
        sa.Column("platforms", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("memberships", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("region ~ '^[A-Z]{2}$'", name=op.f("ck_user_preference_region_iso3166")),
        sa.CheckConstraint(
            "cardinality(genres) <= 50", name=op.f("ck_user_preference_genres_bounded")
        ),
        sa.CheckConstraint(
            "cardinality(languages) <= 50", name=op.f("ck_user_preference_languages_bounded")
        ),
        sa.CheckConstraint(
            "cardinality(memberships) <= 50", name=op.f("ck_user_preference_memberships_bounded")
        ),
        sa.CheckConstraint(
            "cardinality(platforms) <= 50", name=op.f("ck_user_preference_platforms_bounded")
        ),
        sa.CheckConstraint(
            "maturity_limit BETWEEN 0 AND 4", name=op.f("ck_user_preference_maturity_limit_range")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_user_preference_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user_preference")),
    )
    op.create_table(
        "view_record",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("platform_id", sa.Uuid(), nullable=True),
        sa.Column("watched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_s", sa.Integer(), nullable=False),
        sa.Column("progress", sa.SmallInteger(), nullable=False),
        sa.Column("completed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "duration_s BETWEEN 0 AND 604800", name=op.f("ck_view_record_duration_range")
        ),
        sa.CheckConstraint(
            "progress BETWEEN 0 AND 100", name=op.f("ck_view_record_progress_range")
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platform.id"], name=op.f("fk_view_record_platform_id_platform")
        ),
        sa.ForeignKeyConstraint(
            ["title_id"], ["title.id"], name=op.f("fk_view_record_title_id_title")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_view_record_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_view_record")),
        sa.UniqueConstraint("user_id", "title_id", "watched_at", name="uq_view_record_viewing"),
    )
    op.create_index("ix_view_record_title", "view_record", ["title_id", "watched_at"], unique=False)
    op.create_index(
        "ix_view_record_user", "view_record", ["user_id", "watched_at", "id"], unique=False
    )
    op.create_index("ix_view_record_watched_at", "view_record", ["watched_at"], unique=False)
    op.create_table(
        "watchlist_item",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column(
            "added_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "priority BETWEEN 1 AND 3", name=op.f("ck_watchlist_item_priority_range")
        ),
        sa.ForeignKeyConstraint(
            ["title_id"], ["title.id"], name=op.f("fk_watchlist_item_title_id_title")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_watchlist_item_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("user_id", "title_id", name=op.f("pk_watchlist_item")),
    )
    op.create_index("ix_watchlist_item_added_at", "watchlist_item", ["added_at"], unique=False)
    op.create_index(
        "ix_watchlist_item_order",
        "watchlist_item",
        ["user_id", "priority", "added_at", "title_id"],
        unique=False,
    )
    op.create_index(
        "ix_watchlist_item_title", "watchlist_item", ["title_id", "user_id"], unique=False
    )
    for table, number, *more in (
        ("person", "imdb_id"),
        ("person", "wikidata_id"),
        ("title", "imdb_id"),
        ("title", "tmdb_id", "kind"),
        ("title", "wikidata_id"),
    ):
        op.create_index(
            f"uq_{table}_{number}",
            table,
            [number, *more],
            unique=True,
            postgresql_where=sa.text(f"{number} IS NOT NULL"),
        )


def downgrade() -> None:
    """Indexes go with their tables; the extension stays, as something else may use it."""
    for table in (
        "watchlist_item",
        "view_record",
        "user_preference",
        "title_trend",
        "title_genre",
        "review",
        "rating_stats",
        "rating",
        "credit",
        "availability",
        "title",
        "platform",
        "person",
        "genre",
    ):
        op.drop_table(table)
