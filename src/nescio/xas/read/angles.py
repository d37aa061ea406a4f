"""Energies from the angle of a monochromator, as the Photon Factory and SPring-8 write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nescio.xas.read.names import Column, Role, column_of
from nescio.xas.read.titles import fields_of, text_of

__all__ = ["energy_of_angle", "lattice_spacing", "photon_factory_columns"]

Floats = NDArray[np.float64]

PLANCK_TIMES_LIGHT = 12398.419843320026
"""h c in eV angstrom (CODATA 2018)."""
_SPACING = re.compile(r"\bD\s*=\s*(\d{1,3}(?:\.\d{0,10})?)\s*A\b")
_SPACING_FIELDS = ("mono.d_spacing", "mono.dspacing", "monochromator.dspacing", "monochromator.d_spacing")
_NUMBER = re.compile(r"\d{1,3}(?:\.\d{0,10})?")
_ANGLE_TITLES = re.compile(r"Angle\(c\)\s+Angle\(o\)", re.I)
_MODES = {"1": "i0", "2": "it", "3": "if"}
"""Modes of a channel in the files of the program 9809: monitor, transmission, fluorescence."""


def lattice_spacing(header: Sequence[str]) -> float | None:
    """Return the spacing of the monochromator's lattice planes in angstrom that a header states; None without one."""
    fields = fields_of(header)
    for key in _SPACING_FIELDS:
        if (found := _NUMBER.match(fields.get(key, ""))) and float(found[0]) > 0.0:
            return float(found[0])
    for line in header:
        if (found := _SPACING.search(line)) and float(found[1]) > 0.0:
            return float(found[1])
    return None


def energy_of_angle(angle: Floats, spacing: float) -> Floats:
    """Return energies in eV from Bragg angles.

    Args:
        angle: In degree, shape (n,).
        spacing: Of the lattice planes in angstrom.
    """
    with np.errstate(all="ignore"):
        return np.asarray(PLANCK_TIMES_LIGHT / (2.0 * spacing * np.sin(np.radians(angle))), np.float64)


def photon_factory_columns(header: Sequence[str], width: int) -> list[Column] | None:
    """Return the columns of a file of the program 9809 (Photon Factory, SPring-8 and others); None of another file.

    A line "Angle(c) Angle(o) time/s 2 3" names them, and the line "Mode" below says what each channel is.
    """
    lines = [text_of(line) for line in header[-6:]]
    titles = next((n for n, line in enumerate(lines) if _ANGLE_TITLES.match(line)), None)
    if titles is None:
        return None
    modes: list[str] = next(
        (line.split()[1:] for line in lines[titles:] if line.lower().startswith("mode")), []
    )
    names = ["requested angle", "angle", "time"]
    channels = modes[-(width - len(names)) :] if width > len(names) else []
    for number, word in enumerate(channels):
        mode = _MODES.get(word, f"mode {word}")
        earlier = channels[:number].count(word)
        names.append(f"{mode} {earlier + 1}" if earlier else mode)
    names += ["" for _ in range(width - len(names))]
    columns = [column_of(number, name) for number, name in enumerate(names[:width], 1)]
    return [
        Column(one.number, one.name, Role.DENIED) if one.name == "requested angle" else one for one in columns
    ]
