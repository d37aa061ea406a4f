"""An experiment killed at any moment loses no acknowledged data and continues as it would have."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nescio.explore import Experiment, build_act, drive
from nescio.trace import Act, Decision, Measurement, Trace, verify
from nescio.trace.database import Database

_SPEC = importlib.util.spec_from_file_location("instruments", Path(__file__).with_name("instruments.py"))
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

CHANGES = {"seeds": {"points": 3}, "budget": {"points": 9}, "freeze": {"kind": "budget", "points": 7}}
SCRIPT = [
    (2, "measure", {"candidate": 50}),
    (4, "reject", {"measurement": 1}),
    (5, "scalarizer", {"scalarizer": {"kind": "mean-magnitude", "select": {"energy": {"low": 3.0}}}}),
    (6, "undo", {"act": 1}),
    (7, "policy", {"policy": {"kind": "random"}}),
]


class Person:
    """Does what the script says, and remembers what was acknowledged."""

    def __init__(self, experiment, acknowledged):
        self._experiment, self._acknowledged = experiment, acknowledged

    def act(self):
        state, trace = self._experiment.state, self._experiment.trace
        for number, (step, kind, parameters) in enumerate(SCRIPT):
            if state.step >= step and trace.count(Act) == number:
                self._experiment.act(build_act(kind, parameters), who="me")

    def update(self, status):
        measured = self._experiment.state.measured
        if len(self._acknowledged) < len(measured):
            self._acknowledged.append(measured[len(self._acknowledged)].candidate)
            self.act()

    def say(self, messages):
        pass


def live(folder, acknowledged):
    if (folder / "trace.sqlite").exists():
        experiment = Experiment.open(folder)
    else:
        experiment = Experiment.create(folder, made.settings(**CHANGES), made.Sample().survey())
    with experiment:
        person = Person(experiment, acknowledged)
        person.act()
        drive(experiment, made.Sample(), observer=person, wait=False)


def recorded(folder):
    with Trace.open(folder, read_only=True) as trace:
        measured = [(one.candidate, one.origin) for _, one in trace.all(Measurement)]
        values = [(one.measurement, one.scalarizer, one.value) for _, one in trace.scalars()]
        chosen = [(one.step, tuple(one.chosen)) for _, one in trace.all(Decision)]
        return measured, values, chosen


@pytest.fixture
def crashes(tmp_path, monkeypatch):
    """Images of the files of an experiment as a kill would leave them: before and after any statement, and commit."""
    folder, images = tmp_path / "run", []
    folder.mkdir()
    acknowledged = []
    # Before and after each of a thousand statements; a few of them must do.
    moments = set(np.random.default_rng(0).choice(1900, 6, replace=False).tolist()) | {0, 100}
    count = 0

    def image(name):
        nonlocal count
        if name.parent != folder:
            return
        if count in moments:
            there = tmp_path / f"image_{count}"
            there.mkdir()
            for path in folder.iterdir():
                if not path.name.endswith(("-shm", ".lock")):
                    shutil.copy(path, there / path.name)
            images.append((there, list(acknowledged)))
        count += 1

    def watched(method):
        def run(self, *arguments, **options):
            if not self.read_only:
                image(self.path)
            found = method(self, *arguments, **options)
            if not self.read_only:
                image(self.path)
            return found

        return run

    with monkeypatch.context() as patched:
        patched.setattr(Database, "rows", watched(Database.rows))
        patched.setattr(Database, "insert", watched(Database.insert))
        live(folder, acknowledged)
    assert count > max(moments)
    return folder, acknowledged, images


def test_wherever_it_is_killed_it_loses_nothing_and_chooses_the_same(crashes):
    folder, acknowledged, images = crashes
    assert len(acknowledged) == 9
    expected = recorded(folder)
    assert verify(folder) == []
    begun = 0
    for there, before in images:
        if (there / "trace.sqlite").exists():
            begun += 1
            assert verify(there) == []
            assert [candidate for candidate, _ in recorded(there)[0]][: len(before)] == before
        live(there, list(before))
        assert recorded(there) == expected
        assert verify(there) == []
    assert begun > 3


@pytest.mark.slow
def test_processes_that_are_killed_lose_nothing(tmp_path):
    script = Path(__file__).parents[2] / "benchmarks" / "kills.py"
    done = subprocess.run(
        [sys.executable, str(script), "--kills", "10", "--small"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
