"""Two goals: the Pareto front and the expected hypervolume improvement."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nescio.errors import ExplorationError
from nescio.explore.policies import (
    HypervolumeImprovement,
    View,
    default_reference,
    hypervolume,
    log_expected_hypervolume_improvement,
    log_expected_improvement,
    pareto_front,
)

STORED = {
    name: np.array(values)
    for name, values in json.loads(
        Path(__file__).with_name("botorch_values.json").read_text(encoding="utf-8")
    )["two_outputs"].items()
}
ORIGIN = np.zeros(2)
POINTS = st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=1, max_size=12).map(np.array)
DRAWS = np.random.default_rng(7).normal(size=(4000, 2))


def view_of(mean, sd, values, measured=()) -> View:
    n, mask = len(mean), np.zeros(len(mean), dtype=bool)
    mask[list(measured)] = True
    positions = np.zeros((n, 2))
    return View(
        mean, sd, np.full(mean.shape[1], 0.1), mask, values, np.zeros((n, 0), np.float32), positions, ~mask,
        len(values), jax.random.key(0),
    )  # fmt: skip


def test_front_and_hypervolume_are_those_of_botorch():
    front = pareto_front(STORED["values"])
    np.testing.assert_array_equal(front, STORED["front"])
    assert hypervolume(front, STORED["reference"]) == pytest.approx(float(STORED["hypervolume"]), rel=1e-12)


def test_expected_hypervolume_improvement_is_that_of_botorch():
    view = view_of(STORED["mean"], STORED["sd"], STORED["values"])
    policy = HypervolumeImprovement(reference=tuple(STORED["reference"].tolist()), best="observed")
    ours = np.exp(policy.acquisition(view))
    # Theirs subtracts, so that its smallest numbers are rounding.
    np.testing.assert_allclose(ours, STORED["expected_hypervolume_improvement"], rtol=1e-9, atol=1e-13)


@given(points=POINTS)
def test_no_point_of_the_front_is_exceeded_in_both_outputs(points):
    front = pareto_front(points)
    assert (np.diff(front[:, 0]) > 0).all()
    assert (np.diff(front[:, 1]) < 0).all()
    covered = (front[None] >= points[:, None]).all(axis=2).any(axis=1)
    assert covered.all()


@given(points=POINTS, mean=st.tuples(st.floats(-2, 2), st.floats(-2, 2)), sd=st.floats(0.1, 2))
def test_expected_hypervolume_improvement_is_the_mean_of_draws(points, mean, sd):
    reference = np.array([-2.0, -2.0])
    front = pareto_front(points)
    draws = np.array(mean) + sd * DRAWS
    # What a draw dominates beyond the front: its rectangle less the part of it that the front covers already.
    above = front[(front > reference).all(axis=1)]
    edges = np.concatenate([reference[:1], above[:, 0], [np.inf]])
    levels = np.concatenate([above[:, 1], reference[1:]])
    widths = np.clip(draws[:, :1], edges[:-1], edges[1:]) - edges[:-1]
    gain = (widths * np.maximum(draws[:, 1:] - levels, 0)).sum(axis=1)
    ours = np.exp(
        log_expected_hypervolume_improvement(np.array([mean]), np.full((1, 2), sd), front, reference)
    )[0]
    assert ours == pytest.approx(gain.mean(), abs=6 * gain.std() / np.sqrt(gain.size) + 2e-4)


@given(points=POINTS, place=st.tuples(st.floats(-3, 3), st.floats(-3, 3)))
def test_a_certain_outcome_gains_the_difference_of_two_hypervolumes(points, place):
    reference = np.array([-3.5, -3.5])
    before = pareto_front(points)
    after = pareto_front(np.vstack([points, place]))
    gain = hypervolume(after, reference) - hypervolume(before, reference)
    # The floor of the standard deviation is relative to the largest, here that of a second candidate.
    mean, sd = np.array([place, place]), np.array([[1e-7, 1e-7], [1e-6, 1e-6]])
    ours = np.exp(log_expected_hypervolume_improvement(mean, sd, before, reference))[0]
    assert ours == pytest.approx(gain, abs=1e-5)


def test_outputs_that_the_front_does_not_divide_gain_independently():
    mean, sd = np.array([[0.5, -0.3]]), np.array([[1.0, 0.7]])
    ours = log_expected_hypervolume_improvement(mean, sd, np.zeros((0, 2)), ORIGIN)
    by_hand = sum(log_expected_improvement(mean[:, k], sd[:, k], 0.0) for k in (0, 1))
    assert ours == pytest.approx(by_hand)


def test_hopeless_places_are_still_ranked():
    front = np.array([[1.0, 2.0], [2.0, 1.0]])
    mean = np.array([[-100.0, -100.0], [-90.0, -100.0], [-1e4, -1e4]])
    acquisition = log_expected_hypervolume_improvement(mean, np.ones((3, 2)), front, ORIGIN)
    assert np.isfinite(acquisition).all()
    assert acquisition.argsort().tolist() == [2, 0, 1]


def test_the_reference_is_a_little_worse_than_the_front():
    front = np.array([[0.0, 10.0], [1.0, 0.0]])
    assert default_reference(front, np.ones(2)) == pytest.approx([-0.1, -1.0])
    assert default_reference(front[:1], np.array([2.0, 0.0])) == pytest.approx([-0.2, 9.9])


def test_the_policy_fills_the_gap_in_the_front():
    values = np.array([[0.0, 1.0], [0.1, 0.99], [1.0, 0.0]])
    mean = np.vstack([values, [0.05, 0.995], [0.7, 0.7], [0.4, 0.4]])
    view = view_of(mean, np.full(mean.shape, 0.02), values, measured=[0, 1, 2])
    assert HypervolumeImprovement().acquisition(view).argmax() == 4


def test_nothing_below_the_reference_counts():
    view = view_of(np.array([[5.0, 0.0], [1.0, 1.0]]), np.full((2, 2), 0.1), np.array([[0.6, 0.6]]))
    assert HypervolumeImprovement(reference=(-1.0, -1.0)).acquisition(view).argmax() == 0
    assert HypervolumeImprovement(reference=(0.5, 0.5)).acquisition(view).argmax() == 1


@pytest.mark.parametrize("outputs", [1, 3])
def test_other_numbers_of_outputs_are_refused(outputs):
    ones = np.ones((3, outputs))
    with pytest.raises(ExplorationError, match=f"two outputs, not {outputs}"):
        HypervolumeImprovement().acquisition(view_of(ones, ones, ones))
