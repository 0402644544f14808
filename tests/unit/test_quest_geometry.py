"""Areas and distances on WGS 84: poles, the antimeridian, boxes that leave nothing out."""

import math
from itertools import pairwise

import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from services.quests.contract import Area, Place
from services.quests.geometry import (
    between_m,
    box_of,
    boxes_to_look_in,
    checked_place,
    checked_polygon,
    chord_m,
    circle_box,
    distance_m,
    earth_point,
    polygon_area,
    rolled,
)

PLACES = st.builds(
    Place,
    st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 0.0, 89.9999, -89.9999])),
    st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, 180.0, 179.9999, -179.9999])),
)
SQUARE = [[13.0, 46.0], [13.01, 46.0], [13.01, 46.01], [13.0, 46.01], [13.0, 46.0]]


def going(place, azimuth, metres):
    found = Geodesic.WGS84.Direct(place.latitude, place.longitude, azimuth, metres)
    return Place(found["lat2"], rolled(found["lon2"]))


def within(place, box):
    return box.south <= place.latitude <= box.north and any(
        box.west <= place.longitude + turn <= box.east for turn in (-360, 0, 360)
    )


def polygon(*ring):
    return {"type": "Polygon", "coordinates": [[list(point) for point in ring]]}


@settings(max_examples=200, deadline=None)
@given(PLACES, st.floats(-180, 180), st.floats(1, 50_000), st.floats(0, 500_000))
def test_distance_to_a_circle_is_the_geodesic_less_its_radius(centre, azimuth, radius_m, away_m):
    radius = round(radius_m)
    place = going(centre, azimuth, away_m)
    found = distance_m(place, Area(centre, radius))
    assert found == pytest.approx(max(0.0, away_m - radius), abs=1e-3)


@settings(max_examples=300, deadline=None)
@given(PLACES, st.floats(-180, 180), st.floats(1, 500_000), st.floats(0, 1))
def test_the_box_of_a_circle_leaves_nothing_of_it_out(centre, azimuth, radius_m, part):
    box = circle_box(centre, radius_m)
    assert -180 <= box.west <= 180
    assert box.west <= box.east <= box.west + 360
    assert within(going(centre, azimuth, radius_m * part), box)


@settings(max_examples=300, deadline=None)
@given(PLACES, st.floats(-180, 180), st.floats(1, 1_000_000))
def test_chords_are_as_long_as_geodesics_are(centre, azimuth, away_m):
    there = going(centre, azimuth, away_m)
    chord = math.dist(earth_point(centre), earth_point(there))
    assert chord == pytest.approx(chord_m(away_m), rel=2e-5, abs=1e-3)


@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    st.floats(-80, 80),
    st.floats(-180, 180),
    st.floats(0.001, 0.5),
    st.floats(-180, 180),
    st.floats(0, 100_000),
)
def test_distance_to_a_polygon_is_that_to_its_nearest_point(
    latitude, longitude, size, azimuth, away_m
):
    ring = [
        (longitude, latitude),
        (longitude + size, latitude),
        (longitude + size, latitude + size),
        (longitude, latitude + size),
        (longitude, latitude),
    ]
    kept = checked_polygon(polygon(*((rolled(x), y) for x, y in ring)), field="polygon")
    area = polygon_area(kept)
    assert distance_m(area.centre, area) == 0
    place = going(Place(latitude + size / 2, rolled(longitude + size / 2)), azimuth, away_m)
    steps = [n / 100 for n in range(101)]
    along = [
        Place(y1 + (y2 - y1) * t, rolled(x1 + (x2 - x1) * t))
        for (x1, y1), (x2, y2) in pairwise(ring)
        for t in steps
    ]
    found = distance_m(place, area)
    nearest = min(between_m(place, each) for each in along)
    if found:
        step_m = size * 111_700 / 100
        assert nearest - step_m - max(0.1, nearest / 500) <= found
        assert found <= nearest * 1.001 + 0.1
    else:
        assert within(place, box_of(area))


def test_a_polygon_across_the_antimeridian_is_one_area():
    kept = checked_polygon(
        polygon((179.9, -17.0), (-179.9, -17.0), (-179.9, -16.9), (179.9, -16.9), (179.9, -17.0)),
        field="polygon",
    )
    area = polygon_area(kept)
    box = box_of(area)
    assert (box.west, box.east) == (179.9, pytest.approx(180.1))
    assert distance_m(Place(-16.95, 180.0), area) == 0
    assert distance_m(Place(-16.95, -179.95), area) == 0
    assert distance_m(Place(-16.95, 179.95), area) == 0
    outside = Place(-16.95, -179.8)
    edge = Place(-16.95, -179.9)
    assert distance_m(outside, area) == pytest.approx(between_m(outside, edge), rel=1e-3)
    assert within(Place(-16.95, -179.95), boxes_to_look_in(box)[0])


def test_a_circle_holds_a_pole_and_all_longitudes_there():
    area = Area(Place(89.999, 10.0), 1_000)
    assert distance_m(Place(90.0, -123.0), area) == 0
    assert distance_m(Place(89.999, -170.0), area) == 0
    box = box_of(area)
    assert (box.west, box.east, box.north) == (-180.0, 180.0, 90.0)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "GeoJSON"),
        ({"type": "Point", "coordinates": [1, 2]}, "GeoJSON"),
        ({"type": "Polygon", "coordinates": []}, "GeoJSON"),
        (polygon((0, 0), (1, 0), (0, 0)), "a ring has"),
        (polygon((0, 0), (1, 0), (1, 1), (0, 1)), "ends where it begins"),
        (polygon((0, 0), (1, 1), (1, 0), (0, 1), (0, 0)), "Self-intersection"),
        (polygon((0, 0), (1, 0), (2, 0), (0, 0)), ""),
        (polygon((0, 91), (1, 0), (1, 1), (0, 91)), "latitude"),
        (polygon((0, 80), (90, 80), (180, 80), (-90, 80), (0, 80)), "pole"),
        (polygon((0, 0), (float("nan"), 0), (1, 1), (0, 0)), "longitude"),
        (polygon((0, 0), (True, 0), (1, 1), (0, 0)), "numbers"),
        (polygon((-100, 0), (0, 0), (100, 0), (100, 10), (0, 10), (-100, 10), (-100, 0)), "wide"),
        (polygon(*[(n / 1000, 0) for n in range(1_001)], (0, 1), (0, 0)), "4 to 1000"),
    ],
)
def test_what_is_no_area_is_refused_with_its_reason(given, reason):
    with pytest.raises(InvalidInput) as refused:
        checked_polygon(given, field="polygon")
    assert refused.value.field == "polygon"
    assert reason in refused.value.reason


def test_holes_are_outside_and_two_polygons_are_one_area():
    hole = [
        [13.004, 46.004],
        [13.006, 46.004],
        [13.006, 46.006],
        [13.004, 46.006],
        [13.004, 46.004],
    ]
    far = [[14.0, 46.0], [14.01, 46.0], [14.01, 46.01], [14.0, 46.0]]
    kept = checked_polygon(
        {"type": "MultiPolygon", "coordinates": [[SQUARE, hole], [far]]}, field="polygon"
    )
    area = polygon_area(kept)
    assert distance_m(area.centre, area) == 0
    assert distance_m(Place(46.002, 13.002), area) == 0
    middle = Place(46.005, 13.005)
    assert distance_m(middle, area) == pytest.approx(
        between_m(middle, Place(46.005, 13.006)), rel=1e-2
    )


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(90.1, 0), (0, 180.1), (float("nan"), 0), (0, float("inf"))]
)
def test_what_is_no_place_is_refused(latitude, longitude):
    with pytest.raises(InvalidInput):
        checked_place(latitude, longitude, field="near")
