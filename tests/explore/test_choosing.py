"""The next candidates: the best allowed ones, apart from each other in a batch, with favoured regions."""

from dataclasses import replace
from typing import Literal

import jax
import numpy as np
import pytest

from nescio.errors import ExplorationError
from nescio.explore.policies import (
    CostAware,
    Coverage,
    ExpectedImprovement,
    MaximumVariance,
    Policy,
    Random,
    Schedule,
    Stage,
    UpperConfidenceBound,
    View,
    choose,
)

PLACES = np.linspace(0.0, 10.0, 60)


def conditioned(mean, covariance, where, noise=0.05):
    """Return a view of a joint normal posterior after the places `where` gave what was expected there."""
    where = list(where)
    if where:
        gain = np.linalg.solve(
            covariance[np.ix_(where, where)] + noise**2 * np.eye(len(where)), covariance[where]
        )
        covariance = covariance - covariance[:, where] @ gain
    n = len(mean)
    measured = np.zeros(n, dtype=bool)
    measured[where] = True
    return View(
        mean=mean[:, None],
        sd=np.sqrt(np.diag(covariance))[:, None],
        noise_sd=np.array([noise]),
        measured=measured,
        values=np.array([[0.0], [0.5]]),
        features=np.zeros((n, 0), np.float32),
        positions=np.arange(n, dtype=float)[:, None],
        allowed=~measured,
        step=2,
        key=jax.random.key(3),
        fantasize=lambda chosen: conditioned(mean, covariance, chosen, noise),
    )


COVARIANCE = np.exp(-0.5 * (PLACES[:, None] - PLACES) ** 2)
VIEW = conditioned(np.sin(PLACES), COVARIANCE, [0])
FLAT = conditioned(np.zeros(60), COVARIANCE, [])


class Fixed(Policy):
    kind: Literal["fixed"] = "fixed"
    ranks: tuple[float, ...]

    def acquisition(self, view):
        return np.array(self.ranks)


def small(allowed=(0, 1, 2, 3)):
    view = conditioned(np.zeros(4), np.eye(4), [])
    mask = np.zeros(4, dtype=bool)
    mask[list(allowed)] = True
    return replace(view, allowed=mask)


def candidates(choices):
    return [choice.candidate for choice in choices]


def test_the_best_allowed_candidate_is_chosen():
    policy = UpperConfidenceBound()
    acquisition = policy.acquisition(VIEW)
    (first,) = choose(policy, VIEW)
    assert first.candidate == acquisition[1:].argmax() + 1
    assert first.acquisition == acquisition.max()
    assert np.isnan(first.acquisitions[0])
    assert first.note == ""
    forbidden = VIEW.allowed.copy()
    forbidden[first.candidate] = False
    (second,) = choose(policy, replace(VIEW, allowed=forbidden))
    assert second.candidate != first.candidate


def test_of_equal_candidates_the_first_is_chosen():
    assert candidates(choose(Fixed(ranks=(0.0, 2.0, 2.0, 2.0)), small())) == [1]


def test_points_chosen_together_keep_apart():
    together = candidates(choose(UpperConfidenceBound(), VIEW, 4))
    one_by_one = np.argsort(-np.where(VIEW.allowed, UpperConfidenceBound().acquisition(VIEW), -np.inf))[:4]
    assert len(set(together)) == 4
    assert np.diff(np.sort(PLACES[together])).min() > 4 * np.diff(np.sort(PLACES[one_by_one])).max()


def test_a_batch_of_greatest_uncertainty_is_what_measuring_one_by_one_gives():
    # What is measured does not change the variance, only where.
    together = candidates(choose(MaximumVariance(), FLAT, 5))
    one_by_one = []
    for _ in range(5):
        view = conditioned(np.zeros(60), COVARIANCE, one_by_one)
        one_by_one.append(choose(MaximumVariance(), view)[0].candidate)
    assert together == one_by_one


def test_without_fantasies_a_batch_is_the_first_of_the_ranking():
    view = replace(small(), fantasize=None)
    assert candidates(choose(Fixed(ranks=(1.0, 3.0, 2.0, 0.0)), view, 3)) == [1, 2, 0]


def test_coverage_of_a_batch_spreads_without_a_surrogate():
    view = replace(FLAT, mean=np.full((60, 1), np.nan), values=np.zeros((0, 1)), fantasize=None)
    assert candidates(choose(Coverage(), view, 3)) in ([29, 0, 59], [29, 59, 0], [30, 0, 59])


def test_random_points_of_a_batch_are_drawn_one_by_one():
    chosen = choose(Random(), FLAT, 10)
    assert len(set(candidates(chosen))) == 10
    assert (chosen[0].acquisitions[FLAT.allowed] != chosen[1].acquisitions[FLAT.allowed]).sum() > 50
    assert candidates(chosen) == candidates(choose(Random(), FLAT, 10))


def test_a_batch_moves_on_from_the_last_point():
    policy = CostAware(policy=MaximumVariance(), speed=1.0, weight=1.0)
    view = replace(small(), positions=np.array([[0.0], [3.0], [5.0], [8.0]]), current=1)
    # From 5 the way to 8 is the shorter, from 3 it would be that to 0.
    assert candidates(choose(policy, view, 3)) == [1, 2, 3]


def test_fewer_come_back_where_fewer_are_allowed():
    assert candidates(choose(Fixed(ranks=(0.0, 1.0, 2.0, 3.0)), small(allowed=(0, 2)), 5)) == [2, 0]


def test_nothing_left_is_an_error():
    with pytest.raises(ExplorationError, match="no candidate is left"):
        choose(ExpectedImprovement(), small(allowed=()))
    with pytest.raises(ExplorationError, match="n is 0; it must be 1 or more"):
        choose(ExpectedImprovement(), small(), 0)


def test_a_favoured_region_wins_unless_it_is_much_worse():
    policy = Fixed(ranks=(0.0, 1.0, 2.0, 3.0))
    favoured = np.array([0.0, 0.0, 1.0, 0.0])
    # The spread of 0, 1, 2, 3 is 1.118.
    assert candidates(choose(policy, small(), favoured=0.8 * favoured)) == [3]
    (chosen,) = choose(policy, small(), favoured=favoured)
    assert (chosen.candidate, chosen.acquisition) == (2, 2.0)
    # What may not be measured has no say in the spread, and stays forbidden.
    assert candidates(choose(policy, small(allowed=(1, 3)), favoured=9.0 * favoured)) == [3]
    # Each region has its own weight.
    assert candidates(choose(policy, small(), favoured=np.array([3.0, 1.0, 0.0, 0.5]))) == [3]
    assert candidates(choose(policy, small(), favoured=np.array([3.5, 1.0, 0.0, 0.5]))) == [0]


def test_a_favoured_region_gains_spreads_of_the_improvement_itself_not_of_its_logarithm():
    class Logarithm(Fixed):
        kind: Literal["logarithm"] = "logarithm"

        @property
        def logarithmic(self):
            return True

    # Improvements 1, 0.5, 0.25 and practically none, whose spread is 0.37; the logarithms spread over thousands.
    policy = Logarithm(ranks=(0.0, np.log(0.5), np.log(0.25), -1e4))
    for candidate, weight, expected in (
        (1, 1.2, 0),
        (1, 1.5, 1),
        (2, 1.9, 0),
        (2, 2.2, 2),
        (3, 2.5, 0),
        (3, 3.0, 3),
    ):
        favoured = weight * (np.arange(4) == candidate)
        assert candidates(choose(policy, small(), favoured=favoured)) == [expected]


def test_within_a_favoured_region_the_order_stays():
    class Logarithm(Fixed):
        kind: Literal["logarithm"] = "logarithm"

        @property
        def logarithmic(self):
            return True

    policy = Logarithm(ranks=(0.0, -400.0, -300.0, -200.0))
    favoured = np.array([0.0, 10.0, 10.0, 10.0])
    assert candidates(choose(policy, small(), 3, favoured=favoured)) == [3, 2, 1]


def test_favouring_nothing_or_by_nothing_changes_nothing():
    for favoured in (np.zeros(60), np.full(60, 5.0)):
        for policy in (ExpectedImprovement(), UpperConfidenceBound()):
            plain, steered = choose(policy, VIEW), choose(policy, VIEW, favoured=favoured)
            assert candidates(plain) == candidates(steered)
    with pytest.raises(ExplorationError, match=r"favoured has shape \(3,\); it must be \(60,\)"):
        choose(ExpectedImprovement(), VIEW, favoured=np.ones(3))
    with pytest.raises(ExplorationError, match="weights of favoured regions"):
        choose(ExpectedImprovement(), VIEW, favoured=np.full(60, -1.0))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"values": np.zeros((0, 1))}, "there is no successful measurement yet"),
        ({"mean": np.full((60, 1), np.nan)}, "the surrogate has no predictions"),
    ],
)
def test_before_there_is_a_value_coverage_chooses_and_the_note_says_so(change, why):
    schedule = Schedule(stages=(Stage(policy=ExpectedImprovement()),))
    (choice,) = choose(schedule, replace(VIEW, **change))
    assert choice.note == f"{why}: chosen by coverage instead of expected-improvement"
    assert choice.candidate == 59, "the furthest from candidate 0"
    (random,) = choose(Random(), replace(VIEW, **change))
    assert random.note == ""


def test_a_policy_that_gives_no_number_is_named():
    with pytest.raises(ExplorationError, match=r"policy fixed returned nan for candidate 1 \(1 of 4"):
        choose(Fixed(ranks=(0.0, np.nan, 2.0, 3.0)), small())
    assert candidates(choose(Fixed(ranks=(0.0, np.nan, 2.0, 3.0)), small(allowed=(0, 2)))) == [2]
    with pytest.raises(ExplorationError, match=r"policy fixed returned shape \(2,\); it must be \(4,\)"):
        choose(Fixed(ranks=(0.0, 1.0)), small())


def test_a_policy_that_fails_is_named():
    class Broken(Policy):
        kind: Literal["broken"] = "broken"

        def acquisition(self, view):
            return view.mean[:, 7]

    with pytest.raises(ExplorationError, match="policy broken failed: IndexError"):
        choose(Broken(), small())
