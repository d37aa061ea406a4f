"""The command `feff`: many FEFF runs in parallel or on a cluster."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nescio.cli.outcome import INCOMPLETE, INTERRUPTED, report_error
from nescio.errors import ConfigurationError, FileError

if TYPE_CHECKING:
    from nescio.xas import FeffProgram

__all__ = ["feff"]

_LARGEST = 10_000_000


def feff(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Files feff.inp, or folders with *.inp.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the results.")],
    program: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="feff8l (phase shifts), feff8l-paths, feff6l, or the path of another program.",
        ),
    ] = "feff8l",
    workers: Annotated[int, typer.Option(min=1, help="Number of parallel runs on this machine.")] = 2,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Address of a Dask scheduler, to run on a cluster.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="Time limit of each run in seconds.")] = 600.0,
) -> None:
    """Run FEFF on many inputs; failed runs are reported and the others continue.

    Each result is a folder named by the hash of its input. A folder exists
    only if its run finished: after Ctrl-C or a crash, the same command
    continues with the missing runs.

    Example: nescio feff inputs/ -o results --workers 4
    """
    from nescio.files import text_content
    from nescio.xas import executor_at, sweep_feff

    texts = {str(file): text_content(file, _LARGEST) for file in _files(inputs)}
    chosen = _program(program)
    with executor_at(scheduler) if scheduler else nullcontext() as executor:
        try:
            sweep = sweep_feff(texts, chosen, output, workers=workers, executor=executor, seconds=seconds)
        except KeyboardInterrupt:
            report_error(f"interrupted; finished runs are in {output}; the same command continues")
            raise typer.Exit(INTERRUPTED) from None
    for name, result in sweep.results.items():
        typer.echo(f"{name}: {result}")
    for name, why in sweep.failures.items():
        report_error(f"{name}: {why}")
    if sweep.failures:
        raise typer.Exit(INCOMPLETE)


def _files(inputs: list[Path]) -> list[Path]:
    found: list[Path] = []
    for one in inputs:
        if one.is_dir():
            inside = sorted(one.rglob("*.inp"))
            if not inside:
                raise FileError(f"{one}: holds no *.inp")
            found += inside
        else:
            found.append(one)
    return list(dict.fromkeys(found))


def _program(name: str) -> FeffProgram:
    from nescio.xas import find_feff6l, find_feff8l, own_feff

    if name in ("feff8l", "feff8l-paths"):
        return find_feff8l(paths=name.endswith("paths"))
    if name == "feff6l":
        return find_feff6l()
    if "/" not in name and not Path(name).exists():
        raise ConfigurationError(
            f"--program {name}: needs feff8l, feff8l-paths, feff6l, or the path of a program"
        )
    return own_feff(name)
