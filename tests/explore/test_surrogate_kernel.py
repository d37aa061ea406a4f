"""Kernel, likelihood and posterior agree with scikit-learn, tinygp and the textbook."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern
from tinygp import GaussianProcess, kernels
from tinygp.kernels.distance import L2Distance

from nescio.explore.surrogates.conditioned import condition, predict
from nescio.explore.surrogates.kernel import (
    Inputs,
    covariance,
    matern52,
    noise_variance,
    prior_variance,
    squared_distance,
)
from nescio.explore.surrogates.likelihood import negative_log_likelihood, padded
from nescio.explore.surrogates.parameters import (
    Parameters,
    initial_parameters,
    log_prior,
    principal_head,
)

COVARIANCE = jax.jit(covariance)
RNG = np.random.default_rng(4)
N = 30
FEATURES = RNG.normal(size=(N + 12, 3))
POSITIONS = RNG.normal(size=(N + 12, 2))
HEAD = RNG.normal(size=(3, 2))
TARGETS = np.sin(FEATURES[:N, 0]) + 0.2 * RNG.normal(size=N)
LENGTHS, REGION, SIGNAL, NOISE, SHARE = np.array([0.8, 1.7]), 0.6, 1.3, 0.2, 0.7
ONE = Parameters(
    head=jnp.asarray(HEAD, jnp.float32),
    log_stretch=jnp.float32(0.0),
    log_signal=jnp.float32(np.log(SIGNAL)),
    log_noise=jnp.float32(np.log(NOISE)),
    log_position=jnp.asarray(np.log(LENGTHS), jnp.float32),
    log_region=jnp.float32(np.log(REGION)),
    share=jnp.float32(np.log(SHARE / (1 - SHARE))),
)
MEMBER = jax.tree.map(lambda leaf: leaf[None], ONE)


def inputs(rows: slice) -> Inputs:
    return Inputs(jnp.asarray(FEATURES[rows], jnp.float32), jnp.asarray(POSITIONS[rows], jnp.float32))


MEASURED, ELSEWHERE = inputs(slice(0, N)), inputs(slice(N, None))


def with_padding(size: int) -> tuple[Inputs, np.ndarray, np.ndarray]:
    """Return measurements with copies of the first one behind them, their targets, and what marks the true ones."""
    index = np.zeros(size, int)
    index[:N] = np.arange(N)
    targets, mask = np.zeros(size, np.float32), np.zeros(size, np.float32)
    targets[:N], mask[:N] = TARGETS, 1.0
    return Inputs(MEASURED.features[index], MEASURED.positions[index]), targets, mask


PADDED = with_padding(100)
OFF, ON = jnp.full(1, 0.0), jnp.full(1, 1.0)


def textbook(rows: slice, columns: slice, *, positioned: bool) -> np.ndarray:
    """The kernel as its docstring writes it, of scikit-learn's Matern functions in double precision."""
    matern = Matern(1.0, nu=2.5)
    a, b = FEATURES[rows] @ HEAD, FEATURES[columns] @ HEAD
    if not positioned:
        return SIGNAL**2 * matern(a, b)
    p, q = POSITIONS[rows], POSITIONS[columns]
    both = matern(np.hstack([a, p / LENGTHS]), np.hstack([b, q / LENGTHS]))
    return SIGNAL**2 * (SHARE * both + (1 - SHARE) * matern(p / REGION, q / REGION))


def posterior(*, positioned: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance at the other points, by solving in double precision."""
    here, there = slice(0, N), slice(N, None)
    total = textbook(here, here, positioned=positioned) + float(noise_variance(ONE)) * np.eye(N)
    cross = textbook(here, there, positioned=positioned)
    return cross.T @ np.linalg.solve(total, TARGETS), SIGNAL**2 - np.sum(
        cross * np.linalg.solve(total, cross), 0
    )


def test_the_matern_function_is_that_of_scikit_learn_and_of_tinygp():
    distance = np.array([0.0, 1e-4, 0.1, 0.5, 1.0, 3.0, 10.0])
    ours = matern52(jnp.asarray(distance**2, jnp.float32))
    theirs = Matern(1.0, nu=2.5)(np.zeros((1, 1)), distance[:, None])[0]
    assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-7)
    assert ours == pytest.approx(
        np.asarray(kernels.Matern52()(jnp.zeros((1, 1)), jnp.asarray(distance)[:, None]))[0],
        rel=1e-5,
        abs=1e-7,
    )


def test_the_matern_function_has_a_finite_slope_where_points_coincide():
    slope = jax.jit(jax.vmap(jax.grad(matern52)))(jnp.array([0.0, 0.02, 1.0]))
    r = np.sqrt(5 * np.array([0.02, 1.0]))
    assert np.asarray(slope)[1:] == pytest.approx(-5 / 6 * (1 + r) * np.exp(-r), rel=1e-4)
    # To single precision's rounding.
    assert -1.0 < float(slope[0]) < -0.6


def test_distances_of_far_points_do_not_lose_near_ones():
    points = 10.0 + np.array([[0.0, 0.0], [0.0, 0.01], [3.0, 4.0]])
    found = squared_distance(jnp.asarray(points, jnp.float32), jnp.asarray(points, jnp.float32))
    assert found[0, 2] == pytest.approx(25.0, rel=1e-4)
    assert (np.asarray(found) >= 0.0).all()
    assert float(found[0, 1]) == pytest.approx(1e-4, abs=1e-4)


@pytest.mark.parametrize("positioned", [False, True])
def test_the_kernel_is_what_its_docstring_says(positioned):
    ours = COVARIANCE(ONE, MEASURED, ELSEWHERE, jnp.float32(positioned))
    assert np.asarray(ours) == pytest.approx(
        textbook(slice(0, N), slice(N, None), positioned=positioned), abs=2e-5
    )


def test_without_features_the_kernel_is_of_the_position_alone():
    bare = [Inputs(points.features[:, :0], points.positions) for points in (MEASURED, ELSEWHERE)]
    expected = SIGNAL**2 * Matern(LENGTHS, nu=2.5)(POSITIONS[:N], POSITIONS[N:])
    found = COVARIANCE(ONE._replace(head=jnp.zeros((0, 2))), *bare, jnp.float32(1.0))
    assert np.asarray(found) == pytest.approx(expected, abs=2e-5)
    assert float(prior_variance(ONE)) == pytest.approx(SIGNAL**2)


def test_the_likelihood_is_that_of_tinygp():
    targets = jnp.asarray(TARGETS, jnp.float32)

    @jax.jit
    def ours():
        matrix = padded(
            covariance(ONE, MEASURED, MEASURED, jnp.float32(0.0)), noise_variance(ONE), jnp.ones(N)
        )
        return -negative_log_likelihood(matrix, targets) - 0.5 * N * np.log(2 * np.pi)

    @jax.jit
    def theirs():
        kernel = SIGNAL**2 * kernels.Matern52(distance=L2Distance())
        peer = GaussianProcess(kernel, MEASURED.features @ ONE.head, diag=noise_variance(ONE))
        return peer.log_probability(targets)

    assert float(ours()) == pytest.approx(float(theirs()), rel=1e-4)


def plain(matrix, targets):
    """The likelihood, differentiated by JAX."""
    factor = jnp.linalg.cholesky(matrix)
    whitened = jax.scipy.linalg.solve_triangular(factor, targets, lower=True)
    return 0.5 * whitened @ whitened + jnp.sum(jnp.log(jnp.diagonal(factor)))


def test_the_written_gradient_is_the_differentiated_one():
    matrix, targets = textbook(slice(0, 8), slice(0, 8), positioned=True) + 0.1 * np.eye(8), TARGETS[:8]
    arguments = jnp.asarray(matrix, jnp.float32), jnp.asarray(targets, jnp.float32)
    values, slopes = [], []
    for function in (negative_log_likelihood, plain):
        value, slope = jax.jit(jax.value_and_grad(function, argnums=(0, 1)))(*arguments)
        values.append(float(value))
        # A Cholesky factorisation looks at one triangle only: what counts is how both together change the value.
        slopes.append(np.concatenate([np.asarray(slope[0] + slope[0].T), np.asarray(slope[1])[None]]))
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-3, abs=1e-3)


def test_padding_changes_neither_the_likelihood_nor_its_gradient():
    both = jax.jit(jax.value_and_grad(negative_log_likelihood))
    covariances = np.full((13, 13), 0.7)
    covariances[:8, :8] = textbook(slice(0, 8), slice(0, 8), positioned=True)
    targets, mask = np.zeros(13, np.float32), np.zeros(13, np.float32)
    targets[:8], mask[:8] = TARGETS[:8], 1.0
    behind = both(padded(jnp.asarray(covariances, jnp.float32), jnp.float32(0.1), mask), targets)
    bare = both(jnp.asarray(covariances[:8, :8] + 0.1 * np.eye(8), jnp.float32), targets[:8])
    assert float(behind[0]) == pytest.approx(float(bare[0]), rel=1e-5)
    assert np.asarray(behind[1])[:8, :8] == pytest.approx(np.asarray(bare[1]), abs=1e-4)
    assert not np.asarray(behind[1])[:8, 8:].any()


def test_padded_predictions_are_those_of_the_textbook():
    for positioned in (True, False):
        points, targets, mask = PADDED
        flag = ON if positioned else OFF
        given = condition(MEMBER, points, targets, mask, flag)
        mean, variance = predict(MEMBER, given, points, mask, ELSEWHERE, flag)
        expected = posterior(positioned=positioned)
        assert np.asarray(mean[0]) == pytest.approx(expected[0], abs=2e-4)
        assert np.asarray(variance[0]) == pytest.approx(expected[1], abs=2e-4)


def test_predictions_are_those_of_scikit_learn():
    points, targets, mask = PADDED
    given = condition(MEMBER, points, targets, mask, OFF)
    mean, variance = predict(MEMBER, given, points, mask, ELSEWHERE, OFF)
    kernel = ConstantKernel(SIGNAL**2) * Matern(1.0, nu=2.5)
    peer = GaussianProcessRegressor(kernel, alpha=float(noise_variance(ONE)), optimizer=None)
    peer.fit(FEATURES[:N] @ HEAD, TARGETS)
    expected, sd = peer.predict(FEATURES[N:] @ HEAD, return_std=True)
    assert np.asarray(mean[0]) == pytest.approx(expected, abs=2e-4)
    assert np.sqrt(np.asarray(variance[0])) == pytest.approx(sd, abs=5e-4)


def test_leaving_one_out_in_closed_form_is_removing_it():
    points, targets, mask = PADDED
    given = condition(MEMBER, points, targets, mask, ON)
    total = textbook(slice(0, N), slice(0, N), positioned=True) + float(noise_variance(ONE)) * np.eye(N)
    for removed in (0, 7, N - 1):
        kept = np.delete(np.arange(N), removed)
        solved = np.linalg.solve(total[np.ix_(kept, kept)], np.c_[TARGETS[kept], total[kept, removed]])
        mean, explained = total[removed, kept] @ solved
        assert float(given.residual[0, removed]) == pytest.approx(TARGETS[removed] - mean, abs=5e-4)
        assert float(given.variance[0, removed]) == pytest.approx(SIGNAL**2 - explained, abs=5e-4)


def test_a_thousand_points_of_a_line_without_noise_can_be_factorised():
    stiff = ONE._replace(head=jnp.full((1, 1), 0.2), log_signal=jnp.float32(1.5), log_noise=jnp.float32(-8.0))

    @jax.jit
    def factor():
        line = Inputs(jnp.linspace(-1.7, 1.7, 1000)[:, None], jnp.zeros((1000, 2)))
        matrix = padded(covariance(stiff, line, line, 0.0), noise_variance(stiff), jnp.ones(1000))
        return jnp.linalg.cholesky(matrix)

    assert np.isfinite(np.asarray(factor())).all()
    # Of a function of unit spread, what is added is a hundredth of that.
    usual = stiff._replace(log_signal=jnp.float32(0.0), log_noise=jnp.float32(-20.0))
    assert float(noise_variance(usual)) == pytest.approx(1e-4)


def test_the_head_starts_as_principal_components_of_unit_spread():
    features = RNG.normal(size=(200, 4)) @ RNG.normal(size=(4, 4))
    features = (features - features.mean(0)) / features.std(0)
    head = principal_head(features, 3)
    embedded = features @ head
    spread = np.cov(embedded.T, bias=True)
    assert np.trace(spread) == pytest.approx(1.0, rel=1e-5)
    assert spread - np.diag(np.diag(spread)) == pytest.approx(0.0, abs=1e-6)
    assert (np.diff(np.diag(spread)) < 0).all()
    assert not principal_head(features, 6)[:, 4:].any()
    # An eigenvector's sign is arbitrary, and machines differ in it.
    assert principal_head(features[::-1].copy(), 3) == pytest.approx(head, abs=1e-5)


def test_the_prior_prefers_its_middle_and_a_head_near_the_stretched_components():
    head = jnp.asarray(HEAD, jnp.float32)
    middle = jax.tree.map(lambda leaf: leaf[0], initial_parameters(head, 2, 2))
    prior = jax.jit(log_prior)
    assert float(prior(middle, head, 0.25)) == pytest.approx(0.0, abs=1e-6)
    noisier = middle._replace(log_noise=middle.log_noise + 1.0)
    assert float(prior(noisier, head, 0.25)) == pytest.approx(-0.5, rel=1e-5)
    # Stretching is cheap, turning is not.
    stretched = middle._replace(head=2.0 * head, log_stretch=jnp.log(2.0))
    turned = middle._replace(head=2.0 * head[:, ::-1])
    assert float(prior(stretched, head, 0.25)) == pytest.approx(-0.5 * np.log(2.0) ** 2, rel=1e-4)
    assert float(prior(turned, head, 0.25)) < -10.0
    assert float(prior(turned, head, 25.0)) > -1.0
