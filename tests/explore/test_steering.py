"""The steering after acts, undone acts and undone undos."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nescio.errors import ConfigurationError, ExplorationError
from nescio.explore.candidates import Circle, Listed
from nescio.explore.experiment import (
    ACTS,
    ChangeBudget,
    ChangeCosts,
    ChangeMode,
    ChangePolicy,
    Decline,
    Favour,
    Forbid,
    Measure,
    PauseAct,
    Reject,
    Steering,
    Undo,
    build_act,
)
from nescio.explore.experiment.acts import accepted_act
from nescio.explore.experiment.steering import steered
from nescio.explore.policies import ExpectedImprovement, MaximumVariance
from nescio.explore.settings import Budgets, Mode

_SPEC = importlib.util.spec_from_file_location("instruments", Path(__file__).with_name("instruments.py"))
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

SETTINGS = made.settings()
CONFIGURED = Steering.configured(SETTINGS)


def numbered(*acts):
    accepted = []
    for number, act in enumerate(acts):
        accepted.append(accepted_act(act, number, number, "me", accepted))
    return accepted


def after(*acts):
    return steered(SETTINGS, numbered(*acts))


FIRST, SECOND = ChangePolicy(policy=ExpectedImprovement()), ChangePolicy(policy=MaximumVariance())


def test_the_latest_of_its_kind_holds():
    assert after(FIRST, SECOND).policy == MaximumVariance()
    assert after().policy == CONFIGURED.policy == SETTINGS.policy


def test_regions_and_rejections_add_up():
    region = Circle(centre=(1.0, 1.0), radius=1.0)
    now = after(Forbid(region=region), Decline(candidate=3), Reject(measurement=1), Reject(measurement=0))
    assert now.forbidden == (region, Listed(candidates=(3,)))
    assert now.rejected == {0, 1}
    assert after(Favour(region=region, weight=2.0)).favoured == ((region, 2.0),)


def test_an_undo_takes_back_the_last_that_can_be():
    assert after(FIRST, SECOND, PauseAct(), Undo()).policy == ExpectedImprovement()
    assert after(FIRST, SECOND, Undo(), Undo()) == CONFIGURED


def test_an_undo_that_is_undone_takes_nothing_back():
    assert after(FIRST, Undo(), Undo(act=1)).policy == ExpectedImprovement()
    assert after(FIRST, Undo(), Undo(act=1), Undo(act=2)) == CONFIGURED
    # Taken back twice over, and one of the two taken back: still taken back once.
    assert after(FIRST, Undo(), Undo(act=1), Undo(act=0), Undo(act=2)) == CONFIGURED


@pytest.mark.parametrize(
    ("acts", "undo", "said"),
    [
        ((), Undo(), "nothing to undo"),
        ((PauseAct(),), Undo(), "nothing to undo"),
        ((PauseAct(),), Undo(act=0), r"act 1 cannot be undone \(acts that can: none\)"),
        ((FIRST, Undo()), Undo(), "nothing to undo"),
        ((FIRST, Undo()), Undo(act=0), r"act 1 cannot be undone \(acts that can: 2\)"),
        ((FIRST,), Undo(act=7), "act 8 cannot be undone"),
    ],
)
def test_what_cannot_be_undone_is_refused(acts, undo, said):
    with pytest.raises(ExplorationError, match=said):
        undo.target(numbered(*acts))


@given(st.lists(st.sampled_from([FIRST, SECOND, Reject(measurement=1), PauseAct()]), max_size=8))
def test_undoing_one_by_one_leads_back_to_the_configuration(acts):
    can = sum(act.steers for act in acts)
    assert after(*acts, *[Undo()] * can) == CONFIGURED


@given(st.lists(st.integers(0, 2), max_size=10))
def test_undo_and_undo_of_it_change_nothing(choices):
    accepted = numbered(FIRST)
    for choice in choices:
        act = (FIRST, SECOND, Undo())[choice]
        if isinstance(act, Undo):
            try:
                act.target(accepted)
            except ExplorationError:
                continue
        accepted.append(accepted_act(act, len(accepted), 0, "me", accepted))
    before = steered(SETTINGS, accepted)
    if undone(accepted, 0):
        return
    undo = accepted_act(Undo(act=0), len(accepted), 0, "me", accepted)
    back = accepted_act(Undo(act=undo.number), len(accepted) + 1, 0, "me", [*accepted, undo])
    assert steered(SETTINGS, [*accepted, undo, back]) == before


def undone(accepted, number):
    try:
        Undo(act=number).target(accepted)
    except ExplorationError:
        return True
    return False


def test_a_budget_changes_only_what_is_given():
    settings = made.settings(budget={"points": 10, "dose": 5.0, "dose_per_point": 0.1})
    more = ChangeBudget(budget=Budgets(points=20))
    assert steered(settings, numbered(more)).budget == Budgets(points=20, dose=5.0, dose_per_point=0.1)
    assert build_act("budget", more.parameters()).parameters() == {"budget": {"points": 20}}
    unlimited = build_act("budget", {"budget": {"dose": None}})
    assert steered(settings, numbered(build_act("budget", unlimited.parameters()))).budget.dose is None
    with pytest.raises(ConfigurationError, match="needs at least one of points, seconds, dose"):
        build_act("budget", {"budget": {}})


def test_what_may_be_spent_does_not_change_what_is_chosen():
    assert after(ChangeBudget(budget=Budgets(points=20)), ChangeMode(mode=Mode(kind="watch"))) == CONFIGURED
    assert after(FIRST) != CONFIGURED
    assert after(Measure(candidate=1)) != CONFIGURED


def test_costs_are_weighed_until_they_are_taken_away():
    costs = ChangeCosts(seconds=1.0, speed=2.0, weight=0.1)
    assert after(costs).ranking().kind == "cost-aware"
    assert after(costs, ChangeCosts()).ranking() == CONFIGURED.policy
    with pytest.raises(ExplorationError, match="costs: weight is missing"):
        after(ChangeCosts(seconds=1.0, speed=2.0)).ranking()


@pytest.mark.parametrize("kind", sorted(ACTS))
def test_every_act_says_what_of_it_is_wrong(kind):
    with pytest.raises(ConfigurationError, match=kind):
        build_act(kind, {"nonsense": 1})


@pytest.mark.parametrize(
    ("kind", "parameters", "said"),
    [
        ("dance", {}, "'dance' is not known"),
        ("measure", {}, "either a candidate or a position"),
        ("measure", {"candidate": 1, "position": [1.0, 2.0]}, "either a candidate or a position"),
        ("measure", {"candidate": True}, "candidate"),
        ("measure", {"position": ["NaN", 1.0]}, "position"),
        ("step", {"measurements": 0}, "measurements"),
        ("policy", {"policy": {"kind": "best"}}, "kind 'best' is not known"),
        ("scalarizer", {"scalarizer": {"kind": "magic"}}, "kind 'magic' is not known"),
        ("forbid", {"region": {"kind": "circle", "centre": [1.0], "radius": -1.0}}, "radius"),
        ("goal", {"goal": {"direction": "sideways"}}, "direction"),
        (
            "scalarizer",
            {"scalarizer": {"kind": "mean-magnitude"}, "goal": {"direction": ["maximise", "minimise"]}},
            "2 directions",
        ),
    ],
)
def test_acts_that_cannot_be_are_refused_in_one_line(kind, parameters, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        build_act(kind, parameters)
    assert "\n" not in str(caught.value)
