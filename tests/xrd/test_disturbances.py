"""Background, humps and noise have the shape and the statistics that physics gives them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nescio.xrd import gaussian_noise, gaussian_peaks, normalise, poisson_noise, smooth_background

KEY = jax.random.key(3)
AXIS = np.linspace(20.0, 90.0, 512)


@pytest.mark.parametrize("counts", [3.0, 30.0, 1000.0, 1e5])
@pytest.mark.parametrize("level", [0.1, 1.0])
def test_counting_noise_has_the_mean_and_variance_of_counts(counts, level):
    n = 200_000
    drawn = np.asarray(poisson_noise(KEY, jnp.full(n, level), counts), float) * counts
    mean = level * counts
    assert drawn.mean() == pytest.approx(mean, abs=5 * np.sqrt((mean + 0.125) / n) + 1e-6 * mean)
    # The variance of a variance of n draws is 2 / n of its square, and a little more where few are counted.
    assert abs(drawn.var() - mean) < 0.13 + 0.02 * mean


def test_nothing_scattered_is_nothing_counted_on_average():
    drawn = np.asarray(poisson_noise(KEY, jnp.zeros(100_000), 100.0), float) * 100.0
    assert abs(drawn.mean()) < 0.01
    assert drawn.std() < 0.4


def test_more_counts_are_less_noise():
    noise = [float(jnp.std(poisson_noise(KEY, jnp.ones(20_000), counts))) for counts in (100.0, 10_000.0)]
    assert noise[0] / noise[1] == pytest.approx(10.0, rel=0.02)


def test_counting_noise_has_a_gradient_even_where_nothing_scatters():
    slope = jax.grad(lambda p: poisson_noise(KEY, p, 50.0).sum())(jnp.array([0.0, 0.5, 1.0]))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("level", [0.001, 0.01, 0.2])
def test_gaussian_noise_has_the_stated_level_everywhere(level):
    pattern = jnp.concatenate([jnp.zeros(50_000), jnp.ones(50_000)])
    noise = np.asarray(gaussian_noise(KEY, pattern, level) - pattern, float)
    assert abs(noise.mean()) < 5 * level / np.sqrt(noise.size)
    for half in np.split(noise, 2):
        assert half.std() == pytest.approx(level, rel=0.02)
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.02


def test_a_hump_has_its_height_at_its_centre_and_half_of_it_at_half_its_width():
    points = np.array([30.0, 24.0, 36.0])
    np.testing.assert_allclose(gaussian_peaks(points, [0.4], [30.0], [12.0]), [0.4, 0.2, 0.2], rtol=1e-5)


def test_humps_add_up():
    heights, centres, widths = [0.4, 0.1], [30.0, 60.0], [12.0, 5.0]
    both = gaussian_peaks(AXIS, heights, centres, widths)
    single = [gaussian_peaks(AXIS, [h], [c], [w]) for h, c, w in zip(heights, centres, widths, strict=True)]
    np.testing.assert_allclose(both, sum(single), atol=1e-6)


@given(coefficients=arrays(float, st.sampled_from([1, 2, 5, 13]), elements=st.floats(-1.0, 1.0)))
def test_the_background_is_a_chebyshev_series_over_the_axis(coefficients):
    reduced = 2 * (AXIS - 20.0) / 70.0 - 1
    expected = np.polynomial.chebyshev.chebval(reduced, coefficients)
    np.testing.assert_allclose(smooth_background(AXIS, coefficients), expected, atol=1e-4)


def test_air_scatter_falls_as_one_over_the_angle():
    expected = 0.3 * 20.0 / AXIS
    np.testing.assert_allclose(smooth_background(AXIS, np.zeros(3), 0.3), expected, rtol=1e-5)


@given(
    pattern=arrays(np.float32, (3, 20), elements=st.floats(-1e6, 1e6, width=32, allow_subnormal=False)),
    factor=st.floats(0.01, 100.0),
)
def test_scaled_patterns_lie_within_0_and_1_whatever_their_unit(pattern, factor):
    scaled = np.asarray(normalise(pattern))
    assert scaled.min() >= 0.0
    highest = np.where((pattern > 0).any(axis=1), 1.0, 0.0)
    assert scaled.max() <= 1.0
    np.testing.assert_allclose(scaled.max(axis=1), highest, rtol=2e-7)
    if np.abs(pattern[pattern != 0]).min(initial=1.0) > 1e-30:
        np.testing.assert_allclose(normalise(factor * pattern), scaled, rtol=1e-5, atol=1e-30)


def test_intensities_below_the_background_are_cut_off_and_not_lifted():
    np.testing.assert_allclose(normalise(np.array([-1.0, 0.0, 1.0, 2.0])), [0.0, 0.0, 0.5, 1.0])
