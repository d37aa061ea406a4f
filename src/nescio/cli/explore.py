"""The verb `explore`: run an experiment that chooses its own measurements, or steer a running one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nescio.cli.outcome import INCOMPLETE, WAITING, report_error, report_notes
from nescio.errors import ConfigurationError, NescioError
from nescio.signals import notes_of

if TYPE_CHECKING:
    from nescio.explore import Experiment

__all__ = ["explore"]


def explore(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT", help="TOML file of a new experiment, or folder of a run to resume."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the run; default: the file's name."),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option("--points", min=1, help="Total number of measurements; more continue a finished run."),
    ] = None,
    control: Annotated[
        bool,
        typer.Option("--control", help="Steer the running experiment in the folder from this terminal."),
    ] = False,
    act: Annotated[
        list[str] | None,
        typer.Option(
            "--act", metavar="'ACT ...'", help="With --control: apply this act and exit; repeatable."
        ),
    ] = None,
    wait: Annotated[
        bool | None,
        typer.Option("--wait/--no-wait", help="Wait if a person is needed; default: on a terminal."),
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write a report at the end.")] = True,
) -> None:
    """Run an experiment that chooses its own measurements.

    Ctrl-C stops the run; all data are kept. To resume it, also after a pause,
    give the run's folder. With --no-wait, exit code 3 means that the run
    waits for a person. In a second terminal, --control pauses the run,
    requests positions, changes policy or scalarizer, and more:
    nescio explore RUN --control

    Example: nescio explore film.toml -o run
    """
    from nescio.cli.steer import present_person, steer

    if control or act:
        if points is not None:
            raise ConfigurationError("--points cannot be used with --control; use --act 'budget points=...'")
        steer(output or _folder_of_run(what), act or [])
        return
    from nescio.explore import build_act, drive, open_experiment, resumable, resume_command
    from nescio.view import LiveView

    with open_experiment(what, output, say=_say) as experiment:
        report_notes(notes_of(experiment.trace.get_dataset("survey")))
        command, reported = resume_command(experiment), True
        try:
            with resumable(experiment), LiveView(experiment.settings.title, resume=command) as view:
                if points is not None:
                    experiment.act(build_act("budget", {"budget": {"points": points}}), who=present_person())
                outcome = drive(experiment, observer=view, wait=sys.stderr.isatty() if wait is None else wait)
        finally:
            if report:
                reported = _report(experiment)
        _print_outcome(experiment, outcome, command)
        if not experiment.state.finished:
            raise typer.Exit(WAITING)
        if not reported:
            raise typer.Exit(INCOMPLETE)


def _folder_of_run(what: Path) -> Path:
    return what.with_suffix("") if what.suffix == ".toml" else what


def _say(what: str) -> None:
    """Print a progress message on a terminal."""
    if sys.stderr.isatty():
        typer.echo(f"{what} ...", err=True)


def _report(experiment: Experiment) -> bool:
    """Write the report and return whether it was written; an error must not hide the outcome of the run."""
    from nescio.view import write_exploration_report

    try:
        if experiment.state.step:
            path = write_exploration_report(
                experiment.trace.path.parent / "report.html", experiment.to_dataset()
            )
            typer.echo(f"report: {path}")
    except KeyboardInterrupt:
        report_error("interrupted; no report was written")
        return False
    except (NescioError, OSError) as error:
        report_error(f"no report was written: {error}")
        return False
    return True


def _print_outcome(experiment: Experiment, outcome: str, command: str) -> None:
    state = experiment.state
    if not state.finished:
        typer.echo(f"waiting: {outcome}; resume with: {command}")
    elif state.steering.stopped or state.criterion_met:
        typer.echo(
            f"finished: {outcome}; to continue anyway: {command} --control --act resume, then {command}"
        )
    else:
        typer.echo(f"finished: {outcome}")
    output = experiment.outputs()[0]
    for rank, (candidate, value) in enumerate(experiment.best(3), 1):
        typer.echo(f"{rank}. {output.text(value)} at {experiment.candidates.place(candidate)}")
