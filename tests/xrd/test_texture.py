"""Preferred orientation strengthens what it should, respects symmetry, and conserves the whole."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nescio.xrd.reflections import reciprocal_metric
from nescio.xrd.texture import cosine_squared, march_dollase

CUBIC = reciprocal_metric(np.array([3.6, 3.6, 3.6, 90.0, 90.0, 90.0]))
HEXAGONAL = reciprocal_metric(np.array([2.51, 2.51, 4.07, 90.0, 90.0, 120.0]))
EQUAL = jnp.ones((1, 4)) / 4


def factors(equivalents, axis, r, metric=CUBIC):
    table = jnp.asarray(equivalents, jnp.float32)[None]
    weights = jnp.full(table.shape[:2], 1.0 / table.shape[1])
    return float(march_dollase(cosine_squared(table, jnp.asarray(axis, jnp.float32), metric), weights, r)[0])


PLANES_111 = [(1, 1, 1), (1, 1, -1), (1, -1, 1), (-1, 1, 1)]
PLANES_200 = [(2, 0, 0), (0, 2, 0), (0, 0, 2)]
PLANES_220 = [(2, 2, 0), (2, -2, 0), (2, 0, 2), (2, 0, -2), (0, 2, 2), (0, 2, -2)]


def test_angles_between_planes_are_those_of_the_lattice():
    assert float(cosine_squared(jnp.array([1.0, 1, 1]), jnp.array([1.0, 0, 0]), CUBIC)) == pytest.approx(
        1 / 3
    )
    # In hexagonal axes (100) and (010) enclose 60 degree, (001) stands on both.
    assert float(cosine_squared(jnp.array([1.0, 0, 0]), jnp.array([0, 1.0, 0]), HEXAGONAL)) == pytest.approx(
        0.25
    )
    assert float(cosine_squared(jnp.array([1.0, 0, 0]), jnp.array([0, 0, 1.0]), HEXAGONAL)) == pytest.approx(
        0, abs=1e-6
    )


def test_texture_along_111_suppresses_200():
    assert factors(PLANES_111, (1, 1, 1), 0.4) > 1.5
    assert factors(PLANES_200, (1, 1, 1), 0.4) < 0.7


def test_needles_do_the_opposite_of_plates():
    # Half of the 220 normals stand at right angles to 111.
    assert factors(PLANES_111, (1, 1, 1), 1.8) < 1.0 < factors(PLANES_220, (1, 1, 1), 1.8)


def test_factor_of_111_by_hand():
    # One of the four normals lies on the axis (cos^2 = 1), three at cos^2 = 1/9.
    r = 0.5
    by_hand = (r**-3 + 3 * (r**2 / 9 + 8 / 9 / r) ** -1.5) / 4
    assert factors(PLANES_111, (1, 1, 1), r) == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("axis", PLANES_111)
def test_which_equivalent_names_the_axis_does_not_matter(axis):
    assert factors(PLANES_111, axis, 0.3) == pytest.approx(factors(PLANES_111, (1, 1, 1), 0.3), rel=1e-5)


def test_a_random_powder_is_left_as_it_is():
    assert factors(PLANES_200, (1, 1, 1), 1.0) == pytest.approx(1.0)


@given(r=st.floats(0.2, 3.0))
def test_the_mean_over_all_directions_is_one(r):
    # cos(alpha) of directions spread evenly over the sphere is uniform.
    cosine = (np.arange(200_000) + 0.5) / 200_000
    mean = march_dollase(jnp.asarray(cosine**2)[:, None], jnp.ones((200_000, 1)), r).mean()
    assert float(mean) == pytest.approx(1.0, abs=3e-3)


def test_padding_has_no_weight():
    table = jnp.asarray([[(1, 1, 1), (0, 0, 0)]], jnp.float32)
    cosines = cosine_squared(table, jnp.array([1.0, 1, 1]), CUBIC)
    padded = march_dollase(cosines, jnp.array([[1.0, 0.0]]), 0.5)
    assert np.isfinite(cosines).all()
    assert float(padded[0]) == pytest.approx(8.0, rel=1e-5)
