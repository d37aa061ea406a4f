"""What an experiment loses when its process is killed: nothing that it acknowledged, and not its mind.

    python benchmarks/kills.py --kills 200 --json kills.json

A process explores what was measured on a simulated ferroelectric film, and says aloud what it chose and, once it is
told that it is safe, what it measured. It is killed (SIGKILL) at random moments and started again on the same record,
until it is finished; then the next experiment begins, until there were enough kills. A person points, rejects, undoes,
changes policy and scalarizer on the way. After every kill, what was acknowledged must be in the record, all choices so
far must be, bit for bit, those of an experiment that nobody disturbed, and `nescio trace verify` must find nothing
wrong. Needs fork: Linux or macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from nescio.compute import enable_compilation_cache
from nescio.explore import Experiment, ExploreSettings, build_act, drive
from nescio.explore.experiment import PersonAct
from nescio.explore.instruments import Replay
from nescio.trace import Act, Measurement, Trace, verify
from nescio.view import RunStatus

TRACE = "trace.sqlite"


def settings(*, small: bool) -> ExploreSettings:
    """Return an experiment that takes seconds."""
    return ExploreSettings.model_validate(
        {
            "instrument": {
                "kind": "ferroelectric-twin",
                "size": 32 if small else 64,
                "grid": 10 if small else 20,
                "bias_steps": 16,
                "sweeps": 1,
            },
            "candidates": {"kind": "patches", "size": 8, "edge": "reflect"},
            "scalarizer": {"kind": "hysteresis", "axis": "bias", "quantities": ["area"]},
            "surrogate": {"members": 2, "embedding": 2, "steps": 6, "warm_steps": 2, "position": "always"},
            "policy": {"kind": "epsilon-greedy", "epsilon": 0.3},
            "seeds": {"points": 4},
            "budget": {"points": 14 if small else 24},
        }
    )


def acts(*, small: bool) -> list[tuple[int, PersonAct]]:
    """Return what a person does, each after so many measurements."""
    steps = (2, 5, 7, 9, 11, 11) if small else (2, 8, 11, 14, 17, 20)
    return list(
        zip(
            steps,
            [
                build_act("measure", {"candidate": 50}),
                build_act("reject", {"measurement": 1}),
                build_act("policy", {"policy": {"kind": "expected-improvement"}}),
                build_act(
                    "scalarizer",
                    {"scalarizer": {"kind": "hysteresis", "axis": "bias", "quantities": ["height"]}},
                ),
                build_act("undo", {"act": 1}),
                build_act("forbid", {"region": {"kind": "circle", "centre": [8.0, 8.0], "radius": 4.0}}),
            ],
            strict=True,
        )
    )


class Aloud:
    """Says through a pipe what happens, and does what the person does."""

    def __init__(self, experiment: Experiment, pipe: int, script: Sequence[tuple[int, PersonAct]]) -> None:
        """Follow an experiment, and write to `pipe`."""
        self._experiment, self._pipe, self._script = experiment, pipe, script
        self._acknowledged = experiment.state.step

    def tell(self, **what: object) -> None:
        """Write something, in one piece."""
        os.write(self._pipe, json.dumps(what).encode() + b"\n")

    def act(self) -> None:
        """Do what is due by now and not done yet."""
        for number, (step, act) in enumerate(self._script):
            if self._experiment.state.step >= step and self._experiment.trace.count(Act) == number:
                self._experiment.act(act, who="somebody")

    def update(self, status: RunStatus) -> None:
        """Acknowledge a measurement, or write what was chosen."""
        for one in self._experiment.state.measured[self._acknowledged :]:
            self.tell(measured=one.candidate, step=one.number, value=one.scalars[0].value.hex())
            self._acknowledged += 1
            self.act()
        if status.next_candidate is not None:
            self.tell(chose=status.next_candidate, step=status.measured)

    def say(self, messages: Sequence[str]) -> None:
        """Write which acts were accepted."""
        self.tell(said=list(messages))


def measure_film(folder: Path, wanted: ExploreSettings) -> None:
    """Measure a film everywhere, so that not every process has to simulate it."""
    enable_compilation_cache()
    twin = wanted.instrument.build()  # type: ignore[attr-defined]
    survey = twin.survey()
    spectra = xr.concat([twin.measure(place) for place in survey["position"].values], "candidate")
    survey.to_netcdf(folder / "survey.nc", engine="h5netcdf")
    spectra.drop_attrs(deep=False).to_netcdf(folder / "spectra.nc", engine="h5netcdf")


def film(folder: Path) -> Replay:
    """Return what was measured as an instrument."""
    with xr.open_dataarray(folder / "spectra.nc", engine="h5netcdf") as spectra:
        measured = spectra.load()
    with xr.open_dataset(folder / "survey.nc", engine="h5netcdf") as survey:
        return Replay(survey.load(), measured)


def live(folder: Path, pipe: int, stage: Stage) -> None:
    """Explore: begin, or go on with what there is."""
    enable_compilation_cache()
    if (folder / TRACE).exists():
        experiment = Experiment.open(folder)
    else:
        experiment = Experiment.create(folder / TRACE, stage.settings, stage.film.survey())
    with experiment:
        observer = Aloud(experiment, pipe, stage.acts)
        observer.act()
        observer.tell(finished=drive(experiment, stage.film, observer=observer, wait=False))


@dataclass
class Stage:
    """What all processes share."""

    settings: ExploreSettings
    acts: Sequence[tuple[int, PersonAct]]
    film: Replay


@dataclass
class Life:
    """What one process said, and how it ended."""

    said: list[dict[str, object]]
    killed: bool
    seconds: float
    status: int


def apart(work: Callable[[], object]) -> int:
    """Do something in a process of its own, and return that."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    return process


def run(folder: Path, stage: Stage, kill_after: float | None) -> Life:
    """Let a process live, for some seconds at most."""
    ours, theirs = os.pipe()
    start = time.monotonic()
    process = apart(lambda: live(folder, theirs, stage))
    os.close(theirs)
    heard = b""
    while True:
        left = None if kill_after is None else start + kill_after - time.monotonic()
        if left is not None and left <= 0.0:
            os.kill(process, signal.SIGKILL)
            kill_after = None
            continue
        if select.select([ours], [], [], left)[0]:
            if not (more := os.read(ours, 65536)):
                break
            heard += more
    os.close(ours)
    _, status = os.waitpid(process, 0)
    # What was cut short was not said.
    lines = heard.split(b"\n")[:-1]
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return Life([json.loads(line) for line in lines], killed, time.monotonic() - start, status)


def recorded(folder: Path) -> list[tuple[int, str]]:
    """Return the candidates of a record, each with a digest of its position and spectrum."""
    if not (folder / TRACE).exists():
        return []
    with Trace.open(folder, read_only=True) as trace:
        found = []
        for _, one in trace.all(Measurement):
            spectrum = np.zeros(0) if one.spectrum is None else trace.get_dataarray(one.spectrum).values
            found.append((one.candidate, spectrum.tobytes().hex()))
        return found


@dataclass
class Figures:
    """What was found."""

    kills: int = 0
    killed_before_anything: int = 0
    """Before there was a record."""
    experiments: int = 0
    acknowledged: int = 0
    lost: int = 0
    resumed: int = 0
    """Went on after a kill and chose again."""
    other_choices: int = 0
    problems: list[str] = field(default_factory=list)
    """What `verify` says, and processes that failed."""

    @property
    def good(self) -> bool:
        """Whether nothing was lost, chosen otherwise or damaged."""
        return not (self.lost or self.other_choices or self.problems)


def check(
    figures: Figures, folder: Path, life: Life, reference: list[tuple[int, str]], *, again: bool
) -> None:
    """Look at what a process left."""
    if not life.killed and life.status != 0:
        figures.problems.append(f"a process ended with status {life.status}")
    if (folder / TRACE).exists():
        figures.problems += verify(folder)
    there = recorded(folder)
    chosen = [said for said in life.said if "chose" in said]
    for said in life.said:
        if "measured" in said:
            figures.acknowledged += 1
            step = int(str(said["step"]))
            figures.lost += step >= len(there) or there[step][0] != said["measured"]
        if "chose" in said:
            figures.other_choices += reference[int(str(said["step"]))][0] != said["chose"]
    figures.other_choices += there != reference[: len(there)]
    figures.resumed += bool(again and chosen)


def measure(kills: int, stage: Stage, folder: Path, *, seed: int) -> Figures:
    """Kill, resume and look, until there were enough kills."""
    undisturbed = folder / "undisturbed"
    # Once for the compiler alone, so that the next takes the time that it takes.
    run(undisturbed, stage, None)
    shutil.rmtree(undisturbed)
    life = run(undisturbed, stage, None)
    reference = recorded(undisturbed)
    figures = Figures()
    check(figures, undisturbed, life, reference, again=False)
    if not reference or life.status != 0:
        figures.problems.append("the undisturbed experiment failed")
        return figures
    print(f"undisturbed: {len(reference)} measurements in {life.seconds:.1f} s", file=sys.stderr)
    figures.acknowledged = 0
    lasted = life.seconds
    random = np.random.default_rng(seed)
    while figures.kills < kills and not figures.problems:
        disturbed = folder / f"experiment_{figures.experiments}"
        figures.experiments += 1
        again = finished = False
        while not finished and not figures.problems:
            enough = figures.kills >= kills
            moment = None if enough else random.uniform(0.0, lasted)
            life = run(disturbed, stage, moment)
            figures.kills += life.killed
            figures.killed_before_anything += life.killed and not (disturbed / TRACE).exists()
            check(figures, disturbed, life, reference, again=again)
            again = again or life.killed
            finished = not life.killed
        if not figures.problems and recorded(disturbed) != reference:
            figures.other_choices += 1
        shutil.rmtree(disturbed, ignore_errors=True)
        print(f"{figures.kills} of {kills} kills", file=sys.stderr)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument(
        "--small", action="store_true", help="100 places and 14 measurements instead of 400 and 24"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    # Nothing was computed in this process, so that no thread of the compiler's is left behind by a fork.
    warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        wanted = settings(small=arguments.small)
        process = apart(lambda: measure_film(Path(folder), wanted))
        if os.waitpid(process, 0)[1]:
            sys.exit("the film could not be measured")
        stage = Stage(wanted, acts(small=arguments.small), film(Path(folder)))
        figures = measure(arguments.kills, stage, Path(folder), seed=arguments.seed)
    document = {**vars(figures), "seconds": round(time.monotonic() - start, 1)}
    for name, value in document.items():
        print(f"{name.replace('_', ' '):24} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    sys.exit(not figures.good)


if __name__ == "__main__":
    main()
