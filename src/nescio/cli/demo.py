"""The verb `demo`: the main job on an embedded example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nescio.cli.folders import usable_folder

__all__ = ["demo"]


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write.")] = Path(
        "demo"
    ),
) -> None:
    """Learn three phases, then assess a simulated wafer that holds a fourth nobody told of.

    Example: nescio demo -o demo
    """
    from nescio.xrd.demo import run_demo

    usable_folder(output)
    typer.echo(f"report: {run_demo(output)}")
