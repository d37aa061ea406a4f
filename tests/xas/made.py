"""A spectrum of copper as beamlines write it: energies, absorption, and what detectors count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

ENERGY = np.concatenate(
    [np.arange(8780.0, 8960.0, 5.0), np.arange(8960.0, 9020.0, 0.5), np.arange(9020.0, 9400.0, 4.0)]
)
_X = ENERGY - 8979.0
MU = 0.3 - 2e-4 * _X + 0.5 + np.arctan(_X / 1.2) / np.pi + 0.1 * np.exp(-(((_X - 12.0) / 4.0) ** 2))
"""The sample."""
FOIL = 0.2 - 2e-4 * _X + 1.5 * (0.5 + np.arctan((_X - 2.0) / 1.5) / np.pi)
"""A foil behind it, with another edge step."""
I0 = 1e5 - 20.0 * (ENERGY - ENERGY[0])
IT = I0 * np.exp(-MU)
IR = IT * np.exp(-FOIL)
IF = I0 * (0.05 + 0.02 * MU)
"""Fluorescence: mu but for a factor and an offset."""


def text(
    header: str, *columns: np.ndarray, footer: str = "", separator: str = " ", form: str = "{:.9g}"
) -> str:
    """Return a header and rows of numbers."""
    rows = "\n".join(
        separator.join(form.format(value) for value in row) for row in np.stack(columns, axis=1).tolist()
    )
    return f"{header}{rows}\n{footer}"


def written(path: Path, content: str | bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def same(found: np.ndarray, wanted: Sequence[float] | np.ndarray) -> None:
    """Check that a spectrum is the one that was written."""
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
