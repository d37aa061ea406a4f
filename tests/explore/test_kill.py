"""An experiment that is killed, at whatever moment, loses nothing acknowledged and goes on as it would have."""

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

    def __init__(self, acknowledged=None):
        self.acknowledged = [] if acknowledged is None else acknowledged

    def act(self, experiment):
        for number, (step, kind, parameters) in enumerate(SCRIPT):
            if experiment.step >= step and experiment.trace.count(Act) == number:
                experiment.act(build_act(kind, parameters), who="me")

    def about_to_measure(self, experiment, choice):
        pass

    def measured(self, experiment, one):
        self.acknowledged.append(one.candidate)
        self.act(experiment)

    def waiting(self, experiment, why):
        pass

    def said(self, experiment, messages):
        pass


def live(folder, person):
    if (folder / "trace.sqlite").exists():
        experiment = Experiment.open(folder)
    else:
        experiment = Experiment.create(folder, made.settings(**CHANGES), made.Sample().survey())
    with experiment:
        person.act(experiment)
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
    person = Person()
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
            images.append((there, list(person.acknowledged)))
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
        live(folder, person)
    assert count > max(moments)
    return folder, person.acknowledged, images


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
        after = Person(list(before))
        live(there, after)
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
