"""The state of an experiment at an earlier step equals the state at that time."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from nescio.errors import ExplorationError
from nescio.explore import Experiment, build_act, drive

_SPEC = importlib.util.spec_from_file_location("instruments", Path(__file__).with_name("instruments.py"))
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

LOW = {"kind": "mean-magnitude", "select": {"energy": {"low": 0.0, "high": 0.5}}}
SCRIPT = {
    2: [("measure", {"candidate": 50})],
    4: [("reject", {"measurement": 1}), ("favour", {"region": {"kind": "listed", "candidates": [1, 2]}})],
    5: [("scalarizer", {"scalarizer": LOW, "goal": {"direction": "minimise"}})],
    7: [("undo", {"act": 3}), ("pause", {})],
    8: [("mode", {"mode": {"kind": "watch"}}), ("mode", {"mode": {"kind": "automatic"}})],
}


def summary(state):
    """All that a state says, in a form that compares."""
    candidates, values = state.values()
    return {
        "measured": [(one.number, one.candidate, one.origin) for one in state.measured],
        "values": (candidates.tolist(), np.nan_to_num(values, nan=-1.0).tolist()),
        "scalarizer": state.scalarizer_row,
        "signs": state.steering.signs,
        "steering": state.steering,
        "mode": state.steering.mode,
        "flow": state.flow,
        "pending": state.pending(),
        "finished": state.finished,
        "spent": state.spent,
        "history": [repr((one.points, one.improvement, float(one.mean.sum()))) for one in state.history()],
        "allowed": state.allowed().tolist(),
    }


@pytest.fixture(scope="module")
def steered(tmp_path_factory):
    """A run with acts of every effect, and what its state was just before each measurement was added."""
    folder, before = tmp_path_factory.mktemp("run"), []
    sample = made.Sample()
    changes = {"stop": {"kind": "map-settled", "tolerance": 1e-9, "steps": 9}, "budget": {"points": 10}}
    with made.begin(folder, **changes) as experiment:
        while not (asked := experiment.ask()).finished:
            for kind, parameters in SCRIPT.get(experiment.state.step, ()):
                if sum(one.step == experiment.state.step for one in experiment.state.accepted) < len(
                    SCRIPT[experiment.state.step]
                ):
                    experiment.act(build_act(kind, parameters), who="me")
                    experiment.apply_acts()
            if experiment.state.flow.paused:
                experiment.resume("by me")
            asked = experiment.ask()
            before.append(summary(experiment.state))
            (candidate,) = asked.candidates
            experiment.tell(candidate, sample.measure(sample.positions[candidate]))
        before.append(summary(experiment.state))
        assert len(experiment.state.accepted) == 8
    return folder, before


def test_the_state_at_each_step_is_what_it_was(steered):
    folder, before = steered
    with Experiment.open(folder, read_only=True) as experiment:
        for step, expected in enumerate(before):
            assert summary(experiment.state.at(step)) == expected, step


def test_before_the_first_measurement_the_configuration_holds(steered):
    folder, _ = steered
    with Experiment.open(folder, read_only=True) as experiment:
        first = experiment.state.at(0)
        assert (first.measured, first.accepted) == ([], [])
        assert first.steering.scalarizer == experiment.settings.scalarizer


@pytest.mark.parametrize("step", [-1, 11])
def test_a_step_that_never_was_is_refused(steered, step):
    with (
        Experiment.open(steered[0], read_only=True) as experiment,
        pytest.raises(ExplorationError, match=f"step {step} does not exist: there are 10 measurements"),
    ):
        experiment.state.at(step)


def test_one_status_says_how_a_run_stands(tmp_path):
    with made.begin(tmp_path, title="A hill", budget={"points": 8}, mode={"kind": "approve"}) as experiment:
        waiting = drive(experiment, made.Sample(), wait=False)
        running = experiment.status()
        assert (running.title, running.measured, running.budget) == ("A hill", 4, 8)
        assert running.needs_approval
        assert waiting == f"candidate {running.next_candidate} needs approval"
        assert running.next_place == experiment.candidates.place(running.next_candidate)
        assert running.best_value == experiment.best(1)[0][1] == max(running.best_so_far)
        assert running.chosen_by == {"seed": 4}
        experiment.act(build_act("goal", {"goal": {"direction": "minimise"}}), who="me")
        with Experiment.open(tmp_path, read_only=True) as looked_at:
            seen = looked_at.status()
        assert (seen.acts, seen.acts_waiting) == (1, 1)
        # What the model expects is in the record, at the record's precision.
        assert seen.next_mean == pytest.approx(running.next_mean, rel=1e-6)
        assert seen.noise == pytest.approx(running.noise)
    assert (
        json.loads(json.dumps(seen.to_document(), allow_nan=False))["next_candidate"] == seen.next_candidate
    )
