"""Least squares with bounds, priors and linear parts: against SciPy, closed forms and repeated noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import least_squares, nnls

from nescio.fit import (
    FitSettings,
    Limits,
    Linear,
    Model,
    Stop,
    best_of,
    fit,
    fit_many,
    log_evidence,
    nonnegative_solution,
    poisson_variance,
)

T = np.linspace(0.0, 10.0, 200)
NOISE = 0.02
FINE = FitSettings(least=1e-4, tolerance=1e-7)


class Decays(Model):
    """Two exponentials and a constant."""

    t: jax.Array

    def design(self, values: jax.Array) -> jax.Array:
        return jnp.stack(
            [jnp.exp(-self.t / values[0]), jnp.exp(-self.t / values[1]), jnp.ones_like(self.t)], 1
        )


MODEL = Decays(jnp.asarray(T, jnp.float32))
WIDE = Limits.of([0.1, 2.0], [1.9, 20.0], [1.0, 4.0], [jnp.inf, jnp.inf])
FREE = Linear(jnp.zeros(3), jnp.array([True, True, False]), jnp.ones(3, bool))
WEIGHTS = jnp.full(200, 1.0 / NOISE**2)
START = jnp.array([0.5, 8.0])


def made(n: int, coefficients=(3.0, 2.0, 0.5), seed: int = 0) -> np.ndarray:
    truth = np.asarray(MODEL.design(jnp.array([1.0, 4.0])) @ jnp.asarray(coefficients))
    return truth + NOISE * np.random.default_rng(seed).normal(size=(n, T.size))


def fitted(data, limits=WIDE, linear=FREE, settings=FINE, start=START):
    return fit_many(
        MODEL, start, limits, linear, jnp.asarray(data, jnp.float32), WEIGHTS, settings,
        (None, None, None, None, 0, None),
    )  # fmt: skip


@pytest.fixture(scope="module")
def many():
    return fitted(made(400))


def test_it_finds_what_scipy_finds(many):
    data = made(400)
    for row in range(5):
        expected = least_squares(
            lambda p, y=data[row]: (p[2] * np.exp(-T / p[0]) + p[3] * np.exp(-T / p[1]) + p[4] - y) / NOISE,
            [0.5, 8.0, 3.0, 2.0, 0.5],
        )
        np.testing.assert_allclose(many.values[row], expected.x[:2], rtol=2e-3)
        np.testing.assert_allclose(many.coefficients[row], expected.x[2:], rtol=4e-3)
        assert many.misfit[row] == pytest.approx(expected.cost, rel=1e-4)


def test_errors_are_those_of_repeated_noise(many):
    assert set(np.asarray(many.stop)) == {Stop.CONVERGED}
    values = np.hstack([many.values, many.coefficients])
    errors = np.sqrt(np.diagonal(np.asarray(many.covariance), axis1=1, axis2=2))
    pulls = (values - [1.0, 4.0, 3.0, 2.0, 0.5]) / errors
    assert np.abs(pulls.std(axis=0) - 1.0).max() < 0.12
    assert np.abs(np.median(pulls, axis=0)).max() < 0.2
    # Chi-squared of 200 points less five parameters.
    assert 2.0 * float(many.misfit.mean()) == pytest.approx(195.0, abs=3.0)


def test_values_stay_within_bounds_and_are_said_to_be_at_them():
    narrow = Limits.of([0.1, 5.0], [1.9, 20.0], [1.0, 6.0], [jnp.inf, jnp.inf])
    found = fitted(made(4), narrow)
    np.testing.assert_allclose(found.values[:, 1], 5.0)
    assert (np.asarray(found.covariance)[:, 1, 1] == 0.0).all()
    assert not np.asarray(found.used)[:, 1].any()


def test_a_value_without_a_width_is_held():
    held = Limits.of([0.1, 2.0], [1.9, 20.0], [1.0, 4.0], [jnp.inf, 0.0])
    found = fitted(made(3), held, start=jnp.array([0.5, 3.5]))
    assert (np.asarray(found.values)[:, 1] == 3.5).all()


def test_coefficients_are_not_negative():
    found = fitted(made(4, (3.0, -0.4, 0.5)))
    assert (np.asarray(found.coefficients)[:, 1] == 0.0).all()
    rng = np.random.default_rng(1)
    for seed in range(20):
        a, b = rng.normal(size=(30, 6)), rng.normal(size=30)
        present = np.ones(6, bool)
        present[seed % 6] = seed % 3 > 0
        got, free = nonnegative_solution(
            jnp.asarray(a.T @ a, jnp.float32),
            jnp.asarray(a.T @ b, jnp.float32),
            jnp.ones(6, bool),
            jnp.asarray(present),
        )
        np.testing.assert_allclose(np.asarray(got)[present], nnls(a[:, present], b)[0], atol=2e-4)
        assert not np.asarray(free)[~present].any()
        assert (np.asarray(got)[~present] == 0.0).all()


def test_columns_that_depend_on_one_another_are_solved_all_the_same():
    """A Gram matrix that rounding has made indefinite once had its diagonal taken instead."""
    for lean in (2e-6, 1e-5, 5e-5):
        # Two columns of correlation 1 and, beyond it, one that rounding has pushed across.
        gram = np.array([[1.0, 1.0 + lean, 0.3], [1.0 + lean, 1.0, 0.3], [0.3, 0.3, 1.0]])
        moment = gram @ np.array([1.0, 1.0, 2.0])
        found, free = nonnegative_solution(
            jnp.asarray(gram, jnp.float32),
            jnp.asarray(moment, jnp.float32),
            jnp.zeros(3, bool),
            jnp.ones(3, bool),
        )
        assert free.all()
        assert found[2] == pytest.approx(2.0, abs=0.01)
        assert found[0] + found[1] == pytest.approx(2.0, abs=0.01)


def test_a_strong_prior_is_obeyed_and_a_weak_one_ignored():
    strong = Limits.of([0.1, 2.0], [1.9, 20.0], [1.0, 7.0], [jnp.inf, 1e-3])
    weak = Limits.of([0.1, 2.0], [1.9, 20.0], [1.0, 7.0], [jnp.inf, 1e3])
    assert float(fitted(made(1), strong).values[0, 1]) == pytest.approx(7.0, abs=0.01)
    np.testing.assert_allclose(fitted(made(1), weak).values, fitted(made(1)).values, rtol=1e-3)


def test_outliers_pull_less_where_asked():
    data = made(1)
    data[0, ::20] += 3.0
    plain = float(fitted(data).coefficients[0, 2])
    robust = float(fitted(data, settings=FINE._replace(robust=2.0)).coefficients[0, 2])
    assert abs(plain - 0.5) > 0.1
    assert abs(robust - 0.5) < 0.03


def test_the_best_of_several_starts_is_taken():
    starts = jnp.array([[0.5, 8.0], [1.5, 2.5], [0.2, 19.0]])
    data = jnp.asarray(made(1)[0], jnp.float32)
    several = fit_many(MODEL, starts, WIDE, FREE, data, WEIGHTS, FINE, (None, 0, None, None, None, None))
    best = best_of(several)
    assert float(best.cost) == float(jnp.min(several.cost))
    assert best.values.shape == (2,)


def test_a_model_that_is_not_finite_says_so():
    found = fit(MODEL, START, WIDE, FREE, jnp.full(200, jnp.nan), WEIGHTS)
    assert int(found.stop) == Stop.NOT_FINITE


def test_evidence_is_that_of_a_linear_model():
    """Of data y = x a + noise with a Gaussian prior on a, the evidence is a Gaussian in y."""
    rng = np.random.default_rng(2)
    x, prior, sigma = rng.normal(size=(20, 2)), 0.7, 0.3
    y = x @ np.array([0.5, -0.2]) + sigma * rng.normal(size=20)
    covariance = sigma**2 * np.eye(20) + prior**2 * x @ x.T
    exact = -0.5 * y @ np.linalg.solve(covariance, y) - 0.5 * np.linalg.slogdet(covariance)[1]
    information = x.T @ x / sigma**2 + np.eye(2) / prior**2
    best = np.linalg.solve(information, x.T @ y / sigma**2)
    cost = 0.5 * np.sum((y - x @ best) ** 2) / sigma**2 + 0.5 * np.sum(best**2) / prior**2
    found = log_evidence(
        jnp.asarray(cost), jnp.asarray(information), jnp.full(2, prior**-2), jnp.ones(2, bool)
    )
    # Up to the constant of the noise.
    assert float(found) == pytest.approx(exact + 20 * np.log(sigma), abs=1e-3)


def test_the_variance_of_counts_is_their_number_and_at_least_one():
    np.testing.assert_allclose(poisson_variance([100.0, 0.0]), [100.0, 1.0])
    # Counts times 0.1: 1000 counts vary by 1000, in units of 0.1 squared.
    np.testing.assert_allclose(poisson_variance([100.0, 0.0], gain=0.1), [10.0, 0.01])
