"""A scalarizer turns a spectrum into the number, or numbers, that an experiment cares about."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from nescio.configuration import Settings
from nescio.errors import NescioError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Output", "Scalar", "Scalarizer"]


class Output(NamedTuple):
    """What one number of a scalarizer is."""

    name: str
    unit: str
    """As UDUNITS writes it; "1" for a number without one."""
    long_name: str

    def told(self, value: float) -> str:
        """Return a value of it in words, such as ``area 3.142 V mV``."""
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


def _finite(scalar: Scalar) -> Scalar:
    if np.isfinite(scalar.value):
        return scalar
    return Scalar(float("nan"), reason=scalar.reason or "the result is not finite")
