"""The training halves of the members, and the calibration of their uncertainty."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nescio.explore.surrogates import LeftOut, fit_scale
from nescio.explore.surrogates.ensemble import capacity, halves

MANY = 4000


def left_out(inflation: float, noise: float, n: int = MANY, said: float = 0.05) -> LeftOut:
    """Return residuals whose variance is `inflation` times what the model says, and the noise another than said."""
    rng = np.random.default_rng(n)
    variance = np.exp(rng.normal(-2.0, 1.0, n))
    return LeftOut(rng.normal(size=n) * np.sqrt(inflation * variance + noise), variance, said)


@given(st.integers(1, 250), st.integers(0, 40), st.integers(1, 4), st.integers(0, 2**31))
def test_partners_share_the_measurements_and_keep_theirs_when_more_come(n, more, pairs, seed):
    parts, later = halves(n, 2 * pairs, seed), halves(n + more, 2 * pairs, seed)
    assert (parts.seen[::2] ^ parts.seen[1::2]).all()
    assert (later.seen[:, :n] == parts.seen).all()
    # So that the arrays of a half are never full before those of the whole are.
    assert parts.order.shape == parts.mask.shape == (2 * pairs, capacity(n) // 2)
    for member in range(2 * pairs):
        taken = parts.order[member][parts.mask[member] > 0]
        assert (taken == np.flatnonzero(parts.seen[member])).all()


def test_pairs_divide_differently_and_so_do_seeds():
    seen = halves(100, 4, 0).seen
    assert 30 < (seen[0] ^ seen[2]).sum() < 70
    assert 30 < (seen[0] ^ halves(100, 4, 1).seen[0]).sum() < 70
    assert (halves(100, 4, 0).seen == seen).all()


def test_five_sizes_hold_up_to_a_thousand_measurements():
    sizes = {capacity(n) for n in range(1, 1001)}
    assert len(sizes) == 5
    assert all(n <= capacity(n) and capacity(n) % 2 == 0 for n in (1, 100, 101, 999, 1001, 3500))
    assert capacity(1001) == 2000


@pytest.mark.parametrize(("inflation", "noise"), [(1.0, 0.05), (4.0, 0.05), (0.4, 0.02), (6.0, 0.1)])
def test_a_known_inflation_and_noise_are_found(inflation, noise):
    found = fit_scale(left_out(inflation, noise))
    assert found.model == pytest.approx(inflation, rel=0.15)
    assert found.noise == pytest.approx(noise, rel=0.2)
    assert found.coverage == pytest.approx(0.95, abs=0.015)


def test_the_likelihood_of_what_was_left_out_is_that_of_normal_residuals():
    from scipy.stats import norm

    left = left_out(3.0, 0.05, 50)
    found = fit_scale(left)
    sd = np.sqrt(found.model * left.variance + found.noise)
    assert found.log_likelihood == pytest.approx(norm.logpdf(left.residual, scale=sd).mean())
    assert found.log_likelihood > norm.logpdf(left.residual, scale=np.sqrt(left.variance + 0.05)).mean()


def test_a_handful_of_residuals_hardly_moves_the_scale():
    few = LeftOut(np.array([0.1, -0.3, 0.2]), np.full(3, 0.05), 0.02)
    assert 0.6 < fit_scale(few).model < 1.7
    # A hundred that are all far too large do.
    assert fit_scale(LeftOut(np.tile([1.0, -1.0], 50), np.full(100, 0.05), 0.02)).model > 10.0
