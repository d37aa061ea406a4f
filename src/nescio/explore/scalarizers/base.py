"""The base class of scalarizers, which turn a spectrum into one or more numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

import numpy as np
from pydantic import SerializeAsAny

from nescio.configuration import Settings
from nescio.errors import ConfigurationError, NescioError
from nescio.registry import Kinds

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SCALARIZERS", "Output", "Part", "Scalar", "Scalarizer", "build_scalarizer", "named_from"]


class Output(NamedTuple):
    """Name and unit of one number of a scalarizer."""

    name: str
    unit: str
    """In UDUNITS notation; "1" if dimensionless."""
    long_name: str

    def text(self, value: float) -> str:
        """Return a value with its name and unit, such as ``area 3.142 V mV``."""
        return " ".join(filter(None, [self.name, f"{value:.4g}", "" if self.unit == "1" else self.unit]))


class Scalar(NamedTuple):
    """A number with its standard deviation, or NaN with a reason."""

    value: float
    uncertainty: float = float("nan")
    """One standard deviation of the value; NaN if one spectrum is not enough to estimate it."""
    reason: str = ""
    """Why the value is missing; empty if it is not."""


class Scalarizer(Settings):
    """Base class of scalarizers; the fields are the definition, and `measure` computes the numbers.

    To add a scalarizer, derive from this class, declare ``kind: Literal["its-name"] = "its-name"``, and register the
    class in the entry point group ``nescio.scalarizers``.
    """

    files: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that may hold the path of a file or folder. In an experiment's file, such paths are relative
    to that file."""

    kind: str

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The outputs, in order."""
        raise NotImplementedError

    def outputs_for(self, spectrum: xr.DataArray) -> tuple[Output, ...]:
        """Return the outputs; units missing in the definition are taken from a spectrum."""
        del spectrum
        return self.outputs

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return one :class:`Scalar` for each output.

        Raises:
            ScalarizerError: The numbers cannot be computed for this spectrum.
        """
        raise NotImplementedError

    def __call__(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return one :class:`Scalar` for each output; an error gives a missing value with a reason."""
        try:
            scalars = self.measure(spectrum)
        except NescioError as error:
            return self._missing(str(error))
        except Exception as error:
            return self._missing(f"{type(error).__name__}: {error}")
        return tuple(_finite(scalar) for scalar in scalars)

    def _missing(self, reason: str) -> tuple[Scalar, ...]:
        return tuple(Scalar(float("nan"), reason=reason or "unknown") for _ in self.outputs)


SCALARIZERS = Kinds("scalarizer", Scalarizer, group="nescio.scalarizers")
build_scalarizer = SCALARIZERS.build
Part = Annotated[SerializeAsAny[Scalarizer], SCALARIZERS.table]
"""Type of a field for any scalarizer, given as a table with its kind."""


def named_from(home: Path, document: Any) -> Any:
    """Return a scalarizer's table with all relative paths, also those of its parts, made absolute.

    Args:
        home: The folder that the paths are relative to.
        document: The table; anything else is returned unchanged.
    """
    if isinstance(document, list):
        return [named_from(home, part) for part in document]
    if not isinstance(document, Mapping):
        return document
    named = {key: named_from(home, value) for key, value in document.items()}
    try:
        files = SCALARIZERS.find(str(named.get("kind", "")), "scalarizer").files
    except ConfigurationError:
        # Building the scalarizer reports the unknown kind.
        return named
    for field in files:
        if isinstance(named.get(field), str):
            named[field] = str((home / named[field]).absolute())
    return named


def _finite(scalar: Scalar) -> Scalar:
    if np.isfinite(scalar.value):
        return scalar
    return Scalar(float("nan"), reason=scalar.reason or "the result is not finite")
