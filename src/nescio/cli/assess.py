"""The verb `assess`: from measurements to findings."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nescio.cli.measurements import expand, read_and_prepare
from nescio.cli.outcome import INCOMPLETE, report_error, report_notes
from nescio.files import usable_folder
from nescio.signals import notes_of, with_notes
from nescio.version import __version__

if TYPE_CHECKING:
    import xarray as xr

    from nescio.learn import Agent, NumberAgent

__all__ = ["assess"]

_DRAWN = 3
"""Of so many measurements the structures are drawn that fit."""


def assess(
    agent: Annotated[Path, typer.Argument(metavar="AGENT", help="Folder that `nescio learn` made.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Measurements, or folders of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the findings.")],
    report: Annotated[bool, typer.Option("--report", help="Write report.html as well.")] = False,
    alpha: Annotated[
        float, typer.Option(help="Share of known measurements that may be called novel by mistake.")
    ] = 0.01,
    wavelength: Annotated[
        str | None, typer.Option(help="Of measured angles, where a file does not say: angstrom, or CuKa.")
    ] = None,
    axis: Annotated[
        str | None,
        typer.Option(help="What the files' axis is: two_theta, q (1/angstrom), q_nm (1/nm) or d (angstrom)."),
    ] = None,
    background: Annotated[
        str | None, typer.Option(help="How to subtract it: polynomial, snip, arpls or none (xrd).")
    ] = None,
    foil: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Spectrum of the bulk metal, measured with them; FILE#NAME of several (xas)."
        ),
    ] = None,
    align: Annotated[
        str | None,
        typer.Option(help="foil: they are on one energy axis with it; edge: put each by its edge (xas)."),
    ] = None,
    e0: Annotated[float | None, typer.Option(help="Energy of the edge in eV (xas).")] = None,
) -> None:
    """Say of every measurement what it is, how sure that is, and whether it is something new.

    Writes findings.nc (everything) and findings.csv (a row a measurement).
    A file that cannot be read is reported in one line and the rest is
    assessed; the exit code is then 1.

    Example: nescio assess agent wafer/ -o findings --report

    Example: nescio assess copper spectra/ --foil foil.xdi -o findings
    """
    from nescio.learn import NumberAgent, open_agent
    from nescio.techniques import find_technique
    from nescio.view import print_summary, write_findings

    loaded = open_agent(agent)
    technique = find_technique(loaded.prior.technique)
    measurements, missing = expand(files, technique.file_patterns())
    prepared, unusable = read_and_prepare(
        measurements,
        technique,
        loaded.prior,
        reading=_given(axis=axis, wavelength=wavelength),
        preparing=_given(background=background, foil=foil, align=align, e0=e0),
    )
    errors = [*missing, *unusable]
    report_notes(notes_of(prepared))
    usable_folder(output)
    findings = loaded.assess(prepared, alpha=alpha)
    write_findings(findings, output)
    if report:
        provenance = {
            "agent": str(agent),
            "technique": loaded.prior.technique,
            "known": ", ".join(loaded.names if isinstance(loaded, NumberAgent) else loaded.labels),
            "alpha": f"{alpha:g}",
            "command": shlex.join(["nescio", *sys.argv[1:]]),
            "version": f"nescio {__version__}",
        }
        _write_report(
            loaded, with_notes(findings, notes_of(loaded.prior)), output / "report.html", provenance
        )
    print_summary(findings)
    for error in errors:
        report_error(error)
    if errors:
        raise typer.Exit(INCOMPLETE)


def _write_report(
    agent: Agent | NumberAgent, findings: xr.Dataset, path: Path, provenance: dict[str, str]
) -> None:
    from nescio.learn import NumberAgent
    from nescio.view import assessment_report, numbers_report

    if isinstance(agent, NumberAgent):
        numbers_report(
            findings,
            agent.reference(),
            path=path,
            provenance=provenance,
            saliency=agent.saliency(),
            structures=agent.structures(findings, _DRAWN),
        )
        return
    assessment_report(
        findings,
        agent.reference(),
        path=path,
        provenance=provenance,
        predict=lambda latent: agent.latent_grid_labels(latent.astype("float32")),
        history=agent.history,
    )


def _given(**options: str | float | None) -> dict[str, str | float]:
    """Return the options that were given; the technique knows its own defaults."""
    return {name: value for name, value in options.items() if value is not None}
