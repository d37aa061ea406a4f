"""Configuration of a diffraction prior, as written in TOML; validated and frozen."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

import gemmi
from pydantic import Field, field_validator, model_validator

from nescio.configuration import Real, Settings, Whole
from nescio.errors import NescioError
from nescio.xrd.distributions import Distribution, within
from nescio.xrd.radiation import Radiation, parse_radiation

__all__ = [
    "AxisSettings",
    "BackgroundSettings",
    "BroadeningSettings",
    "InstrumentSettings",
    "LatticeSettings",
    "NoiseSettings",
    "PhaseSettings",
    "PriorSettings",
    "RadiationSettings",
    "SiteSettings",
    "TextureSettings",
]

_CONSTANT_ZERO = Distribution.model_validate(0.0)


def _uniform(low: float, high: float) -> Distribution:
    return Distribution.model_validate({"uniform": [low, high]})


_LARGEST_INDEX, _SMALLEST_INDEX = 1000.0, 1e-3
# Single precision does not resolve a grid finer than this, relative to its end.
_FINEST_STEP = 2e-6
# In degree or 1/angstrom; lattice spacings must stay finite.
_SMALLEST_START = 1e-4


class AxisSettings(Settings):
    """Grid of a pattern; by default that of Banko et al. (2021)."""

    kind: Literal["two_theta", "q"] = "two_theta"
    """Diffraction angle in degree, or momentum transfer in 1/angstrom."""
    start: Real = 20.0
    stop: Real = 90.0
    points: Annotated[Whole, Field(ge=32, le=65536)] = 2048

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 0.0 < self.start < self.stop:
            raise ValueError(f"start ({self.start:g}) must be positive and below stop ({self.stop:g})")
        if self.start < _SMALLEST_START:
            raise ValueError(
                f"start ({self.start:g}) is too close to zero; the smallest is {_SMALLEST_START:g}"
            )
        if self.kind == "two_theta" and self.stop >= 180.0:
            raise ValueError(f"two-theta must end below 180 degree, not at {self.stop:g}")
        if self.stop - self.start < _FINEST_STEP * self.stop * (self.points - 1):
            raise ValueError(
                f"{self.points} points from {self.start:g} to {self.stop:g} are too close together; use fewer points"
            )
        return self


class RadiationSettings(Settings):
    """The beam."""

    source: str | Real | tuple[tuple[Real, Real], ...] = "CuKa"
    """A name ("CuKa", "MoKa1"), a wavelength in angstrom, or a list of [wavelength, weight]."""
    monochromator_two_theta: Annotated[Real, Field(ge=0.0, lt=180.0)] | None = None
    """Diffraction angle of a crystal monochromator in degree (26.6 for graphite and Cu Ka)."""
    polarisation: Annotated[Real, Field(ge=0.0, le=1.0)] | None = None
    """Ratio of in-plane to out-of-plane polarisation: 1 unpolarised, 0 for a synchrotron and vertical diffraction."""
    anomalous: bool = True
    """Add f' and f'' at the strongest line to the scattering factors."""

    @field_validator("source", mode="before")
    @classmethod
    def _check_source(cls, source: Any) -> Any:
        try:
            parse_radiation(source)
        except NescioError as error:
            raise ValueError(str(error)) from None
        return source

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.polarisation is not None and self.monochromator_two_theta is not None:
            raise ValueError("give either polarisation or monochromator_two_theta, not both")
        return self

    @property
    def radiation(self) -> Radiation:
        """The lines."""
        return parse_radiation(self.source)

    @property
    def polarisation_factor(self) -> float:
        """Factor of cos^2 of two-theta in the polarisation factor."""
        if self.polarisation is not None:
            return self.polarisation
        if self.monochromator_two_theta is not None:
            return math.cos(math.radians(self.monochromator_two_theta)) ** 2
        return 1.0


class SiteSettings(Settings):
    """One site of the asymmetric unit."""

    element: str
    position: tuple[Real, Real, Real]
    occupancy: Annotated[Real, Field(gt=0.0, le=1.0)] = 1.0
    charge: Annotated[Whole, Field(ge=-9, le=9)] = 0
    b_iso: Annotated[Real, Field(ge=0.0, le=50.0)] | None = None
    """Isotropic displacement parameter B in angstrom^2."""


class PhaseSettings(Settings):
    """One known phase: a CIF, or cell, space group and sites."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    cif: str | None = None
    """Path of a CIF, relative to the configuration's folder; "FILE#BLOCK" for one structure of several."""
    space_group: str | Whole | None = None
    cell: tuple[Real, Real, Real, Real, Real, Real] | None = None
    """a, b, c in angstrom and alpha, beta, gamma in degree."""
    sites: tuple[SiteSettings, ...] = ()
    composition: dict[str, tuple[Real, Real]] | None = None
    """Range of the atomic fraction of each element in which the phase may occur.

    If the ranges allow a sum of 1, the fractions sum to 1. Otherwise the rest belongs to elements that are not listed.
    """

    @field_validator("space_group", mode="before")
    @classmethod
    def _check_space_group(cls, group: Any) -> Any:
        number = isinstance(group, int) and not isinstance(group, bool) and 1 <= group <= 230
        if group is None or number or isinstance(group, str):
            return group
        raise ValueError("give a Hermann-Mauguin symbol such as 'P6_3/mmc', or a number from 1 to 230")

    @model_validator(mode="after")
    def _check(self) -> Self:
        written = self.cell is not None or self.space_group is not None or bool(self.sites)
        if (self.cif is None) == (not written):
            raise ValueError(f"phase {self.name!r} needs either cif, or cell, space_group and sites")
        if written and (self.cell is None or self.space_group is None or not self.sites):
            raise ValueError(f"phase {self.name!r} needs all of cell, space_group and sites")
        composition = self.composition or {}
        for element, (low, high) in composition.items():
            if gemmi.Element(element).name != element or gemmi.Element(element).atomic_number == 0:
                raise ValueError(f"composition of {self.name!r} names an unknown element {element[:20]!r}")
            if not 0.0 <= low <= high <= 1.0:
                raise ValueError(
                    f"composition of {element} in {self.name!r} must be a range within 0 to 1, not {low:g} to {high:g}"
                )
        least = sum(low for low, _ in composition.values())
        if least > 1.0 + 1e-6:
            raise ValueError(
                f"composition of {self.name!r}: the lowest fractions sum to {least:g}, more than 1"
            )
        return self


def _is_plane(axis: Any) -> bool:
    """Whether the value is three numbers that can be indices of a plane."""
    if not isinstance(axis, list | tuple) or len(axis) != 3:
        return False
    if any(isinstance(index, bool) or not isinstance(index, int | float) for index in axis):
        return False
    sizes = [abs(index) for index in axis]
    return all(size <= _LARGEST_INDEX for size in sizes) and max(sizes) >= _SMALLEST_INDEX


class TextureSettings(Settings):
    """Preferred orientation."""

    march_coefficient: Annotated[Distribution, within(0.01, 10.0, "the March coefficient")] = _uniform(
        0.2, 1.0
    )
    axes: Literal["reflections"] | tuple[tuple[Real, Real, Real], ...] = "reflections"
    """Texture axis: a random reflection of the phase within the range, or one of these plane normals."""
    random_share: Annotated[Real, Field(ge=0.0, le=1.0)] = 0.0
    """Share of patterns without texture."""

    @field_validator("axes", mode="before")
    @classmethod
    def _check(cls, axes: Any) -> Any:
        listed = isinstance(axes, list | tuple) and bool(axes) and all(map(_is_plane, axes))
        if not listed and axes != "reflections":
            raise ValueError(
                'give "reflections", or a list of plane indices such as [[0, 0, 1], [1, 1, 1]], none of them all zero'
            )
        return axes


class LatticeSettings(Settings):
    """Relative changes of the cell; the crystal system is kept."""

    strain: Annotated[Distribution, within(-0.2, 0.2, "isotropic strain")] = _uniform(-0.01, 0.01)
    axis_strain: Annotated[Distribution, within(-0.2, 0.2, "strain per axis")] = _uniform(-0.0025, 0.0025)
    angle_change: Annotated[Distribution, within(-10.0, 10.0, "change of angle (degree)")] = _CONSTANT_ZERO


class BroadeningSettings(Settings):
    """Contributions of the sample to the width of a peak."""

    crystallite_size_nm: Annotated[Distribution, within(0.5, 10_000.0, "crystallite size (nm)")] = (
        Distribution.model_validate({"log_uniform": [5.0, 40.0]})
    )
    microstrain: Annotated[Distribution, within(0.0, 0.1, "microstrain")] = _CONSTANT_ZERO
    mixing: Annotated[Distribution, within(0.0, 1.0, "profile mixing")] = _uniform(0.0, 1.0)
    b_iso: Annotated[Distribution, within(0.0, 20.0, "b_iso (angstrom^2)")] = _CONSTANT_ZERO
    """Displacement parameter B, added to that of every site."""


class InstrumentSettings(Settings):
    """Contributions of the diffractometer."""

    u: Annotated[Distribution, within(-10.0, 10.0, "Caglioti u (degree^2)")] = _CONSTANT_ZERO
    v: Annotated[Distribution, within(-10.0, 10.0, "Caglioti v (degree^2)")] = _CONSTANT_ZERO
    w: Annotated[Distribution, within(0.0, 10.0, "Caglioti w (degree^2)")] = _CONSTANT_ZERO
    x: Annotated[Distribution, within(0.0, 10.0, "Lorentzian x (degree)")] = _CONSTANT_ZERO
    y: Annotated[Distribution, within(0.0, 10.0, "Lorentzian y (degree)")] = _CONSTANT_ZERO
    zero_shift: Annotated[Distribution, within(-5.0, 5.0, "zero shift (degree)")] = _uniform(-0.1, 0.1)
    displacement_mm: Annotated[Distribution, within(-10.0, 10.0, "sample displacement (mm)")] = _CONSTANT_ZERO
    radius_mm: Annotated[Real, Field(gt=1.0, le=100_000.0)] = 200.0


class BackgroundSettings(Settings):
    """Background that remains after subtraction, relative to the highest peak."""

    polynomial: Annotated[Distribution, within(-2.0, 2.0, "background coefficients")] = _uniform(-0.01, 0.01)
    """Each Chebyshev coefficient."""
    degree: Annotated[Whole, Field(ge=0, le=12)] = 6
    inverse: Annotated[Distribution, within(-2.0, 10.0, "inverse background")] = _CONSTANT_ZERO
    """Height of the 1/x term at the start of the axis."""
    humps: Annotated[Whole, Field(ge=0, le=8)] = 0
    """Number of amorphous humps."""
    hump_height: Annotated[Distribution, within(0.0, 5.0, "hump height")] = _uniform(0.0, 0.1)
    hump_centre: Annotated[Distribution, within(-1000.0, 1000.0, "hump centre")] = _uniform(20.0, 90.0)
    """In the unit of the axis."""
    hump_fwhm: Annotated[Distribution, within(1e-3, 180.0, "hump width")] = _uniform(4.0, 15.0)


class ImpuritySettings(Settings):
    """Weak peaks of minor phases; a sample with such peaks still counts as known."""

    peaks: Annotated[Whole, Field(ge=0, le=32)] = 0
    """Number of peaks, each anywhere on the axis."""
    height: Annotated[Distribution, within(0.0, 1.0, "impurity height")] = _uniform(0.0, 0.05)
    """Relative to the highest peak of the phase."""
    fwhm: Annotated[Distribution, within(1e-3, 180.0, "impurity width")] = _uniform(0.1, 0.4)
    """In the unit of the axis."""


class NoiseSettings(Settings):
    """Noise, relative to the highest Bragg peak."""

    gaussian: Annotated[Distribution, within(0.0, 1.0, "noise standard deviation")] = _uniform(0.0, 0.01)
    counts: Annotated[Distribution, within(1.0, 1e9, "counts at the highest peak")] | None = None
    """Counts at the highest Bragg peak, for counting noise; without it there is no counting noise."""


class PriorSettings(Settings):
    """Settings of a diffraction prior; the defaults are the ranges of Banko et al. (2021) plus a background."""

    technique: Literal["xrd"] = "xrd"
    phases: Annotated[tuple[PhaseSettings, ...], Field(max_length=500)] = ()
    cifs: tuple[str, ...] = ()
    """Patterns such as ``structures/*.cif``, relative to the configuration's folder: one phase for each file."""
    axis: AxisSettings = AxisSettings()
    radiation: RadiationSettings = RadiationSettings()
    texture: TextureSettings = TextureSettings()
    lattice: LatticeSettings = LatticeSettings()
    broadening: BroadeningSettings = BroadeningSettings()
    instrument: InstrumentSettings = InstrumentSettings()
    background: BackgroundSettings = BackgroundSettings()
    impurity: ImpuritySettings = ImpuritySettings()
    noise: NoiseSettings = NoiseSettings()

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [phase.name for phase in self.phases]
        if not names and not self.cifs:
            raise ValueError("phases and cifs are empty; give at least one phase")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two phases have the name {twice[0]!r}; names must differ")
        conditioned = [phase.name for phase in self.phases if phase.composition is not None]
        if conditioned and len(conditioned) < len(names):
            missing = next(phase.name for phase in self.phases if phase.composition is None)
            raise ValueError(
                f"{conditioned[0]!r} has a composition but {missing!r} has none; give all or none"
            )
        centre = self.background.hump_centre
        if self.background.humps and (centre.high < self.axis.start or centre.low > self.axis.stop):
            raise ValueError(
                f"background.hump_centre, {centre.low:g} to {centre.high:g}, lies outside the axis "
                f"({self.axis.start:g} to {self.axis.stop:g}), whose unit it has"
            )
        if self.axis.kind == "q":
            largest = 4.0 * math.pi / self.radiation.radiation.wavelength
            if self.axis.stop >= largest:
                raise ValueError(
                    f"axis.stop {self.axis.stop:g} 1/angstrom is beyond 4 pi / wavelength = {largest:.3f}"
                )
        return self
