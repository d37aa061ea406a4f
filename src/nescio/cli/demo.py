"""The command `demo`: a demonstration of each technique on a simulated sample."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nescio.errors import ConfigurationError
from nescio.files import usable_folder

__all__ = ["Chapter", "demo"]


class Chapter(StrEnum):
    """Parts of the demonstration."""

    diffraction = "diffraction"
    microscope = "microscope"
    xas = "xas"


def demo(
    chapter: Annotated[
        Chapter | None, typer.Argument(help="Part of the demonstration; by default all parts.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Output folder.")] = Path(
        "demo"
    ),
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of measured data: platinum-particles.prj and platinum-foil.xdi (xas).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Demonstrate Nescio on simulated samples.

    diffraction: train an agent on three phases, then assess a wafer with a
    fourth, unknown phase. microscope: find the largest hysteresis loops on a
    ferroelectric film by measuring a small share of its places. xas: estimate
    coordination numbers of copper from absorption spectra while a particle
    grows and then oxidises; with --data, also of measured platinum particles.

    At the end, the page index.html links all reports.

    Example: nescio demo -o demo
    """
    if data is not None and chapter not in (None, Chapter.xas):
        raise ConfigurationError(f"--data: applies to xas only, not to {chapter.value}")
    if data is not None:
        from nescio.studies import DEMO_FILES, check_measured

        check_measured(data, DEMO_FILES, "demo xas")
    usable_folder(output)
    if chapter in (None, Chapter.diffraction):
        from nescio.studies import demonstrate_diffraction

        typer.echo(f"report: {demonstrate_diffraction(output)}")
    if chapter in (None, Chapter.microscope):
        from nescio.studies import demonstrate_microscope

        folder = output / "microscope"
        usable_folder(folder)
        outcome = demonstrate_microscope(folder)
        typer.echo(outcome.summary())
        typer.echo(f"report: {outcome.report}")
    if chapter in (None, Chapter.xas):
        from nescio.studies import demonstrate_absorption

        folder = output / "absorption"
        usable_folder(folder)
        if data is None and chapter is Chapter.xas:
            typer.echo("measured platinum particles are skipped (--data FOLDER adds them)", err=True)
        counted = demonstrate_absorption(folder, data=data)
        typer.echo(counted.summary())
        typer.echo(f"report: {counted.report}")
        if counted.particles is not None:
            typer.echo(f"report: {counted.particles}")
    from nescio.studies import write_demo_index

    typer.echo(f"all reports: {write_demo_index(output)}")
