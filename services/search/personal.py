"""Puts the first hits into the order of one viewer: what they can watch, what is of genres they
like, what is of people they follow. Moves hits by some places; hides and adds none."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text

from core.database import Database, ReadSession
from services.content.tastes import LIKED_FROM
from services.search.columns import Columns, Flags, Floats, Ints
from services.search.facet_values import FacetValues
from services.search.fusing import Fused

REORDERED = 100
"""Hits from the top that are put into order; those behind stay where they are."""
CAN_WATCH, LIKED_GENRE, FOLLOWED = 0.25, 0.15, 0.15
"""What each adds to a hit's worth, which is 1 / (place + 2): all three together lift the second
over the first and the tenth to the sixth place. So what fits the words best stays near the top."""
PLACES_BEFORE = 2
FOLLOWS_MAX = 2_000
"""The newest people a viewer follows that count."""
ACTS_MAX = 200
"""A viewer's newest acts whose genres count."""
KEPT_S = 30.0
KEPT_MAX = 2_000

# A genre's share among what the viewer took to, twice that: half of all is as much as can be.
_PROFILE = text(
    f"""
    WITH liked AS (
        SELECT DISTINCT title_id FROM (
            (SELECT title_id, updated_at AS at FROM rating
             WHERE user_id = :viewer AND value_tenths >= {100 * LIKED_FROM:.0f}
             ORDER BY updated_at DESC LIMIT {ACTS_MAX})
            UNION ALL
            (SELECT title_id, added_at FROM watchlist_item WHERE user_id = :viewer
             ORDER BY added_at DESC LIMIT {ACTS_MAX})
            UNION ALL
            (SELECT title_id, watched_at FROM view_record WHERE user_id = :viewer AND completed
             ORDER BY watched_at DESC LIMIT {ACTS_MAX})
        ) AS act
    ), taste AS (
        SELECT g.slug, least(1.0, 2.0 * count(*) / (SELECT count(*) FROM liked)) AS share
        FROM liked JOIN title_genre AS t ON t.title_id = liked.title_id
        JOIN genre AS g ON g.id = t.genre_id
        GROUP BY g.slug
    )
    SELECT coalesce(p.region, f.region) AS region,
        coalesce(p.platforms, '{{}}') AS platforms, coalesce(p.memberships, '{{}}') AS memberships,
        coalesce(p.genres, '{{}}') AS genres,
        (SELECT coalesce(jsonb_object_agg(slug, share), '{{}}') FROM taste) AS taste,
        ARRAY(SELECT followee_id FROM follow WHERE follower_id = :viewer
            ORDER BY created_at DESC LIMIT {FOLLOWS_MAX}) AS follows
    FROM (SELECT CAST(:viewer AS uuid) AS id) AS v
    LEFT JOIN user_preference AS p ON p.user_id = v.id
    LEFT JOIN profile AS f ON f.user_id = v.id
    """
)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a viewer likes: genres by their slug, with how much, 0 to 1; where and by whom they
    watch, platforms by their slug; whom they follow."""

    genres: Mapping[str, float] = field(default_factory=dict)
    region: str | None = None
    platforms: frozenset[str] = frozenset()
    memberships: frozenset[str] = frozenset()
    follows: tuple[UUID, ...] = ()


@dataclass(slots=True)
class Profiles:
    """A process's profiles, each believed for half a minute."""

    db: Database
    _kept: OrderedDict[UUID, tuple[float, Profile]] = field(default_factory=OrderedDict)

    async def of(self, viewer_id: UUID | None) -> Profile | None:
        """What is known of a viewer; None of nobody."""
        if viewer_id is None:
            return None
        kept = self._kept.get(viewer_id)
        if kept is not None and monotonic() - kept[0] < KEPT_S:
            return kept[1]
        async with self.db.read() as session:
            profile = await read_profile(session, viewer_id)
        self._kept[viewer_id] = (monotonic(), profile)
        self._kept.move_to_end(viewer_id)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return profile


async def read_profile(session: ReadSession, viewer_id: UUID) -> Profile:
    """What is known of a viewer, in one statement."""
    row: Any = (await session.execute(_PROFILE, {"viewer": viewer_id})).one()
    genres = {slug: float(share) for slug, share in row.taste.items()}
    genres |= dict.fromkeys(row.genres, 1.0)
    return Profile(
        genres=genres,
        region=row.region,
        platforms=frozenset(row.platforms),
        memberships=frozenset(row.memberships),
        follows=tuple(row.follows),
    )


def personalised(
    hits: list[Fused], columns: Columns, values: FacetValues, profile: Profile
) -> list[Fused]:
    """The same hits with the first hundred in the viewer's order; equals stay as they were."""
    top = hits[:REORDERED]
    documents = np.asarray([hit.document for hit in top], np.int32)
    if not len(documents):
        return hits
    lift = _lifts(documents, columns, values, profile)
    worth = (1 + lift) / (np.arange(1, len(top) + 1) + PLACES_BEFORE)
    order = np.argsort(-worth, kind="stable").tolist()
    return [top[n] for n in order] + hits[REORDERED:]


def _lifts(documents: Ints, columns: Columns, values: FacetValues, profile: Profile) -> Floats:
    numbers, places = columns.values_of(documents)
    lift = np.zeros(len(documents), np.float32)
    # By how much the best liked of a hit's genres is liked.
    liking = np.zeros(len(values.facet), np.float32)
    for slug, share in profile.genres.items():
        if (number := values.numbers.get(("GENRE", slug))) is not None:
            liking[number] = share
    np.maximum.at(lift, places, liking[numbers] * np.float32(LIKED_GENRE))
    watchable = np.zeros(len(documents), np.bool_)
    watchable[places[can_watch(values, profile)[numbers]]] = True
    lift[watchable] += np.float32(CAN_WATCH)
    followed = columns.owned_by(documents, profile.follows)
    lift[followed] += np.float32(FOLLOWED)
    return lift


def can_watch(values: FacetValues, profile: Profile) -> Flags:
    """By number: whether it is an offer that the viewer can use; none for who says nothing of
    where and by whom they watch."""
    platforms, memberships = profile.platforms, profile.memberships
    if profile.region is None and not platforms and not memberships:
        return values.flags_of(())
    return values.flags_of(
        number
        for number, (region, platform, tier) in values.offers.items()
        if profile.region in (None, region)
        and (not platforms or platform in platforms or platform in memberships)
        and (tier != "SUBSCRIPTION" or not memberships or platform in memberships)
    )
