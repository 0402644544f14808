"""Documents of quests, found as lists show them: a draft is its maker's alone and has none. The
maker is the owner, so that nobody finds what is theirs who blocked them or whom they blocked.
"""

from __future__ import annotations

from services.search.tokens import token

_QUEST_SEEN = "q.status <> 'DRAFT'"
QUEST_SEEN = f"""
    SELECT q.id, CAST(NULL AS timestamptz) AS version, CAST(q.taken AS bigint) AS popularity
    FROM quest AS q WHERE {_QUEST_SEEN}
"""
# Without moments: the filters by them are about auctions.
QUEST_DOCUMENTS = f"""
    SELECT q.id, q.title, CAST('{{}}' AS text[]),
        concat_ws(' · ', c.name, z.name),
        concat_ws('. ', c.name, z.name),
        q.story,
        q.creator_id, CAST(NULL AS smallint), CAST(NULL AS int), CAST(NULL AS smallint),
        CAST(NULL AS bigint), CAST(NULL AS text),
        CAST(NULL AS timestamptz), CAST(NULL AS timestamptz),
        CAST(ln(1 + q.taken) AS real),
        coalesce(q.opened_at, q.created_at), CAST(NULL AS timestamptz),
        array_remove(ARRAY[
            {token("TYPE", "'QUEST'", "'Quests'")},
            {token("CATEGORY", "c.slug", "c.name")},
            {token("REGION", "q.region")}
        ], NULL)
    FROM quest AS q JOIN quest_category AS c ON c.slug = q.category
    LEFT JOIN zone AS z ON z.id = q.zone_id
    WHERE q.id = ANY (CAST(:ids AS uuid[])) AND {_QUEST_SEEN}
"""
