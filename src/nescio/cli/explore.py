"""The verb `explore`: an experiment that chooses its own measurements, and a person's hand on it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from nescio.cli.outcome import INCOMPLETE, WAITING, report_error
from nescio.errors import ConfigurationError, InstrumentError, NescioError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from nescio.explore.experiment import Experiment
    from nescio.explore.instruments import Instrument
    from nescio.explore.settings import ExploreSettings

__all__ = ["explore"]

_TRACE = "trace.sqlite"


def explore(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT", help="A TOML file to begin with, or the folder of a run to resume."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Where to write; by default named after the file."
        ),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option("--points", min=1, help="Measurements in all; with more, a finished run goes on."),
    ] = None,
    control: Annotated[
        bool,
        typer.Option("--control", help="Do not run it: steer the run of that folder from this terminal."),
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

    Ctrl-C keeps everything; the same command with the run's folder goes on,
    also where it was paused. With --no-wait, exit code 3 says that it waits
    for a person. In a second terminal, --control pauses it, points at places,
    changes policy or scalarizer, and more: nescio explore RUN --control

    Example: nescio explore examples/ferroelectric.toml -o run
    """
    from nescio.cli.steer import steer

    if control or act:
        if points is not None:
            raise ConfigurationError(
                "--points: is for running; with --control, use --act 'budget points=...'"
            )
        steer(output or _folder_of_run(what), act or [])
        return
    with _terminated_like_interrupted():
        experiment, instrument = _begun(what, output)
        with experiment:
            reported = True
            try:
                outcome = _run(
                    experiment, instrument, points, wait=sys.stderr.isatty() if wait is None else wait
                )
            finally:
                if report:
                    reported = _report(experiment)
            _tell_outcome(experiment, outcome)
            if not experiment.finished:
                raise typer.Exit(WAITING)
            if not reported:
                raise typer.Exit(INCOMPLETE)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let a request to terminate do what Ctrl-C does."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _folder_of_run(what: Path) -> Path:
    return what.with_suffix("") if what.suffix == ".toml" else what


def _begun(what: Path, output: Path | None) -> tuple[Experiment, Instrument]:
    """Return the experiment and the instrument of a run that begins or goes on."""
    if not what.is_dir() and what.suffix != ".sqlite":
        return _started(what, output)
    folder = what if what.is_dir() else what.parent
    if output is not None and output.absolute() != folder.absolute():
        raise ConfigurationError(f"--output {output}: a run goes on in its own folder, {folder}")
    return _resumed(what, folder)


def _started(file: Path, output: Path | None) -> tuple[Experiment, Instrument]:
    from nescio.cli.folders import usable_folder
    from nescio.explore.settings import read_settings

    settings = read_settings(file)
    folder = output or file.with_suffix("")
    if (folder / _TRACE).exists():
        raise ConfigurationError(
            f"{folder}: holds a run already; resume it with nescio explore {folder}, or choose another --output"
        )
    made = not folder.exists()
    usable_folder(folder)
    try:
        return _surveyed(settings, file, folder)
    except BaseException:
        if made:
            # Nothing was measured: what is empty goes, what is not stays.
            with suppress(OSError):
                folder.rmdir()
        raise


def _surveyed(settings: ExploreSettings, file: Path, folder: Path) -> tuple[Experiment, Instrument]:
    from nescio.explore.experiment import Experiment

    settings = settings.model_copy(
        update={"instrument": _seen_from(folder, settings.instrument, file.parent)}
    )
    instrument = _built(settings.instrument, folder)
    _say(f"surveying with {instrument.name}")
    try:
        survey = instrument.survey()
    except NescioError:
        raise
    except Exception as error:
        raise InstrumentError(f"{instrument.name}: no survey ({type(error).__name__}: {error})") from error
    _say("describing what could be measured")
    return Experiment.create(folder / _TRACE, settings, survey), instrument


def _resumed(what: Path, folder: Path) -> tuple[Experiment, Instrument]:
    from nescio.explore.driving import remind
    from nescio.explore.experiment import Experiment

    experiment = Experiment.open(what)
    try:
        instrument = _built(experiment.settings.instrument, folder)
        remind(instrument, experiment)
        if experiment.paused or not experiment.finished:
            experiment.resume(f"after {experiment.step} measurements")
    except BaseException:
        experiment.close()
        raise
    return experiment, instrument


def _seen_from(folder: Path, instrument: BaseModel, home: Path) -> BaseModel:
    """Return an instrument's settings with the files it reads named from the run's folder, where it is resumed."""
    moved = {}
    for name, value in instrument:
        if isinstance(value, Path) and not value.is_absolute():
            target = (home / value).resolve()
            try:
                moved[name] = Path(os.path.relpath(target, folder.resolve()))
            except ValueError:
                # On another drive.
                moved[name] = target
    return instrument.model_copy(update=moved)


def _built(settings: Any, folder: Path) -> Instrument:
    _say(f"making ready the instrument ({settings.kind})")
    try:
        instrument: Instrument = settings.build(folder)
    except NescioError:
        raise
    except Exception as error:
        raise InstrumentError(f"{settings.kind}: is not ready ({type(error).__name__}: {error})") from error
    return instrument


def _say(what: str) -> None:
    """Tell a person who waits what for."""
    if sys.stderr.isatty():
        typer.echo(f"{what} ...", err=True)


def _run(experiment: Experiment, instrument: Instrument, points: int | None, *, wait: bool) -> str:
    from nescio.cli.steer import present_person
    from nescio.explore.acts import ChangeBudget
    from nescio.explore.driving import drive, interrupted, resume_command
    from nescio.explore.settings import Budgets
    from nescio.explore.watching import Terminal

    try:
        if points is not None:
            experiment.act(ChangeBudget(budget=Budgets(points=points)), who=present_person())
        with Terminal(experiment, resume=resume_command(experiment)) as observer:
            return drive(experiment, instrument, observer=observer, wait=wait)
    except KeyboardInterrupt:
        # Where the loop itself did not see it.
        raise interrupted(experiment) from None


def _tell_outcome(experiment: Experiment, outcome: str) -> None:
    from nescio.explore.driving import resume_command

    command = resume_command(experiment)
    if not experiment.finished:
        typer.echo(f"waiting: {outcome}; go on with: {command}")
    elif experiment.known.stopped or experiment.known.seen_enough:
        typer.echo(
            f"finished: {outcome}; to go on after all: {command} --control --act resume, then {command}"
        )
    else:
        typer.echo(f"finished: {outcome}")
    output = experiment.outputs()[0]
    for rank, (candidate, value) in enumerate(experiment.best(3), 1):
        typer.echo(f"{rank}. {output.told(value)} at {experiment.candidates.place(candidate)}")


def _report(experiment: Experiment) -> bool:
    """Write the report of what there is; one that cannot be written is no reason to lose how the run ended."""
    from nescio.explore.explored import explored
    from nescio.view import write_exploration_report

    try:
        if experiment.step:
            path = write_exploration_report(
                experiment.trace.path.parent / "report.html", explored(experiment)
            )
            typer.echo(f"report: {path}")
    except KeyboardInterrupt:
        report_error("interrupted; no report was written")
        return False
    except (NescioError, OSError) as error:
        report_error(f"no report was written: {error}")
        return False
    return True
