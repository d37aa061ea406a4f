"""A person's acts take effect before the next measurement or are refused, and never damage the record."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nescio.errors import NescioError
from nescio.explore import Experiment, build_act, drive
from nescio.explore.candidates import Rectangle
from nescio.explore.experiment import (
    Approve,
    ChangeGoal,
    ChangeMode,
    ChangePolicy,
    ChangeScalarizer,
    Decline,
    Forbid,
    Measure,
    PauseAct,
    Resume,
    Step,
    Stop,
    Undo,
)
from nescio.explore.policies import MaximumVariance
from nescio.explore.scalarizers import MeanMagnitude
from nescio.explore.settings import Goal, Mode
from nescio.trace import ActOutcome, Decision, verify

_SPEC = importlib.util.spec_from_file_location("instruments", Path(__file__).with_name("instruments.py"))
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)


def do(experiment, *acts):
    for act in acts:
        experiment.act(act, who="me")
    return experiment.apply_acts()


def go_on(experiment, sample=None):
    return drive(experiment, sample or made.Sample(), wait=False)


def test_pause_step_resume_and_stop(tmp_path):
    with made.begin(tmp_path, seeds={"points": 20}, budget={"points": 9}) as experiment:
        do(experiment, PauseAct())
        assert go_on(experiment) == experiment.state.flow.paused == "by me"
        do(experiment, Step(measurements=3))
        assert go_on(experiment) == "the requested steps are complete"
        assert experiment.state.step == 3
        do(experiment, Resume(), Step(measurements=2))
        assert len(experiment.ask(10).candidates) == 2
        go_on(experiment)
        assert experiment.state.step == 5
        do(experiment, Stop())
        assert go_on(experiment) == "stopped by me"
        # Whoever ended it too early may go on after all.
        do(experiment, Resume())
        assert go_on(experiment) == "9 of 9 points are measured"


def test_steps_that_were_asked_for_stay_counted_when_it_is_opened_again(tmp_path):
    with made.begin(tmp_path, seeds={"points": 20}) as experiment:
        do(experiment, Step(measurements=3))
        experiment.tell(experiment.ask().candidates[0], None, "nothing")
    with Experiment.open(tmp_path) as experiment:
        experiment.resume("after 1 measurement")
        assert go_on(experiment) == "the requested steps are complete"
        assert experiment.state.step == 3


def test_a_person_points_and_that_is_measured_next_also_beyond_the_budget(tmp_path):
    sample = made.Sample()
    with made.begin(tmp_path, seeds={"points": 20}, budget={"points": 3}) as experiment:
        do(experiment, Measure(candidate=42), Measure(position=(1.2, 6.9)), Measure(candidate=42))
        go_on(experiment, sample)
        assert sample.asked[:3] == [42, 17, 42]
        assert experiment.state.measured[0].origin == "person"
        do(experiment, Measure(candidate=7))
        assert go_on(experiment, sample) == "4 of 3 points are measured"
        assert sample.asked[-1] == 7


def test_nothing_is_measured_where_it_is_forbidden_and_more_where_it_is_favoured(tmp_path):
    sample = made.Sample()
    with made.begin(tmp_path, budget={"points": 12}) as experiment:
        do(experiment, Forbid(region=Rectangle(low=(0.0, 0.0), high=(6.0, 9.0))))
        do(
            experiment,
            build_act(
                "favour",
                {"region": {"kind": "rectangle", "low": [9.0, 0.0], "high": [9.0, 9.0]}, "weight": 100.0},
            ),
        )
        go_on(experiment, sample)
        rows = np.array(sample.asked) // 10
        assert (rows > 6).all()
        assert (rows[4:] == 9).all()


def test_a_choice_is_approved_or_declined(tmp_path):
    sample = made.Sample()
    with made.begin(tmp_path, budget={"points": 8}, mode={"kind": "approve", "every": 2}) as experiment:
        waiting = go_on(experiment, sample)
        assert experiment.state.step == 5
        (candidate,) = experiment.state.pending()
        assert waiting == f"candidate {candidate} needs approval"
        assert experiment.ask(3).candidates == ()
        do(experiment, Decline(candidate=candidate))
        experiment.ask()
        (other,) = experiment.state.pending()
        assert other != candidate
        # Undoing it lets the first one wait again, unless something was chosen since.
        do(experiment, Approve())
        with Experiment.open(tmp_path, read_only=True) as again:
            assert not again.state.needs_approval()
        go_on(experiment, sample)
        assert sample.asked[5] == other
        assert experiment.state.step == 7
        do(experiment, ChangeMode(mode=Mode()))
        assert go_on(experiment, sample) == "8 of 8 points are measured"
        assert candidate not in sample.asked


def test_a_change_of_mode_changes_no_choice(tmp_path):
    with made.begin(tmp_path, budget={"points": 8}, mode={"kind": "approve"}) as experiment:
        go_on(experiment)
        (candidate,) = experiment.state.pending()
        decisions = experiment.trace.count(Decision)
        do(experiment, ChangeMode(mode=Mode()))
        assert experiment.ask().candidates[0] == candidate
        assert experiment.trace.count(Decision) == decisions


def test_while_it_is_watched_only_what_is_pointed_at_is_measured(tmp_path):
    sample = made.Sample()
    with made.begin(tmp_path, mode={"kind": "watch"}) as experiment:
        assert go_on(experiment, sample).startswith("watch mode; would measure candidate")
        do(experiment, Measure(candidate=5))
        go_on(experiment, sample)
        assert sample.asked == [5]


def test_another_policy_or_goal_chooses_otherwise(tmp_path):
    with made.begin(tmp_path, budget={"points": 9}) as experiment:
        for _ in range(6):
            experiment.tell(*_measured(experiment.ask().candidates[0]))
        chosen = {experiment.ask().candidates[0]}
        do(experiment, ChangeGoal(goal=Goal(direction="minimise")))
        chosen.add(experiment.ask().candidates[0])
        do(experiment, ChangePolicy(policy=MaximumVariance()))
        experiment.ask()
        assert experiment.state.pending() == [int(experiment.view.sd[:, 0].argmax())]
        assert len({*chosen, *experiment.state.pending()}) == 3
        assert experiment.trace.last(Decision)[1].policy["kind"] == "maximum-variance"


def _measured(candidate):
    sample = made.Sample()
    return candidate, sample.measure(sample.positions[candidate])


def test_two_goals_need_two_directions(tmp_path):
    two = {
        "kind": "several",
        "parts": [{"kind": "mean-magnitude"}, {"kind": "mean-magnitude", "name": "other"}],
    }
    with made.begin(tmp_path) as experiment:
        both = build_act("scalarizer", {"scalarizer": two, "goal": {"direction": ["maximise", "minimise"]}})
        do(experiment, both)
        assert experiment.state.steering.signs == (1.0, -1.0)
        do(experiment, ChangeGoal(goal=Goal(direction=("minimise", "minimise"))))
        # Undoing the scalarizer would leave two directions for one number.
        assert "2 directions, but the scalarizer gives 1" in do(experiment, Undo(act=0))[0]
        assert experiment.state.steering.signs == (-1.0, -1.0)


@pytest.mark.parametrize(
    ("kind", "parameters", "said"),
    [
        ("dance", {}, "'dance' is not known"),
        ("measure", {"candidate": 100}, "there are 0 to 99"),
        ("measure", {"candidate": 10**30}, "there are 0 to 99"),
        ("measure", {"position": [1.0]}, "needs 2"),
        ("measure", {"position": [1.0, 99.0]}, "outside the range of the candidates (0 to 9, 0 to 9 um)"),
        ("measure", {"candidate": 3}, "candidate 3 is forbidden"),
        ("decline", {"candidate": 100}, "there are 0 to 99"),
        ("approve", {}, "nothing waits for approval"),
        ("reject", {"measurement": 2}, "measurement 3 does not exist: there are 2"),
        ("undo", {"act": 9}, "act 10 cannot be undone"),
        (
            "forbid",
            {"region": {"kind": "rectangle", "low": [0, 0], "high": [99, 99]}},
            "no candidate to measure",
        ),
        ("forbid", {"region": {"kind": "circle", "centre": [1.0], "radius": 1.0}}, "1 coordinates"),
        ("forbid", {"region": {"kind": "listed", "candidates": [100]}}, "candidate 100 does not exist"),
        ("goal", {"goal": {"direction": ["maximise", "minimise"]}}, "2 directions"),
        ("costs", {"seconds": 1.0}, "weight is missing"),
        ("policy", {"policy": {"kind": "upper-confidence-bound", "kappa": "wide"}}, "kappa"),
        ("policy", {"policy": []}, "policy"),
        ("scalarizer", {"scalarizer": {"kind": "band-integral", "low": 50.0, "high": 60.0}}, "band-integral"),
        ("step", {"measurements": 1.5}, "measurements"),
        ("pause", {"why": ["deep", {"er": None}]}, "unknown key 'why'"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(tmp_path, kind, parameters, said):
    with made.begin(tmp_path) as experiment:
        do(experiment, Forbid(region=Rectangle(low=(0.0, 3.0), high=(0.0, 3.0))))
        experiment.tell(*_measured(1))
        experiment.tell(*_measured(2))
        before = made.state(experiment)
        # As another process would write it.
        experiment.trace.add_act(kind, parameters, who="them")
        (told,) = experiment.apply_acts()
        assert told.startswith(f"them: {kind} refused: ")
        assert said in told
        _, outcome = experiment.trace.last(ActOutcome)
        assert not outcome.accepted
        assert said in outcome.message
        after = made.state(experiment)
        assert {**after, "last_act": before["last_act"]} == before
    assert verify(tmp_path) == []


def test_a_scalarizer_that_reads_no_spectrum_is_refused(tmp_path):
    with made.begin(tmp_path) as experiment:
        experiment.tell(*_measured(1))
        absent = ChangeScalarizer(scalarizer=MeanMagnitude.model_validate({"select": {"channel": [0]}}))
        assert "gives no value for any of the 1 spectra" in do(experiment, absent)[0]
        assert np.isfinite(experiment.state.values()[1]).all()


NUMBERS = st.integers(-1, 110)
REGIONS = st.one_of(
    st.builds(
        lambda low, size: {"kind": "rectangle", "low": [low, low], "high": [low + size, low + size]},
        st.integers(0, 9).map(float),
        st.integers(0, 12).map(float),
    ),
    st.builds(lambda one: {"kind": "listed", "candidates": [one]}, NUMBERS),
)
SCALARIZERS = st.sampled_from(
    [
        {"kind": "mean-magnitude"},
        {"kind": "mean-magnitude", "select": {"energy": {"low": 3.0}}},
        {"kind": "mean-magnitude", "select": {"channel": [0]}},
        {
            "kind": "several",
            "parts": [{"kind": "mean-magnitude"}, {"kind": "mean-magnitude", "name": "other"}],
        },
        {"kind": "magic"},
    ]
)
JUNK = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
ACTIONS = st.one_of(
    st.just(("tell", {})),
    st.just(("tell", {})),
    st.just(("fail", {})),
    st.tuples(st.sampled_from(["pause", "resume", "approve", "stop", "undo", "step"]), st.just({})),
    st.tuples(st.sampled_from(["decline", "measure"]), st.builds(lambda one: {"candidate": one}, NUMBERS)),
    st.tuples(st.just("reject"), st.builds(lambda one: {"measurement": one}, st.integers(0, 5))),
    st.tuples(st.just("undo"), st.builds(lambda one: {"act": one}, st.integers(0, 9))),
    st.tuples(st.sampled_from(["forbid", "favour"]), st.builds(lambda region: {"region": region}, REGIONS)),
    st.tuples(st.just("scalarizer"), st.builds(lambda one: {"scalarizer": one}, SCALARIZERS)),
    st.tuples(
        st.just("goal"),
        st.sampled_from(
            [{"goal": {"direction": d}} for d in ("maximise", "minimise", ["minimise", "maximise"], "up")]
        ),
    ),
    st.tuples(
        st.just("policy"),
        st.sampled_from(
            [{"policy": {"kind": k}} for k in ("random", "coverage", "expected-improvement", "x")]
        ),
    ),
    st.tuples(st.just("costs"), st.sampled_from([{}, {"seconds": 1.0}, {"seconds": 1.0, "weight": 0.1}])),
    st.tuples(
        st.just("mode"),
        st.sampled_from([{"mode": {"kind": k}} for k in ("automatic", "approve", "watch", "asleep")]),
    ),
    st.tuples(st.just("budget"), st.builds(lambda n: {"budget": {"points": n}}, st.integers(0, 9))),
    st.tuples(st.text(max_size=5), st.dictionaries(st.text(max_size=5), JUNK, max_size=2)),
)


def _next(experiment):
    try:
        return experiment.ask()
    except NescioError as error:
        return str(error)


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTIONS, min_size=3, max_size=12))
def test_whatever_a_person_does_the_record_stays_whole_and_says_everything(tmp_path_factory, actions):
    folder = tmp_path_factory.mktemp("acts")
    copy = folder / "copy"
    changes = {
        "seeds": {"points": 2},
        "budget": {"points": 9},
        "failures_in_a_row": 3,
        "freeze": {"kind": "budget", "points": 4},
    }
    with made.begin(folder, **changes) as experiment:
        for kind, parameters in actions:
            if kind in ("tell", "fail"):
                for candidate in _asked(experiment):
                    found = _measured(candidate)[1] if kind == "tell" else None
                    experiment.tell(candidate, found)
            else:
                experiment.trace.add_act(kind, parameters, who="me")
                experiment.apply_acts()
        with Experiment.open(folder, read_only=True) as again:
            assert made.state(again) == made.state(experiment)
        copy.mkdir()
        for name in ("trace.sqlite", "trace.sqlite-wal"):
            if (folder / name).exists():
                shutil.copy(folder / name, copy / name)
        expected = _next(experiment)
        with Experiment.open(copy) as killed:
            assert _next(killed) == expected
            assert made.state(killed)["pending"] == made.state(experiment)["pending"]
    assert verify(folder) == []
    shutil.rmtree(folder)


def _asked(experiment):
    try:
        return experiment.ask().candidates
    except NescioError:
        return []
