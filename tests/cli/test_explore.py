"""`nescio explore`: begins, goes on, is steered, and says in one line and a number how it ended."""

import importlib.util
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

import nescio.view
from nescio.cli.application import application
from nescio.cli.steer import parse_act, steer
from nescio.errors import ConfigurationError, InstrumentError
from nescio.explore import Experiment
from nescio.explore.instruments import Replay
from nescio.explore.scalarizers import MeanMagnitude
from nescio.trace import Act, ActOutcome, Measurement, Trace, verify

_SPEC = importlib.util.spec_from_file_location(
    "instruments", Path(__file__).parents[1] / "explore" / "instruments.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    return json.dumps(value)


def write(folder: Path, **changes: Any) -> Path:
    """Write the sample and an experiment on it."""
    folder.mkdir(parents=True, exist_ok=True)
    made.write_sample(folder)
    document = made.document(**{"seeds": {"points": 20}, "budget": {"points": 6}, **changes})
    file = folder / "experiment.toml"
    file.write_text(
        "\n".join(f"{name} = {toml(value)}" for name, value in document.items()), encoding="utf-8"
    )
    return file


def explore(*arguments: object) -> Result:
    return CliRunner().invoke(
        application, ["explore", *(str(argument) for argument in arguments)], catch_exceptions=False
    )


def measured(folder: Path) -> list[int]:
    with Trace.open(folder, read_only=True) as trace:
        return [one.candidate for _, one in trace.all(Measurement)]


@pytest.fixture(autouse=True)
def reports(monkeypatch: pytest.MonkeyPatch) -> list[xr.Dataset]:
    """What reports were written of, in place of the reports, which take seconds."""
    shown: list[xr.Dataset] = []

    def write_report(path: Path, explored: xr.Dataset) -> Path:
        shown.append(explored)
        path.write_text("report", encoding="utf-8")
        return path

    monkeypatch.setattr(nescio.view, "write_exploration_report", write_report)
    return shown


@pytest.fixture
def spoiled(monkeypatch: pytest.MonkeyPatch):
    """Lets the n-th measurement do something else first."""

    def spoil(number: int, deed: Any) -> None:
        original, count = Replay.measure, [0]

        def measure(self: Replay, position: Any) -> Any:
            count[0] += 1
            if count[0] == number or number < 0:
                deed()
            return original(self, position)

        monkeypatch.setattr(Replay, "measure", measure)

    return spoil


def test_an_experiment_runs_to_its_end_with_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reports: list[xr.Dataset]
) -> None:
    file = write(tmp_path / "here")
    done = explore(file, "-o", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    assert "finished: 6 of 6 points are measured" in done.stdout
    assert "1. mean magnitude" in done.stdout
    assert f"report: {tmp_path / 'run' / 'report.html'}" in done.stdout
    assert reports[0].sizes["measurement"] == 6
    assert verify(tmp_path / "run") == []
    # From elsewhere, and with more to spend, it goes on; its files are found although they were named from there.
    monkeypatch.chdir(tmp_path / "here")
    more = explore("../run", "--points", 7, "--no-report")
    assert (more.exit_code, more.stdout.splitlines()[0]) == (0, "finished: 7 of 7 points are measured")
    again = explore(file, "-o", tmp_path / "run")
    assert again.exit_code == 2
    assert "contains a run already; resume it with nescio explore" in again.stderr


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 3])
def test_an_interrupted_run_is_resumed_as_if_it_had_not_been(
    tmp_path: Path, spoiled: Any, reports: list[xr.Dataset], asked: signal.Signals, times: int
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    file = write(tmp_path)
    explore(file, "-o", tmp_path / "whole", "--no-report")

    def interrupt() -> None:
        for _ in range(times):
            os.kill(os.getpid(), asked)

    spoiled(4, interrupt)
    run = tmp_path / "run with a space"
    done = explore(file, "-o", run, *(["--no-report"] if times > 1 else []))
    assert done.exit_code == 130
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "interrupted: after 3 of 6 measurements, all of them stored" in error
    assert error.endswith(f"resume with: nescio explore '{run}'")
    assert len(reports) == (times == 1)
    assert signal.getsignal(signal.SIGTERM) is before
    assert explore(run, "--no-report").exit_code == 0
    assert measured(run) == measured(tmp_path / "whole")
    assert verify(run) == []


def test_a_run_that_waits_for_a_person_says_so(tmp_path: Path, reports: list[xr.Dataset]) -> None:
    def fail() -> None:
        raise InstrumentError("the beam is off")

    file = write(tmp_path, failures_in_a_row=2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Replay, "measure", lambda *_: fail())
        done = explore(file, "-o", tmp_path / "run", "--no-wait")
    assert done.exit_code == 3
    assert (
        "waiting: 2 measurements in a row gave no value (the last: the beam is off); resume with:"
        in done.stdout
    )
    assert len(reports) == 1
    # Whoever types the same again has looked.
    done = explore(tmp_path / "run", "--no-report")
    assert done.exit_code == 0
    assert len(measured(tmp_path / "run")) == 6


def test_another_terminal_steers(tmp_path: Path, spoiled: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    terminal = threading.Thread(target=steer, args=(run, ["measure 3 4", "reject 1 why='drifted'"]))

    def type_in() -> None:
        terminal.start()
        while True:
            with Trace.open(run, read_only=True) as trace:
                if trace.count(Act):
                    return

    spoiled(2, type_in)
    done = explore(write(tmp_path), "-o", run, "--no-report")
    terminal.join()
    assert done.exit_code == 0
    assert measured(run)[2] == 34
    # The other terminal may hear of it before the run ends or after.
    assert "done, after 2 measurements" in done.stdout + capsys.readouterr().out
    with Trace.open(run, read_only=True) as trace:
        assert [act.kind for _, act in trace.all(Act)] == ["measure", "reject"]
        assert trace.all(ActOutcome)[0][1].accepted


def test_acts_wait_for_a_run_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nescio.cli.steer._WAIT_SECONDS", 0.0)
    run = tmp_path / "run"
    explore(write(tmp_path), "-o", run, "--no-report")
    done = explore(run, "--control", "--act", "stop", "--act", "status")
    assert done.exit_code == 0
    assert done.stdout.startswith("stored; the act takes effect")
    assert "6 of 6 measurements" in done.stdout
    stopped = explore(run, "--points", 9, "--no-report")
    assert "finished: stopped by" in stopped.stdout
    assert "--control --act resume" in stopped.stdout
    explore(run, "--control", "--act", "resume")
    assert "finished: 9 of 9 points" in explore(run, "--no-report").stdout
    bad = explore(run, "--control", "--act", "dance")
    assert (bad.exit_code, bad.stderr.count("\n")) == (2, 1)
    lines = "measure 99 99\nhelp\nnonsense 'open\n\nquit\nstop\n"
    typed = CliRunner().invoke(application, ["explore", str(run), "--control"], input=lines)
    assert typed.exit_code == 0
    assert "error: " in typed.stdout
    assert "favour KIND" in typed.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"instrument": {"kind": "magic"}}, "kind 'magic' is not known"),
        ({"instrument": {**made.document()["instrument"], "path": "absent.npz"}}, "absent.npz: no such file"),
        ({"scalarizer": {"kind": "agent", "agent": "absent"}}, "absent: no such agent"),
        ({"candidates": {"kind": "patches"}}, "image"),
        ({"candidates": {"kind": "features", "columns": ["absent"]}}, "absent"),
        ({"goal": {"direction": ["maximise", "minimise"]}}, "2 directions"),
        ({"budget": {"points": 0}}, "greater than or equal to 1"),
        ({"surrogate": {"kind": "oracle"}}, "surrogate.kind"),
        ({"nonsense": 1}, "unknown key 'nonsense'"),
    ],
)
def test_what_cannot_begin_is_one_line_and_leaves_nothing_to_stumble_over(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    done = explore(write(tmp_path, **changes), "-o", tmp_path / "run")
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
    assert explore(write(tmp_path), "-o", tmp_path / "run", "--no-report").exit_code == 0


def test_files_of_a_scalarizer_are_named_from_the_experiments_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = {"kind": "similarity", "axis": "energy", "target": "target.csv"}
    file = write(tmp_path / "there", scalarizer={"kind": "several", "parts": [target]})
    (tmp_path / "there" / "target.csv").write_text(" ".join(["1", "2"] * 4), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    done = explore(file, "-o", "run", "--no-report")
    assert done.exit_code == 0, done.stderr
    assert "1. similarity" in done.stdout


def test_a_report_is_written_anew_from_the_record_alone(tmp_path: Path, reports: list[xr.Dataset]) -> None:
    file = write(tmp_path)
    explore(file, "-o", tmp_path / "run", "--no-report")
    (tmp_path / "sample.npz").unlink()
    for arguments, page in (
        (["run"], "run/report.html"),
        (["run/trace.sqlite", "-o", "again.html"], "again.html"),
    ):
        named = [str(tmp_path / one) if "." in one or one == "run" else one for one in arguments]
        done = CliRunner().invoke(application, ["trace", "report", *named], catch_exceptions=False)
        assert done.stdout.strip() == f"report: {tmp_path / page}"
    assert [one.sizes["measurement"] for one in reports] == [6, 6]


def test_control_finds_the_run_by_its_folder_or_by_its_file(tmp_path: Path) -> None:
    file = write(tmp_path)
    explore(file, "-o", tmp_path / "run", "--no-report")
    done = explore(file, "-o", tmp_path / "run", "--control", "--act", "status")
    assert "6 of 6 measurements" in done.stdout


def test_a_survey_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Replay) -> None:
        raise ZeroDivisionError("driver")

    monkeypatch.setattr(Replay, "survey", fail)
    done = explore(write(tmp_path), "-o", tmp_path / "run")
    assert (done.exit_code, done.stderr) == (
        2,
        "error: replay of sample.npz: the survey failed (ZeroDivisionError: driver)\n",
    )


def test_a_run_has_one_process_and_a_whole_record(tmp_path: Path) -> None:
    run = tmp_path / "run"
    explore(write(tmp_path), "-o", run, "--no-report")
    with Experiment.open(run):
        done = explore(run)
        assert done.exit_code == 2
        assert "another process is running this experiment" in done.stderr
    other = explore(run, "-o", tmp_path / "elsewhere")
    assert (other.exit_code, "can only be resumed in its own folder" in other.stderr) == (2, True)
    (run / "trace.sqlite").write_bytes(np.random.default_rng(0).bytes(5000))
    for arguments in ((run,), (run, "--control", "--act", "pause"), (tmp_path / "nowhere",)):
        done = explore(*arguments)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("line", "kind", "parameters"),
    [
        ("pause", "pause", {}),
        ("step", "step", {"measurements": 1}),
        ("step 5", "step", {"measurements": 5}),
        ("measure 1.5 2.5", "measure", {"candidate": None, "position": [1.5, 2.5]}),
        ("measure candidate=7", "measure", {"candidate": 7, "position": None}),
        ("policy random", "policy", {"policy": {"kind": "random"}}),
        ("goal minimise", "goal", {"goal": {"direction": "minimise"}}),
        ("budget points=30 dose=none", "budget", {"budget": {"points": 30, "dose": None}}),
        ("mode approve every=3", "mode", {"mode": {"kind": "approve", "every": 3}}),
        ("decline", "decline", {"candidate": 9}),
        ("undo 3", "undo", {"act": 2}),
        (
            'scalarizer several parts=[{kind = "mean-magnitude"}]  goal=minimise',
            "scalarizer",
            {
                "scalarizer": {
                    "kind": "several",
                    "parts": [MeanMagnitude().model_dump(mode="json")],
                },
                "goal": {"direction": "minimise"},
            },
        ),
        ("forbid listed candidates=[1, 2]", "forbid", {"region": {"kind": "listed", "candidates": [1, 2]}}),
        ("reject 3 why='it drifted'", "reject", {"measurement": 2, "why": "it drifted"}),
        ('goal ["maximise", "minimise"]', "goal", {"goal": {"direction": ["maximise", "minimise"]}}),
        (
            "favour circle centre=[1.0,2.0] radius=3.0 weight=2.0",
            "favour",
            {"region": {"kind": "circle", "centre": [1.0, 2.0], "radius": 3.0}, "weight": 2.0},
        ),
    ],
)
def test_acts_are_typed_as_they_are_said(line: str, kind: str, parameters: dict[str, Any]) -> None:
    assert parse_act(line, pending=9) == (kind, parameters)


@pytest.mark.parametrize(
    "line",
    [
        "dance",
        "measure",
        "measure here",
        "step 1 2",
        "policy",
        "budget",
        "budget 5",
        "decline",
        "'",
        '""',
        "undo x",
        "undo 0",
        "reject 0",
    ],
)
def test_what_is_no_act_is_said_in_one_line(line: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_act(line)
    assert "\n" not in str(caught.value)
