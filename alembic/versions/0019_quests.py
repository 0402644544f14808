"""Quests: where they are, who does them, evidence and what was found about it, what they gave. An
impact entry may be a leaf of the ledger's log.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from models.events import TransactionId

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLES = (
    "quest_category",
    "zone",
    "quest",
    "quest_prerequisite",
    "team",
    "assignment",
    "team_invitation",
    "team_member",
    "witness",
    "evidence",
    "evidence_review",
    "quest_dispute",
    "review_request",
    "verification_record",
    "badge",
    "player",
    "impact_entry",
    "achievement",
)
AREA_BOX = "box(point(west, south), point(east, north))"
APPEND_ONLY = ("verification_record", "evidence_review", "impact_entry")
REFUSE = """
    CREATE FUNCTION quests_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% of % is refused: what was found and given stays', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END
    $$
"""
BADGES = (
    ("first-deed", "First deed", "Did a first quest.", {"kind": "FIRST", "of": "OWN"}),
    ("ten-deeds", "Ten deeds", "Did ten quests.", {"kind": "COUNT", "atLeast": 10}),
    ("hundred-deeds", "A hundred", "Did a hundred quests.", {"kind": "COUNT", "atLeast": 100}),
    ("week", "A week", "Did a quest on seven days in a row.", {"kind": "STREAK", "days": 7}),
    ("month", "A month", "Did a quest on 30 days in a row.", {"kind": "STREAK", "days": 30}),
    (
        "specialist",
        "Specialist",
        "Did 25 quests of one category.",
        {"kind": "CATEGORY", "atLeast": 25},
    ),
    ("traveller", "Traveller", "Did quests in three regions.", {"kind": "REGION", "regions": 3}),
    ("local", "Local", "Did 25 quests in one region.", {"kind": "REGION", "atLeast": 25}),
    (
        "pathfinder",
        "Pathfinder",
        "Was the first to be rewarded for a quest.",
        {"kind": "FIRST", "of": "QUEST"},
    ),
    (
        "pioneer",
        "Pioneer",
        "Was the first to be rewarded for any quest of a region.",
        {"kind": "FIRST", "of": "REGION"},
    ),
)
# A log that has impact entries keeps them: only what reads it must know them.
TRANSFERS_ALONE = """
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM ledger_leaf WHERE transfer_id IS NULL) THEN
            ALTER TABLE ledger_leaf ALTER COLUMN transfer_id SET NOT NULL;
        END IF;
    END $$
"""


def upgrade() -> None:
    create_quests()
    create_assignments()
    create_evidence()
    create_rewards()
    insert_badges()
    let_impact_into_the_log()
    op.execute(REFUSE)
    for table in APPEND_ONLY:
        # For each statement, so that one which meets no row is refused too.
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION quests_refuse_change()"
        )


def create_quests() -> None:
    op.create_table(
        "quest_category",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("reviewers_default", sa.Integer(), server_default=sa.text("3"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "slug ~ '^[a-z0-9](-?[a-z0-9]){1,59}$'", name=op.f("ck_quest_category_slug_form")
        ),
        sa.CheckConstraint(
            "char_length(description) <= 1000", name=op.f("ck_quest_category_description_length")
        ),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 100", name=op.f("ck_quest_category_name_length")
        ),
        sa.CheckConstraint(
            "reviewers_default BETWEEN 1 AND 9", name=op.f("ck_quest_category_reviewers_range")
        ),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_quest_category")),
    )
    op.create_table(
        "zone",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column(
            "geometry",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("need_hundredths", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("west", sa.Double(), nullable=False),
        sa.Column("south", sa.Double(), nullable=False),
        sa.Column("east", sa.Double(), nullable=False),
        sa.Column("north", sa.Double(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("region ~ '^[A-Z]{2}$'", name=op.f("ck_zone_region_iso3166")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 100", name=op.f("ck_zone_name_length")),
        sa.CheckConstraint(
            "latitude BETWEEN south AND north", name=op.f("ck_zone_centre_latitude_within")
        ),
        sa.CheckConstraint(
            "longitude BETWEEN -180 AND 180", name=op.f("ck_zone_centre_longitude_range")
        ),
        sa.CheckConstraint("need_hundredths BETWEEN 50 AND 200", name=op.f("ck_zone_need_range")),
        sa.CheckConstraint(
            "south BETWEEN -90 AND north AND north <= 90", name=op.f("ck_zone_latitudes_range")
        ),
        sa.CheckConstraint(
            "west BETWEEN -180 AND 180 AND east BETWEEN west AND west + 360",
            name=op.f("ck_zone_longitudes_range"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zone")),
    )
    op.create_index(
        "ix_zone_area",
        "zone",
        [sa.literal_column(AREA_BOX)],
        unique=False,
        postgresql_using="gist",
    )
    op.create_index("ix_zone_region", "zone", ["region", "name", "id"], unique=False)
    op.create_table(
        "quest",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("sponsor_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("story", sa.Text(), server_default="", nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("difficulty", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("radius_m", sa.Integer(), nullable=True),
        sa.Column("polygon", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("west", sa.Double(), nullable=False),
        sa.Column("south", sa.Double(), nullable=False),
        sa.Column("east", sa.Double(), nullable=False),
        sa.Column("north", sa.Double(), nullable=False),
        sa.Column("x_m", sa.Double(), nullable=False),
        sa.Column("y_m", sa.Double(), nullable=False),
        sa.Column("z_m", sa.Double(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("days_to_do", sa.Integer(), server_default=sa.text("7"), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("taken", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("team_size_max", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("level_min", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("photos_asked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("locations_asked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("notes_asked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("videos_asked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reviewers_needed", sa.Integer(), server_default=sa.text("3"), nullable=False),
        sa.Column("on_foot", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("auto_verify", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("base_xp", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column("reward_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), server_default="SPARK", nullable=False),
        sa.Column("status", sa.Text(), server_default="DRAFT", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')", name=op.f("ck_quest_asset_known")
        ),
        sa.CheckConstraint("region ~ '^[A-Z]{2}$'", name=op.f("ck_quest_region_iso3166")),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'OPEN', 'PAUSED', 'CLOSED')", name=op.f("ck_quest_status_known")
        ),
        sa.CheckConstraint(
            "(radius_m IS NULL) <> (polygon IS NULL)", name=op.f("ck_quest_circle_or_polygon")
        ),
        sa.CheckConstraint("base_xp BETWEEN 1 AND 10000", name=op.f("ck_quest_base_xp_range")),
        sa.CheckConstraint("capacity BETWEEN 1 AND 1000000", name=op.f("ck_quest_capacity_range")),
        sa.CheckConstraint("char_length(story) <= 10000", name=op.f("ck_quest_story_length")),
        sa.CheckConstraint(
            "char_length(title) BETWEEN 1 AND 200", name=op.f("ck_quest_title_length")
        ),
        sa.CheckConstraint("days_to_do BETWEEN 1 AND 90", name=op.f("ck_quest_days_to_do_range")),
        sa.CheckConstraint("difficulty BETWEEN 1 AND 5", name=op.f("ck_quest_difficulty_range")),
        sa.CheckConstraint(
            "latitude BETWEEN south AND north", name=op.f("ck_quest_centre_latitude_within")
        ),
        sa.CheckConstraint("level_min BETWEEN 1 AND 8", name=op.f("ck_quest_level_range")),
        sa.CheckConstraint(
            "longitude BETWEEN -180 AND 180", name=op.f("ck_quest_centre_longitude_range")
        ),
        sa.CheckConstraint("opens_at < closes_at", name=op.f("ck_quest_opens_before_it_closes")),
        sa.CheckConstraint(
            "photos_asked + locations_asked + notes_asked + videos_asked > 0",
            name=op.f("ck_quest_evidence_asked"),
        ),
        sa.CheckConstraint(
            "photos_asked BETWEEN 0 AND 10 AND locations_asked BETWEEN 0 AND 20 AND "
            "notes_asked BETWEEN 0 AND 5 AND videos_asked BETWEEN 0 AND 3",
            name=op.f("ck_quest_evidence_bounded"),
        ),
        sa.CheckConstraint("radius_m BETWEEN 1 AND 50000", name=op.f("ck_quest_radius_range")),
        sa.CheckConstraint(
            "reviewers_needed BETWEEN 1 AND 9", name=op.f("ck_quest_reviewers_range")
        ),
        sa.CheckConstraint("reward_minor >= 0", name=op.f("ck_quest_reward_not_negative")),
        sa.CheckConstraint(
            "south BETWEEN -90 AND north AND north <= 90", name=op.f("ck_quest_latitudes_range")
        ),
        sa.CheckConstraint("taken <= capacity", name=op.f("ck_quest_not_oversold")),
        sa.CheckConstraint("taken >= 0", name=op.f("ck_quest_taken_not_negative")),
        sa.CheckConstraint("team_size_max BETWEEN 1 AND 20", name=op.f("ck_quest_team_size_range")),
        sa.CheckConstraint(
            "west BETWEEN -180 AND 180 AND east BETWEEN west AND west + 360",
            name=op.f("ck_quest_longitudes_range"),
        ),
        sa.ForeignKeyConstraint(
            ["category"], ["quest_category.slug"], name=op.f("fk_quest_category_quest_category")
        ),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["user_account.id"], name=op.f("fk_quest_creator_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["sponsor_id"], ["user_account.id"], name=op.f("fk_quest_sponsor_id_user_account")
        ),
        sa.ForeignKeyConstraint(["zone_id"], ["zone.id"], name=op.f("fk_quest_zone_id_zone")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quest")),
    )
    op.create_index(
        "ix_quest_area",
        "quest",
        [sa.literal_column(AREA_BOX)],
        unique=False,
        postgresql_using="gist",
    )
    op.create_index("ix_quest_category", "quest", ["category", "created_at", "id"], unique=False)
    op.create_index("ix_quest_creator", "quest", ["creator_id", "created_at", "id"], unique=False)
    op.create_index("ix_quest_ending", "quest", ["closes_at", "id"], unique=False)
    op.create_index("ix_quest_newest", "quest", ["created_at", "id"], unique=False)
    op.create_index("ix_quest_region", "quest", ["region", "created_at", "id"], unique=False)
    op.create_index("ix_quest_reward", "quest", ["reward_minor", "id"], unique=False)
    op.create_index("ix_quest_sponsor", "quest", ["sponsor_id", "created_at", "id"], unique=False)
    op.create_index("ix_quest_zone", "quest", ["zone_id", "created_at", "id"], unique=False)
    op.create_table(
        "quest_prerequisite",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("quest_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("required_quest_id", sa.Uuid(), nullable=True),
        sa.Column("badge_slug", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'QUEST') = (required_quest_id IS NOT NULL) AND (kind = 'BADGE') = "
            "(badge_slug IS NOT NULL)",
            name=op.f("ck_quest_prerequisite_one_thing"),
        ),
        sa.CheckConstraint(
            "kind IN ('QUEST', 'BADGE')", name=op.f("ck_quest_prerequisite_kind_known")
        ),
        sa.CheckConstraint(
            "required_quest_id <> quest_id", name=op.f("ck_quest_prerequisite_another_quest")
        ),
        sa.ForeignKeyConstraint(
            ["quest_id"], ["quest.id"], name=op.f("fk_quest_prerequisite_quest_id_quest")
        ),
        sa.ForeignKeyConstraint(
            ["required_quest_id"],
            ["quest.id"],
            name=op.f("fk_quest_prerequisite_required_quest_id_quest"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quest_prerequisite")),
        sa.UniqueConstraint(
            "quest_id",
            "required_quest_id",
            "badge_slug",
            name="uq_quest_prerequisite",
            postgresql_nulls_not_distinct=True,
        ),
    )


def create_assignments() -> None:
    op.create_table(
        "team",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("quest_id", sa.Uuid(), nullable=False),
        sa.Column("leader_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("size_max", sa.Integer(), server_default=sa.text("2"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("disbanded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 60", name=op.f("ck_team_name_length")),
        sa.CheckConstraint("size BETWEEN 0 AND size_max", name=op.f("ck_team_size_within_limit")),
        sa.CheckConstraint("size_max BETWEEN 2 AND 20", name=op.f("ck_team_size_max_range")),
        sa.ForeignKeyConstraint(
            ["leader_id"], ["user_account.id"], name=op.f("fk_team_leader_id_user_account")
        ),
        sa.ForeignKeyConstraint(["quest_id"], ["quest.id"], name=op.f("fk_team_quest_id_quest")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team")),
    )
    op.create_index("ix_team_leader", "team", ["leader_id"], unique=False)
    op.create_index("ix_team_quest", "team", ["quest_id", "created_at", "id"], unique=False)
    op.create_table(
        "assignment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("quest_id", sa.Uuid(), nullable=False),
        sa.Column("player_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("team_size", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("status", sa.Text(), server_default="ACCEPTED", nullable=False),
        sa.Column(
            "terms",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("base_xp", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column("reward_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), server_default="SPARK", nullable=False),
        sa.Column("authenticity", sa.Integer(), nullable=True),
        sa.Column(
            "accepted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status IN ('ABANDONED', 'EXPIRED')) = (ended_at IS NOT NULL)",
            name=op.f("ck_assignment_ended_at_if_given_up"),
        ),
        sa.CheckConstraint(
            "(status IN ('VERIFIED', 'REJECTED', 'REWARDED')) = (decided_at IS NOT NULL)",
            name=op.f("ck_assignment_decided_at_if_decided"),
        ),
        sa.CheckConstraint(
            "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')", name=op.f("ck_assignment_asset_known")
        ),
        sa.CheckConstraint(
            "status IN ('ACCEPTED', 'SUBMITTED', 'UNDER_REVIEW', 'VERIFIED', 'REJECTED', "
            "'REWARDED', 'ABANDONED', 'EXPIRED')",
            name=op.f("ck_assignment_status_known"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('SUBMITTED', 'UNDER_REVIEW', 'VERIFIED', 'REWARDED', 'REJECTED') "
            "OR submitted_at IS NOT NULL",
            name=op.f("ck_assignment_submitted_at_if_submitted"),
        ),
        sa.CheckConstraint("accepted_at < due_at", name=op.f("ck_assignment_accepted_before_due")),
        sa.CheckConstraint(
            "authenticity BETWEEN 0 AND 100", name=op.f("ck_assignment_authenticity_range")
        ),
        sa.CheckConstraint("base_xp > 0", name=op.f("ck_assignment_base_xp_positive")),
        sa.CheckConstraint("reward_minor >= 0", name=op.f("ck_assignment_reward_not_negative")),
        sa.CheckConstraint(
            "team_size BETWEEN 1 AND 20", name=op.f("ck_assignment_team_size_range")
        ),
        sa.ForeignKeyConstraint(
            ["player_id"], ["user_account.id"], name=op.f("fk_assignment_player_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["quest_id"], ["quest.id"], name=op.f("fk_assignment_quest_id_quest")
        ),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_assignment_team_id_team")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
    )
    op.create_index("ix_assignment_decided", "assignment", ["decided_at", "id"], unique=False)
    op.create_index(
        "ix_assignment_due",
        "assignment",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'ACCEPTED'"),
    )
    op.create_index(
        "ix_assignment_player", "assignment", ["player_id", "accepted_at", "id"], unique=False
    )
    op.create_index(
        "ix_assignment_quest", "assignment", ["quest_id", "accepted_at", "id"], unique=False
    )
    op.create_index("ix_assignment_team", "assignment", ["team_id"], unique=False)
    op.create_index(
        "ix_assignment_under_review",
        "assignment",
        ["submitted_at", "id"],
        unique=False,
        postgresql_where=sa.text("status IN ('SUBMITTED', 'UNDER_REVIEW', 'VERIFIED')"),
    )
    op.create_index(
        "uq_assignment_live",
        "assignment",
        ["quest_id", "player_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('ACCEPTED', 'SUBMITTED', 'UNDER_REVIEW', 'VERIFIED')"),
    )
    op.create_table(
        "team_invitation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("inviter_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="PENDING", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'PENDING') = (answered_at IS NULL)",
            name=op.f("ck_team_invitation_answered_at"),
        ),
        sa.CheckConstraint(
            "status IN ('PENDING', 'ACCEPTED', 'DECLINED')",
            name=op.f("ck_team_invitation_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["inviter_id"],
            ["user_account.id"],
            name=op.f("fk_team_invitation_inviter_id_user_account"),
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_team_invitation_team_id_team")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_team_invitation_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_invitation")),
        sa.UniqueConstraint("team_id", "user_id", name=op.f("uq_team_invitation_team_id_user_id")),
    )
    op.create_index(
        "ix_team_invitation_user", "team_invitation", ["user_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "team_member",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("quest_id", sa.Uuid(), nullable=False),
        sa.Column(
            "joined_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["quest_id"], ["quest.id"], name=op.f("fk_team_member_quest_id_quest")
        ),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_team_member_team_id_team")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_team_member_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("team_id", "user_id", name=op.f("pk_team_member")),
        sa.UniqueConstraint("quest_id", "user_id", name=op.f("uq_team_member_quest_id_user_id")),
    )
    op.create_index("ix_team_member_user", "team_member", ["user_id", "joined_at"], unique=False)


def create_evidence() -> None:
    op.create_table(
        "witness",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("reputation", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("agreed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("disagreed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("available", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("region ~ '^[A-Z]{2}$'", name=op.f("ck_witness_region_iso3166")),
        sa.CheckConstraint(
            "agreed >= 0 AND disagreed >= 0", name=op.f("ck_witness_counts_not_negative")
        ),
        sa.CheckConstraint(
            "reputation BETWEEN 10 AND 1000", name=op.f("ck_witness_reputation_range")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_witness_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_witness")),
    )
    op.create_index(
        "ix_witness_region", "witness", ["region", "reputation", "user_id"], unique=False
    )
    op.create_index("ix_witness_reputation", "witness", ["reputation", "user_id"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("player_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("file_key", sa.Text(), nullable=True),
        sa.Column("shown_key", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("phash", sa.BigInteger(), nullable=True),
        sa.Column("quality", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("exif", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("accuracy_m", sa.Double(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "submitted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("skew_ms", sa.BigInteger(), nullable=True),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(kind = 'NOTE') = (note IS NOT NULL)", name=op.f("ck_evidence_note_if_note")
        ),
        sa.CheckConstraint(
            "(kind IN ('PHOTO', 'VIDEO')) = (file_key IS NOT NULL) AND (file_key IS NULL) = "
            "(sha256 IS NULL) AND (file_key IS NULL) = (size_bytes IS NULL) AND (file_key IS "
            "NULL) = (media_type IS NULL)",
            name=op.f("ck_evidence_file_if_taken"),
        ),
        sa.CheckConstraint(
            "file_key ~ '^[a-z-]+/[0-9a-f]{32}$'", name=op.f("ck_evidence_file_key_form")
        ),
        sa.CheckConstraint(
            "kind <> 'LOCATION' OR latitude IS NOT NULL", name=op.f("ck_evidence_fix_if_location")
        ),
        sa.CheckConstraint(
            "kind IN ('PHOTO', 'VIDEO', 'LOCATION', 'NOTE')", name=op.f("ck_evidence_kind_known")
        ),
        sa.CheckConstraint(
            "shown_key ~ '^[a-z-]+/[0-9a-f]{32}$'", name=op.f("ck_evidence_shown_key_form")
        ),
        sa.CheckConstraint(
            "(latitude IS NULL) = (longitude IS NULL)", name=op.f("ck_evidence_whole_position")
        ),
        sa.CheckConstraint("accuracy_m >= 0", name=op.f("ck_evidence_accuracy_not_negative")),
        sa.CheckConstraint(
            "char_length(note) BETWEEN 1 AND 5000", name=op.f("ck_evidence_note_length")
        ),
        sa.CheckConstraint("duration_ms > 0", name=op.f("ck_evidence_duration_positive")),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name=op.f("ck_evidence_latitude_range")),
        sa.CheckConstraint(
            "longitude BETWEEN -180 AND 180", name=op.f("ck_evidence_longitude_range")
        ),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_evidence_sha256_length")),
        sa.CheckConstraint("size_bytes > 0", name=op.f("ck_evidence_size_positive")),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name=op.f("fk_evidence_assignment_id_assignment")
        ),
        sa.ForeignKeyConstraint(
            ["player_id"], ["user_account.id"], name=op.f("fk_evidence_player_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sa.UniqueConstraint(
            "assignment_id", "ordinal", name=op.f("uq_evidence_assignment_id_ordinal")
        ),
    )
    op.create_index(
        "ix_evidence_fix",
        "evidence",
        ["player_id", "captured_at"],
        unique=False,
        postgresql_where=sa.text("latitude IS NOT NULL"),
    )
    op.create_index(
        "ix_evidence_not_stored",
        "evidence",
        ["submitted_at"],
        unique=False,
        postgresql_where=sa.text("file_key IS NOT NULL AND stored_at IS NULL"),
    )
    op.create_index(
        "ix_evidence_phash",
        "evidence",
        ["phash"],
        unique=False,
        postgresql_where=sa.text("phash IS NOT NULL"),
    )
    op.create_index(
        "ix_evidence_player", "evidence", ["player_id", "submitted_at", "id"], unique=False
    )
    op.create_index(
        "ix_evidence_sha256",
        "evidence",
        ["sha256"],
        unique=False,
        postgresql_where=sa.text("sha256 IS NOT NULL"),
    )
    op.create_table(
        "evidence_review",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("witness_id", sa.Uuid(), nullable=False),
        sa.Column("by_moderator", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("vote", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("weight", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "vote IN ('APPROVE', 'REJECT', 'UNSURE')", name=op.f("ck_evidence_review_vote_known")
        ),
        sa.CheckConstraint(
            "char_length(comment) <= 2000", name=op.f("ck_evidence_review_comment_length")
        ),
        sa.CheckConstraint(
            "weight BETWEEN 0 AND 1000", name=op.f("ck_evidence_review_weight_range")
        ),
        sa.ForeignKeyConstraint(
            ["assignment_id"],
            ["assignment.id"],
            name=op.f("fk_evidence_review_assignment_id_assignment"),
        ),
        sa.ForeignKeyConstraint(
            ["witness_id"],
            ["user_account.id"],
            name=op.f("fk_evidence_review_witness_id_user_account"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence_review")),
        sa.UniqueConstraint(
            "assignment_id",
            "witness_id",
            "by_moderator",
            name=op.f("uq_evidence_review_assignment_id_witness_id_by_moderator"),
        ),
    )
    op.create_index(
        "ix_evidence_review_witness", "evidence_review", ["witness_id", "at", "id"], unique=False
    )
    op.create_table(
        "quest_dispute",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("player_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="OPEN", nullable=False),
        sa.Column("resolver_id", sa.Uuid(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column(
            "opened_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'OPEN') = (resolved_at IS NULL) AND (resolved_at IS NULL) = "
            "(resolver_id IS NULL) AND (resolved_at IS NULL) = (resolution IS NULL)",
            name=op.f("ck_quest_dispute_resolved_if_not_open"),
        ),
        sa.CheckConstraint(
            "status IN ('OPEN', 'UPHELD', 'DISMISSED')", name=op.f("ck_quest_dispute_status_known")
        ),
        sa.CheckConstraint(
            "char_length(reason) BETWEEN 1 AND 2000", name=op.f("ck_quest_dispute_reason_length")
        ),
        sa.CheckConstraint(
            "char_length(resolution) BETWEEN 1 AND 2000",
            name=op.f("ck_quest_dispute_resolution_length"),
        ),
        sa.ForeignKeyConstraint(
            ["assignment_id"],
            ["assignment.id"],
            name=op.f("fk_quest_dispute_assignment_id_assignment"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id"], ["user_account.id"], name=op.f("fk_quest_dispute_player_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["resolver_id"],
            ["user_account.id"],
            name=op.f("fk_quest_dispute_resolver_id_user_account"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quest_dispute")),
        sa.UniqueConstraint("assignment_id", name=op.f("uq_quest_dispute_assignment_id")),
    )
    op.create_index(
        "ix_quest_dispute_open",
        "quest_dispute",
        ["opened_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'OPEN'"),
    )
    op.create_table(
        "review_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("witness_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="ASKED", nullable=False),
        sa.Column(
            "asked_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('ASKED', 'VOTED', 'CLOSED')", name=op.f("ck_review_request_status_known")
        ),
        sa.ForeignKeyConstraint(
            ["assignment_id"],
            ["assignment.id"],
            name=op.f("fk_review_request_assignment_id_assignment"),
        ),
        sa.ForeignKeyConstraint(
            ["witness_id"],
            ["user_account.id"],
            name=op.f("fk_review_request_witness_id_user_account"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_request")),
        sa.UniqueConstraint(
            "assignment_id", "witness_id", name=op.f("uq_review_request_assignment_id_witness_id")
        ),
    )
    op.create_index(
        "ix_review_request_witness",
        "review_request",
        ["witness_id", "status", "asked_at", "id"],
        unique=False,
    )
    op.create_table(
        "verification_record",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("evidence_id", sa.Uuid(), nullable=True),
        sa.Column("round", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("check_name", sa.Text(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=True),
        sa.Column("confidence", sa.SmallInteger(), nullable=False),
        sa.Column("weight", sa.SmallInteger(), nullable=False),
        sa.Column("flag", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(flag = 'NOT_CHECKED') = (score IS NULL)",
            name=op.f("ck_verification_record_score_if_checked"),
        ),
        sa.CheckConstraint(
            "check_name ~ '^[A-Z][A-Z0-9_]{1,59}$'",
            name=op.f("ck_verification_record_check_name_form"),
        ),
        sa.CheckConstraint(
            "flag IN ('PASSED', 'NOT_CHECKED', 'FLAGGED')",
            name=op.f("ck_verification_record_flag_known"),
        ),
        sa.CheckConstraint(
            "char_length(words) BETWEEN 1 AND 500", name=op.f("ck_verification_record_words_length")
        ),
        sa.CheckConstraint(
            "confidence BETWEEN 0 AND 100", name=op.f("ck_verification_record_confidence_range")
        ),
        sa.CheckConstraint("round >= 1", name=op.f("ck_verification_record_round_positive")),
        sa.CheckConstraint(
            "score BETWEEN 0 AND 100", name=op.f("ck_verification_record_score_range")
        ),
        sa.CheckConstraint(
            "weight BETWEEN 0 AND 1000", name=op.f("ck_verification_record_weight_range")
        ),
        sa.ForeignKeyConstraint(
            ["assignment_id"],
            ["assignment.id"],
            name=op.f("fk_verification_record_assignment_id_assignment"),
        ),
        sa.ForeignKeyConstraint(
            ["evidence_id"],
            ["evidence.id"],
            name=op.f("fk_verification_record_evidence_id_evidence"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification_record")),
    )
    op.create_index(
        "ix_verification_record_assignment",
        "verification_record",
        ["assignment_id", "round", "id"],
        unique=False,
    )


def create_rewards() -> None:
    op.create_table(
        "badge",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("rule_kind", sa.Text(), nullable=False),
        sa.Column(
            "rule",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "rule_kind IN ('COUNT', 'STREAK', 'CATEGORY', 'REGION', 'FIRST')",
            name=op.f("ck_badge_rule_known"),
        ),
        sa.CheckConstraint(
            "slug ~ '^[a-z0-9](-?[a-z0-9]){1,59}$'", name=op.f("ck_badge_slug_form")
        ),
        sa.CheckConstraint(
            "char_length(description) BETWEEN 1 AND 1000", name=op.f("ck_badge_description_length")
        ),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 100", name=op.f("ck_badge_name_length")
        ),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_badge")),
    )
    op.create_table(
        "player",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("xp", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("level", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("completed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("streak_days", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("streak_best_days", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("streak_last_date", sa.Date(), nullable=True),
        sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("last_completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(streak_days = 0) = (streak_last_date IS NULL)", name=op.f("ck_player_date_if_streak")
        ),
        sa.CheckConstraint(
            "char_length(time_zone) BETWEEN 1 AND 64", name=op.f("ck_player_time_zone_length")
        ),
        sa.CheckConstraint("completed >= 0", name=op.f("ck_player_completed_not_negative")),
        sa.CheckConstraint("level BETWEEN 1 AND 8", name=op.f("ck_player_level_range")),
        sa.CheckConstraint("streak_best_days >= streak_days", name=op.f("ck_player_best_is_best")),
        sa.CheckConstraint("streak_days >= 0", name=op.f("ck_player_streak_not_negative")),
        sa.CheckConstraint("xp >= 0", name=op.f("ck_player_xp_not_negative")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_player_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_player")),
    )
    op.create_index("ix_player_xp", "player", ["xp", "user_id"], unique=False)
    op.create_table(
        "impact_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("row_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "transaction_id",
            TransactionId(),
            server_default=sa.text("pg_current_xact_id()"),
            nullable=False,
        ),
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("player_id", sa.Uuid(), nullable=False),
        sa.Column("quest_id", sa.Uuid(), nullable=False),
        sa.Column("sponsor_id", sa.Uuid(), nullable=True),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("xp_awarded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("token_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), server_default="SPARK", nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=True),
        sa.Column(
            "impact_hundredths", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "breakdown",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "asset IN ('USD', 'EUR', 'INR', 'JPY', 'SPARK')",
            name=op.f("ck_impact_entry_asset_known"),
        ),
        sa.CheckConstraint(
            "(token_minor = 0) = (transfer_id IS NULL)",
            name=op.f("ck_impact_entry_transfer_if_paid"),
        ),
        sa.CheckConstraint(
            "impact_hundredths >= 0", name=op.f("ck_impact_entry_impact_not_negative")
        ),
        sa.CheckConstraint("token_minor >= 0", name=op.f("ck_impact_entry_token_not_negative")),
        sa.CheckConstraint("xp_awarded >= 0", name=op.f("ck_impact_entry_xp_not_negative")),
        sa.ForeignKeyConstraint(
            ["assignment_id"],
            ["assignment.id"],
            name=op.f("fk_impact_entry_assignment_id_assignment"),
        ),
        sa.ForeignKeyConstraint(
            ["category"],
            ["quest_category.slug"],
            name=op.f("fk_impact_entry_category_quest_category"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id"], ["user_account.id"], name=op.f("fk_impact_entry_player_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["quest_id"], ["quest.id"], name=op.f("fk_impact_entry_quest_id_quest")
        ),
        sa.ForeignKeyConstraint(
            ["sponsor_id"],
            ["user_account.id"],
            name=op.f("fk_impact_entry_sponsor_id_user_account"),
        ),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfer.id"], name=op.f("fk_impact_entry_transfer_id_transfer")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_impact_entry")),
        sa.UniqueConstraint("assignment_id", name=op.f("uq_impact_entry_assignment_id")),
    )
    op.create_index(
        "ix_impact_entry_category", "impact_entry", ["category", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_impact_entry_created_at", "impact_entry", ["created_at", "id"], unique=False
    )
    op.create_index(
        "ix_impact_entry_log", "impact_entry", ["transaction_id", "row_id"], unique=True
    )
    op.create_index(
        "ix_impact_entry_player", "impact_entry", ["player_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_impact_entry_quest", "impact_entry", ["quest_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_impact_entry_region", "impact_entry", ["region", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_impact_entry_sponsor", "impact_entry", ["sponsor_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "achievement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("player_id", sa.Uuid(), nullable=False),
        sa.Column("badge_slug", sa.Text(), nullable=False),
        sa.Column("impact_entry_id", sa.Uuid(), nullable=True),
        sa.Column("credential", sa.Text(), nullable=True),
        sa.Column(
            "earned_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "char_length(credential) <= 20000", name=op.f("ck_achievement_credential_length")
        ),
        sa.ForeignKeyConstraint(
            ["badge_slug"], ["badge.slug"], name=op.f("fk_achievement_badge_slug_badge")
        ),
        sa.ForeignKeyConstraint(
            ["impact_entry_id"],
            ["impact_entry.id"],
            name=op.f("fk_achievement_impact_entry_id_impact_entry"),
        ),
        sa.ForeignKeyConstraint(
            ["player_id"], ["user_account.id"], name=op.f("fk_achievement_player_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_achievement")),
        sa.UniqueConstraint(
            "player_id", "badge_slug", name=op.f("uq_achievement_player_id_badge_slug")
        ),
    )
    op.create_index(
        "ix_achievement_player", "achievement", ["player_id", "earned_at", "id"], unique=False
    )


def insert_badges() -> None:
    badge = sa.table(
        "badge",
        *(sa.column(name, sa.Text) for name in ("slug", "name", "description", "rule_kind")),
        sa.column("rule", postgresql.JSONB),
    )
    rows = [
        dict(
            zip(("slug", "name", "description", "rule"), row, strict=True), rule_kind=row[3]["kind"]
        )
        for row in BADGES
    ]
    op.bulk_insert(badge, rows)


def let_impact_into_the_log() -> None:
    op.add_column("ledger_leaf", sa.Column("impact_entry_id", sa.Uuid(), nullable=True))
    op.alter_column("ledger_leaf", "transfer_id", existing_type=sa.UUID(), nullable=True)
    op.create_unique_constraint("uq_ledger_leaf_impact_entry", "ledger_leaf", ["impact_entry_id"])
    op.create_foreign_key(
        op.f("fk_ledger_leaf_impact_entry_id_impact_entry"),
        "ledger_leaf",
        "impact_entry",
        ["impact_entry_id"],
        ["id"],
    )
    op.create_check_constraint(
        op.f("ck_ledger_leaf_one_row"),
        "ledger_leaf",
        "num_nonnulls(transfer_id, impact_entry_id) = 1",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_ledger_leaf_one_row"), "ledger_leaf", type_="check")
    op.drop_column("ledger_leaf", "impact_entry_id")
    op.execute(TRANSFERS_ALONE)
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION quests_refuse_change")
