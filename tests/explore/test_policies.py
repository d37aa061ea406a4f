"""Policies rank posteriors written by hand according to their definitions, to BoTorch, and to posterior draws."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nescio.errors import ExplorationError
from nescio.explore.policies import (
    CostAware,
    Coverage,
    EpsilonGreedy,
    ExpectedImprovement,
    MaximumVariance,
    ProbabilityOfImprovement,
    Random,
    Schedule,
    Stage,
    Thompson,
    UpperConfidenceBound,
    View,
    log_expected_improvement,
)
from nescio.explore.policies.normal import log_excess

STORED = json.loads(Path(__file__).with_name("botorch_values.json").read_text(encoding="utf-8"))
KEY = jax.random.key(0)
ONE = {name: np.array(values) for name, values in STORED["one_output"].items()}


def view_of(mean, sd, *, values=(0.0,), measured=(), features=None, positions=None, **more) -> View:
    mean, sd, values = (
        np.array(a, dtype=float).reshape(len(a), -1) if np.ndim(a) < 2 else np.asarray(a)
        for a in (mean, sd, values)
    )
    n = len(mean)
    mask = np.zeros(n, dtype=bool)
    mask[list(measured)] = True
    return View(
        mean=mean,
        sd=sd,
        noise_sd=more.pop("noise_sd", np.full(mean.shape[1], 0.1)),
        measured=mask,
        values=values,
        features=np.zeros((n, 0), np.float32) if features is None else np.asarray(features, np.float32),
        positions=np.c_[np.arange(n), np.zeros(n)].astype(float) if positions is None else positions,
        allowed=~mask,
        step=more.pop("step", len(values)),
        key=more.pop("key", KEY),
        **more,
    )


BOTORCH = view_of(ONE["mean"], ONE["sd"], values=[float(ONE["best"])])


def test_expected_improvement_is_that_of_botorch():
    ours = ExpectedImprovement(best="observed").acquisition(BOTORCH)
    np.testing.assert_allclose(ours, ONE["log_expected_improvement"], rtol=1e-10)
    assert ours.min() < -1e6, "the stored values reach far into the tail"


def test_probability_of_improvement_is_that_of_botorch():
    ours = ProbabilityOfImprovement(best="observed").acquisition(BOTORCH)
    np.testing.assert_allclose(ours, ONE["log_probability_of_improvement"], rtol=1e-10)


def test_confidence_bound_is_that_of_botorch():
    ours = UpperConfidenceBound(kappa=float(np.sqrt(ONE["beta"]))).acquisition(BOTORCH)
    np.testing.assert_allclose(ours, ONE["upper_confidence_bound"], rtol=1e-10)


def test_a_confidence_bound_narrows_as_the_budget_is_spent():
    policy = UpperConfidenceBound(kappa=1.5, final_kappa=0.5)
    for spent, kappa in ((0.0, 1.5), (0.25, 1.25), (1.0, 0.5)):
        view = view_of([1.0, 2.0], [0.5, 0.1], spent=spent)
        np.testing.assert_allclose(policy.acquisition(view), [1.0 + 0.5 * kappa, 2.0 + 0.1 * kappa])


def test_maximum_variance_is_the_standard_deviation_of_botorch():
    ours = MaximumVariance().acquisition(BOTORCH)
    np.testing.assert_allclose(ours, ONE["standard_deviation"], rtol=1e-10)


def test_mean_excess_is_exact_to_the_last_digits_in_the_tail():
    stored = STORED["log_excess"]
    np.testing.assert_allclose(log_excess(np.array(stored["z"])), stored["exact"], rtol=1e-14)


def test_mean_excess_rises_everywhere():
    # Across all branches, and where the numbers themselves have long been too small.
    z = np.concatenate([-np.logspace(12, 0, 20_000), np.linspace(-1, 50, 20_000)[1:]])
    assert (np.diff(log_excess(z)) > 0).all()
    assert np.isfinite(log_excess(np.array([-1e300, 1e300]))).all()


@given(mean=st.floats(-5, 5), sd=st.floats(0.01, 5), best=st.floats(-5, 5), more=st.floats(1e-3, 2))
def test_expected_improvement_rises_with_mean_and_with_uncertainty(mean, sd, best, more):
    low, high, wider = log_expected_improvement(
        np.array([mean, mean + more, mean]), np.array([sd, sd, sd + more]), best
    )
    assert high > low
    assert wider >= low * (1 - 1e-12 * np.sign(low))
    if abs(mean - best) < 5 * sd:
        assert wider > low
    assert np.exp(low) >= max(0.0, mean - best) * (1 - 1e-12)


@given(mean=st.floats(-2, 2), sd=st.floats(0.1, 3), best=st.floats(-2, 2))
def test_expected_improvement_is_the_mean_of_draws(mean, sd, best):
    draws = mean + sd * NORMAL
    gain = np.maximum(draws - best, 0)
    ours = np.exp(log_expected_improvement(np.array([mean]), np.array([sd]), best))[0]
    assert ours == pytest.approx(gain.mean(), abs=6 * gain.std() / np.sqrt(gain.size) + 1e-5)


NORMAL = np.random.default_rng(4).normal(size=40_000)


def test_a_place_that_is_known_exactly_is_ranked_and_last():
    view = view_of([1.0, 0.9, 0.0], [0.0, 0.0, 0.5], values=[1.0, 0.9], measured=[0, 1])
    acquisition = ExpectedImprovement().acquisition(view)
    assert np.isfinite(acquisition).all()
    assert acquisition.argmax() == 2


def test_one_lucky_measurement_does_not_set_the_mark():
    # The value 9 was noise: the surrogate expects 1 there.
    view = view_of([1.0, 0.5, 1.4], [0.1, 0.1, 0.3], values=[9.0, 0.5], measured=[0, 1])
    robust, trusting = (
        ProbabilityOfImprovement(best=best).acquisition(view)[2] for best in ("noisy", "observed")
    )
    assert robust > np.log(0.5) > -100 > trusting


def test_a_margin_is_counted_in_standard_deviations_of_the_values():
    view = view_of([2.0, 0.0, 2.5], [0.1, 0.1, 0.4], values=[2.0, 0.0], measured=[0, 1])
    with_margin = ExpectedImprovement(xi=0.5).acquisition(view)[2]
    by_hand = log_expected_improvement(view.mean[:, 0], view.sd[:, 0], 2.0 + 0.5 * 1.0)[2]
    assert with_margin == pytest.approx(by_hand)


def test_a_margin_turns_to_what_is_uncertain():
    view = view_of([1.0, 1.3, 1.0], [0.1, 0.1, 0.8], values=[1.0, -1.0], measured=[0])
    assert ProbabilityOfImprovement().acquisition(view)[1:].argmax() == 0
    assert ProbabilityOfImprovement(xi=1.0).acquisition(view)[1:].argmax() == 1


def test_thompson_chooses_a_place_as_often_as_it_is_the_best():
    joint = STORED["joint"]
    mean, covariance = np.array(joint["mean"]), np.array(joint["covariance"])
    draws = 2000
    normal = np.asarray(jax.random.normal(jax.random.key(5), (draws, 6)))
    samples = mean + normal @ np.linalg.cholesky(covariance).T
    chosen = [
        Thompson()
        .acquisition(view_of(mean, np.ones(6), sample=lambda key, n, i=i: samples[i][None, :, None]))
        .argmax()
        for i in range(draws)
    ]
    share = np.bincount(chosen, minlength=6) / draws
    expected = np.array(joint["probability_of_being_best"])
    assert np.abs(share - expected).max() < 4 * np.sqrt(expected * (1 - expected) / draws).max()


def test_thompson_draws_once_with_the_key_it_is_given():
    asked = []

    def sample(key, draws):
        asked.append((key, draws))
        return np.array([[[3.0], [1.0]]])

    key = jax.random.key(8)
    view = view_of([0.0, 0.0], [1.0, 1.0], sample=sample, key=key)
    assert Thompson().acquisition(view).tolist() == [3.0, 1.0]
    assert asked == [(key, 1)]
    with pytest.raises(ExplorationError, match=r"thompson.*cannot draw"):
        Thompson().acquisition(replace(view, sample=None))


@pytest.mark.parametrize("policy", [ExpectedImprovement(), UpperConfidenceBound(), Thompson()])
def test_two_outputs_are_too_many_for_policies_of_one(policy):
    with pytest.raises(ExplorationError, match=f"{policy.kind}: the goal has 2 outputs"):
        policy.acquisition(view_of(np.zeros((3, 2)), np.ones((3, 2)), values=np.zeros((1, 2))))


def test_uncertainties_of_several_outputs_are_compared_in_units_of_their_spread():
    # Output 0 varies by 1, output 1 by 100.
    values = np.array([[0.0, 0.0], [2.0, 200.0]])
    view = view_of(np.zeros((2, 2)), np.array([[0.5, 0.0], [0.0, 40.0]]), values=values)
    assert MaximumVariance().acquisition(view) == pytest.approx([0.5, 0.4])


def test_information_counts_little_where_measurements_are_noisy():
    sd = np.array([[1.0, 0.0], [0.0, 1.0]])
    view = view_of(np.zeros((2, 2)), sd, values=np.zeros((1, 2)), noise_sd=np.array([1.0, 0.1]))
    expected = [0.5 * np.log(2), 0.5 * np.log(101)]
    assert MaximumVariance(noise=True).acquisition(view) == pytest.approx(expected)


def test_coverage_walks_to_what_is_unlike_anything_measured():
    features = np.array([[0.0], [0.1], [1.0], [10.0]])
    view = view_of(np.full(4, np.nan), np.ones(4), values=np.zeros((0, 1)), features=features)
    assert Coverage().acquisition(view).argmax() == 2, "the most typical is first"
    assert Coverage().acquisition(replace(view, measured=np.array([1, 0, 0, 0], bool))).argmax() == 3
    assert Coverage().acquisition(replace(view, measured=np.array([1, 0, 0, 1], bool))).argmax() == 2


def test_coverage_is_the_distance_to_the_nearest_in_standard_deviations():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(50, 3)) * [1.0, 100.0, 0.01]
    features = np.c_[features, np.full(50, 7.0)]
    view = view_of(np.zeros(50), np.ones(50), features=features, measured=[3, 20])
    standard = features[:, :3] / features[:, :3].std(axis=0)
    by_hand = np.minimum(*(np.linalg.norm(standard - standard[i], axis=1) for i in (3, 20)))
    np.testing.assert_allclose(Coverage().acquisition(view), by_hand, rtol=1e-4, atol=1e-6)


def test_coverage_without_features_spreads_over_positions():
    view = view_of(np.zeros(5), np.ones(5), measured=[0])
    assert Coverage().acquisition(view).argmax() == 4


def test_random_draws_are_reproducible_and_even():
    view = view_of(np.zeros(10), np.ones(10))
    first = Random().acquisition(view)
    assert (first == Random().acquisition(view)).all()
    keys = jax.random.split(jax.random.key(1), 300)
    chosen = [Random().acquisition(replace(view, key=key)).argmax() for key in keys]
    assert np.bincount(chosen, minlength=10).min() > 12


def test_epsilon_greedy_strays_as_often_as_it_is_told():
    view = view_of([0.0, 1.0, 0.5], [0.1, 0.1, 0.1])
    inside = UpperConfidenceBound()
    greedy = inside.acquisition(view)
    keys = jax.random.split(jax.random.key(2), 200)

    def strays(epsilon):
        policy = EpsilonGreedy(epsilon=epsilon, policy=inside)
        return sum((policy.acquisition(replace(view, key=key)) != greedy).any() for key in keys)

    assert strays(0.0) == 0
    assert strays(1.0) == 200
    assert 30 < strays(0.25) < 70


def test_whether_epsilon_greedy_strays_tells_nothing_of_what_is_drawn():
    keys = []
    view = view_of([0.0, 1.0], [0.1, 0.1], sample=lambda key, n: keys.append(key) or np.zeros((1, 2, 1)))
    EpsilonGreedy(epsilon=0.0, policy=Thompson()).acquisition(view)
    assert (jax.random.key_data(keys[0]) != jax.random.key_data(view.key)).any()
    strayed = EpsilonGreedy(epsilon=1.0, policy=UpperConfidenceBound()).acquisition(view)
    assert (strayed != Random().acquisition(view)).all()


def test_a_random_choice_of_epsilon_greedy_has_the_scale_of_what_it_wraps():
    view = view_of([0.0, 1.0, 0.5], [0.1, 0.1, 0.1])
    assert (EpsilonGreedy(epsilon=1.0).acquisition(view) < 0).all()
    assert (EpsilonGreedy(epsilon=1.0, policy=UpperConfidenceBound()).acquisition(view) > 0).all()


def test_cost_is_time_there_and_on_the_way_and_dose():
    policy = CostAware(seconds=2.0, speed=4.0, dose=3.0, seconds_per_dose=0.5)
    view = view_of(
        np.zeros(3), np.ones(3), current=0, positions=np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 8.0]])
    )
    assert policy.cost(view).tolist() == [3.5, 3.5 + 5 / 4, 3.5 + 8 / 4]
    assert policy.cost(replace(view, current=None)).tolist() == [3.5] * 3


def test_improvement_is_divided_by_cost():
    view = view_of([0.0, 1.0, 1.0], [0.1, 0.5, 0.5], measured=[0], current=0)
    policy = CostAware(speed=1.0, strength=2.0)
    improvement = np.exp(ExpectedImprovement().acquisition(view))
    assert np.exp(policy.acquisition(view)) == pytest.approx(improvement / policy.cost(view) ** 2)


def test_a_bound_is_reduced_by_what_seconds_are_worth():
    view = view_of([0.0, 1.0, 1.0], [0.1, 0.5, 0.5], measured=[0], current=0)
    policy = CostAware(policy=UpperConfidenceBound(kappa=1.0), speed=1.0, weight=0.25)
    assert policy.acquisition(view).tolist() == [0.1 - 0.25, 1.5 - 0.5, 1.5 - 0.75]


def test_of_two_equal_places_the_nearer_is_chosen_until_the_further_is_worth_the_way():
    view = view_of([0.0, 1.0, 1.0], [0.1, 0.5, 0.5], measured=[0], current=0)
    policy = CostAware(speed=1.0)
    assert policy.acquisition(view)[1:].argmax() == 0
    better = replace(view, mean=np.array([[0.0], [1.0], [3.0]]))
    assert policy.acquisition(better)[1:].argmax() == 1


def test_a_schedule_changes_at_its_steps():
    first, then = Coverage(), UpperConfidenceBound()
    schedule = Schedule(stages=(Stage(policy=first), Stage(from_step=10, policy=then)))
    assert [schedule.at(step) for step in (0, 9, 10, 500)] == [first, first, then, then]
    view = view_of([0.0, 1.0], [0.2, 0.1], measured=[0])
    for step, policy in ((9, first), (10, then)):
        at_step = replace(view, step=step)
        assert (schedule.acquisition(at_step) == policy.acquisition(at_step)).all()


def test_a_schedule_within_other_policies_changes_too():
    schedule = Schedule(stages=(Stage(policy=ExpectedImprovement()), Stage(from_step=5, policy=Random())))
    assert EpsilonGreedy(policy=schedule).at(7) == EpsilonGreedy(policy=Random())
    cost = CostAware(policy=schedule, weight=0.0, seconds=np.e)
    view = view_of([0.0, 1.0], [0.2, 0.1], measured=[0])
    worth = ExpectedImprovement().acquisition(view)
    assert cost.acquisition(replace(view, step=0)) == pytest.approx(worth - 1)
    later = replace(view, step=5)
    assert (cost.acquisition(later) == Random().acquisition(later)).all()
