"""All that a question finds: what each retriever matches and the viewer may see, what of it passes
the filters, the facets over that, and its order. A page of it is searching.py's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np

from core.database import ReadSession
from services.search.columns import UNKNOWN, Columns, Flags, Floats, Ints
from services.search.contract import (
    DEPTH_MAX,
    RETRIEVED_MAX,
    Boost,
    Facet,
    Interpretation,
    Ranked,
    Retriever,
    SearchFilters,
    SearchQuery,
)
from services.search.counting import count_facets, judge
from services.search.facet_values import FacetValues
from services.search.filters import Candidates, conditions_of
from services.search.fusing import Fused, fuse
from services.search.keeping import Keeper, bring_up
from services.search.matching import (
    ALL_NEEDED,
    NO_MATCHES,
    Matches,
    Posting,
    Term,
    best,
    candidates,
    looked_up,
    matching,
    merged,
    plan_reading,
    weighed,
)
from services.search.retrieving import (
    Opening,
    credited_documents,
    look_up,
    open_search,
    read_postings,
    similar_names,
)
from services.search.synonyms import Synonyms, expand

FEW = 3
"""With fewer matches than these another spelling is looked for."""
NEAR_ENOUGH = 0.8
"""How like the query a name must be, where the words find something as they are."""
NEAR_MAX = 3
"""So many such names at most."""
KEY_MAX = 100
"""Characters of a query that may be a name with mistakes in it."""
WORDS_OF_NAME_MAX = 12

Reorder = Callable[[list[Fused], Columns, FacetValues], list[Fused]]
"""What puts the fused list into one viewer's order: a permutation of its beginning."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How rankings become one: `weights` by retriever, `k` of reciprocal rank fusion."""

    weights: Mapping[str, float] = field(
        default_factory=lambda: {"LEXICAL": 1.0, "FUZZY": 1.5, "SEMANTIC": 1.0}
    )
    k: int = 60


RANKING = Ranking()


@dataclass(frozen=True, slots=True)
class Found:
    """All that a question finds, before a page of it is shown."""

    opening: Opening
    fused: list[Fused]
    total: int
    facets: tuple[Facet, ...]
    retrievers: tuple[Retriever, ...]


@dataclass(slots=True)
class Asking:
    """One question on its way: what it reads with and what is decided already."""

    session: ReadSession
    keeper: Keeper
    query: SearchQuery
    ranking: Ranking
    nearest: Sequence[Ranked] | None = None
    reorder: Reorder | None = None
    synonyms: Synonyms = field(default_factory=dict)


async def find(asking: Asking, understood: Interpretation, filters: SearchFilters) -> Found:
    """What is left of a question once it was understood. Every statement is read on the question's
    session."""
    words, query = understood.remaining, asking.query
    opening = await _open(asking, words)
    # From here on the columns of this slot, though others turn to a new one meanwhile.
    asking = replace(asking, keeper=copy(asking.keeper))
    columns = asking.keeper.columns
    credited = [await credited_documents(asking.session, group) for group in filters.people]
    if not words:
        lexical = _everything(columns, opening)
    elif query.mode in ("ALL", "LEXICAL"):
        lexical = await _by_words(asking, opening)
        for other in expand(words, asking.synonyms):
            lexical = merged(lexical, await _said_otherwise(asking, other.words), other.weight)
    else:
        lexical = NO_MATCHES
    lists: dict[Retriever, Sequence[Ranked]] = {}
    if words and _wants_names(query, opening):
        lists["FUZZY"] = await _by_names(asking, opening, lexical)
    if words and asking.nearest is not None:
        lists["SEMANTIC"] = _visible_of(columns, opening, asking.nearest)
    ran: list[Retriever] = ["LEXICAL"] if words and query.mode in ("ALL", "LEXICAL") else []
    found = _judged(asking, lexical, lists, filters, credited, understood.boosts)
    fused = found.fused if words else [Fused(n, score, ()) for n, score, _ in found.fused]
    if asking.reorder is not None and query.personalize:
        fused = asking.reorder(fused, columns, asking.keeper.values)
    return Found(opening, fused, found.total, found.facets, (*ran, *lists))


@dataclass(frozen=True, slots=True)
class _Judged:
    fused: list[Fused]
    total: int
    facets: tuple[Facet, ...]


def _judged(
    asking: Asking,
    lexical: Matches,
    lists: Mapping[Retriever, Sequence[Ranked]],
    filters: SearchFilters,
    credited: Sequence[Ints],
    boosts: Sequence[Boost],
) -> _Judged:
    """What passes the filters of all that was found, counted and ranked."""
    columns, values, query = asking.keeper.columns, asking.keeper.values, asking.query
    others = [hit.document for ranked in lists.values() for hit in ranked]
    documents = lexical.documents
    if others:
        documents = np.union1d(documents, np.asarray(others, np.int32)).astype(np.int32)
    found = Candidates(columns, values, documents)
    passing = judge(found, conditions_of(filters, values, credited))
    facets = count_facets(found, passing, query.facets, filters)
    kept = documents[passing.all]
    rankings: dict[Retriever, Sequence[int]] = {
        "LEXICAL": _ranked(columns, values, lexical, kept, boosts)
    }
    passed = set(kept.tolist()) if others else set()
    for name, ranked in lists.items():
        rankings[name] = [hit.document for hit in ranked if hit.document in passed]
    fused = fuse(rankings, weights=asking.ranking.weights, k=asking.ranking.k)
    return _Judged(fused, len(kept), facets)


def _ranked(
    columns: Columns,
    values: FacetValues,
    lexical: Matches,
    kept: Ints,
    boosts: Sequence[Boost],
) -> list[int]:
    """The best of the lexical matches that were kept, the best first."""
    keep = np.isin(lexical.documents, kept, assume_unique=True)
    documents, scores = lexical.documents[keep], lexical.scores[keep]
    if boosts:
        liked = Candidates(columns, values, documents)
        for boost in boosts:
            flags = liked.having(values.flags(boost.facet, boost.values))
            scores = np.where(flags, scores * np.float32(1 + boost.weight), scores)
    return [document for document, _ in best(documents, scores, DEPTH_MAX)]


async def _open(asking: Asking, words: str) -> Opening:
    """The words, with columns that hold at least what this statement saw."""
    keeper = asking.keeper
    for _ in range(3):
        # Held: a search beside this one may bring the columns up meanwhile, to another slot, and
        # what was looked up in the former one's tables is nothing then.
        mark = keeper.mark
        opening = await open_search(
            asking.session, words=words, viewer_id=asking.query.viewer_id, mark=mark
        )
        if mark.is_all(opening.slot, opening.generation, opening.seen) and keeper.keeps(mark):
            break
        await bring_up(keeper, asking.session)
        if mark.slot == opening.slot == keeper.mark.slot:
            break
    return opening


async def _by_words(asking: Asking, opening: Opening) -> Matches:
    columns, session = asking.keeper.columns, asking.session
    reading = plan_reading(opening.terms)
    if not reading.whole:
        return NO_MATCHES
    terms = opening.terms
    postings = await read_postings(session, reading.whole, slot=opening.slot)
    documents, scores, shares = _scored(columns, opening, postings)
    found, complete = matching(terms, shares, reading.common)
    if reading.common and complete:
        matches = Matches(documents[found], scores[found], complete)
        within = looked_up(terms, matches)
        postings += await look_up(session, reading.common, within, slot=opening.slot)
        documents, scores, shares = _scored(columns, opening, postings)
        if len(terms) > ALL_NEEDED:
            found = np.isin(documents, matches.documents, assume_unique=True)
        else:
            found, complete = matching(terms, shares, ())
    return _weighed(columns, opening, Matches(documents[found], scores[found], complete))


def _scored(
    columns: Columns, opening: Opening, postings: Sequence[tuple[Term, Posting]]
) -> tuple[Ints, Floats, Floats]:
    """As `candidates`, of what this viewer may find."""
    documents, scores, shares = candidates(opening.terms, postings, len(columns.kind))
    seen = _visible(columns, opening, documents)
    return documents[seen], scores[seen], shares[seen]


async def _said_otherwise(asking: Asking, words: str) -> Matches:
    """What the query finds in other words, read as the columns are."""
    viewer, mark = asking.query.viewer_id, asking.keeper.mark
    opening = await open_search(asking.session, words=words, viewer_id=viewer, mark=mark)
    return await _by_words(asking, opening)


async def _by_names(asking: Asking, opening: Opening, lexical: Matches) -> list[Ranked]:
    """Names that the query may mean. Those with a mistake or two in it; where there are none, and
    the words find nothing either, those that are like it in part."""
    columns = asking.keeper.columns
    near = [
        Ranked(document, 1 - mistakes / max(len(opening.key), 1))
        for document, mistakes in asking.keeper.names.near(opening.key)
    ]
    near = _visible_of(columns, opening, near)
    doubted = lexical.complete and asking.query.mode == "ALL"
    if doubted:
        near = [hit for hit in near if hit.score >= NEAR_ENOUGH]
    elif not near:
        like = await similar_names(asking.session, opening.key, slot=opening.slot)
        return _visible_of(columns, opening, like)
    popularity = columns.popularity
    near.sort(key=lambda hit: (-hit.score, -popularity[hit.document], -hit.document))
    return near[: NEAR_MAX if doubted else RETRIEVED_MAX["FUZZY"]]


def _weighed(columns: Columns, opening: Opening, matches: Matches) -> Matches:
    documents = matches.documents
    named = np.isin(documents, opening.named)
    popularity = columns.popularity[documents]
    scores = weighed(matches.scores, popularity, columns.top_popularity, named)
    return Matches(documents, scores, matches.complete)


def _everything(columns: Columns, opening: Opening) -> Matches:
    """What a question without words finds: all there is, the most popular first."""
    documents = columns.all()
    if opening.blocked or opening.maturity_limit is not None:
        documents = documents[_visible(columns, opening, documents)]
    scores: Floats = columns.popularity[documents] + np.float32(1)
    return Matches(documents, scores, True)


def _visible(columns: Columns, opening: Opening, documents: Ints) -> Flags:
    """Which this viewer may find: nobody's whom they blocked or who blocked them, and no title
    above their rating limit."""
    seen = columns.known(documents)
    if opening.blocked:
        seen[seen] = ~columns.owned_by(documents[seen], opening.blocked)
    if opening.maturity_limit is not None:
        maturity = columns.narrow["maturity"][documents[seen]]
        seen[seen] = (maturity <= opening.maturity_limit) | (maturity == UNKNOWN)
    return seen


def _visible_of(columns: Columns, opening: Opening, ranked: Sequence[Ranked]) -> list[Ranked]:
    documents = np.asarray([hit.document for hit in ranked], np.int32)
    seen = _visible(columns, opening, documents)
    return [hit for hit, visible in zip(ranked, seen.tolist(), strict=True) if visible]


def _wants_names(query: SearchQuery, opening: Opening) -> bool:
    """Whether to look for names nearly like the query: not where one is it exactly, nor for what is
    too long to be one."""
    if query.mode != "ALL":
        return query.mode == "FUZZY"
    return (
        not len(opening.named)
        and len(opening.key) <= KEY_MAX
        and len(opening.terms) <= WORDS_OF_NAME_MAX
    )
