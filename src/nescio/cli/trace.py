"""The verb `trace`: inspect, verify, export and report an experiment's record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nescio.cli.outcome import INCOMPLETE, guarded, report_error
from nescio.errors import NescioError, TraceError

if TYPE_CHECKING:
    from nescio.trace import Trace

__all__ = ["trace"]

trace = typer.Typer(no_args_is_help=True, help="Inspect, verify and export the record of an experiment.")

# Fields of the run's status that are shown; the others come from the record itself.
_SHOWN = (
    "problem",
    "finished",
    "paused",
    "budget",
    "policy",
    "mode",
    "next_place",
    "best_value",
    "best_place",
    "unit",
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A trace, or the folder with trace.sqlite.")]


@trace.command()
@guarded
def info(
    file: File,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print a summary of an experiment's record, also while it runs.

    Example: nescio trace info run/trace.sqlite
    """
    from nescio.trace import Trace

    with Trace.open(file, read_only=True) as opened, opened.snapshot():
        summary = _summary(opened)
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
        return
    status = summary.pop("status")
    summary |= {name: status[name] for name in _SHOWN if status.get(name) not in (None, "", False)}
    width = max(len(name) for name in summary)
    for name, value in summary.items():
        if isinstance(value, dict):
            value = ", ".join(f"{item} {key}" for key, item in value.items())
        elif isinstance(value, list):
            value = ", ".join(value)
        typer.echo(f"{name.replace('_', ' '):<{width}}  {value if value not in (None, '') else '-'}")


@trace.command()
@guarded
def verify(file: File) -> None:
    """Check that an experiment's record is complete and consistent.

    Prints OK and the number of records, or one line per problem with exit
    code 1.

    Example: nescio trace verify run/trace.sqlite
    """
    from nescio.trace import RECORDS, Trace
    from nescio.trace import verify as problems_of

    problems = problems_of(file)
    for problem in problems:
        report_error(problem)
    if problems:
        raise typer.Exit(INCOMPLETE)
    with Trace.open(file, read_only=True) as opened:
        counts = [f"{opened.count(model)} {model.table}" for model in RECORDS]
    typer.echo(f"OK: {', '.join(counts)}")


@trace.command()
@guarded
def export(
    file: File,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="New file (for Zarr: folder).")
    ],
    kind: Annotated[str, typer.Option("--format", help="netcdf, zarr or hyperspy (.hspy).")] = "netcdf",
) -> None:
    """Export an experiment's measurements, scalars and maps for other programs.

    Example: nescio trace export run/trace.sqlite --format netcdf -o run.nc
    """
    from nescio.trace import Trace, to_xarray, write_export

    with Trace.open(file, read_only=True) as opened:
        exported = to_xarray(opened)
    write_export(exported, output, kind)
    typer.echo(f"{exported.sizes['measurement']} measurements in {output}")


@trace.command()
@guarded
def report(
    file: File,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="HTML file; default: report.html in the trace's folder.",
        ),
    ] = None,
) -> None:
    """Write an experiment's report again from its record, also while it runs.

    Example: nescio trace report run -o report.html
    """
    from nescio.explore import Experiment
    from nescio.view import write_exploration_report

    with Experiment.open(file, read_only=True) as experiment:
        if not experiment.state.step:
            raise TraceError(f"{experiment.trace.path}: there are no measurements to report yet")
        page = output or experiment.trace.path.parent / "report.html"
        typer.echo(f"report: {write_exploration_report(page, experiment.to_dataset())}")


def _summary(opened: Trace) -> dict[str, Any]:
    """Return a summary of the record, with the status of the experiment if it can be read."""
    from nescio.explore import Experiment
    from nescio.trace import DatasetRecord, ScalarizerRecord

    experiment = opened.experiment
    scalarizer = opened.last(ScalarizerRecord)
    names = {record.name for _, record in opened.all(DatasetRecord) if record.name}
    summary = {
        "file": str(opened.path),
        "title": experiment.title,
        "created": experiment.created,
        "nescio_version": experiment.nescio_version,
        "seed": experiment.seed,
        **_counts(opened),
        "scalarizer": None if scalarizer is None else str(scalarizer[1].definition.get("kind", "unknown")),
        "outputs": [] if scalarizer is None else [output.name for output in scalarizer[1].outputs],
        "datasets": sorted(names),
    }
    try:
        with Experiment.open(opened.path, read_only=True) as run:
            summary["status"] = run.status().to_document()
    except NescioError as error:
        summary["status"] = {"problem": str(error)}
    return summary


def _counts(opened: Trace) -> dict[str, Any]:
    from collections import Counter

    from nescio.trace import Act, ActOutcome, Decision, Event, Measurement

    measurements = [measurement for _, measurement in opened.all(Measurement)]
    event = opened.last(Event)
    return {
        "measurements": len(measurements),
        "without_spectrum": sum(measurement.spectrum is None for measurement in measurements),
        "chosen_by": dict(Counter(measurement.origin for measurement in measurements)),
        "last_measured": measurements[-1].finished if measurements else None,
        "decisions": opened.count(Decision),
        "acts": opened.count(Act),
        "acts_to_apply": opened.count(Act) - opened.count(ActOutcome),
        "last_event": None if event is None else f"{event[1].kind}: {event[1].message}".removesuffix(": "),
    }
