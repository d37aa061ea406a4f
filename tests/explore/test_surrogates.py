"""A surrogate finds function and noise with a calibrated uncertainty, and continues from a stored state."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from nescio.errors import ExplorationError
from nescio.explore.candidates import Candidates
from nescio.explore.surrogates import Fit, Surrogate, SurrogateSettings
from nescio.explore.surrogates.conditioned import condition, predict
from nescio.explore.surrogates.ensemble import train

# All of one size, so that few programs are compiled.
N, NOISE = 300, 0.2
RNG = np.random.default_rng(12)
POSITIONS = RNG.uniform(0.0, 50.0, (N, 2))
FEATURES = RNG.normal(size=(N, 3)).astype(np.float32)
# Two candidates that look the same from the same place.
FEATURES[1], POSITIONS[1] = FEATURES[0], POSITIONS[0]
TRUTH = np.sin(1.5 * FEATURES[:, 0]) + 0.5 * FEATURES[:, 1]
OBSERVED = TRUTH + NOISE * RNG.normal(size=N)
CANDIDATES = Candidates(POSITIONS, FEATURES)
SETTINGS = SurrogateSettings(members=2, embedding=2, position="never")
QUICK = SETTINGS.model_copy(update={"steps": 3, "warm_steps": 1})
ORDER = np.random.default_rng(1).permutation(N)


def updated(surrogate: Surrogate, n: int, values=OBSERVED) -> Fit:
    return surrogate.update(ORDER[:n], values[ORDER[:n], None])


@pytest.fixture(scope="module")
def fit() -> Fit:
    return updated(Surrogate(CANDIDATES, SETTINGS), 90)


def test_the_function_and_its_noise_are_found_and_the_intervals_are_honest():
    inside, errors, noises = [], [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        order, observed = rng.permutation(N), TRUTH + NOISE * rng.normal(size=N)
        found = Surrogate(CANDIDATES, SETTINGS, seed=seed).update(order[:90], observed[order[:90], None])
        error = (TRUTH - found.mean[:, 0])[order[90:]]
        inside.append(np.mean(np.abs(error) < 1.96 * found.sd[order[90:], 0]))
        errors.append(np.mean(error**2))
        noises.append(found.noise_sd[0])
    assert 0.90 < np.mean(inside) < 0.98
    assert np.mean(errors) < 0.06 * TRUTH.var()
    assert np.mean(noises) == pytest.approx(NOISE, rel=0.2)


def test_what_left_out_measurements_say_is_told(fit):
    output = fit.outputs[0]
    assert output.scratch
    assert not output.positioned
    assert 0.85 < output.scale.coverage <= 1.0
    assert output.noise_sd == pytest.approx(np.sqrt(output.scale.noise) * OBSERVED[ORDER[:90]].std())
    assert output.embedding.shape == (N, 2)
    assert fit.seconds > 0.0


def test_units_do_not_matter():
    plain = updated(Surrogate(CANDIDATES, QUICK), 40)
    other = updated(Surrogate(CANDIDATES, QUICK), 40, 1e-6 * OBSERVED - 3.0)
    assert other.mean == pytest.approx(1e-6 * plain.mean - 3.0, abs=1e-9)
    assert other.sd == pytest.approx(1e-6 * plain.sd, rel=1e-3)
    assert other.noise_sd == pytest.approx(1e-6 * plain.noise_sd, rel=1e-3)


def test_draws_have_the_mean_and_spread_of_the_posterior(fit):
    draws = fit.sample(jax.random.key(3), 800)[:, :, 0]
    assert draws.shape == (800, N)
    error = (draws.mean(0) - fit.mean[:, 0]) / fit.sd[:, 0]
    assert np.abs(error).mean() < 0.08
    assert np.abs(error).max() < 0.35
    ratio = draws.std(0) / fit.sd[:, 0]
    assert ratio.mean() == pytest.approx(1.0, abs=0.08)
    assert ((ratio > 0.65) & (ratio < 1.35)).all()


def test_a_draw_is_one_function(fit):
    draws = fit.sample(jax.random.key(3), 800)[:, :, 0]
    # Candidates that look the same have the same value in every draw; those that look similar nearly so.
    assert draws[:, 0] == pytest.approx(draws[:, 1], abs=1e-4)
    embedded = fit.outputs[0].embedding
    distance = np.linalg.norm(embedded - embedded[0], axis=1)
    near, far = np.argsort(distance)[2], distance.argmax()
    deviations = draws - draws.mean(0)
    correlation = np.corrcoef(deviations.T[[0, near, far]])
    assert correlation[0, 1] > 0.6
    assert abs(correlation[0, 2]) < 0.5
    # And every one of them passes the measurements, as far as their noise allows.
    residual = draws[:, ORDER[:90]] - OBSERVED[ORDER[:90]]
    assert (np.sqrt((residual**2).mean(1)) < 2.0 * fit.noise_sd[0]).all()


def test_single_draws_are_of_all_members(fit, monkeypatch):
    drawn = []

    def draw(key, parameters, *rest, draws):
        drawn.append(float(parameters.log_signal))
        return jnp.zeros((draws, N))

    monkeypatch.setattr("nescio.explore.surrogates.fit.draw_functions", draw)
    output = fit.outputs[0]
    model = replace(
        output.model, parameters=output.model.parameters._replace(log_signal=jnp.array([1.0, 2.0]))
    )
    for k in range(12):
        assert model.sample(jax.random.key(k), 1).shape == (1, N)
    assert len(drawn) == 12
    assert set(drawn) == {1.0, 2.0}
    first = drawn[:]
    drawn.clear()
    for k in range(12):
        model.sample(jax.random.key(k), 1)
    assert drawn == first


def test_an_imagined_measurement_lowers_the_uncertainty_around_it_and_moves_nothing(fit):
    chosen = int(fit.sd[:, 0].argmax())
    imagined = fit.fantasize([chosen])
    assert imagined.sd[chosen, 0] < 0.6 * fit.sd[chosen, 0]
    assert (imagined.sd < 1.001 * fit.sd + 1e-6).mean() > 0.97
    embedded = fit.outputs[0].embedding
    near = np.argsort(np.linalg.norm(embedded - embedded[chosen], axis=1))[1]
    assert imagined.sd[near, 0] < 0.95 * fit.sd[near, 0]
    assert (np.abs(imagined.mean - fit.mean) < 0.15 * fit.sd).all()
    twice = fit.fantasize([chosen]).fantasize([chosen])
    assert twice.sd[chosen, 0] < imagined.sd[chosen, 0]
    assert fit.fantasize([chosen, chosen]).sd == pytest.approx(twice.sd, rel=1e-2)
    assert imagined.noise_sd == fit.noise_sd


def test_a_model_continued_from_its_state_is_the_uninterrupted_one():
    through, stopped = Surrogate(CANDIDATES, QUICK, seed=3), Surrogate(CANDIDATES, QUICK, seed=3)
    for n in (20, 21, 22):
        updated(through, n)
        updated(stopped, n)
    resumed = Surrogate(CANDIDATES, QUICK, seed=3)
    resumed.restore({name: np.array(leaf) for name, leaf in stopped.state().items()})
    for n in (23, 24, 26, 27):
        one, other = updated(through, n), updated(resumed, n)
        assert (one.mean == other.mean).all()
        assert (one.sd == other.sd).all()
        assert one.outputs[0].scratch == other.outputs[0].scratch == (n == 26)


def test_a_state_of_other_settings_is_refused():
    stored = Surrogate(CANDIDATES, QUICK)
    updated(stored, 10)
    state = stored.state()
    with pytest.raises(ExplorationError, match=r"head has shape \(2, 3, 2\); needs \(2, 3, 4\)"):
        Surrogate(CANDIDATES, QUICK.model_copy(update={"embedding": 4})).restore(state)
    state["0/encoder"] = np.array("vae")
    with pytest.raises(ExplorationError, match="'vae', which the candidates do not have"):
        Surrogate(CANDIDATES, QUICK).restore(state)
    del state["0/encoder"]
    fresh = Surrogate(CANDIDATES, QUICK)
    fresh.restore(state)
    assert updated(fresh, 10).outputs[0].scratch


def test_one_program_of_each_kind_serves_all_numbers_of_measurements_that_have_one_capacity():
    programs = [train, condition, predict]
    surrogate = Surrogate(CANDIDATES, QUICK)
    updated(surrogate, 50)
    compiled = [program._cache_size() for program in programs]
    surrogate = Surrogate(CANDIDATES, QUICK)
    for n in (1, 2, 30, 99, 100):
        updated(surrogate, n)
    # A start, a trained model and a restored one look the same to the compiler.
    resumed = Surrogate(CANDIDATES, QUICK)
    resumed.restore(surrogate.state())
    updated(resumed, 100)
    assert [program._cache_size() for program in programs] == compiled


def test_it_is_trained_from_scratch_when_the_measurements_have_grown():
    surrogate = Surrogate(CANDIDATES, QUICK)
    scratch = [n for n in range(20, 42) if updated(surrogate, n).outputs[0].scratch]
    assert scratch == [20, 25, 32, 40]


def test_a_frozen_model_is_still_given_measurements():
    surrogate = Surrogate(CANDIDATES, QUICK)
    before = updated(surrogate, 40)
    surrogate.freeze()
    after = updated(surrogate, 90)
    assert not after.outputs[0].scratch
    for one, other in zip(before.outputs[0].model.parameters, after.outputs[0].model.parameters, strict=True):
        assert (np.asarray(one) == np.asarray(other)).all()
    errors = [np.mean((one.mean[:, 0] - TRUTH)[ORDER[90:]] ** 2) for one in (before, after)]
    assert errors[1] < 0.8 * errors[0]
    resumed = Surrogate(CANDIDATES, QUICK)
    resumed.restore(surrogate.state())
    assert resumed.frozen


def test_a_missing_value_of_one_scalar_leaves_the_other_alone():
    both = np.stack([OBSERVED, 3.0 - OBSERVED], 1)[ORDER[:40]]
    both[[4, 17], 1] = np.nan
    found = Surrogate(CANDIDATES, QUICK, outputs=2).update(ORDER[:40], both)
    assert found.mean.shape == found.sd.shape == (N, 2)
    assert (found.mean[:, 0] == updated(Surrogate(CANDIDATES, QUICK), 40).mean[:, 0]).all()
    kept = np.delete(ORDER[:40], [4, 17])
    alone = Surrogate(CANDIDATES, QUICK).update(kept, 3.0 - OBSERVED[kept, None])
    assert (found.mean[:, 1] == alone.mean[:, 0]).all()
    both[:, 1] = np.nan
    with pytest.raises(ExplorationError, match="output 1 has no value in 40 measurements"):
        Surrogate(CANDIDATES, QUICK, outputs=2).update(ORDER[:40], both)


@pytest.mark.parametrize("values", [[0.1], [0.1, 0.1, 0.1], [0.0, 0.0]])
def test_one_value_alone_is_expected_everywhere_and_believed_nowhere_far(values):
    chosen = np.arange(2, 2 + len(values))
    found = Surrogate(CANDIDATES, QUICK).update(chosen, np.array(values)[:, None])
    assert found.mean == pytest.approx(values[0], abs=1e-6)
    assert (found.sd > 0.05).all()
    assert found.sd.argmin() in (2, 3, 4)


def test_measuring_again_averages_the_noise_away():
    once = Surrogate(CANDIDATES, QUICK).update([0, *ORDER[:30]], OBSERVED[[0, *ORDER[:30]], None])
    often = [0] * 30
    values = np.concatenate([OBSERVED[ORDER[:30]], TRUTH[0] + NOISE * RNG.normal(size=30)])[:, None]
    again = Surrogate(CANDIDATES, QUICK).update([*ORDER[:30], *often], values)
    assert again.sd[0, 0] < 0.6 * once.sd[0, 0]
    assert again.mean[0, 0] == pytest.approx(TRUTH[0], abs=0.15)
    # Its twin is known as well.
    assert again.mean[1, 0] == pytest.approx(again.mean[0, 0], abs=1e-4)


def test_a_feature_that_is_the_same_everywhere_says_nothing():
    features = [FEATURES.copy(), FEATURES.copy()]
    features[0][:, 2], features[1][:, 2] = 0.1, -7e5
    one, other = (updated(Surrogate(Candidates(POSITIONS, part), QUICK), 40) for part in features)
    assert np.isfinite(one.mean).all()
    assert (one.mean == other.mean).all()


def test_candidates_without_features_have_only_their_position():
    bare = Candidates(POSITIONS, np.zeros((N, 0), np.float32))
    with pytest.raises(ExplorationError, match='use kind "coordinates"'):
        Surrogate(bare, SETTINGS)
    truth = np.sin(POSITIONS[:, 0] / 8.0) + POSITIONS[:, 1] / 25.0
    settings = SETTINGS.model_copy(update={"kind": "coordinates"})
    found = updated(Surrogate(bare, settings), 60, truth)
    assert np.mean((found.mean[:, 0] - truth) ** 2) < 0.05 * truth.var()
    assert found.outputs[0].positioned
    assert found.outputs[0].embedding.shape == (N, 0)
    # Candidates that have features are treated alike.
    ignored = updated(Surrogate(CANDIDATES, settings), 60, truth)
    assert (ignored.mean == found.mean).all()


def direction(surrogate_fit: Fit) -> np.ndarray:
    head = np.asarray(surrogate_fit.outputs[0].model.parameters.head)
    return head / np.linalg.norm(head, axis=(1, 2), keepdims=True)


def test_a_static_head_is_learned_once():
    surrogate = Surrogate(CANDIDATES, QUICK.model_copy(update={"kind": "static-deep-kernel"}))
    start = np.asarray(surrogate._heads[""])
    first = direction(updated(surrogate, 20))
    assert np.abs(first - start / np.linalg.norm(start)).max() > 1e-3
    for n, scratch in ((21, False), (40, True)):
        later = updated(surrogate, n)
        assert later.outputs[0].scratch == scratch
        assert direction(later) == pytest.approx(first, abs=1e-6)
    moving = Surrogate(CANDIDATES, QUICK)
    updated(moving, 20)
    assert np.abs(direction(updated(moving, 40)) - first).max() > 1e-3


def test_a_fixed_embedding_still_has_a_lengthscale():
    fast = np.sin(4.0 * FEATURES[:, 0])
    heads = {}
    for name, values in (("slow", FEATURES[:, 0].astype(float)), ("fast", fast)):
        found = updated(Surrogate(CANDIDATES, SETTINGS.model_copy(update={"kind": "fixed"})), 90, values)
        heads[name] = np.asarray(found.outputs[0].model.parameters.head)
        components = np.asarray(Surrogate(CANDIDATES, SETTINGS)._heads[""])
        assert direction(found) == pytest.approx(
            np.stack([components / np.linalg.norm(components)] * 2), abs=1e-6
        )
    assert np.linalg.norm(heads["fast"]) > 1.5 * np.linalg.norm(heads["slow"])


def test_the_features_that_explain_more_are_chosen():
    useless = RNG.normal(size=(N, 3)).astype(np.float32)
    candidates = Candidates(POSITIONS, useless, encoder="noise", alternatives={"telling": FEATURES})
    found = updated(Surrogate(candidates, SETTINGS), 60).outputs[0]
    assert found.encoder == "telling"
    swapped = Candidates(POSITIONS, FEATURES, encoder="telling", alternatives={"noise": useless})
    assert updated(Surrogate(swapped, SETTINGS), 60).outputs[0].encoder == ""


def test_the_position_is_seen_where_it_matters():
    settings = SETTINGS.model_copy(update={"position": "auto"})
    truth = np.sin(POSITIONS[:, 0] / 8.0) + POSITIONS[:, 1] / 25.0
    found = updated(Surrogate(CANDIDATES, settings), 60, truth).outputs[0]
    assert found.positioned
    assert np.mean((found.mean - truth) ** 2) < 0.2 * truth.var()
    blind = updated(Surrogate(CANDIDATES, SETTINGS), 60, truth).outputs[0]
    assert np.mean((blind.mean - truth) ** 2) > 0.8 * truth.var()


@pytest.mark.parametrize(
    "wrong", [{"members": 3}, {"steps": 0}, {"refit_growth": 1.0}, {"kind": "deep"}, {"layers": 2}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        SurrogateSettings.model_validate(wrong)
