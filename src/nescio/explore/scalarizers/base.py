"""A scalarizer turns a spectrum into the number, or numbers, that an experiment cares about."""

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
    """What one number of a scalarizer is."""

    name: str
    unit: str
    """As UDUNITS writes it; "1" for a number without one."""
    long_name: str

    def text(self, value: float) -> str:
        """Return a value with its name and unit, such as ``area 3.142 V mV``."""
        return " ".join(filter(None, [self.name, f"{value:.4g}", "" if self.unit == "1" else self.unit]))


class Scalar(NamedTuple):
    """A number with one standard deviation; NaN with a reason where there is none."""

    value: float
    uncertainty: float = float("nan")
    """One standard deviation of the value; NaN where it cannot be known from one spectrum."""
    reason: str = ""
    """Why the value is missing; empty where it is not."""


class Scalarizer(Settings):
    """Base of all scalarizers: its fields are its definition, and `measure` does the work.

    A scalarizer of one's own derives from this, declares ``kind: Literal["its-name"] = "its-name"``, and is registered
    under the entry point group ``nescio.scalarizers``.
    """

    files: ClassVar[tuple[str, ...]] = ()
    """Names of those of its fields that may name a file or a folder; in an experiment's file these are named from where
    that file is."""

    kind: str

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What the numbers are, in order."""
        raise NotImplementedError

    def outputs_for(self, spectrum: xr.DataArray) -> tuple[Output, ...]:
        """Return the outputs, with the units that a spectrum states where the definition has none."""
        del spectrum
        return self.outputs

    def measure(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return one :class:`Scalar` for each output.

        Raises:
            ScalarizerError: It cannot be computed for this spectrum.
        """
        raise NotImplementedError

    def __call__(self, spectrum: xr.DataArray) -> tuple[Scalar, ...]:
        """Return one :class:`Scalar` for each output; what goes wrong is a missing value with a reason, no error."""
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
"""A field that holds any scalarizer, written as a table with its kind."""


def named_from(home: Path, document: Any) -> Any:
    """Return the table of a scalarizer with the files that it, or a part of it, names relative to a folder.

    Args:
        home: The folder from which they are named.
        document: The table; what is none is returned as it is.
    """
    if isinstance(document, list):
        return [named_from(home, part) for part in document]
    if not isinstance(document, Mapping):
        return document
    named = {key: named_from(home, value) for key, value in document.items()}
    try:
        files = SCALARIZERS.find(str(named.get("kind", "")), "scalarizer").files
    except ConfigurationError:
        # Whoever builds it says so.
        return named
    for field in files:
        if isinstance(named.get(field), str):
            named[field] = str((home / named[field]).absolute())
    return named


def _finite(scalar: Scalar) -> Scalar:
    if np.isfinite(scalar.value):
        return scalar
    return Scalar(float("nan"), reason=scalar.reason or "the result is not finite")
