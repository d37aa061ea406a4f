"""The verb `assess`: from measurements to findings."""

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
    agent: Annotated[Path, typer.Argument(metavar="AGENT", help="Folder that `nescio learn` made.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Measurements, or folders of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the findings.")],
    report: Annotated[bool, typer.Option("--report", help="Write report.html as well.")] = False,
    alpha: Annotated[
        float, typer.Option(help="Share of known measurements that may be called novel by mistake.")
    ] = 0.01,
) -> None:
    """Classify measurements, or estimate their numbers, and find those unlike anything known.

    Writes findings.nc (everything) and findings.csv (a row a measurement).
    A file that cannot be read is reported in one line and the others are
    assessed; the exit code is then 1. Options depend on the technique.

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
