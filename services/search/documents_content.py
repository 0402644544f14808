"""Documents of titles, people and posts. Conditions follow those of loaders/content: a title's
rating limit is the viewer's and so the reader's; a post is found where lists show it to everyone.
"""

from __future__ import annotations

from models.content.titles import CONTENT_RATINGS
from services.search.tokens import OFFERS_MAX, tag_tokens, token

PEOPLE_MAX = 12
"""People of a title that it is found by: directors first, then the cast by its billing."""
TEXT_MAX = 100_000
"""Characters of a body that are searched."""

_KIND = "initcap(t.kind)"
_RATING = "(ARRAY[" + ", ".join(f"'{rating}'" for rating in CONTENT_RATINGS) + "])[t.maturity + 1]"
_LIVE = """
    a.available AND coalesce(a.available_from <= clock_timestamp(), true)
    AND coalesce(a.available_until > clock_timestamp(), true)
"""

TITLE_SEEN = "SELECT id, updated_at AS version, popularity FROM title"
TITLE_DOCUMENTS = f"""
    SELECT t.id, t.name,
        CASE WHEN search_key(t.original_name) <> search_key(t.name)
            THEN ARRAY[t.original_name] ELSE '{{}}' END,
        concat_ws(' · ', t.year, {_KIND}, g.names),
        concat_ws('. ', {_KIND}, g.names, p.names, t.year),
        t.description,
        CAST(NULL AS uuid), t.year, t.runtime_minutes, t.maturity, o.price_minor, o.asset,
        CAST(NULL AS timestamptz), CAST(NULL AS timestamptz),
        CAST(ln(1 + t.popularity) AS real),
        CAST(coalesce(t.released_on, make_date(t.year, 1, 1)) AS timestamp) AT TIME ZONE 'UTC',
        t.updated_at,
        array_remove(ARRAY[
            {token("TYPE", "'TITLE'", "'Titles'")},
            {token("TITLE_KIND", "t.kind", _KIND)},
            {token("YEAR", "CAST(t.year AS text)")},
            {token("DECADE", "CAST(t.year / 10 * 10 AS text)", "t.year / 10 * 10 || 's'")},
            {token("CONTENT_RATING", _RATING, f"replace({_RATING}, '_', '-')")}
        ], NULL) || g.tokens || o.tokens
        || ARRAY(SELECT {token("LANGUAGE", "code")} FROM unnest(t.languages) AS code)
    FROM title AS t
    CROSS JOIN LATERAL (
        SELECT string_agg(g.name, ', ' ORDER BY g.name) AS names,
            coalesce(array_agg({token("GENRE", "g.slug", "g.name")}), '{{}}') AS tokens
        FROM title_genre AS x JOIN genre AS g ON g.id = x.genre_id WHERE x.title_id = t.id
    ) AS g
    CROSS JOIN LATERAL (
        SELECT string_agg(c.name, ', ' ORDER BY c.follows, c.position) AS names FROM (
            SELECT p.name, min(c.position) AS position, bool_and(c.role <> 'DIRECTOR') AS follows
            FROM credit AS c JOIN person AS p ON p.id = c.person_id
            WHERE c.title_id = t.id AND c.role IN ('ACTOR', 'DIRECTOR')
            GROUP BY p.id, p.name ORDER BY follows, position LIMIT {PEOPLE_MAX}
        ) AS c
    ) AS p
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(DISTINCT k.token), '{{}}') AS tokens,
            (array_agg(a.price_minor ORDER BY a.asset <> 'USD', a.price_minor, a.asset)
                FILTER (WHERE a.price_minor > 0))[1] AS price_minor,
            (array_agg(a.asset ORDER BY a.asset <> 'USD', a.price_minor, a.asset)
                FILTER (WHERE a.price_minor > 0))[1] AS asset
        FROM (
            SELECT a.* FROM availability AS a WHERE a.title_id = t.id AND {_LIVE}
            ORDER BY a.region, a.platform_id, a.tier LIMIT {OFFERS_MAX}
        ) AS a
        JOIN platform AS f ON f.id = a.platform_id
        CROSS JOIN LATERAL (VALUES
            ({token("PLATFORM", "f.slug", "f.name")}),
            ({token("TIER", "a.tier", "initcap(a.tier)")}),
            ({token("REGION", "a.region")}),
            ({token("OFFER", "a.region || '/' || f.slug || '/' || a.tier")})
        ) AS k(token)
    ) AS o
    WHERE t.id = ANY (CAST(:ids AS uuid[]))
"""

PERSON_SEEN = """
    SELECT id, CAST(NULL AS timestamptz) AS version, CAST(NULL AS bigint) AS popularity FROM person
"""
PERSON_DOCUMENTS = f"""
    SELECT p.id, p.name, CAST('{{}}' AS text[]),
        concat_ws(' · ', c.roles, c.titles),
        coalesce(c.roles, ''),
        p.biography,
        CAST(NULL AS uuid), CAST(NULL AS smallint), CAST(NULL AS int), CAST(NULL AS smallint),
        CAST(NULL AS bigint), CAST(NULL AS text),
        CAST(NULL AS timestamptz), CAST(NULL AS timestamptz),
        CAST(ln(1 + c.credits) AS real), CAST(NULL AS timestamptz), CAST(NULL AS timestamptz),
        ARRAY[{token("TYPE", "'PERSON'", "'People'")}]
    FROM person AS p
    CROSS JOIN LATERAL (
        SELECT count(*) AS credits,
            string_agg(DISTINCT initcap(c.role), ', ') AS roles,
            (SELECT string_agg(k.name, ', ' ORDER BY k.popularity DESC, k.id) FROM (
                SELECT t.id, t.name, t.popularity FROM credit AS x
                JOIN title AS t ON t.id = x.title_id WHERE x.person_id = p.id
                GROUP BY t.id ORDER BY t.popularity DESC, t.id LIMIT 3) AS k) AS titles
        FROM credit AS c WHERE c.person_id = p.id
    ) AS c
    WHERE p.id = ANY (CAST(:ids AS uuid[]))
"""

# As loaders/content/posts.py lists them for someone who is not signed in; and none of people whose
# account is not theirs at the moment.
_POST_LISTED = """
    p.status = 'PUBLISHED' AND p.deleted_at IS NULL
    AND EXISTS (
        SELECT FROM user_account AS u JOIN profile AS f ON f.user_id = u.id
        WHERE u.id = p.author_id AND u.status = 'ACTIVE' AND f.visibility = 'PUBLIC')
"""
POST_SEEN = f"""
    SELECT p.id, CAST(NULL AS timestamptz) AS version, p.popularity
    FROM post AS p WHERE {_POST_LISTED}
"""
POST_DOCUMENTS = f"""
    SELECT p.id, p.title, CAST('{{}}' AS text[]),
        coalesce(p.excerpt, p.opening),
        concat_ws('. ', c.name, array_to_string(p.tags, ', ')),
        left(concat_ws(E'\\n', p.excerpt, b.words), {TEXT_MAX}),
        p.author_id, CAST(NULL AS smallint), CAST(NULL AS int),
        CAST(NULL AS smallint), CAST(NULL AS bigint), CAST(NULL AS text),
        CAST(NULL AS timestamptz), CAST(NULL AS timestamptz),
        CAST(ln(1 + p.popularity) AS real), p.published_at, CAST(NULL AS timestamptz),
        array_remove(ARRAY[
            {token("TYPE", "'POST'", "'Posts'")},
            {token("CATEGORY", "c.slug", "c.name")}
        ], NULL) || {tag_tokens("p.tags")}
    FROM post AS p
    LEFT JOIN category AS c ON c.id = p.category_id
    CROSS JOIN LATERAL (
        SELECT string_agg(concat_ws(E'\\n', b ->> 'text', b ->> 'caption', b ->> 'cite',
            (SELECT string_agg(i, E'\\n') FROM jsonb_array_elements_text(
                CASE jsonb_typeof(b -> 'items') WHEN 'array' THEN b -> 'items' ELSE '[]' END
            ) AS i)), E'\\n' ORDER BY n) AS words
        FROM jsonb_array_elements(p.blocks) WITH ORDINALITY AS e(b, n)
    ) AS b
    WHERE p.id = ANY (CAST(:ids AS uuid[])) AND {_POST_LISTED}
"""
