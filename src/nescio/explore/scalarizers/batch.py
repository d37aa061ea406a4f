"""Scalarize many spectra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nescio.explore.scalarizers.base import Scalarizer
from nescio.progress import track

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["scalarize"]

# Fewer spectra take too little time for a progress bar.
_SHORT = 50


def scalarize(
    scalarizer: Scalarizer, spectra: Sequence[xr.DataArray], *, progress: bool | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Compute the numbers of many spectra.

    Args:
        scalarizer: The scalarizer.
        spectra: The spectra.
        progress: Show a progress bar; default: if standard error is a terminal.

    Returns:
        Values and their standard deviations, each of shape (n, outputs), NaN if missing or unknown; and for each
        spectrum the reason for missing values, empty if none is missing.
    """
    outputs = scalarizer.outputs
    values = np.full((len(spectra), len(outputs)), np.nan)
    uncertainties = np.full_like(values, np.nan)
    reasons = []
    enabled = False if progress is None and len(spectra) < _SHORT else progress
    with track("scalarizing", max(len(spectra), 1), enabled=enabled) as tell:
        for i, spectrum in enumerate(spectra):
            scalars = scalarizer(spectrum)
            for j, scalar in enumerate(scalars):
                values[i, j], uncertainties[i, j] = scalar.value, scalar.uncertainty
            missing = {
                output.name: scalar.reason
                for output, scalar in zip(outputs, scalars, strict=True)
                if scalar.reason
            }
            reasons.append(_joined(missing, len(outputs)))
            tell(1)
    return values, uncertainties, reasons


def _joined(missing: dict[str, str], outputs: int) -> str:
    """Return why numbers are missing, with their names unless all have the same reason."""
    if len(missing) == outputs and len(set(missing.values())) == 1:
        return next(iter(missing.values()))
    names: dict[str, list[str]] = {}
    for name, reason in missing.items():
        names.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(of)}: {reason}" for reason, of in names.items())
