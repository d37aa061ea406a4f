"""The verb `explore`: an experiment that chooses its own measurements, and a person's hand on it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nescio.errors import ConfigurationError, InterruptedExplorationError

if TYPE_CHECKING:
    from nescio.explore.experiment import Experiment
    from nescio.explore.instruments import Instrument

__all__ = ["explore"]

_TRACE = "trace.sqlite"


def explore(
    what: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT", help="A TOML file to begin with, or the folder of a run to resume.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where to write; by default named after the file."),
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Do not run it: steer the run of that folder from this terminal.")
    ] = False,
    act: Annotated[
        list[str] | None,
        typer.Option("--act", metavar="'ACT ...'", help="With --control: do this and return; repeatable."),
    ] = None,
    wait: Annotated[
        bool | None,
        typer.Option("--wait/--no-wait", help="Wait where a person is needed; by default on a terminal."),
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write a report at the end.")] = True,
) -> None:
    """Run an experiment that chooses its own measurements.

    Ctrl-C keeps everything; the same command with the run's folder goes on.
    In a second terminal, --control pauses it, points at places, changes
    policy or scalarizer, and more: nescio explore RUN --control --act help

    Example: nescio explore examples/ferroelectric.toml -o run
    """
    from nescio.cli.steer import steer

    if control or act:
        steer(_folder_of_run(what), act or [])
        return
    experiment, instrument, folder = _begun(what, output)
    with experiment:
        outcome = _run(experiment, instrument, wait=sys.stderr.isatty() if wait is None else wait)
        _tell_outcome(experiment, outcome)
        if report and experiment.step:
            typer.echo(f"report: {_write_report(experiment, folder)}")


def _folder_of_run(what: Path) -> Path:
    if what.suffix == ".toml":
        what = what.with_suffix("")
    return what


def _begun(what: Path, output: Path | None) -> tuple[Experiment, Instrument, Path]:
    """Return the experiment, the instrument and the folder of a run that begins or goes on."""
    from nescio.cli.folders import usable_folder
    from nescio.explore.experiment import Experiment
    from nescio.explore.settings import read_settings

    if what.is_dir() or what.suffix == ".sqlite":
        folder = what if what.is_dir() else what.parent
        if output is not None and output != folder:
            raise ConfigurationError(f"--output {output}: a run goes on in its own folder, {folder}")
        experiment = Experiment.open(what)
        try:
            instrument = _built(experiment.settings.instrument, folder)
            _catch_up(experiment, instrument)
        except BaseException:
            experiment.close()
            raise
        experiment.event("resume", f"after {experiment.step} measurements")
        return experiment, instrument, folder
    settings = read_settings(what)
    folder = output or what.with_suffix("")
    if (folder / _TRACE).exists():
        raise ConfigurationError(
            f"{folder}: holds a run already; resume it with nescio explore {folder}, or choose another --output"
        )
    usable_folder(folder)
    instrument = _built(settings.instrument, what.parent)
    return Experiment.create(folder / _TRACE, settings, instrument.survey()), instrument, folder


def _built(settings: Any, folder: Path) -> Instrument:
    instrument: Instrument = settings.build(folder)
    return instrument


def _catch_up(experiment: Experiment, instrument: Instrument) -> None:
    """Tell a simulated instrument what it has measured already."""
    remember = getattr(instrument, "remember", None)
    if remember is not None:
        remember([experiment.position(one.candidate) for one in experiment.measured if one.spectrum is not None])


def _run(experiment: Experiment, instrument: Instrument, *, wait: bool) -> str:
    from nescio.explore.driving import drive
    from nescio.explore.watching import Terminal

    folder = experiment.trace.path.parent
    with Terminal(experiment, resume=f"nescio explore {folder}") as observer:
        try:
            return drive(experiment, instrument, observer=observer, wait=wait)
        except InterruptedExplorationError:
            instrument.abort()
            raise


def _tell_outcome(experiment: Experiment, outcome: str) -> None:
    if experiment.finished:
        typer.echo(f"finished: {outcome}")
    else:
        typer.echo(f"waiting: {outcome}; go on with: nescio explore {experiment.trace.path.parent}")
    output = experiment.scalarizer.outputs[0]
    for rank, (candidate, value) in enumerate(experiment.best(3), 1):
        place = ", ".join(
            f"{name} {x:g}"
            for name, x in zip(experiment.candidates.coordinates, experiment.position(candidate), strict=True)
        )
        typer.echo(
            f"{rank}. {output.name} {value:.4g} {output.unit}".rstrip() + f" at {place} {experiment.candidates.unit}"
        )


def _write_report(experiment: Experiment, folder: Path) -> Path:
    from nescio.explore.explored import explored
    from nescio.view import write_exploration_report

    return write_exploration_report(folder / "report.html", explored(experiment))
