"""The verb `reproduce`: figures that a paper printed, measured again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from nescio.cli.folders import usable_folder
from nescio.cli.overrides import SetOption, learn_settings
from nescio.errors import FileError

__all__ = ["Publication", "reproduce"]


class Publication(StrEnum):
    """What can be reproduced."""

    banko2021 = "banko2021"


def reproduce(
    publication: Annotated[Publication, typer.Argument(help="Which publication.")],
    hard: Annotated[
        bool, typer.Option("--hard", help="Twice the ranges of every nuisance parameter.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write figures.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Where to write the numbers.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random draws.")] = 0,
    setting: SetOption = None,
) -> None:
    """Measure again what a publication reports, and print it.

    banko2021: Banko et al., npj Computational Materials 7, 104 (2021).

    Example: nescio reproduce banko2021 --json banko2021.json
    """
    from nescio.xrd.reproduction import WANTED, reproduce_banko2021

    settings = learn_settings({}, "--set", setting or (), seed)
    if output is not None:
        usable_folder(output)
    if json_file is not None:
        usable_folder(json_file.parent)
        if json_file.is_dir():
            raise FileError(f"{json_file}: is a folder, where a file is needed")
    numbers = reproduce_banko2021(hard=hard, folder=output, seed=seed, settings=settings)
    if json_file is not None:
        json_file.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    _print_numbers(f"{publication.value}{' --hard' if hard else ''}", numbers, {} if hard else WANTED)


def _print_numbers(title: str, numbers: Mapping[str, Any], wanted: Mapping[str, str]) -> None:
    """Print a table of names and numbers, and of what was wanted where anything was."""
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "measured", *(["wanted"] if wanted else []), title=title, title_justify="left")
    for name, value in numbers.items():
        table.add_row(name.replace("_", " "), _text(value), *([wanted.get(name, "")] if wanted else []))
    Console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{name} {_text(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(one) for one in value)
    return f"{value:.5g}" if isinstance(value, float) else str(value)
