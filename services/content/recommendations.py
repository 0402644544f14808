"""Recommendations from rows: what a run of the model reads and keeps, and what a viewer gets. What
the model does with it stands in recommending.py, which is run in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text

from core.database import ReadSession, Transaction
from services.content.tastes import (
    ACTS_MAX,
    FADING,
    FINISHED,
    LIKED,
    LIKED_FROM,
    MIXED,
    MIXED_FROM,
    WANTED,
)

TITLES_PAGE = 500
PEOPLE_PAGE = 50
DESCRIPTION_MAX = 4_000
"""Characters of a description that the model sees."""
LEASE_S = 300
"""How long a run counts as running after its last sign: after that it was killed."""
PROFILE_MAX = 200
"""Newest acts of a viewer that recommendations follow."""
CANDIDATES_MAX = 1_000
"""Titles, the best first, among which a viewer's recommendations are looked for."""

Reason = Literal["BECAUSE_YOU_LIKED", "SIMILAR_GENRES", "POPULAR"]


@dataclass(frozen=True, slots=True)
class Recommended:
    """A title for a viewer and why; `because_id` is what they liked, for BECAUSE_YOU_LIKED."""

    title_id: UUID
    reason: Reason
    because_id: UUID | None


# What a person took to, the newest first. A rating is the last word on its title.
_TASTE = f"""
    SELECT title_id, at, coalesce(rated, weight) AS weight
    FROM (
        SELECT title_id, max(at) AS at, max(rated) AS rated, max(weight) AS weight
        FROM (
            SELECT title_id, updated_at AS at, NULL::float8 AS weight,
                CASE WHEN value_tenths >= {100 * LIKED_FROM:.0f} THEN {LIKED}
                     WHEN value_tenths >= {100 * MIXED_FROM:.0f} THEN {MIXED}
                     ELSE 0 END::float8 AS rated
            FROM rating WHERE user_id = {{person}}
            UNION ALL
            SELECT title_id, added_at, {WANTED}, NULL FROM watchlist_item WHERE user_id = {{person}}
            UNION ALL
            SELECT title_id, watched_at, {FINISHED}, NULL FROM view_record
            WHERE user_id = {{person}} AND completed
        ) AS act
        GROUP BY title_id
    ) AS acts
    WHERE coalesce(rated, weight) > 0
    ORDER BY at DESC, title_id DESC LIMIT {{acts}}
"""
# A viewer in one row, whoever they are: nobody has no wishes and no limit.
_WISHES = """
    SELECT coalesce(p.region, f.region) AS region, p.maturity_limit,
        coalesce(p.platforms, '{}') AS platforms, coalesce(p.memberships, '{}') AS memberships,
        coalesce(p.genres, '{}') AS genres
    FROM (SELECT CAST(:viewer AS uuid) AS id) AS v
    LEFT JOIN user_preference AS p ON p.user_id = v.id
    LEFT JOIN profile AS f ON f.user_id = v.id
"""
BY_THEIR_PLATFORMS = """
            (w.platforms = '{}' OR f.slug = ANY (w.platforms || w.memberships))
            AND (o.tier <> 'SUBSCRIPTION' OR w.memberships = '{}' OR f.slug = ANY (w.memberships))
"""
"""SQL: offer o of platform f is one that a viewer of wishes w can use."""
# Of title t under wishes w: who says nothing of where and by whom they watch gets everything.
_FOR_THEM = f"""
    coalesce(t.maturity <= w.maturity_limit, true)
    AND ((w.region IS NULL AND w.platforms = '{{}}' AND w.memberships = '{{}}') OR EXISTS (
        SELECT 1 FROM availability AS o JOIN platform AS f ON f.id = o.platform_id
        WHERE o.title_id = t.id AND o.available
            AND coalesce(o.available_from <= clock_timestamp(), true)
            AND coalesce(o.available_until > clock_timestamp(), true)
            AND coalesce(o.region = w.region, true)
            AND {BY_THEIR_PLATFORMS}
    ))
    AND NOT EXISTS (SELECT 1 FROM rating AS x WHERE x.user_id = :viewer AND x.title_id = t.id)
    AND NOT EXISTS (
        SELECT 1 FROM watchlist_item AS x WHERE x.user_id = :viewer AND x.title_id = t.id)
    AND NOT EXISTS (
        SELECT 1 FROM view_record AS x WHERE x.user_id = :viewer AND x.title_id = t.id)
"""
_BY_TASTE = text(
    f"""
    WITH w AS MATERIALIZED ({_WISHES}),
    taste AS MATERIALIZED ({_TASTE.format(person=":viewer", acts=PROFILE_MAX)}),
    profile AS (
        SELECT a.title_id, a.weight, a.weight
            / (1 + (row_number() OVER (ORDER BY a.at DESC, a.title_id DESC) - 1) / {FADING})
            AS share
        FROM taste AS a
    ), candidate AS (
        SELECT c.id, sum(p.share * c.score) AS score,
            (array_agg(p.title_id ORDER BY p.share * c.score DESC, p.title_id)
                FILTER (WHERE p.weight >= {WANTED}
                    AND coalesce(l.maturity <= w.maturity_limit, true))
            )[1] AS because_id
        FROM w CROSS JOIN profile AS p JOIN title AS l ON l.id = p.title_id
        JOIN title_neighbours AS n ON n.title_id = p.title_id
        CROSS JOIN LATERAL unnest(n.neighbours, n.scores) AS c(id, score)
        GROUP BY c.id
    ), best AS (
        SELECT * FROM candidate WHERE because_id IS NOT NULL
        ORDER BY score DESC, id LIMIT {CANDIDATES_MAX}
    )
    SELECT t.id, b.because_id FROM w CROSS JOIN best AS b JOIN title AS t ON t.id = b.id
    WHERE {_FOR_THEM} ORDER BY b.score DESC, t.id LIMIT :first
    """
)
_BY_POPULARITY = text(
    f"""
    WITH w AS MATERIALIZED ({_WISHES}),
    near AS (
        SELECT r.title_id, r.score FROM title_trend AS r
        WHERE r.timeframe = 'MONTH' AND r.region = (SELECT region FROM w)
        ORDER BY r.score DESC, r.title_id DESC LIMIT {CANDIDATES_MAX}
    ), candidate AS (
        (SELECT id FROM title ORDER BY trend DESC, id DESC LIMIT {CANDIDATES_MAX})
        UNION (SELECT id FROM title ORDER BY popularity DESC, id DESC LIMIT {CANDIDATES_MAX})
        UNION SELECT title_id FROM near
    ), liked AS (
        SELECT g.id FROM genre AS g, w WHERE g.slug = ANY (w.genres)
        UNION
        SELECT g.genre_id FROM ({_TASTE.format(person=":viewer", acts=20)}) AS a
        JOIN title_genre AS g ON g.title_id = a.title_id WHERE a.weight >= {WANTED}
    ), found AS (
        SELECT t.id, coalesce(near.score, 0) AS near, t.trend, t.popularity, EXISTS (
            SELECT 1 FROM title_genre AS g JOIN liked ON liked.id = g.genre_id
            WHERE g.title_id = t.id) AS alike
        FROM w CROSS JOIN candidate AS c JOIN title AS t ON t.id = c.id
        LEFT JOIN near ON near.title_id = t.id
        WHERE t.id <> ALL (CAST(:named AS uuid[])) AND {_FOR_THEM}
    )
    SELECT id, alike FROM found
    ORDER BY alike DESC, near DESC, trend DESC, popularity DESC, id DESC LIMIT :first
    """
)


async def recommend(
    session: ReadSession, *, viewer_id: UUID | None, first: int
) -> list[Recommended]:
    """Titles that a viewer can watch and has had nothing to do with yet, the best first: by their
    tastes, then what is popular, in genres of theirs before others. In one statement where tastes
    suffice, in two otherwise. `viewer_id` None is anybody."""
    asked: dict[str, Any] = {"viewer": viewer_id, "first": first}
    found: list[Recommended] = []
    if viewer_id is not None:
        rows = await session.execute(_BY_TASTE, asked)
        found = [Recommended(id, "BECAUSE_YOU_LIKED", because) for id, because in rows]
    if len(found) < first:
        more = {"first": first - len(found), "named": [one.title_id for one in found]}
        rows = await session.execute(_BY_POPULARITY, asked | more)
        found += [
            Recommended(id, "SIMILAR_GENRES" if alike else "POPULAR", None) for id, alike in rows
        ]
    return found


_MADE_FROM = text(
    """
    SELECT concat_ws(' ',
        (SELECT concat(count(*), '/', max(updated_at)) FROM title),
        (SELECT count(*) FROM credit), (SELECT count(*) FROM title_genre),
        (SELECT concat(count(*), '/', max(updated_at)) FROM rating),
        (SELECT concat(count(*), '/', max(added_at)) FROM watchlist_item),
        (SELECT concat(count(*), '/', max(recorded_at)) FROM view_record WHERE completed))
    """
)
_BEGIN = text(
    f"""
    UPDATE recommendation_run
    SET runner = :runner, runs_until = clock_timestamp() + interval '{LEASE_S} seconds'
    WHERE (runner IS NULL OR runs_until < clock_timestamp())
        AND (:again OR made_from IS DISTINCT FROM :made_from)
    RETURNING id
    """
)
_HOLD = text(
    f"""
    UPDATE recommendation_run SET runs_until = clock_timestamp() + interval '{LEASE_S} seconds'
    WHERE runner = :runner RETURNING id
    """
)
_END = text(
    """
    UPDATE recommendation_run SET runner = NULL, runs_until = NULL,
        made_from = coalesce(:made_from, made_from),
        computed_at = CASE WHEN CAST(:made_from AS text) IS NULL THEN computed_at
            ELSE clock_timestamp() END
    WHERE runner = :runner
    """
)
_TITLES = text(
    f"""
    SELECT jsonb_build_object('titles', jsonb_agg(page ORDER BY page.id))::text,
        (array_agg(page.id ORDER BY page.id DESC))[1]
    FROM (
        SELECT t.id, left(t.description, {DESCRIPTION_MAX}) AS description,
            ARRAY(SELECT c.person_id FROM credit AS c WHERE c.title_id = t.id
                  ORDER BY c.position LIMIT 50) AS people,
            ARRAY(SELECT g.genre_id FROM title_genre AS g WHERE g.title_id = t.id
                  ORDER BY g.genre_id LIMIT 50) AS genres
        FROM title AS t WHERE CAST(:after AS uuid) IS NULL OR t.id > :after
        ORDER BY t.id LIMIT {TITLES_PAGE}
    ) AS page
    """
)
_ACTS = text(
    f"""
    SELECT jsonb_build_object('people', coalesce(
            jsonb_agg(jsonb_build_array(page.titles, page.weights) ORDER BY page.id)
                FILTER (WHERE page.titles IS NOT NULL), '[]'))::text,
        (array_agg(page.id ORDER BY page.id DESC))[1]
    FROM (
        SELECT u.id, a.titles, a.weights
        FROM (
            SELECT id FROM user_account WHERE CAST(:after AS uuid) IS NULL OR id > :after
            ORDER BY id LIMIT {PEOPLE_PAGE}
        ) AS u
        CROSS JOIN LATERAL (
            SELECT array_agg(title_id) AS titles, array_agg(weight) AS weights
            FROM ({_TASTE.format(person="u.id", acts=ACTS_MAX)}) AS taste
        ) AS a
    ) AS page
    """
)
_KEEP = text(
    """
    INSERT INTO title_neighbours AS t (title_id, neighbours, scores)
    SELECT title, neighbours, scores
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS e(title uuid, neighbours uuid[], scores real[])
    ON CONFLICT (title_id) DO UPDATE
        SET neighbours = excluded.neighbours, scores = excluded.scores
        WHERE (t.neighbours, t.scores) IS DISTINCT FROM (excluded.neighbours, excluded.scores)
    """
)


async def begin_run(tx: Transaction, *, runner: UUID, again: bool = False) -> str | None:
    """Become the only run; what it is made from, to be given to `end_run`. None while another runs,
    or where nothing changed since the last (unless `again`)."""
    made_from: str = (await tx.execute(_MADE_FROM)).scalar_one()
    asked = {"runner": runner, "again": again, "made_from": made_from}
    return None if (await tx.execute(_BEGIN, asked)).first() is None else made_from


async def hold_run(tx: Transaction, *, runner: UUID) -> bool:
    """Say that the run still runs; False where another took its place."""
    return (await tx.execute(_HOLD, {"runner": runner})).first() is not None


async def end_run(tx: Transaction, *, runner: UUID, made_from: str | None) -> None:
    """Let the next run begin; `made_from` None where this one did not come to its end."""
    await tx.execute(_END, {"runner": runner, "made_from": made_from})


async def titles_page(session: ReadSession, *, after: UUID | None) -> Sequence[Any]:
    """The next titles as JSON for the model, and the last one's id; None for it at the end."""
    return (await session.execute(_TITLES, {"after": after})).one()


async def acts_page(session: ReadSession, *, after: UUID | None) -> Sequence[Any]:
    """The acts of the next people as JSON for the model, and the last one's id. Nobody is named."""
    return (await session.execute(_ACTS, {"after": after})).one()


async def keep_neighbours(tx: Transaction, *, runner: UUID, rows: str) -> int:
    """Keep what a run found for some titles; how many rows changed. `rows` is JSON: `title`,
    `neighbours`, `scores`. Nothing is kept for a run that lost its place."""
    if not await hold_run(tx, runner=runner):
        return 0
    return int((await tx.execute(_KEEP, {"rows": rows})).rowcount)  # type: ignore[attr-defined]
