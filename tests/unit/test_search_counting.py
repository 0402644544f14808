"""Facets over columns in memory are what counting one by one gives, whatever is filtered by."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.search import SEARCH_KINDS
from services.search.columns import NEVER, UNKNOWN, Columns, Rows, asset_code
from services.search.contract import InvalidFilter, SearchFilters, Without
from services.search.counting import count_facets, judge
from services.search.facet_values import FacetValues
from services.search.filters import Candidates, check_filters, conditions_of

GENRES = ("drama", "comedy", "war")
REGIONS = ("FR", "US")
PLATFORMS = ("alpha", "beta")
TIERS = ("FREE", "RENT")


def known_values():
    rows = [("TYPE", kind) for kind in ("TITLE", "POST")]
    rows += [("GENRE", genre) for genre in GENRES]
    rows += [("YEAR", str(year)) for year in range(1990, 1994)]
    rows += [("REGION", each) for each in REGIONS]
    rows += [("PLATFORM", each) for each in PLATFORMS]
    rows += [("TIER", each) for each in TIERS]
    rows += [("OFFER", f"{r}/{p}/{t}") for r in REGIONS for p in PLATFORMS for t in TIERS]
    values = FacetValues()
    values.add((n, facet, value, value.title()) for n, (facet, value) in enumerate(rows, 1))
    return values


VALUES = known_values()
offers = st.sets(
    st.tuples(st.sampled_from(REGIONS), st.sampled_from(PLATFORMS), st.sampled_from(TIERS))
)
things = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(("TITLE", "POST")),
            "genres": st.sets(st.sampled_from(GENRES)),
            "year": st.one_of(st.none(), st.integers(1990, 1993)),
            "offers": offers,
        }
    ),
    max_size=12,
)


def some(values):
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


questions = st.builds(
    SearchFilters,
    kinds=some(("TITLE", "POST")),
    genres=some(GENRES),
    year_from=st.one_of(st.none(), st.integers(1990, 1993)),
    platforms=some(PLATFORMS),
    tiers=some(TIERS),
    regions=some(REGIONS),
)


def facets_of(thing):
    found = {("TYPE", thing["kind"])} | {("GENRE", genre) for genre in thing["genres"]}
    if thing["year"] is not None:
        found.add(("YEAR", str(thing["year"])))
    for region, platform, tier in thing["offers"]:
        found |= {("REGION", region), ("PLATFORM", platform), ("TIER", tier)}
        found.add(("OFFER", f"{region}/{platform}/{tier}"))
    return found


def rows_of(all_things, first=1):
    numbers = [sorted(VALUES.numbers[each] for each in facets_of(t)) for t in all_things]
    count = len(all_things)

    def same(value, kind):
        return np.full(count, value, kind)

    return Rows(
        documents=np.arange(first, first + count, dtype=np.int32),
        kinds=np.asarray([SEARCH_KINDS.index(t["kind"]) for t in all_things], np.int32),
        year=np.asarray(
            [UNKNOWN if t["year"] is None else t["year"] for t in all_things], np.int32
        ),
        runtime=same(UNKNOWN, np.int32),
        maturity=same(UNKNOWN, np.int32),
        asset=same(0, np.int32),
        popularity=same(0, np.float32),
        price=same(NEVER, np.int64),
        starts=same(NEVER, np.int64),
        ends=same(NEVER, np.int64),
        published=same(NEVER, np.int64),
        owner_high=same(0, np.int64),
        owner_low=same(0, np.int64),
        sizes=np.asarray([len(each) for each in numbers], np.int32),
        values=np.asarray([n for each in numbers for n in each], np.int32),
    )


def fits(thing, filters):
    offered = not (filters.platforms or filters.tiers or filters.regions) or any(
        (not filters.regions or region in filters.regions)
        and (not filters.platforms or platform in filters.platforms)
        and (not filters.tiers or tier in filters.tiers)
        for region, platform, tier in thing["offers"]
    )
    return (
        (not filters.kinds or thing["kind"] in filters.kinds)
        and (not filters.genres or bool(thing["genres"] & set(filters.genres)))
        and (filters.year_from is None or (thing["year"] or 0) >= filters.year_from)
        and offered
    )


LIFTED = {
    "TYPE": {"kinds": ()},
    "GENRE": {"genres": ()},
    "YEAR": {"year_from": None},
    "REGION": {"regions": ()},
    "PLATFORM": {"platforms": ()},
    "TIER": {"tiers": ()},
}
PARTS = {"REGION": 0, "PLATFORM": 1, "TIER": 2}


def counted(all_things, filters, facet):
    """How many fit without the facet's own filter and would still fit with each value as it."""
    lifted = replace(filters, **LIFTED[facet])
    counts = {}
    for name, value in VALUES.numbers:
        if name != facet:
            continue
        if facet in PARTS:
            field = next(iter(LIFTED[facet]))
            narrowed = replace(lifted, **{field: (value,)})
            counts[value] = sum(fits(t, narrowed) for t in all_things)
        else:
            counts[value] = sum(
                fits(t, lifted) and (facet, value) in facets_of(t) for t in all_things
            )
    return {value: count for value, count in counts.items() if count}


@given(things, questions)
def test_totals_and_facets_are_exact_also_with_the_own_filter_lifted(all_things, filters):
    columns = Columns()
    columns.put(rows_of(all_things))
    found = Candidates(columns, VALUES, columns.all())
    passing = judge(found, conditions_of(filters, VALUES, ()))
    assert passing.all.tolist() == [fits(t, filters) for t in all_things]
    wanted = tuple(LIFTED)
    for facet in count_facets(found, passing, wanted, filters):
        shown = {each.value: each.count for each in facet.values if each.count}
        assert shown == counted(all_things, filters, facet.name), facet.name
        assert facet.values_count == len(shown)


@given(things, things, st.lists(st.integers(1, 12), unique=True))
def test_columns_that_were_changed_are_those_that_were_written_so(before, after, gone):
    columns = Columns()
    columns.put(rows_of(before))
    columns.put(rows_of(after))
    columns.take_out(gone)
    left = dict(enumerate(before, 1)) | dict(enumerate(after, 1))
    left = {n: t for n, t in left.items() if n not in gone}
    assert columns.all().tolist() == sorted(left)
    numbers, places = columns.values_of(columns.all())
    for place, (_, thing) in enumerate(sorted(left.items())):
        wanted = {VALUES.numbers[each] for each in facets_of(thing)}
        assert set(numbers[places == place].tolist()) == wanted


def test_the_buffer_of_values_is_packed_and_keeps_what_counts():
    thing = {"kind": "TITLE", "genres": {"war"}, "year": 1991, "offers": {("FR", "beta", "RENT")}}
    columns = Columns()
    for _ in range(300):
        columns.put(rows_of([thing, thing], first=5))
    assert len(columns.values) < 200
    numbers, _ = columns.values_of(columns.all())
    assert sorted(set(numbers.tolist())) == sorted(VALUES.numbers[f] for f in facets_of(thing))


def test_what_must_not_be_is_left_out():
    war = {"kind": "TITLE", "genres": {"war"}, "year": None, "offers": set()}
    drama = war | {"genres": {"drama", "war"}}
    columns = Columns()
    columns.put(rows_of([war, drama]))
    found = Candidates(columns, VALUES, columns.all())
    filters = SearchFilters(without=(Without("GENRE", ("drama", "unknown")),))
    assert judge(found, conditions_of(filters, VALUES, ())).all.tolist() == [True, False]


def test_an_asset_has_the_same_number_as_in_sql():
    assert asset_code("EUR") == -1605020117


@pytest.mark.parametrize(
    ("filters", "name"),
    [
        ({"regions": ("fr",)}, "regions"),
        ({"kinds": ("FILM",)}, "types"),
        ({"tiers": ("CHEAP",)}, "tiers"),
        ({"genres": ("x" * 201,)}, "genres"),
        ({"genres": ("a\0b",)}, "genres"),
        ({"tags": tuple(map(str, range(51)))}, "tags"),
        ({"year_from": 0}, "yearFrom"),
        ({"year_from": 2000, "year_to": 1999}, "yearFrom"),
        ({"runtime_to_minutes": -1}, "runtimeToMinutes"),
        ({"price_from_minor": 5}, "priceAsset"),
        ({"price_asset": "XYZ"}, "priceAsset"),
        ({"price_asset": "USD", "price_from_minor": -5}, "price.from"),
    ],
)
def test_values_that_a_filter_cannot_have_are_refused_by_its_name(filters, name):
    with pytest.raises(InvalidFilter) as refused:
        check_filters(SearchFilters(**filters))
    assert refused.value.filter == name
    assert refused.value.details == {"filter": name, "reason": refused.value.reason}
    assert refused.value.code == "BAD_USER_INPUT"
