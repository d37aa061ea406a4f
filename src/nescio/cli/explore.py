"""The verb `explore`: run an experiment that chooses its own measurements, or steer one that runs."""

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

    Example: nescio explore film.toml -o run
    """
    from nescio.cli.steer import present_person, steer

    if control or act:
        if points is not None:
            raise ConfigurationError(
                "--points: is for running; with --control, use --act 'budget points=...'"
            )
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
    """Say what takes the time, where a person watches."""
    if sys.stderr.isatty():
        typer.echo(f"{what} ...", err=True)


def _report(experiment: Experiment) -> bool:
    """Write the report; one that cannot be written must not hide how the run ended."""
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
        typer.echo(f"waiting: {outcome}; go on with: {command}")
    elif state.steering.stopped or state.criterion_met:
        typer.echo(
            f"finished: {outcome}; to continue anyway: {command} --control --act resume, then {command}"
        )
    else:
        typer.echo(f"finished: {outcome}")
    output = experiment.outputs()[0]
    for rank, (candidate, value) in enumerate(experiment.best(3), 1):
        typer.echo(f"{rank}. {output.text(value)} at {experiment.candidates.place(candidate)}")
