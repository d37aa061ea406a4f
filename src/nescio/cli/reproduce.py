"""The command `reproduce`: published results computed again, and a comparison of exploration methods."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from nescio.cli.overrides import SetOption, overridden
from nescio.errors import ConfigurationError, FileError
from nescio.files import usable_folder, write_atomically

__all__ = ["Publication", "reproduce"]

_WORKERS = 2


class Publication(StrEnum):
    """Studies that can be run."""

    banko2021 = "banko2021"
    dkl = "dkl"
    xanes = "xanes"


class _Range(NamedTuple):
    """Options of the comparison."""

    cases: Sequence[str] | None
    methods: Sequence[str] | None
    seeds: int | None
    points: int | None

    @property
    def given(self) -> str:
        """The first of these options that was given; empty if none."""
        options = zip(("--case", "--method", "--seeds", "--points"), self, strict=True)
        return next((option for option, value in options if value is not None), "")


def reproduce(
    publication: Annotated[Publication, typer.Argument(help="The study to run.")],
    hard: Annotated[
        bool, typer.Option("--hard", help="Double the ranges of all nuisance parameters (banko2021).")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Output folder for figures and reports."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Output file for the numbers.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed; the first seed if there are several.")] = 0,
    setting: SetOption = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of measured data: film.npz (dkl); copper-foil.xdi, copper-sites.npz, copper-temperatures/, "
            "platinum-foil.xdi, platinum-sites.npz and platinum-particles.prj (xanes).",
            show_default=False,
        ),
    ] = None,
    case: Annotated[
        list[str] | None,
        typer.Option(
            help="film, ferroelectric or plasmon; can be repeated (dkl; default: all, film only with --data)."
        ),
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Exploration method; can be repeated (dkl; default: all).")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of explorations for each method (dkl; default: 20).", show_default=False
        ),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of measurements in each exploration (dkl; default: 180).", show_default=False
        ),
    ] = None,
) -> None:
    """Reproduce published results, or compare exploration methods.

    banko2021: Banko et al., npj Computational Materials 7, 104 (2021).

    xanes: coordination numbers from XANES of held-out and of measured particles, and multiple scattering compared with
    FEFF 10; about twenty minutes.

    dkl: exploration methods, compared on a measured film and on simulated instruments. The whole comparison takes one
    to several hours on two cores. Finished explorations are kept: after Ctrl-C, the same command resumes.

    Example: nescio reproduce banko2021 --json banko2021.json
    """
    wanted = _Range(case or None, method or None, seeds, points)
    if publication is not Publication.banko2021 and (hard or setting):
        raise ConfigurationError(
            f"{'--hard' if hard else '--set'}: applies to banko2021 only, not to {publication.value}"
        )
    if publication is not Publication.dkl and wanted.given:
        raise ConfigurationError(f"{wanted.given}: applies to dkl only, not to {publication.value}")
    if publication is Publication.banko2021 and data is not None:
        raise ConfigurationError("--data: applies to dkl and xanes only, not to banko2021")
    if publication is Publication.xanes and seed:
        raise ConfigurationError("--seed: does not apply to xanes")
    from nescio.learn import LearnSettings

    settings = overridden(LearnSettings, {}, "--set", setting or (), ("training.seed", seed))
    if output is not None:
        usable_folder(output)
    if json_file is not None:
        usable_folder(json_file.parent)
        if json_file.is_dir():
            raise FileError(f"{json_file}: is a folder, where a file is needed")
    if publication is Publication.dkl:
        numbers = _explore(wanted, seed, data, output)
    elif publication is Publication.xanes:
        numbers = _absorb(data, output)
    else:
        from nescio.studies import BANKO2021_TARGETS, reproduce_banko2021

        numbers = reproduce_banko2021(hard=hard, folder=output, seed=seed, settings=settings)
    if json_file is not None:
        write_atomically(json_file, json.dumps(numbers, indent=1) + "\n")
    if publication is Publication.dkl:
        _print_comparison(numbers)
    elif publication is Publication.xanes:
        from nescio.studies import XANES_TARGETS

        _print_numbers(publication.value, numbers, XANES_TARGETS)
    else:
        _print_numbers(
            f"{publication.value}{' --hard' if hard else ''}", numbers, {} if hard else BANKO2021_TARGETS
        )


def _absorb(data: Path | None, output: Path | None) -> dict[str, Any]:
    """Run the study of coordination numbers."""
    from nescio.studies import reproduce_xanes

    if data is None:
        typer.echo("measured spectra are skipped (--data FOLDER adds them)", err=True)
    return reproduce_xanes(data, folder=output)


def _explore(wanted: _Range, seed: int, data: Path | None, output: Path | None) -> dict[str, Any]:
    """Run the comparison of exploration methods."""
    from nescio.studies import plan_comparison

    if data is None and wanted.cases is None:
        typer.echo("film is skipped (--data FOLDER adds it)", err=True)
    comparison = plan_comparison(
        wanted.cases,
        wanted.methods,
        data=data,
        seeds=wanted.seeds or 20,
        first_seed=seed,
        points=wanted.points or 180,
    )
    typer.echo(comparison.outlook(_WORKERS), err=True)
    comparison.run(workers=_WORKERS)
    numbers, report = comparison.outcome(output)
    if report is not None:
        typer.echo(f"report: {report}", err=True)
    return numbers


def _print_comparison(numbers: Mapping[str, Any]) -> None:
    """Print a table for each data set: medians, with quartiles in brackets."""
    from rich.console import Console
    from rich.table import Table

    from nescio.studies import comparison_table

    for name, summary in numbers.items():
        heads, rows = comparison_table(summary)
        table = Table(*heads, title=f"dkl: {name}", title_justify="left")
        for row in rows:
            table.add_row(*row)
        Console().print(table)


def _print_numbers(title: str, numbers: Mapping[str, Any], wanted: Mapping[str, str]) -> None:
    """Print a table of names and numbers, with targets if there are any."""
    from rich.console import Console
    from rich.table import Table

    table = Table("quantity", "result", *(["target"] if wanted else []), title=title, title_justify="left")
    for name, value in numbers.items():
        table.add_row(name.replace("_", " "), _text(value), *([wanted.get(name, "")] if wanted else []))
    Console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and {"c1", "low", "high", "p_value", "novel"} <= set(value):
        said = ", novel" if value["novel"] else ""
        return (
            f"{value['c1']:.1f} ({value['low']:.1f} to {value['high']:.1f}), p {value['p_value']:.2g}{said}"
        )
    if isinstance(value, Mapping):
        return "\n".join(f"{name} {_text(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(one) for one in value)
    return f"{value:.5g}" if isinstance(value, float) else str(value)
