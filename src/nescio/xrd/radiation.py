"""X-ray lines: wavelengths of a beam and their weights."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from nescio.errors import ConfigurationError

__all__ = ["HC_EV_ANGSTROM", "Radiation", "parse_radiation"]

HC_EV_ANGSTROM = 12398.419843320026
"""Planck's constant times the speed of light in eV angstrom (CODATA 2018, exact)."""

# Wavelengths in angstrom of K-alpha 1, 2 and K-beta: Cr, Fe, Co, Cu from Hoelzer et al. (1997), Phys. Rev. A
# 56, 4554, table III; Mo and Ag from Bearden (1967), Rev. Mod. Phys. 39, 78, scale of Deslattes (2003).
_LINES = {
    "Cr": (2.2897260, 2.2936510, 2.0848810),
    "Fe": (1.9360410, 1.9399730, 1.7566040),
    "Co": (1.7889960, 1.7928350, 1.6208260),
    "Cu": (1.5405929, 1.5444274, 1.3922340),
    "Mo": (0.7093172, 0.7136070, 0.6323030),
    "Ag": (0.5594218, 0.5638131, 0.4970817),
}
_SHORTEST, _LONGEST = 0.05, 10.0
_UNITS = {"angstrom": 1.0, "a": 1.0, "å": 1.0, "nm": 10.0, "pm": 0.01, "m": 1e10}
_PHOTON_ENERGY_EV = {"ev": 1.0, "kev": 1e3}
# A number without a unit this close (relative) to a tenth of a laboratory line is taken as nanometre.
_NANOMETRE_SLIP = 5e-4


@dataclass(frozen=True)
class Radiation:
    """A beam of discrete lines.

    Attributes:
        lines: Wavelength in angstrom and weight of every line; weights sum to 1, the strongest comes first.
    """

    lines: tuple[tuple[float, float], ...]

    @property
    def wavelength(self) -> float:
        """Wavelength of the strongest line in angstrom."""
        return self.lines[0][0]

    @property
    def mean_wavelength(self) -> float:
        """Weighted mean wavelength in angstrom."""
        return sum(wavelength * weight for wavelength, weight in self.lines)

    @property
    def energy_ev(self) -> float:
        """Photon energy of the strongest line in eV."""
        return HC_EV_ANGSTROM / self.wavelength


def parse_radiation(value: str | float | Sequence[Sequence[float]]) -> Radiation:
    """Build a beam from a name, a wavelength or a list of lines.

    Args:
        value: A name such as "CuKa" (both K-alpha lines, two to one), "CuKa1", "CuKa2" or "CuKb"; a
            wavelength in angstrom; text with a unit, such as "0.15406 nm" or "17.4 keV"; or a list of
            [wavelength, weight].

    Raises:
        ConfigurationError: The name is unknown, a wavelength is not within 0.05 to 10 angstrom, or a number without
            a unit is a laboratory line in nanometre; the message suggests the unit.
    """
    if isinstance(value, str):
        return _parse_text(value)
    if _is_number(value):
        return Radiation(((_checked(float(value)), 1.0),))
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"radiation {value!r} is neither a name, a wavelength nor a list of lines")
    lines = []
    for entry in value:
        if not isinstance(entry, list | tuple) or len(entry) != 2 or not all(map(_is_number, entry)):
            raise ConfigurationError(f"radiation line {entry!r} is not [wavelength in angstrom, weight]")
        weight = float(entry[1])
        if not 0.0 < weight < 1e9:
            raise ConfigurationError(f"radiation line {entry!r} needs a positive, finite weight")
        lines.append((_checked(float(entry[0])), weight))
    if not lines:
        raise ConfigurationError("radiation is an empty list; give at least one [wavelength, weight]")
    total = sum(weight for _, weight in lines)
    lines.sort(key=lambda line: -line[1])
    return Radiation(tuple((wavelength, weight / total) for wavelength, weight in lines))


def _is_number(value: object) -> TypeGuard[int | float]:
    # An integer beyond the range of a float is not a wavelength in any unit.
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e300
    return whole or isinstance(value, float)


def _parse_text(text: str) -> Radiation:
    name = text.strip().lower().replace("-", "").replace("_", "").replace(" ", "").replace("alpha", "a")
    name = name.replace("beta", "b").replace("α", "a").replace("β", "b")
    for anode, (first, second, beta) in _LINES.items():
        if not name.startswith(anode.lower()):
            continue
        line = name.removeprefix(anode.lower())
        if line in ("", "ka", "ka12"):
            return Radiation(((first, 2.0 / 3.0), (second, 1.0 / 3.0)))
        if line in ("ka1", "ka2", "kb", "kb1"):
            return Radiation((({"ka1": first, "ka2": second}.get(line, beta), 1.0),))
    match = re.fullmatch(
        r"\s*([-+]?(?:\d*\.?\d+(?:e[+-]?\d+)?|\d+\.)|nan|[-+]?inf)\s*([a-zå]*)\s*", text.lower()
    )
    if match:
        number, unit = float(match[1]), match[2]
        if not unit:
            return Radiation(((_checked(number), 1.0),))
        if unit in _UNITS:
            return Radiation(((_within_limits(number * _UNITS[unit]), 1.0),))
        if unit in _PHOTON_ENERGY_EV and number > 0:
            return Radiation(((_within_limits(HC_EV_ANGSTROM / (number * _PHOTON_ENERGY_EV[unit])), 1.0),))
    known = ", ".join(f"{anode}Ka" for anode in _LINES)
    if re.search(r"\d,\d", text):
        raise ConfigurationError(f"radiation {text[:40]!r} has a decimal comma; write a point")
    raise ConfigurationError(
        f"radiation {text[:40]!r} is unknown; give one of {known} (or ...Ka1, ...Ka2, ...Kb), or angstroms"
    )


def _checked(wavelength: float) -> float:
    """Return a number without a unit as a wavelength, unless it looks like another unit."""
    for first, second, _ in _LINES.values():
        for line in (first, second, (2.0 * first + second) / 3.0):
            if abs(10.0 * wavelength / line - 1.0) < _NANOMETRE_SLIP:
                raise ConfigurationError(
                    f"wavelength {wavelength:g} looks like {line:.5g} angstrom, written in nanometre; write "
                    f'{10.0 * wavelength:.6g}, or "{wavelength:g} angstrom" if you mean that'
                )
    return _within_limits(wavelength)


def _within_limits(wavelength: float) -> float:
    if math.isfinite(wavelength) and _SHORTEST <= wavelength <= _LONGEST:
        return wavelength
    hint = ""
    if math.isfinite(wavelength) and wavelength > 0:
        readings = (
            ("metre", wavelength * 1e10),
            ("keV", HC_EV_ANGSTROM / 1e3 / wavelength),
            ("eV", HC_EV_ANGSTROM / wavelength),
            ("picometre", wavelength / 100.0),
            ("nanometre", wavelength * 10.0),
        )
        plausible = [(unit, angstrom) for unit, angstrom in readings if _SHORTEST <= angstrom <= _LONGEST]
        if plausible:
            # The most likely unit gives the wavelength closest to those used for diffraction.
            unit, angstrom = min(plausible, key=lambda reading: abs(math.log(reading[1])))
            hint = f"; if that is in {unit}, write {angstrom:.6g}"
    raise ConfigurationError(f"wavelength {wavelength:g} is not within 0.05 to 10 angstrom{hint}")
