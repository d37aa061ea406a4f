"""The loop survives faults of instruments, acts of a person and interruptions by keyboard."""

import importlib
import importlib.util
import threading
from pathlib import Path

import numpy as np
import pytest

from nescio.errors import (
    ConnectionLostError,
    InstrumentError,
    InterruptedExplorationError,
    RefusedPositionError,
    TraceError,
)
from nescio.explore import Experiment, build_act, drive
from nescio.trace import Event, verify

_SPEC = importlib.util.spec_from_file_location("instruments", Path(__file__).with_name("instruments.py"))
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

SEEDS = {"seeds": {"points": 30}}


def raising(error):
    def fate(candidate, spectrum):
        raise error

    return made.Sample(fate)


class Watching:
    """Keeps what it is told."""

    def __init__(self):
        self.messages, self.waits, self.steps = [], [], []

    def update(self, status):
        if status.paused:
            self.waits.append(status.paused)
        elif status.measured not in self.steps:
            self.steps.append(status.measured)

    def say(self, messages):
        self.messages += messages


@pytest.mark.parametrize(
    ("faults", "error", "said"),
    [
        (
            {},
            InstrumentError("the beam is off"),
            "5 measurements in a row gave no value (the last: the beam is off)",
        ),
        ({}, RuntimeError("driver"), "RuntimeError: driver"),
        ({}, RefusedPositionError("out of range"), "out of range"),
        ({"refused": "pause"}, RefusedPositionError("out of range"), "does not answer: out of range"),
        ({"failed": "pause"}, InstrumentError("the beam is off"), "does not answer: the beam is off"),
        ({"reconnections": 0}, ConnectionLostError("no cable"), "does not answer: no cable"),
    ],
)
def test_an_instrument_that_always_fails_pauses_it_and_a_good_one_goes_on(tmp_path, faults, error, said):
    changes = {"budget": {"points": 12}, "faults": {**made.document()["faults"], **faults}}
    with made.begin(tmp_path, **SEEDS, **changes) as experiment:
        why = drive(experiment, raising(error), wait=False)
        assert said in why
        tried = experiment.state.step
        assert drive(experiment, made.Sample(), wait=False) == why
        experiment.act(build_act("resume", {}), who="me")
        assert drive(experiment, made.Sample(), wait=False) == "12 of 12 points are measured"
        assert all(
            one.spectrum is None and np.isnan(one.scalars[0].value)
            for one in experiment.state.measured[:tried]
        )
        assert all(one.spectrum is not None for one in experiment.state.measured[tried:])
        assert "fault" in {event.kind for _, event in experiment.trace.all(Event)}
    assert verify(tmp_path) == []


def test_after_resuming_there_are_as_many_tries_again(tmp_path):
    with made.begin(tmp_path, **SEEDS, failures_in_a_row=3) as experiment:
        good = made.Sample()
        experiment.tell(0, good.measure(good.positions[0]))
        for attempts in (4, 7):
            assert "3 measurements in a row" in drive(experiment, raising(InstrumentError("no")), wait=False)
            assert experiment.state.step == attempts
            # Opened again it is as it was.
            with Experiment.open(tmp_path, read_only=True) as again:
                assert again.state.flow.paused == experiment.state.flow.paused
            experiment.resume("by me")


def test_a_place_that_does_not_answer_is_tried_again_after_a_pause(tmp_path):
    changes = {"faults": {**made.document()["faults"], "failed": "pause"}, "budget": {"points": 4}}
    with made.begin(tmp_path, **SEEDS, **changes) as experiment:
        (wanted,) = experiment.ask().candidates
        drive(experiment, raising(InstrumentError("no")), wait=False)
        assert experiment.state.step == 0
        experiment.resume("by me")
        assert experiment.ask().candidates == (wanted,)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda candidate, spectrum: spectrum * np.nan, "only 0 of 8 points of the spectrum are finite"),
        (lambda candidate, spectrum: None, "returned NoneType instead of a DataArray"),
        (lambda candidate, spectrum: spectrum.values, "returned ndarray"),
        (lambda candidate, spectrum: spectrum[:0], "is empty"),
        (lambda candidate, spectrum: spectrum.astype(str), "needs numbers"),
    ],
)
def test_what_is_no_spectrum_is_a_missing_value(tmp_path, spoil, reason):
    sample = made.Sample(
        lambda candidate, spectrum: spoil(candidate, spectrum) if candidate % 2 else spectrum
    )
    with made.begin(tmp_path, **SEEDS, budget={"points": 6}) as experiment:
        drive(experiment, sample, wait=False)
        for one in experiment.state.measured:
            assert (one.spectrum is None) == bool(one.candidate % 2)
            assert (reason in one.problem) == bool(one.candidate % 2)
        assert {one.candidate % 2 for one in experiment.state.measured} == {0, 1}


def test_where_nothing_had_a_value_yet_the_rest_is_chosen_by_coverage(tmp_path):
    with made.begin(tmp_path, budget={"points": 6}, failures_in_a_row=100) as experiment:
        assert drive(experiment, raising(InstrumentError("no")), wait=False) == "6 of 6 points are measured"
        assert "chosen by coverage" in experiment.choice.note


def test_a_measurement_that_hangs_is_aborted(tmp_path):
    changes = {"faults": {"retries": 0, "timeout_seconds": 0.05, "abort_seconds": 0.05}}
    free = threading.Event()
    sample = made.Sample(lambda candidate, spectrum: free.wait(5.0))
    with made.begin(tmp_path, **SEEDS, **changes) as experiment:
        why = drive(experiment, sample, wait=False)
        assert "did not end within 0.05 s after the abort" in why
        assert experiment.state.step == 0
        free.set()


def test_it_waits_for_a_person_and_takes_what_they_do_meanwhile(tmp_path):
    def person(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            experiment.act(build_act("resume", {}), who="me")

    observer = Watching()
    slept = []
    with made.begin(tmp_path, **SEEDS, budget={"points": 2}) as experiment:
        experiment.act(build_act("pause", {}), who="me")
        drive(experiment, made.Sample(), observer=observer, poll_seconds=0.25, sleep=person)
    assert set(observer.waits) == {"by me"}
    assert slept == [0.25] * 3
    assert observer.messages == ["me: pause", "me: resume"]
    assert observer.steps == [0, 1, 2]


@pytest.mark.parametrize("where", ["measuring", "waiting", "choosing", "keeping"])
@pytest.mark.parametrize("again", [False, True])
def test_wherever_it_is_interrupted_it_can_be_resumed(tmp_path, monkeypatch, where, again):
    module = importlib.import_module("nescio.explore.experiment.experiment")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    sample = made.Sample()
    with made.begin(tmp_path, **SEEDS, budget={"points": 6}) as experiment:
        for _ in range(5):
            experiment.tell(*_measured(experiment.ask().candidates[0]))
        with monkeypatch.context() as patched:
            if where == "measuring":
                patched.setattr(sample, "measure", interrupt)
            elif where == "waiting":
                experiment.pause("to be looked at")
            else:
                # Something else must be chosen.
                experiment.act(build_act("decline", {"candidate": experiment.ask().candidates[0]}), who="me")
                patched.setattr(
                    module, {"choosing": "keep_proposal", "keeping": "keep_measurement"}[where], interrupt
                )
            if again:
                # Whoever is in a hurry interrupts also what is done about it.
                patched.setattr(module, "keep_events", interrupt)
            with pytest.raises(
                InterruptedExplorationError, match=r"5 of 6 measurements, all of them stored"
            ) as caught:
                drive(experiment, sample, sleep=interrupt)
            assert f"resume with: nescio explore {tmp_path}" in str(caught.value)
        after = made.state(experiment)
        with Experiment.open(tmp_path, read_only=True) as fresh:
            assert made.state(fresh) == after
    with Experiment.open(tmp_path) as experiment:
        experiment.resume("again")
        assert drive(experiment, sample, wait=False) == "6 of 6 points are measured"
    assert verify(tmp_path) == []


def _measured(candidate):
    sample = made.Sample()
    return candidate, sample.measure(sample.positions[candidate])


def test_a_record_that_cannot_be_written_ends_it_at_once(tmp_path, monkeypatch):
    from nescio.trace import Trace

    def full(*_):
        raise TraceError("the disk is full")

    with made.begin(tmp_path, **SEEDS) as experiment:
        monkeypatch.setattr(Trace, "add", full)
        with pytest.raises(TraceError, match="the disk is full"):
            drive(experiment, made.Sample(), wait=False)
    assert verify(tmp_path) == []


def test_a_simulated_instrument_is_told_what_it_measured(tmp_path):
    told = []
    sample = made.Sample(lambda candidate, spectrum: spectrum if candidate % 2 else spectrum * np.nan)
    with made.begin(tmp_path, **SEEDS, budget={"points": 4}) as experiment:
        drive(experiment, sample, wait=False)
        experiment.connect(sample)
        sample.remember = told.extend
        experiment.connect(sample)
        odd = [one.candidate for one in experiment.state.measured if one.candidate % 2]
        np.testing.assert_array_equal(told, sample.positions[odd])
