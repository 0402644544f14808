"""Where things are on WGS 84: areas that are checked, their boxes, distances to them. Pure.

A polygon's edges are straight between their coordinates, as RFC 7946 says; distances are geodesic.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import shapely
from geographiclib.geodesic import Geodesic
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from core.errors import InvalidInput
from services.quests.contract import Area, Place

VERTICES_MAX = 1_000
RINGS_MAX = 50
SPAN_MAX_DEGREES = 180.0
"""How wide or high a polygon's box may be."""
AREA_MIN_DEGREES2 = 1e-10
"""Some square metres: less is a line."""

_WGS84 = Geodesic.WGS84
_SEMI_MAJOR_M = _WGS84.a
_ECCENTRICITY2 = _WGS84.f * (2 - _WGS84.f)
_DEGREE_M = 111_700.0
"""More than a degree of latitude, or of longitude at the equator, ever measures."""
_TOLERANCE_M = 0.05

Ring = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Box:
    """From west to east and south to north, in degrees. `east` is past 180 where it crosses the
    antimeridian: `west <= east <= west + 360`."""

    west: float
    south: float
    east: float
    north: float


def checked_place(latitude: float, longitude: float, *, field: str) -> Place:
    """A point. Raises `InvalidInput(field)` outside of -90…90 and -180…180, and for no number."""
    if not (math.isfinite(latitude) and -90 <= latitude <= 90):
        raise InvalidInput(field, "latitude from -90 to 90")
    if not (math.isfinite(longitude) and -180 <= longitude <= 180):
        raise InvalidInput(field, "longitude from -180 to 180")
    return Place(float(latitude), float(longitude))


def checked_polygon(geojson: object, *, field: str) -> dict[str, Any]:
    """A GeoJSON Polygon or MultiPolygon with nothing else in it, its rings unrolled: across the
    antimeridian longitudes go on past 180.

    At most 1,000 vertices in 50 rings. Raises `InvalidInput(field)` for another form, for what
    shapely finds invalid (a ring that crosses itself …), for hardly any area, for more than 180
    degrees, and for a ring around a pole: a circle can lie there.
    """
    polygons = [[_ring(ring, field) for ring in rings] for rings in _polygons(geojson, field)]
    polygons = [_beside(polygon) for polygon in polygons]
    vertices = sum(len(ring) for rings in polygons for ring in rings)
    if vertices > VERTICES_MAX:
        raise InvalidInput(field, f"{VERTICES_MAX} vertices at most")
    coordinates = [[[list(point) for point in ring] for ring in rings] for rings in polygons]
    kept: dict[str, Any] = {"type": "MultiPolygon", "coordinates": coordinates}
    if len(coordinates) == 1:
        kept = {"type": "Polygon", "coordinates": coordinates[0]}
    shape = _shape(kept, field)
    if not shape.is_valid:
        raise InvalidInput(field, shapely.is_valid_reason(shape)[:200])
    if shape.area < AREA_MIN_DEGREES2:
        raise InvalidInput(field, "it has hardly any area")
    west, south, east, north = shape.bounds
    if east - west > SPAN_MAX_DEGREES or north - south > SPAN_MAX_DEGREES:
        raise InvalidInput(field, f"{SPAN_MAX_DEGREES:.0f} degrees wide at most")
    return kept


def polygon_area(polygon: Mapping[str, Any]) -> Area:
    """The area of a checked polygon; its centre is a point inside."""
    shape = shapely.geometry.shape(dict(polygon))
    point = shape.centroid if shape.contains(shape.centroid) else shape.representative_point()
    return Area(Place(point.y, rolled(point.x)), polygon=polygon)


def box_of(area: Area) -> Box:
    """The box around an area. With a pole in it, it goes all the way round."""
    if area.polygon is not None:
        west, south, east, north = shapely.geometry.shape(dict(area.polygon)).bounds
        start = rolled(west)
        return Box(start, south, start + (east - west), north)
    return circle_box(area.centre, float(area.radius_m or 0))


def circle_box(centre: Place, radius_m: float) -> Box:
    """The box around a geodesic circle; a little more, never less."""
    # The least that a degree of latitude measures is 110,574 m.
    reach = radius_m / 110_574.0
    south, north = centre.latitude - reach, centre.latitude + reach
    if south <= -90 or north >= 90:
        return Box(-180.0, max(south, -90.0), 180.0, min(north, 90.0))
    # A sphere as small as the ellipsoid is anywhere: its circle's widest longitude, and 1 % more.
    ratio = math.sin(min(radius_m / 6_335_000.0, math.pi / 2)) / math.cos(
        math.radians(centre.latitude)
    )
    if ratio >= 0.99:
        return Box(-180.0, south, 180.0, north)
    half = min(math.degrees(math.asin(ratio)) * 1.01, 180.0)
    west = rolled(centre.longitude - half)
    return Box(west, south, west + 2 * half, north)


def boxes_to_look_in(box: Box) -> list[Box]:
    """The same box where else an index that unrolls may hold what it meets."""
    return [Box(box.west + turn, box.south, box.east + turn, box.north) for turn in (-360, 0, 360)]


def rolled(longitude: float) -> float:
    """A longitude from -180 to 180."""
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180


def earth_point(place: Place) -> tuple[float, float, float]:
    """Metres from the middle of the Earth, on the ellipsoid: what is near has a short chord, at
    the poles and the antimeridian too."""
    latitude, longitude = math.radians(place.latitude), math.radians(place.longitude)
    sine, cosine = math.sin(latitude), math.cos(latitude)
    normal = _SEMI_MAJOR_M / math.sqrt(1 - _ECCENTRICITY2 * sine * sine)
    return (
        normal * cosine * math.cos(longitude),
        normal * cosine * math.sin(longitude),
        normal * (1 - _ECCENTRICITY2) * sine,
    )


def chord_m(distance_m: float) -> float:
    """How long a chord is at most to what lies within a geodesic distance (to 1 in 100,000 up to
    1,000 km)."""
    return 2 * 6_371_000.0 * math.sin(min(distance_m / (2 * 6_371_000.0), math.pi / 2))


def between_m(one: Place, other: Place) -> float:
    """The geodesic between two points, in metres."""
    return float(
        _WGS84.Inverse(
            one.latitude, one.longitude, other.latitude, other.longitude, Geodesic.DISTANCE
        )["s12"]
    )


def distance_m(place: Place, area: Area) -> float:
    """How far a point is from an area, in metres; 0 within. To a polygon right to 5 cm or a
    thousandth."""
    if area.polygon is None:
        return max(0.0, between_m(place, area.centre) - float(area.radius_m or 0))
    shape = shapely.geometry.shape(dict(area.polygon))
    if _contains(shape, place):
        return 0.0
    return _to_edges_m(place, _edges(area.polygon))


def _contains(shape: BaseGeometry, place: Place) -> bool:
    turns = (-360, 0, 360)
    if abs(place.latitude) == 90:
        # All longitudes are one there.
        _, south, _, north = shape.bounds
        return bool(north >= 90 if place.latitude > 0 else south <= -90)
    return any(
        bool(shape.covers(shapely.Point(place.longitude + turn, place.latitude))) for turn in turns
    )


Edge = tuple[tuple[float, float], tuple[float, float]]


def _edges(polygon: Mapping[str, Any]) -> Iterator[Edge]:
    rings = polygon["coordinates"]
    if polygon["type"] == "MultiPolygon":
        rings = [ring for each in rings for ring in each]
    for ring in rings:
        points = [(float(x), float(y)) for x, y in ring]
        yield from pairwise(points)


def _to_edges_m(place: Place, edges: Iterator[Edge]) -> float:
    """The least distance to any point of the edges, by halving those that may still hold it: no
    point of an edge is nearer than its middle's distance less half its length."""
    best = math.inf
    queue: list[tuple[float, Edge]] = []

    def look(edge: Edge) -> None:
        nonlocal best
        (x1, y1), (x2, y2) = edge
        found = between_m(place, Place((y1 + y2) / 2, rolled((x1 + x2) / 2)))
        best = min(best, found)
        heapq.heappush(queue, (found - _half_m(edge), edge))

    for edge in edges:
        look(edge)
    while queue and queue[0][0] < best - max(_TOLERANCE_M, best / 1000):
        (x1, y1), (x2, y2) = heapq.heappop(queue)[1]
        middle = ((x1 + x2) / 2, (y1 + y2) / 2)
        look(((x1, y1), middle))
        look((middle, (x2, y2)))
    return best


def _half_m(edge: Edge) -> float:
    """Half an edge's length, or more."""
    (x1, y1), (x2, y2) = edge
    # Longitudes are widest at the latitude that is nearest to the equator.
    flat = 0.0 if y1 * y2 <= 0 else min(abs(y1), abs(y2))
    return math.hypot((x2 - x1) * math.cos(math.radians(flat)), y2 - y1) * _DEGREE_M / 2


def _polygons(geojson: object, field: str) -> list[list[Any]]:
    form = InvalidInput(field, "a GeoJSON Polygon or MultiPolygon: {type, coordinates}")
    if not isinstance(geojson, dict):
        raise form
    kind, coordinates = geojson.get("type"), geojson.get("coordinates")
    if kind == "Polygon":
        coordinates = [coordinates]
    elif kind != "MultiPolygon":
        raise form
    if not isinstance(coordinates, list) or not 1 <= len(coordinates) <= RINGS_MAX:
        raise form
    if not all(isinstance(rings, list) and rings for rings in coordinates):
        raise form
    if sum(len(rings) for rings in coordinates) > RINGS_MAX:
        raise InvalidInput(field, f"{RINGS_MAX} rings at most")
    return coordinates


def _ring(ring: object, field: str) -> Ring:
    """A closed ring, unrolled: each step is the shorter way round."""
    if not isinstance(ring, list) or not 4 <= len(ring) <= VERTICES_MAX:
        raise InvalidInput(field, f"a ring has 4 to {VERTICES_MAX} positions")
    points = [_position(position, field) for position in ring]
    if points[0] != points[-1]:
        raise InvalidInput(field, "a ring ends where it begins")
    unrolled = [points[0]]
    for x, y in points[1:]:
        turns = round((unrolled[-1][0] - x) / 360)
        unrolled.append((x + 360 * turns, y))
    if unrolled[0] != unrolled[-1]:
        raise InvalidInput(field, "no ring around a pole: take a circle there")
    return unrolled


def _position(position: object, field: str) -> tuple[float, float]:
    if not isinstance(position, list) or not 2 <= len(position) <= 3:
        raise InvalidInput(field, "a position is [longitude, latitude]")
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in position):
        raise InvalidInput(field, "a position is of numbers")
    place = checked_place(position[1], position[0], field=field)
    return place.longitude, place.latitude


def _beside(rings: Sequence[Ring]) -> list[Ring]:
    """Holes turned to where their outer ring is."""
    outer = rings[0]
    west, east = min(x for x, _ in outer), max(x for x, _ in outer)
    moved = [outer]
    for ring in rings[1:]:
        middle = (min(x for x, _ in ring) + max(x for x, _ in ring)) / 2
        turn = next((t for t in (0, 360, -360) if west <= middle + t <= east), 0)
        moved.append([(x + turn, y) for x, y in ring])
    return moved


def _shape(polygon: Mapping[str, Any], field: str) -> BaseGeometry:
    try:
        return shapely.geometry.shape(dict(polygon))
    except (ShapelyError, ValueError, TypeError):
        raise InvalidInput(field, "not a polygon") from None
