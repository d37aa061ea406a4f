"""Regions contain the candidates inside them and on their edges, and are the same after storing and reading."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nescio.errors import ConfigurationError, ExplorationError
from nescio.explore.candidates import Circle, Listed, Polygon, Rectangle, build_region, inside_any, outside

GRID = np.stack(np.meshgrid(np.arange(6.0), np.arange(8.0), indexing="ij"), axis=-1).reshape(-1, 2)


def inside(region):
    return {tuple(place) for place in GRID[region.mask(GRID)].tolist()}


def test_a_rectangle_includes_its_edges():
    assert inside(Rectangle(low=(1, 2), high=(2, 4))) == {(y, x) for y in (1, 2) for x in (2, 3, 4)}


def test_a_circle_includes_its_edge():
    assert inside(Circle(centre=(3, 3), radius=1)) == {(3, 3), (2, 3), (4, 3), (3, 2), (3, 4)}


def test_a_triangle_includes_its_edges_and_corners():
    expected = {(y, x) for y in range(6) for x in range(8) if y + x <= 4}
    assert inside(Polygon(vertices=((0, 0), (0, 4), (4, 0)))) == expected
    assert inside(Polygon(vertices=((4, 0), (0, 4), (0, 0)))) == expected, "either way round"


def test_a_polygon_may_be_hollow():
    # A horseshoe, open to large x.
    shoe = Polygon(vertices=((0, 0), (0, 5), (1, 5), (1, 1), (3, 1), (3, 5), (4, 5), (4, 0)))
    assert (2, 3) not in inside(shoe)
    assert {(0, 3), (2, 0), (4, 3)} <= inside(shoe)


corner = st.tuples(st.floats(0, 5), st.floats(0, 7))


@given(low=corner, size=corner)
def test_a_rectangle_is_a_polygon_of_four_corners(low, size):
    high = (low[0] + size[0] + 0.01, low[1] + size[1] + 0.01)
    polygon = Polygon(vertices=(low, (low[0], high[1]), high, (high[0], low[1])))
    assert inside(polygon) == inside(Rectangle(low=low, high=high))


def test_boxes_and_intervals_are_rectangles_too():
    places = np.array([[0.1], [0.5], [0.9]])
    assert Rectangle(low=(0.4,), high=(1.0,)).mask(places).tolist() == [False, True, True]
    with pytest.raises(ExplorationError, match="the rectangle has 1 coordinates, but the candidates have 2"):
        Rectangle(low=(0.4,), high=(1.0,)).mask(GRID)
    with pytest.raises(ExplorationError, match="the polygon has 2 coordinates, but the candidates have 1"):
        Polygon(vertices=((0, 0), (0, 1), (1, 1))).mask(places)


def test_candidates_can_be_listed():
    assert np.flatnonzero(Listed(candidates=(5, 2)).mask(GRID)).tolist() == [2, 5]
    with pytest.raises(ExplorationError, match="listed candidate 48 does not exist: there are 0 to 47"):
        Listed(candidates=(1, 48)).mask(GRID)


def test_several_regions_are_joined_and_what_remains_is_outside():
    regions = [Rectangle(low=(0, 0), high=(0, 7)), Listed(candidates=(40,))]
    assert inside_any(regions, GRID).sum() == 9
    assert (outside(regions, GRID) == ~inside_any(regions, GRID)).all()
    assert not inside_any([], GRID).any()
    assert outside([], GRID).all()


def test_forbidding_everything_is_an_error():
    with pytest.raises(
        ExplorationError, match=r"forbidden regions \(circle, listed\) cover all 48 candidates"
    ):
        outside([Circle(centre=(0, 0), radius=100), Listed(candidates=(0,))], GRID)


@pytest.mark.parametrize(
    "region",
    [
        Rectangle(low=(1.5, 2.0), high=(2.0, 4.0)),
        Circle(centre=(3.0, 3.0), radius=0.5),
        Polygon(vertices=((0.0, 0.0), (0.0, 4.0), (4.0, 0.0))),
        Listed(candidates=(5, 2)),
    ],
    ids=lambda region: region.kind,
)
def test_a_region_is_the_same_after_json(region):
    assert build_region(json.loads(json.dumps(region.document())), "again") == region


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"kind": "blob"}, "kind 'blob' is not known"),
        ({"low": [0, 0]}, "needs a key kind"),
        ({"kind": "rectangle", "low": [0, 3], "high": [1, 2]}, "low must not exceed high, but 3 > 2"),
        ({"kind": "rectangle", "low": [0], "high": [1, 2]}, "low has 1 coordinates, but high has 2"),
        ({"kind": "circle", "centre": [0, 0], "radius": 0}, "greater than 0, not 0"),
        (
            {"kind": "circle", "centre": [0, 0], "radius": 1, "width": 0},
            "unknown key 'width'; known here: centre, kind, radius",
        ),
        ({"kind": "polygon", "vertices": [[0, 0], [1, 1]]}, "at least 3 items"),
        ({"kind": "listed", "candidates": [-1]}, "greater than or equal to 0, not -1"),
        ({"kind": "circle", "centre": [0, float("nan")], "radius": 1}, "finite number"),
    ],
)
def test_what_cannot_be_a_region_is_refused(document, message):
    with pytest.raises(ConfigurationError) as caught:
        build_region(document, "run.toml")
    assert str(caught.value).startswith("run.toml: ")
    assert message in str(caught.value)
