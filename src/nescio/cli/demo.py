"""The verb `demo`: the main job of each technique on an embedded example."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nescio.files import usable_folder

__all__ = ["Chapter", "demo"]


class Chapter(StrEnum):
    """What can be shown."""

    diffraction = "diffraction"
    microscope = "microscope"
    xas = "xas"


def demo(
    chapter: Annotated[
        Chapter | None, typer.Argument(help="Which chapter; by default all, one after the other.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write.")] = Path(
        "demo"
    ),
) -> None:
    """Show what Nescio does on simulated samples.

    diffraction: learn three phases, then assess a wafer that holds a fourth
    nobody told of. microscope: find where the loops of a ferroelectric film
    open widest, measuring 5 % of it. xas: count the neighbours of copper
    atoms from absorption spectra, while a particle grows and then oxidises;
    where measured data are there (NESCIO_DATA), of platinum as well.

    Example: nescio demo -o demo
    """
    usable_folder(output)
    if chapter in (None, Chapter.diffraction):
        from nescio.xrd.demo import run_demo as run_diffraction

        typer.echo(f"report: {run_diffraction(output)}")
    if chapter in (None, Chapter.microscope):
        from nescio.microscopy.demo import run_demo as run_microscope

        folder = output / "microscope"
        usable_folder(folder)
        found = run_microscope(folder)
        typer.echo(found.told())
        typer.echo(f"report: {found.report}")
    if chapter in (None, Chapter.xas):
        from nescio.xas.demo import run_demo as run_absorption
        from nescio.xas.reproduction import data_folder

        folder = output / "absorption"
        usable_folder(folder)
        told = run_absorption(folder, data=data_folder() if chapter is Chapter.xas else None)
        typer.echo(told.told())
        typer.echo(f"report: {told.report}")
        if told.particles is not None:
            typer.echo(f"report: {told.particles}")
