"""Many peaks added through the Fourier transform are those added one by one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import find_peaks

from nescio.xrd.peaks import FourierGrid, sum_peaks

START, STOP, POINTS = 20.0, 90.0, 2048
GRID = jnp.linspace(START, STOP, POINTS)


def some_peaks(count, narrowest, widest, seed=0):
    rng = np.random.default_rng(seed)
    position = rng.uniform(START - 5, STOP + 5, count)
    fraction = (position - position.min()) / np.ptp(position)
    fwhm = narrowest * (widest / narrowest) ** fraction
    return tuple(
        jnp.asarray(a, jnp.float32)
        for a in (position, rng.exponential(1.0, count), fwhm, np.full(count, rng.uniform()))
    )


@pytest.mark.parametrize("count", [3, 30, 700])
@pytest.mark.parametrize(
    ("narrowest", "widest", "nodes", "refinement"),
    [(0.2, 0.3, 4, 1), (0.7, 1.4, 4, 1), (0.1, 0.3, 6, 2), (0.2, 1.2, 8, 1)],
)
def test_the_comb_agrees_with_the_plain_sum(count, narrowest, widest, nodes, refinement):
    comb = FourierGrid(START, STOP, POINTS, nodes=nodes, refinement=refinement)
    through, directly = jax.jit(comb.sum_peaks), jax.jit(functools.partial(sum_peaks, GRID))
    for seed in range(5):
        peaks = some_peaks(count, narrowest, widest, seed)
        plain = directly(*peaks)
        assert float(jnp.abs(through(*peaks) - plain).max()) < 1e-3 * float(plain.max())


def test_a_peak_lies_where_it_was_put_to_a_fraction_of_a_step():
    comb = FourierGrid(START, STOP, POINTS)
    add = jax.jit(comb.sum_peaks)
    for position in (41.0, 41.01, 41.0171):
        one = (jnp.asarray([a], jnp.float32) for a in (position, 1.0, 0.4, 0.0))
        y = np.asarray(add(*one), np.float64)
        top = find_peaks(y, height=0.5 * y.max())[0]
        assert top.size == 1
        centroid = (np.asarray(GRID, np.float64) * y).sum() / y.sum()
        assert centroid == pytest.approx(position, abs=1e-3)


def test_peaks_of_no_area_leave_nothing():
    comb = FourierGrid(START, STOP, POINTS)
    y = comb.sum_peaks(jnp.full(5, 50.0), jnp.zeros(5), jnp.full(5, 0.3), jnp.full(5, 0.5))
    assert not np.asarray(y).any()


def test_both_sums_have_the_same_gradient():
    comb = FourierGrid(START, STOP, POINTS, nodes=6)
    peaks = some_peaks(20, 0.3, 0.5)
    weight = jnp.cos(jnp.arange(POINTS) / 50.0)

    def loss(peaks, add):
        return jnp.sum(weight * add(*peaks)) / POINTS

    gradient = jax.jit(jax.grad(loss), static_argnums=1)
    exact = gradient(peaks, functools.partial(sum_peaks, GRID))
    through = gradient(peaks, comb.sum_peaks)
    for a, b in zip(exact, through, strict=True):
        assert float(jnp.abs(a - b).max()) < 5e-3 * float(jnp.abs(a).max())
