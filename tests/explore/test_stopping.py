"""Stopping criteria: a settled map, no expected improvement, a spent budget."""

import json

import jax
import numpy as np
import pytest

from nescio.errors import ConfigurationError
from nescio.explore.policies import View
from nescio.explore.stopping import (
    AnyOf,
    Budget,
    ImprovementExhausted,
    MapKnown,
    MapSettled,
    Snapshot,
    build_criterion,
    take_snapshot,
)

MAP = np.array([[-1.0], [1.0], [-1.0], [1.0]])  # of standard deviation 1


def snapshot(mean=MAP, sd=0.1, improvement=1.0, spread=1.0, points=1, seconds=0.0, dose=0.0):
    mean = np.asarray(mean, dtype=float)
    return Snapshot(mean, np.full(mean.shape, sd), improvement, spread, points, seconds, dose)


def moving(*shifts):
    """Return snapshots of a map that as a whole moves by these amounts, in its standard deviations."""
    return [snapshot(MAP + level) for level in np.cumsum((0.0, *shifts))]


def test_a_map_has_settled_after_enough_small_changes_in_a_row():
    settled = MapSettled(tolerance=0.1, steps=3)
    assert settled.reason([]) == ""
    assert settled.reason(moving(0.05, 0.05)) == ""
    assert settled.reason(moving(0.5, 0.05, 0.05, 0.05)) != ""
    assert settled.reason(moving(0.05, 0.05, 0.5)) == ""
    assert settled.reason(moving(0.05, 0.5, 0.05, 0.05)) == ""


def test_the_reason_tells_how_little_the_map_moved():
    reason = MapSettled(tolerance=0.1, steps=2).reason(moving(0.04, 0.08))
    assert reason == (
        "the map changed by less than 0.1 of its standard deviation in each of the last 2 steps (at most 0.08)"
    )


def test_the_change_is_a_root_mean_square_over_the_contrast_of_the_map():
    # One of four candidates moves by 0.4: the root mean square is 0.2, of a contrast near 10 it is 0.02.
    before, after = 10 * MAP, 10 * MAP + [[0.4], [0], [0], [0]]
    share = 0.2 / after.std()
    history = [snapshot(before), snapshot(after)]
    assert MapSettled(tolerance=share * 1.001, steps=1).reason(history)
    assert not MapSettled(tolerance=share * 0.999, steps=1).reason(history)


def test_a_map_without_contrast_never_settles():
    assert not MapSettled(steps=1).reason([snapshot(np.zeros((4, 1)))] * 9)


def test_a_map_that_is_not_there_yet_never_settles():
    assert not MapSettled(steps=1).reason([snapshot(np.full((4, 1), np.nan))] * 9)


def test_all_outputs_must_settle():
    still = np.hstack([MAP, MAP])
    moved = still + np.array([0.0, 1.0])
    assert MapSettled(steps=1).reason([snapshot(still), snapshot(still)])
    assert not MapSettled(steps=1).reason([snapshot(still), snapshot(moved)])


def test_another_number_of_outputs_is_another_map():
    assert not MapSettled(steps=1).reason([snapshot(np.hstack([MAP, MAP])), snapshot(MAP)])


def test_a_map_is_known_when_its_uncertainty_is_small_against_its_contrast():
    known = MapKnown(fraction=0.2, steps=2)
    assert known.reason([snapshot(sd=0.3), snapshot(sd=0.19), snapshot(sd=0.19)])
    assert not known.reason([snapshot(sd=0.19), snapshot(sd=0.21)])
    assert not known.reason([snapshot(sd=0.19)])


def test_improvement_is_exhausted_when_it_stays_small_against_the_spread():
    exhausted = ImprovementExhausted(fraction=0.05, steps=2)
    small, large = snapshot(improvement=0.09, spread=2.0), snapshot(improvement=0.11, spread=2.0)
    assert exhausted.reason([large, small, small])
    assert not exhausted.reason([small, large])
    assert not exhausted.reason([small])
    assert not exhausted.reason([snapshot(improvement=float("nan"))] * 3)
    assert "(now 0.045)" in exhausted.reason([small, small])


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        (Budget(points=20), "20 of 20 points are measured"),
        (Budget(seconds=60.0), "61 of 60 seconds have passed"),
        (Budget(dose=1e4), "a dose of 10000 of 10000 is spent"),
    ],
)
def test_a_budget_ends_when_it_is_spent(budget, reason):
    assert budget.reason([]) == ""
    assert budget.reason([snapshot(points=19, seconds=59.0, dose=9999.0)]) == ""
    assert budget.reason([snapshot(points=20, seconds=61.0, dose=1e4)]) == reason


def test_of_several_criteria_any_is_enough():
    either = AnyOf(criteria=(Budget(points=20), MapSettled(steps=1)))
    assert not either.reason(moving(0.5))
    assert "changed" in either.reason(moving(0.0))
    assert "points" in either.reason([snapshot(points=20)])


def view_of(mean, sd, values, measured):
    mask = np.zeros(len(mean), dtype=bool)
    mask[list(measured)] = True
    mean, sd, values = (np.atleast_2d(np.array(a, dtype=float).T).T for a in (mean, sd, values))
    features, positions = np.zeros((len(mask), 0), np.float32), np.zeros((len(mask), 2))
    return View(
        mean, sd, np.ones(1), mask, values, features, positions, ~mask, len(values), jax.random.key(0)
    )


def test_a_snapshot_holds_the_largest_improvement_among_what_is_allowed():
    # At the mark with standard deviation 1, the improvement is 1 / sqrt(2 pi).
    view = view_of([1.0, 0.0, 1.0], [9.0, 1e-3, 1.0], values=[2.0, 0.0], measured=[0])
    taken = take_snapshot(view, seconds=5.0, dose=7.0)
    assert taken.improvement == pytest.approx(1 / np.sqrt(2 * np.pi))
    assert (taken.spread, taken.points, taken.seconds, taken.dose) == (1.0, 2, 5.0, 7.0)


def test_where_everything_is_measured_nothing_is_expected():
    taken = take_snapshot(view_of([1.0, 0.0], [1.0, 1.0], values=[1.0, 0.0], measured=[0, 1]))
    assert taken.improvement == 0.0
    assert ImprovementExhausted(steps=1).reason([taken])


def test_before_there_is_a_value_no_improvement_is_defined():
    empty = take_snapshot(view_of([np.nan] * 2, [1.0, 1.0], values=np.zeros((0, 1)), measured=[]))
    assert np.isnan(empty.improvement)
    two = take_snapshot(view_of(np.zeros((2, 2)), np.ones((2, 2)), np.zeros((1, 2)), []))
    assert np.isnan(two.improvement)
    assert not AnyOf(criteria=(MapSettled(steps=1), ImprovementExhausted(steps=1))).reason([empty] * 3)


@pytest.mark.parametrize(
    "criterion",
    [
        MapSettled(tolerance=0.05, steps=3),
        MapKnown(),
        ImprovementExhausted(fraction=0.1),
        Budget(points=100, seconds=3600.0),
        AnyOf(criteria=(Budget(dose=5.0), AnyOf(criteria=(MapSettled(),)))),
    ],
    ids=lambda criterion: criterion.kind,
)
def test_a_criterion_is_the_same_after_json(criterion):
    assert build_criterion(json.loads(json.dumps(criterion.document())), "again") == criterion


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"kind": "bored"}, "kind 'bored' is not known"),
        ({"kind": "budget"}, "a budget needs at least one of points, seconds and dose"),
        ({"kind": "budget", "points": 0}, "greater than or equal to 1, not 0"),
        ({"kind": "map-settled", "tolerance": 0.0}, "greater than 0, not 0.0"),
        ({"kind": "any", "criteria": []}, "at least 1 item"),
        (
            {"kind": "any", "criteria": [{"kind": "budget"}]},
            "criteria.0: budget: (top level): a budget needs",
        ),
        ({"kind": "any", "criteria": [{"kind": "map-known", "steps": 2.5}]}, "valid integer"),
    ],
)
def test_what_cannot_be_a_criterion_is_refused(document, message):
    with pytest.raises(ConfigurationError) as caught:
        build_criterion(document, "run.toml")
    assert str(caught.value).startswith("run.toml: ")
    assert message in str(caught.value)
