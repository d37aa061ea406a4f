"""Measured data that studies use, from a folder that the user names: what the files are called, and what they hold."""

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
"""A ferroelectric film: arrays ``image`` (y, x); ``loops`` (row, column, step, sweep), the piezoresponse; and ``pos``
(row x column, 2), pixels y and x of each loop."""
COPPER_FOIL = "copper-foil.xdi"
"""Absorption of a copper foil at room temperature, K edge."""
COPPER_SITES = "copper-sites.npz"
"""Spectra of sites in copper particles by FEFF 10: arrays ``k`` (n,) in 1/angstrom; ``mu`` and ``mu0`` (sites, n);
``positions_angstrom`` (sites, atoms, 3), NaN where there is no atom; ``meta``, JSON with the key ``fms_radius``."""
COPPER_TEMPERATURES = "copper-temperatures"
"""A folder of spectra of copper foils, one a file."""
PLATINUM_FOIL = "platinum-foil.xdi"
"""Absorption of a platinum foil at room temperature, L3 edge."""
PLATINUM_PARTICLES = "platinum-particles.prj"
"""An Athena project: platinum particles, each sample at several temperatures, named ``SAMPLE TEMPERATURE``."""
PLATINUM_SITES = "platinum-sites.npz"
"""As of copper."""
DEMO_FILES = (PLATINUM_FOIL, PLATINUM_PARTICLES)
"""What the demonstration of absorption needs."""
XANES_FILES = (*DEMO_FILES, PLATINUM_SITES, COPPER_FOIL, COPPER_SITES, COPPER_TEMPERATURES)
"""What the study of coordination numbers needs."""


def measured_file(data: Path | None, name: str, what: str) -> Path:
    """Return the path of a measured file.

    Args:
        data: The folder that the user named; None if they named none.
        name: Of the file, or of a folder of files.
        what: That needs it, for the message.

    Raises:
        FileError: No folder was named, or it does not hold the file.
    """
    if data is None:
        raise FileError(f"{what}: needs measured data; --data FOLDER names the folder that holds {name}")
    path = data / name
    if not path.exists():
        raise FileError(f"{path}: there is no such file; {what} needs it in the folder of --data")
    return path


def check_measured(data: Path, names: Sequence[str], what: str) -> None:
    """Check that measured files are there, before anything long begins.

    Raises:
        FileError: One is not; see :func:`measured_file`.
    """
    for name in names:
        measured_file(data, name, what)
