"""Names and contents of the files of measured data that studies read from a folder given by the user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nescio.errors import FileError

__all__ = [
    "COPPER_FOIL",
    "COPPER_SITES",
    "COPPER_TEMPERATURES",
    "DEMO_FILES",
    "FILM",
    "PLATINUM_FOIL",
    "PLATINUM_PARTICLES",
    "PLATINUM_SITES",
    "XANES_FILES",
    "check_measured",
    "measured_file",
]

FILM = "film.npz"
"""Ferroelectric film: arrays ``image`` (y, x); ``loops`` (row, column, step, sweep), the piezoresponse; and ``pos``
(row x column, 2), the pixel (y, x) of each loop."""
COPPER_FOIL = "copper-foil.xdi"
"""Absorption of a copper foil at room temperature, K edge."""
COPPER_SITES = "copper-sites.npz"
"""Spectra of sites in copper particles, computed by FEFF 10: arrays ``k`` (n,) in 1/angstrom; ``mu`` and ``mu0``
(sites, n); ``positions_angstrom`` (sites, atoms, 3), padded with NaN; ``meta``, JSON with the key ``fms_radius``."""
COPPER_TEMPERATURES = "copper-temperatures"
"""Folder with spectra of copper foils, one file for each."""
PLATINUM_FOIL = "platinum-foil.xdi"
"""Absorption of a platinum foil at room temperature, L3 edge."""
PLATINUM_PARTICLES = "platinum-particles.prj"
"""Athena project of platinum particles, each sample at several temperatures, named ``SAMPLE TEMPERATURE``."""
PLATINUM_SITES = "platinum-sites.npz"
"""Spectra of sites in platinum particles, in the form of `COPPER_SITES`."""
DEMO_FILES = (PLATINUM_FOIL, PLATINUM_PARTICLES)
"""Files for the demonstration of absorption."""
XANES_FILES = (*DEMO_FILES, PLATINUM_SITES, COPPER_FOIL, COPPER_SITES, COPPER_TEMPERATURES)
"""Files for the study of coordination numbers."""


def measured_file(data: Path | None, name: str, what: str) -> Path:
    """Return the path of a measured file.

    Args:
        data: Folder of measured data, or None.
        name: Name of the file, or of a folder of files.
        what: Study or data set that needs it, for the message.

    Raises:
        FileError: `data` is None, or the folder does not contain the file.
    """
    if data is None:
        raise FileError(f"{what}: needs measured data; give the folder that contains {name} as --data FOLDER")
    path = data / name
    if not path.exists():
        raise FileError(f"{path}: no such file; {what} needs it in the folder given as --data")
    return path


def check_measured(data: Path, names: Sequence[str], what: str) -> None:
    """Check that measured files exist, before a long computation.

    Raises:
        FileError: A file is missing; see :func:`measured_file`.
    """
    for name in names:
        measured_file(data, name, what)
