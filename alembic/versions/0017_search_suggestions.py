"""Names by the start of each word, popular queries by how many people searched them.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SLOTS = (0, 1)
NAMES = ("search_name", "search_name_0", "search_name_1")

# Follows search_name whatever writes it: a name from each of its first eight words on, but not from
# a small word within it (`of the rings`). What is popular comes first, then the beginning of a name
# before its middle, the name before its aliases, the short before the long. People's popularity is
# their credits, which most have: other things are given a start.
FUNCTIONS = """
CREATE FUNCTION search_name_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_start (slot, document, place, word, key, kind, owner_id, weight)
    SELECT n.slot, n.document, n.place, w.word - 1,
        array_to_string(s.words[w.word:], ' '), n.kind, n.owner_id,
        n.popularity * CASE w.word WHEN 1 THEN 1 ELSE 0.8 END
            + CASE n.kind WHEN 'PERSON' THEN 0 ELSE 1.5 END
            - least(length(n.key), 200) / 1000.0 - CASE n.place WHEN 0 THEN 0 ELSE 0.05 END
    FROM added AS n
    CROSS JOIN LATERAL (SELECT string_to_array(n.key, ' ') AS words) AS s
    CROSS JOIN LATERAL generate_series(1, least(cardinality(s.words), 8)) AS w(word)
    WHERE w.word = 1 OR s.words[w.word] NOT IN (
        'a', 'an', 'the', 'of', 'and', 'in', 'to', 'for', 'on', 'at', 'by', 'with', 'from', 's');
    RETURN NULL;
END $$;

CREATE FUNCTION search_name_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM search_start AS s USING removed AS n
    WHERE s.slot = n.slot AND s.document = n.document AND s.place = n.place;
    RETURN NULL;
END $$;

CREATE FUNCTION search_name_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'search_name' THEN
        TRUNCATE search_start;
    ELSE
        EXECUTE format('TRUNCATE %I', replace(TG_TABLE_NAME, 'search_name', 'search_start'));
    END IF;
    RETURN NULL;
END $$
"""
TRIGGERS = {
    "added": "AFTER INSERT ON {table} REFERENCING NEW TABLE AS added",
    "changed_from": "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS removed",
    "changed_to": "AFTER UPDATE ON {table} REFERENCING NEW TABLE AS added",
    "removed": "AFTER DELETE ON {table} REFERENCING OLD TABLE AS removed",
    "emptied": "AFTER TRUNCATE ON {table}",
}
DOES = {"changed_from": "removed", "changed_to": "added"}


def upgrade() -> None:
    op.create_table(
        "search_start",
        sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("word", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("weight", sa.REAL(), nullable=False),
        sa.PrimaryKeyConstraint("slot", "document", "place", "word", name=op.f("pk_search_start")),
        postgresql_partition_by="LIST (slot)",
    )
    for slot in SLOTS:
        op.execute(
            f"CREATE TABLE search_start_{slot} PARTITION OF search_start FOR VALUES IN ({slot})"
        )
    for letters in (1, 2, 3, 4):
        op.create_index(
            f"ix_search_start_{letters}",
            "search_start",
            [sa.text(f'"left"(key, {letters})'), sa.text("weight DESC")],
        )
    op.create_index("ix_search_start_key", "search_start", ["key"])
    for function in FUNCTIONS.split(";\n\n"):
        op.execute(function)
    # On each partition as well: a statement that names one fires its own triggers alone. Of several
    # that fire at once the first by name is the first to run: `_from` before `_to`.
    for table in NAMES:
        for name, when in TRIGGERS.items():
            op.execute(
                f"CREATE TRIGGER {table}_{name} {when.format(table=table)} FOR EACH STATEMENT"
                f" EXECUTE FUNCTION search_name_{DOES.get(name, name)}()"
            )
    op.create_index(
        "ix_search_facet_value_label",
        "search_facet_value",
        [sa.text("search_key(label)")],
        postgresql_where=sa.text("facet IN ('SELLER', 'STALL')"),
    )
    op.add_column(
        "search_popular",
        sa.Column("searchers", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.create_table(
        "search_searcher",
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("searcher", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("query", "searcher", name=op.f("pk_search_searcher")),
    )


def downgrade() -> None:
    op.drop_table("search_searcher")
    op.drop_column("search_popular", "searchers")
    op.drop_index("ix_search_facet_value_label", table_name="search_facet_value")
    for table in NAMES:
        for name in TRIGGERS:
            op.execute(f"DROP TRIGGER {table}_{name} ON {table}")
    for name in ("added", "removed", "emptied"):
        op.execute(f"DROP FUNCTION search_name_{name}()")
    op.drop_table("search_start")
