"""Options of a technique for reading and preparing measurements, found without importing the technique.

A technique declares its options in a file ``options.toml`` beside the module of its class. The command line can then
list them without delay::

    title = "Raman spectra"

    [read.laser]
    help = "Wavelength of the laser in nm, where a file does not say."
    type = "number"

    [prepare.baseline]
    help = "How to subtract the baseline: polynomial or none."

The command line then has ``--laser`` and ``--baseline``; the technique's `read` gets ``laser=532.0``, its `prepare`
``baseline="none"``, each only where it was given.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from nescio.configuration import Settings, read_toml, validated
from nescio.errors import ConfigurationError

__all__ = ["Option", "TechniqueOptions", "options_of"]

_GROUP = "nescio.techniques"
_FILE = "options.toml"
_Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Option(Settings):
    """One option."""

    help: str
    """Help text of the option, one sentence."""
    type: Literal["text", "number", "whole", "numbers", "flag"] = "text"
    """Type of the value; ``numbers`` are separated by commas, a ``flag`` has no value."""
    metavar: str = ""
    """Placeholder of the value in the help; by default the type."""


class TechniqueOptions(Settings):
    """All options of a technique."""

    title: str
    """Heading of the options in the help, such as "Diffraction patterns"."""
    read: dict[_Name, Option] = Field(default_factory=dict)
    """Options of the technique's `read`, by keyword."""
    prepare: dict[_Name, Option] = Field(default_factory=dict)
    """Options of the technique's `prepare`, by keyword."""

    @property
    def all(self) -> dict[str, Option]:
        """Options of both, by keyword."""
        return {**self.read, **self.prepare}


def options_of(technique: str) -> TechniqueOptions:
    """Return the options of an installed technique; none if it has no ``options.toml``.

    Raises:
        ConfigurationError: The file is not valid.
    """
    for point in entry_points(group=_GROUP):
        if point.name == technique and (file := _beside(point.module)) is not None:
            options = validated(TechniqueOptions, read_toml(file), str(file))
            if twice := sorted(set(options.read) & set(options.prepare)):
                raise ConfigurationError(f"{file}: {twice[0]} stands under both read and prepare")
            return options
    return TechniqueOptions(title=technique)


def _beside(module: str) -> Path | None:
    """Return the file of options in the folder that holds a module, or that is a package; nothing is imported."""
    top, *rest = module.split(".")
    spec = find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        return None
    for folder in map(Path, spec.submodule_search_locations):
        for name in rest:
            if not (folder / name).is_dir():
                break
            folder = folder / name
        if (folder / _FILE).is_file():
            return folder / _FILE
    return None
