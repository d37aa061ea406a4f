"""The command `identify`: phases and fractions of measured diffraction patterns."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from nescio.cli.options import given_options
from nescio.cli.outcome import INCOMPLETE, INTERRUPTED, report_error, report_errors, report_notes
from nescio.errors import ConfigurationError, NescioError
from nescio.files import usable_folder
from nescio.measurements import expand
from nescio.progress import track
from nescio.signals import notes_of
from nescio.version import __version__

__all__ = ["identify"]


def identify(
    context: typer.Context,
    prior: Annotated[
        Path, typer.Argument(metavar="PRIOR", help="TOML file of a diffraction prior, or a folder of CIFs.")
    ],
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Files of patterns, or folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the results.")],
    elements: Annotated[
        str | None,
        typer.Option(help="Elements that may be there, such as Bi,Cu,V,O; other phases are left out."),
    ] = None,
    max_phases: Annotated[int, typer.Option(min=1, max=8, help="Largest number of phases in a pattern.")] = 4,
    report: Annotated[bool, typer.Option("--report", help="Also write report.html.")] = False,
) -> None:
    """Find the phases of diffraction patterns, and how much of each there is.

    Fits the phases of a prior to the raw counts; no trained agent is needed.
    Writes phases.csv (one row for each phase of each pattern). Files that
    cannot be read are skipped with one line each; the exit code is then 1.
    After Ctrl-C the files that are done are written.

    Example: nescio identify phases.toml scans/ -o phases --report

    Example: nescio identify cifs/ film.xy -o phases --elements Bi,Cu,V,O
    """
    from nescio.face import load_prior
    from nescio.techniques import find_technique
    from nescio.xrd import (
        MOST_FIGURES,
        Answer,
        Identifier,
        IdentifySettings,
        Prior,
        phase_table,
        write_phases,
    )

    loaded = load_prior(prior)
    if not isinstance(loaded, Prior):
        raise ConfigurationError(f"{prior}: a prior of diffraction is needed, not of {loaded.technique}")
    technique = find_technique(loaded.technique)
    given = given_options(context, technique.name)
    symbols = None if elements is None else [one for one in re.split(r"[,\s]+", elements) if one]
    identifier = Identifier(loaded, IdentifySettings(max_phases=max_phases), elements=symbols)
    expanded = expand(files, technique.file_patterns())
    report_notes(expanded.notes)
    usable_folder(output)
    answers: list[Answer] = []
    errors: list[NescioError] = [*expanded.errors]
    done, interrupted = 0, False
    with track("identify", len(expanded.files)) as advance:
        try:
            for file in expanded.files:
                try:
                    measured = technique.read(file, **given.reading)
                    report_notes(notes_of(measured))
                    for row in range(measured.sizes["measurement"]):
                        answer = identifier(measured, row)
                        # Only what the report draws is kept whole, so that memory is bounded.
                        drawn = report and len(answers) < MOST_FIGURES
                        answers.append(answer if drawn else answer.without_curves())
                except ConfigurationError:
                    raise
                except NescioError as error:
                    errors.append(error)
                done += 1
                advance(1, file.name)
        except KeyboardInterrupt:
            interrupted = True
    if interrupted and not answers:
        raise KeyboardInterrupt
    if not answers:
        raise errors[0]
    table = phase_table(answers)
    provenance = {
        "prior": str(prior),
        "command": shlex.join(["nescio", *sys.argv[1:]]),
        "version": f"nescio {__version__}",
    }
    write_phases(answers, output, provenance=provenance if report else None)
    for answer in answers:
        typer.echo(answer.summary())
    typer.echo(f"wrote {len(table)} rows to {output / 'phases.csv'}")
    report_errors(errors)
    if interrupted:
        left = [str(file) for file in expanded.files[done:]]
        report_error(
            f"interrupted after {done} of {len(expanded.files)} files; {left[0]} is the first that is missing"
        )
        raise typer.Exit(INTERRUPTED)
    if errors:
        raise typer.Exit(INCOMPLETE)
