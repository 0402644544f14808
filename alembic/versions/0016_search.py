"""Search: the index in its two slots, facets, vectors, what was searched.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KINDS = "kind IN ('TITLE', 'PERSON', 'POST', 'USER', 'PRODUCT', 'AUCTION')"
FACETS = (
    "facet IN ('TYPE', 'GENRE', 'YEAR', 'DECADE', 'PLATFORM', 'TIER', 'REGION', 'OFFER', 'PRICE',"
    " 'TAG', 'CATEGORY', 'SELLER', 'STALL', 'CULTURAL_TAG', 'LANGUAGE', 'CONTENT_RATING',"
    " 'AUCTION_STATE', 'TITLE_KIND')"
)
SLOTS = (0, 1)
PARTITIONED = ("search_document", "search_posting", "search_term", "search_name")

# Words as the index has them, the same for documents and queries: without accents, by their stem.
# Short words ("the", "who") count in names alone: mela_search leaves them out, mela_search_names
# keeps them, so that "It" and "The Who" are found.
CONFIGURATIONS = """
CREATE TEXT SEARCH DICTIONARY mela_stem
    (TEMPLATE = snowball, Language = english, StopWords = english);
CREATE TEXT SEARCH DICTIONARY mela_stem_all (TEMPLATE = snowball, Language = english);
CREATE TEXT SEARCH CONFIGURATION mela_search (PARSER = default);
CREATE TEXT SEARCH CONFIGURATION mela_search_names (PARSER = default);
ALTER TEXT SEARCH CONFIGURATION mela_search ADD MAPPING
    FOR asciiword, word, numword, int, uint WITH {unaccent}, mela_stem;
ALTER TEXT SEARCH CONFIGURATION mela_search_names ADD MAPPING
    FOR asciiword, word, numword, int, uint WITH {unaccent}, mela_stem_all
"""
# Signs that the parser would make hosts, files, fractions and compounds of part words. IMMUTABLE:
# the dictionary is named, and nobody changes it.
FUNCTIONS = """
CREATE FUNCTION search_words(words text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    RETURN translate(words, '-\u2013\u2014/\\_.:@&+~=%#', '               ');
CREATE FUNCTION search_key(name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    RETURN left(btrim(regexp_replace(lower({schema}.unaccent('{schema}.unaccent', name)),
        '[^[:alnum:]]+', ' ', 'g')), 200)
"""

# What live results need to know of a change: each state of a document, old and new; but for more
# than a hundred at once, that anything may have changed. Popularity alone is no change: it moves
# everywhere, all the time.
TELLING = """
CREATE FUNCTION search_tell() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    active smallint := (SELECT slot FROM search_slot WHERE state = 'ACTIVE');
    told integer;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        SELECT count(*) INTO told FROM (SELECT FROM new_rows WHERE slot = active LIMIT 101) AS n;
    ELSE
        SELECT count(*) INTO told FROM (SELECT FROM old_rows WHERE slot = active LIMIT 101) AS n;
    END IF;
    IF told > 100 THEN
        INSERT INTO search_change DEFAULT VALUES;
    ELSIF told > 0 AND TG_OP = 'UPDATE' THEN
        INSERT INTO search_change (document, kind, entity_id, owner_id, terms, names, facets)
        SELECT d.id, d.kind, d.entity_id, d.owner_id, tsvector_to_array(d.terms),
            d.name || d.names, d.facets
        FROM (SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows) AS d
        WHERE d.slot = active AND d.id IN (
            SELECT n.id FROM old_rows AS o JOIN new_rows AS n ON n.slot = o.slot AND n.id = o.id
            WHERE (o.digest, o.summary, o.owner_id, o.facets, o.year, o.runtime_minutes,
                    o.maturity, o.price_minor, o.price_asset, o.starts_at, o.ends_at,
                    o.published_at)
                IS DISTINCT FROM (n.digest, n.summary, n.owner_id, n.facets, n.year,
                    n.runtime_minutes, n.maturity, n.price_minor, n.price_asset, n.starts_at,
                    n.ends_at, n.published_at));
    ELSIF told > 0 AND TG_OP = 'INSERT' THEN
        INSERT INTO search_change (document, kind, entity_id, owner_id, terms, names, facets)
        SELECT d.id, d.kind, d.entity_id, d.owner_id, tsvector_to_array(d.terms),
            d.name || d.names, d.facets
        FROM new_rows AS d WHERE d.slot = active;
    ELSIF told > 0 THEN
        INSERT INTO search_change (document, kind, entity_id, owner_id, terms, names, facets)
        SELECT d.id, d.kind, d.entity_id, d.owner_id, tsvector_to_array(d.terms),
            d.name || d.names, d.facets
        FROM old_rows AS d WHERE d.slot = active;
    END IF;
    RETURN NULL;
END $$
"""
TOLD = (
    ("INSERT", "NEW TABLE AS new_rows"),
    ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ("DELETE", "OLD TABLE AS old_rows"),
)
TELLING_OF_SLOTS = """
CREATE FUNCTION search_tell_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_change DEFAULT VALUES;
    RETURN NULL;
END $$
"""
# Whom somebody blocks is gone from what they watch, and they from what the other does.
TELLING_OF_BLOCKS = """
CREATE FUNCTION search_tell_viewers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    pair block := coalesce(new, old);
BEGIN
    INSERT INTO search_change (viewers) VALUES (ARRAY[pair.blocker_id, pair.blocked_id]);
    RETURN NULL;
END $$
"""


def _words(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable, server_default=default)


def _number(name: str, kind: sa.types.TypeEngine | None = None, default: str = "0") -> sa.Column:
    return sa.Column(name, kind or sa.Integer(), nullable=False, server_default=sa.text(default))


def _moment(name: str, *, now: bool = False) -> sa.Column:
    default = sa.text("clock_timestamp()") if now else None
    kind = sa.DateTime(timezone=True)
    return sa.Column(name, kind, nullable=not now, server_default=default)


def _flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def _several(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, postgresql.ARRAY(kind), server_default="{}", nullable=False)


def _slot() -> sa.Column:
    return sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False)


def _check(table: str, **conditions: str) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))
        for name, condition in conditions.items()
    ]


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _statements(several: str) -> None:
    for statement in several.split(";\n"):
        op.execute(statement)


def _make_language() -> None:
    # Any user who may make schemas can make these two (PostgreSQL 13 on).
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE EXTENSION IF NOT EXISTS unaccent")
    schema = op.get_bind().scalar(
        sa.text(
            "SELECT quote_ident(nspname) FROM pg_extension e"
            " JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'unaccent'"
        )
    )
    _statements(CONFIGURATIONS.format(unaccent=f"{schema}.unaccent"))
    _statements(FUNCTIONS.format(schema=schema))


def _make_index_tables() -> None:
    op.create_table(
        "search_entity",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        _words("kind"),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        *_check("search_entity", kind_known=KINDS),
        _key("search_entity", "id"),
        sa.UniqueConstraint("kind", "entity_id", name="uq_search_entity_thing"),
    )
    op.create_table(
        "search_document",
        _slot(),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        _words("kind"),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        _words("name"),
        _several("names", sa.Text()),
        _words("summary", default=""),
        _words("details", default=""),
        _words("body", default=""),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        _several("facets", sa.Integer()),
        sa.Column("year", sa.SmallInteger(), nullable=True),
        sa.Column("runtime_minutes", sa.Integer(), nullable=True),
        sa.Column("maturity", sa.SmallInteger(), nullable=True),
        sa.Column("price_minor", sa.BigInteger(), nullable=True),
        _words("price_asset", nullable=True),
        _moment("starts_at"),
        _moment("ends_at"),
        _number("popularity", sa.REAL()),
        _number("length", sa.REAL()),
        sa.Column("terms", postgresql.TSVECTOR(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _moment("published_at"),
        _moment("version"),
        _moment("changed_at", now=True),
        *_check("search_document", kind_known=KINDS, facets_bounded="cardinality(facets) <= 2000"),
        _key("search_document", "slot", "id"),
        sa.UniqueConstraint("slot", "kind", "entity_id", name="uq_search_document_thing"),
        postgresql_partition_by="LIST (slot)",
    )
    op.create_table(
        "search_posting",
        _slot(),
        sa.Column("term", sa.Text(collation="C"), nullable=False),
        sa.Column("document", sa.Integer(), nullable=False),
        sa.Column("impact", sa.REAL(), nullable=False),
        postgresql_partition_by="LIST (slot)",
    )
    op.create_table(
        "search_term",
        _slot(),
        sa.Column("term", sa.Text(collation="C"), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        _key("search_term", "slot", "term"),
        postgresql_partition_by="LIST (slot)",
    )
    op.create_table(
        "search_name",
        _slot(),
        sa.Column("document", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.SmallInteger(), autoincrement=False, nullable=False),
        _words("key"),
        _words("kind"),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        _number("popularity", sa.REAL()),
        _key("search_name", "slot", "document", "place"),
        postgresql_partition_by="LIST (slot)",
    )


def _make_indexes() -> None:
    for table in PARTITIONED:
        for slot in SLOTS:
            op.execute(f"CREATE TABLE {table}_{slot} PARTITION OF {table} FOR VALUES IN ({slot})")
    op.create_index(
        "ix_search_document_facets", "search_document", ["facets"], postgresql_using="gin"
    )
    op.create_index(
        "ix_search_document_popularity", "search_document", ["slot", "popularity", "id"]
    )
    op.create_index("ix_search_document_owner", "search_document", ["slot", "owner_id"])
    op.create_index(
        "uq_search_posting",
        "search_posting",
        ["slot", "term", "document"],
        unique=True,
        postgresql_include=["impact"],
    )
    op.create_index(
        "ix_search_name_trigrams",
        "search_name",
        ["key"],
        postgresql_using="gin",
        postgresql_ops={"key": "gin_trgm_ops"},
    )
    op.create_index(
        "ix_search_name_prefix", "search_name", ["key"], postgresql_ops={"key": "text_pattern_ops"}
    )


def _make_state() -> None:
    op.create_table(
        "search_slot",
        _slot(),
        _words("state"),
        _number("generation"),
        _number("documents"),
        _number("total_length", postgresql.DOUBLE_PRECISION()),
        _number("mean_length", sa.REAL(), "40"),
        sa.Column("builder", sa.Uuid(), nullable=True),
        _moment("builds_until"),
        _moment("begun_at"),
        _moment("ready_at"),
        _moment("swept_at", now=True),
        *_check(
            "search_slot",
            two_slots="slot IN (0, 1)",
            state_known="state IN ('ACTIVE', 'BUILDING', 'EMPTY')",
        ),
        _key("search_slot", "slot"),
    )
    op.create_index(
        "uq_search_slot_active",
        "search_slot",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.execute("INSERT INTO search_slot (slot, state) VALUES (0, 'ACTIVE'), (1, 'EMPTY')")
    op.create_table(
        "search_touched",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        _words("kind"),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        _key("search_touched", "id"),
    )
    # Offers that begin by themselves, which no event tells.
    op.create_index(
        "ix_availability_begins",
        "availability",
        ["available_from", "title_id"],
        postgresql_where=sa.text("available AND available_from IS NOT NULL"),
    )
    op.create_table(
        "search_facet_value",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        _words("facet"),
        _words("value"),
        _words("label"),
        *_check("search_facet_value", facet_known=FACETS),
        _key("search_facet_value", "id"),
        sa.UniqueConstraint("facet", "value", name="uq_search_facet_value_facet_value"),
    )


def _make_vectors() -> None:
    op.create_table(
        "search_model",
        _words("name"),
        sa.Column("dimension", sa.SmallInteger(), nullable=False),
        _flag("ready"),
        _flag("active"),
        _moment("created_at", now=True),
        *_check("search_model", dimension_range="dimension BETWEEN 1 AND 2000"),
        _key("search_model", "name"),
    )
    op.create_index(
        "uq_search_model_active",
        "search_model",
        ["active"],
        unique=True,
        postgresql_where=sa.text("active"),
    )
    if not _has_vector():
        return
    # Of unknown dimension, which is the model's; indexes are the job's, one a model.
    op.execute(
        """
        CREATE TABLE search_vector (
            document integer NOT NULL REFERENCES search_entity (id) ON DELETE CASCADE,
            model text NOT NULL REFERENCES search_model (name) ON DELETE CASCADE,
            digest bytea NOT NULL,
            embedding vector NOT NULL,
            CONSTRAINT pk_search_vector PRIMARY KEY (model, document)
        )
        """
    )
    op.execute("CREATE INDEX ix_search_vector_document ON search_vector (document)")


def _has_vector() -> bool:
    """Whether pgvector is here or can be made: search does without it, on words and names alone."""
    found = sa.text("SELECT count(*) FROM pg_extension WHERE extname = 'vector'")
    connection = op.get_bind()
    if connection.scalar(found):
        return True
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
                CREATE EXTENSION vector;
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE WARNING 'pgvector is here, but this user may not make it: search without vectors';
        END $$
        """
    )
    return bool(connection.scalar(found))


def _make_habits() -> None:
    op.create_table(
        "search_synonym",
        _words("term"),
        sa.Column("means", postgresql.ARRAY(sa.Text()), nullable=False),
        *_check(
            "search_synonym",
            term_length="char_length(term) BETWEEN 1 AND 60",
            means_bounded="cardinality(means) BETWEEN 1 AND 20",
        ),
        _key("search_synonym", "term"),
    )
    op.create_table(
        "search_popular",
        _words("query"),
        _number("searches", sa.BigInteger()),
        _moment("last_at", now=True),
        *_check("search_popular", query_length="char_length(query) BETWEEN 1 AND 500"),
        _key("search_popular", "query"),
    )
    op.create_index("ix_search_popular_searches", "search_popular", ["searches", "query"])
    op.create_index(
        "ix_search_popular_prefix",
        "search_popular",
        ["query"],
        postgresql_ops={"query": "text_pattern_ops"},
    )
    op.create_table(
        "search_history",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        _words("query"),
        _words("intent", default="SEARCH"),
        _number("results"),
        sa.Column(
            "clicked", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        _moment("at", now=True),
        *_check(
            "search_history",
            query_length="char_length(query) <= 500",
            intent_known="intent IN ('SEARCH', 'BROWSE', 'RECOMMEND')",
            results_not_negative="results >= 0",
            clicked_bounded="jsonb_array_length(clicked) <= 100",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_search_history_user_id_user_account")
        ),
        _key("search_history", "id"),
    )
    op.create_index("ix_search_history_user", "search_history", ["user_id", "at", "id"])
    op.create_index("ix_search_history_at", "search_history", ["at"])


def _make_watching() -> None:
    op.create_table(
        "search_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "xact",
            sa.BigInteger(),
            server_default=sa.text("CAST(CAST(pg_current_xact_id() AS text) AS bigint)"),
            nullable=False,
        ),
        sa.Column("document", sa.Integer(), nullable=True),
        _words("kind", nullable=True),
        sa.Column("entity_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        _several("terms", sa.Text()),
        _several("names", sa.Text()),
        _several("facets", sa.Integer()),
        _several("viewers", sa.Uuid()),
        _moment("at", now=True),
        _key("search_change", "id"),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_search_change_xact", "search_change", ["xact", "id"])
    op.create_index("ix_search_change_at", "search_change", ["at"])
    op.execute(TELLING)
    # On each partition as well: a statement that names one fires its own triggers alone.
    for table in ("search_document", *(f"search_document_{slot}" for slot in SLOTS)):
        for event, rows in TOLD:
            op.execute(
                f"CREATE TRIGGER {table}_live_{event.lower()} AFTER {event} ON {table}"
                f" REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION search_tell()"
            )
    op.execute(TELLING_OF_SLOTS)
    op.execute(
        "CREATE TRIGGER search_slot_live AFTER UPDATE OF state ON search_slot FOR EACH ROW"
        " WHEN (new.state = 'ACTIVE' AND old.state <> 'ACTIVE')"
        " EXECUTE FUNCTION search_tell_all()"
    )
    op.execute(TELLING_OF_BLOCKS)
    op.execute(
        "CREATE TRIGGER block_live AFTER INSERT OR DELETE ON block FOR EACH ROW"
        " EXECUTE FUNCTION search_tell_viewers()"
    )
    op.create_table(
        "search_setting",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("keep_history", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        _moment("updated_at", now=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_search_setting_user_id_user_account")
        ),
        _key("search_setting", "user_id"),
    )


def upgrade() -> None:
    _make_language()
    _make_index_tables()
    _make_indexes()
    _make_state()
    _make_vectors()
    _make_habits()
    _make_watching()


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS search_vector")
    op.drop_index("ix_availability_begins", table_name="availability")
    for table in (
        "search_setting",
        "search_change",
        "search_history",
        "search_popular",
        "search_synonym",
        "search_model",
        "search_facet_value",
        "search_touched",
        "search_slot",
        *PARTITIONED,
        "search_entity",
    ):
        op.drop_table(table)
    op.execute("DROP TRIGGER block_live ON block")
    op.execute("DROP FUNCTION search_tell_viewers()")
    op.execute("DROP FUNCTION search_tell()")
    op.execute("DROP FUNCTION search_tell_all()")
    op.execute("DELETE FROM log_consumer WHERE name = 'search'")
    op.execute("DROP FUNCTION search_key(text)")
    op.execute("DROP FUNCTION search_words(text)")
    op.execute("DROP TEXT SEARCH CONFIGURATION mela_search_names")
    op.execute("DROP TEXT SEARCH CONFIGURATION mela_search")
    op.execute("DROP TEXT SEARCH DICTIONARY mela_stem_all")
    op.execute("DROP TEXT SEARCH DICTIONARY mela_stem")
