"""The command `assess`: classify measurements."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from nescio.cli.options import given_options
from nescio.cli.outcome import INCOMPLETE, report_errors, report_notes
from nescio.files import usable_folder
from nescio.measurements import expand, read_and_prepare
from nescio.signals import notes_of, with_notes
from nescio.version import __version__

__all__ = ["assess"]


def assess(
    context: typer.Context,
    agent: Annotated[
        Path, typer.Argument(metavar="AGENT", help="Folder of an agent, made by `nescio learn`.")
    ],
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Files of measurements, or folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the findings.")],
    report: Annotated[bool, typer.Option("--report", help="Also write report.html.")] = False,
    alpha: Annotated[
        float, typer.Option(help="Accepted false-alarm rate: share of known measurements flagged as novel.")
    ] = 0.01,
) -> None:
    """Classify measurements or estimate their quantities, and flag novel ones.

    Writes findings.nc (all results) and findings.csv (one row per
    measurement). Files that cannot be read are skipped with one line each;
    the exit code is then 1. Options depend on the technique.

    Example: nescio assess agent wafer/ -o findings --report

    Example: nescio assess copper spectra/ --foil foil.xdi -o findings
    """
    from nescio.learn import load_agent
    from nescio.techniques import find_technique
    from nescio.view import findings_report, print_summary, write_findings

    loaded = load_agent(agent)
    technique = find_technique(loaded.prior.technique)
    given = given_options(context, technique.name)
    expanded = expand(files, technique.file_patterns())
    report_notes(expanded.notes)
    prepared, unusable = read_and_prepare(
        expanded.files, technique, loaded.prior, reading=given.reading, preparing=given.preparing
    )
    report_notes(notes_of(prepared))
    errors = [*expanded.errors, *unusable]
    usable_folder(output)
    findings = loaded.assess(prepared, alpha=alpha)
    write_findings(findings, output)
    if report:
        provenance = {
            "agent": str(agent),
            "technique": loaded.prior.technique,
            "known": ", ".join(loaded.known),
            "alpha": f"{alpha:g}",
            "command": shlex.join(["nescio", *sys.argv[1:]]),
            "version": f"nescio {__version__}",
        }
        noted = with_notes(findings, notes_of(loaded.prior))
        findings_report(noted, output / "report.html", provenance=provenance, **loaded.report_parts(findings))
    print_summary(findings)
    report_errors(errors)
    if errors:
        raise typer.Exit(INCOMPLETE)
