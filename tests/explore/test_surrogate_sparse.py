"""The sparse model beyond a thousand measurements: as good as the exact one, with bounded memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nescio.explore.surrogates.ensemble as ensemble
import nescio.explore.surrogates.fit as fit_module
import nescio.explore.surrogates.sparse as sparse_module
from nescio.explore.candidates import Candidates
from nescio.explore.surrogates import Surrogate, SurrogateSettings
from nescio.explore.surrogates.conditioned import condition, predict
from nescio.explore.surrogates.ensemble import EXACT, capacity, halves
from nescio.explore.surrogates.kernel import Inputs
from nescio.explore.surrogates.parameters import initial_parameters, principal_head
from nescio.explore.surrogates.sampling import draw_functions
from nescio.explore.surrogates.sparse import BLOCK, choose_inducing, condition_sparse

N, SIZE = 300, 64


@pytest.fixture(scope="module")
def setting():
    """A smooth function of two features, measured with noise at places that are padded to a block."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(BLOCK, 2)).astype(np.float32)
    target = (np.sin(1.5 * features[:, 0]) + features[:, 1] ** 2 / 3).astype(np.float32)
    mask = (np.arange(BLOCK) < N).astype(np.float32)
    inputs = Inputs(jnp.asarray(features), jnp.zeros((BLOCK, 2), jnp.float32))
    observed = target + 0.2 * rng.normal(size=BLOCK).astype(np.float32)
    observed = (observed - observed[:N].mean()) / observed[:N].std()
    parameters = initial_parameters(jnp.asarray(principal_head(features, 2)), 2, 2)
    return parameters, inputs, jnp.asarray(observed), jnp.asarray(mask), jnp.zeros(2)


def sparse(setting, size):
    parameters, inputs, target, mask, positioned = setting
    first = jax.tree.map(lambda leaf: leaf[0], parameters)
    chosen, kept = choose_inducing(first, inputs, mask, positioned[0], size=size)
    inducing = jax.tree.map(lambda leaf: leaf[chosen], inputs)
    return (
        condition_sparse(parameters, inducing, kept, inputs, target, mask, positioned),
        inducing,
        kept,
        chosen,
    )


def exact(setting):
    parameters, inputs, target, mask, positioned = setting
    part = jax.tree.map(lambda leaf: leaf[:N], inputs)
    return condition(parameters, part, target[:N], mask[:N], positioned), part


def test_with_every_measurement_as_inducing_point_it_is_the_exact_model(setting):
    parameters, inputs, _, mask, positioned = setting
    model, inducing, kept, chosen = sparse(setting, 2 * SIZE)
    assert len(set(np.asarray(chosen)[np.asarray(kept) > 0].tolist())) == int(kept.sum())
    whole, part = exact(setting)
    expected = predict(parameters, whole, part, mask[:N], inputs, positioned)
    found = predict(parameters, model, inducing, kept, inputs, positioned)
    np.testing.assert_allclose(found[0], expected[0], atol=0.02)
    np.testing.assert_allclose(np.sqrt(found[1]), np.sqrt(expected[1]), atol=0.02)
    # What is said of measurements that are left out is the same, too.
    np.testing.assert_allclose(model.residual[:, :N], whole.residual, atol=0.05)
    np.testing.assert_allclose(np.sqrt(model.variance[:, :N]), np.sqrt(whole.variance), atol=0.03)


def test_fewer_inducing_points_are_less_sure(setting):
    parameters, inputs, _, mask, positioned = setting
    whole, part = exact(setting)
    _, expected = predict(parameters, whole, part, mask[:N], inputs, positioned)
    model, inducing, kept, _ = sparse(setting, 12)
    _, variance = predict(parameters, model, inducing, kept, inputs, positioned)
    # At the inducing points, too, where the approximation is at its most sure.
    assert (np.asarray(variance) > 0.5 * np.asarray(expected)).all()
    assert np.mean(variance) > 1.5 * np.mean(expected)


def test_draws_scatter_as_the_model_says(setting):
    parameters, inputs, _, _, positioned = setting
    model, inducing, kept, _ = sparse(setting, SIZE)
    mean, variance = predict(parameters, model, inducing, kept, inputs, positioned)
    one = [jax.tree.map(lambda leaf: leaf[0], part) for part in (parameters, model)]
    drawn = draw_functions(
        jax.random.key(0), *one, inducing, jnp.zeros(SIZE), kept, inputs, positioned[0], draws=600
    )
    np.testing.assert_allclose(drawn.mean(0), mean[0], atol=0.1)
    whole, part = exact(setting)
    one = [jax.tree.map(lambda leaf: leaf[0], leaf) for leaf in (parameters, whole)]
    like = draw_functions(
        jax.random.key(0), *one, part, setting[2][:N], jnp.ones(N), inputs, positioned[0], draws=600
    )
    _, expected = predict(parameters, whole, part, jnp.ones(N), inputs, positioned)
    ratios = drawn.std(0) / np.sqrt(variance[0]), like.std(0) / np.sqrt(expected[0])
    assert float(np.mean(ratios[0])) == pytest.approx(float(np.mean(ratios[1])), abs=0.05)


def test_members_learn_from_as_many_measurements_as_before_and_never_from_a_partners():
    before = halves(EXACT, 4, 7)
    for n in (EXACT + 1, 1500, 5000):
        after = halves(n, 4, 7)
        assert after.order.shape == before.order.shape
        assert (after.seen[:, :EXACT] == before.seen).all()
        for member in range(4):
            assert after.seen[member][after.order[member][after.mask[member] > 0]].all()
        assert (after.seen[0] != after.seen[1]).all()
    # A further measurement replaces few.
    one, other = (set(halves(n, 4, 7).order[0].tolist()) for n in (3000, 3001))
    assert len(one - other) <= 1


def test_few_programs_serve_any_number_of_measurements():
    assert len({capacity(n) for n in range(1, 10_001)}) <= 9


def test_on_both_sides_of_the_limit_the_surrogate_is_as_good(monkeypatch):
    # As in earnest, but small: exact up to 200 measurements.
    limit = 200
    for module, name, value in (
        (fit_module, "EXACT", limit),
        (fit_module, "INDUCING", limit),
        (ensemble, "EXACT", limit),
        (sparse_module, "BLOCK", 100),
    ):
        monkeypatch.setattr(module, name, value)
    rng = np.random.default_rng(1)
    side = 30
    y, x = (axis.ravel() / side for axis in np.meshgrid(range(side), range(side), indexing="ij"))
    features = np.column_stack([np.sin(9 * y), np.cos(7 * x), y * x]).astype(np.float32)
    truth = features[:, 0] * features[:, 1] + features[:, 2]
    observed = truth + 0.2 * rng.normal(size=side**2)
    candidates = Candidates(np.column_stack([y, x]), features)
    order = rng.permutation(side**2)
    surrogate = Surrogate(candidates, SurrogateSettings(members=2, embedding=3, position="never"))
    errors, covered = [], []
    for n in (limit, limit + 1, 2 * limit):
        fit = surrogate.update(order[:n], observed[order[:n], None]).outputs[0]
        rest = order[n:]
        errors.append(float(np.mean((fit.mean - truth)[rest] ** 2)))
        covered.append(float(np.mean(np.abs(fit.mean - truth)[rest] < 1.96 * fit.sd[rest])))
    assert fit.model.conditioned.spread is not None
    assert fit.model.conditioned.inverse.shape[1] == limit
    assert errors[1] == pytest.approx(errors[0], rel=0.1)
    # Twice as many measurements are of use, though no more of them are inducing points.
    assert errors[2] < errors[0]
    assert min(covered) > 0.85
    # A candidate that is only imagined as measured leaves little doubt.
    far = int(np.argmax(np.where(np.isin(np.arange(side**2), order[:n]), -1.0, fit.sd)))
    imagined = fit.model.fantasized(fit, [far])
    assert imagined.sd[far] < 0.9 * fit.sd[far]
    assert np.asarray(fit.model.sample(jax.random.key(0), 3)).shape == (3, side**2)
