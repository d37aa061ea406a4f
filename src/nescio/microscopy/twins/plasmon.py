"""Twin of a scanning transmission electron microscope with energy-loss spectrometer, on plasmonic nanoparticles."""

from __future__ import annotations

from functools import cached_property, partial
from math import ceil
from typing import TYPE_CHECKING, Annotated, Literal, Self

import jax
import numpy as np
from jax import Array
from pydantic import Field, model_validator

from nescio.configuration import Real, Whole
from nescio.errors import ConfigurationError
from nescio.microscopy.twins.base import Floats, Twin, TwinSettings, grid_positions
from nescio.microscopy.twins.plasmon_array import Particles, assemble, fill, projection, roughen, thickness
from nescio.microscopy.twins.plasmon_loss import (
    Beam,
    bulk_loss,
    electron_beam,
    plasmon_loss,
    resolution_matrix,
)
from nescio.microscopy.twins.plasmon_modes import Drude, Modes, depolarisation, modes, stable

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

__all__ = ["PlasmonSettings", "PlasmonTwin"]

_Positive = Annotated[Real, Field(gt=0.0)]

_SMALLEST_GAP = 0.5
"""Smallest gap between particles in nm, due to ligands."""
_MEMBRANE = 0.15
"""Brightness of the membrane, relative to a particle."""
_PROBE_BLUR = 0.7
"""Standard deviation of the blur of the image in nm, from the probe and rounded edges of particles."""
_AT_ONCE = 256
_EXPONENTS = {"cube": 6.0, "spheroid": 2.0}


class PlasmonSettings(TwinSettings):
    """Settings of a nanoparticle array and the microscope; by default indium oxide doped with fluorine and tin."""

    kind: Literal["plasmon-twin"] = "plasmon-twin"

    size: Annotated[Whole, Field(ge=32, le=1024)] = 300
    """Size of the image along y and x, in pixels of 1 nm."""
    grid: Annotated[Whole, Field(ge=2, le=256)] = 60
    """Rows and columns of places where a spectrum can be measured."""

    islands: Annotated[Whole, Field(ge=0, le=50)] = 3
    """Number of islands with a square lattice; fewer if they do not fit."""
    strays: Annotated[Whole, Field(ge=0, le=500)] = 5
    """Number of single particles between the islands."""
    shape: Literal["cube", "spheroid"] = "cube"
    """Shape of the particles in the image. For plasmons, a cube is treated as a sphere of equal volume."""
    width: Annotated[_Positive, Field(le=200.0)] = 12.0
    """Mean width of particles in nm."""
    aspect: Annotated[Real, Field(ge=0.1, le=2.0)] = 1.0
    """Ratio of height to width of particles."""
    gap: Annotated[Real, Field(ge=_SMALLEST_GAP, le=200.0)] = 2.0
    """Gap between neighbours in an island, in nm."""
    width_spread: Annotated[Real, Field(ge=0.0, le=0.3)] = 0.05
    """Relative standard deviation of the width."""
    shift: Annotated[Real, Field(ge=0.0, le=50.0)] = 0.4
    """Standard deviation of displacements from lattice sites along y and x, in nm."""
    vacancies: Annotated[Real, Field(ge=0.0, lt=1.0)] = 0.04
    """Share of empty lattice sites."""

    plasma_energy: Annotated[_Positive, Field(le=50.0)] = 2.0
    """Plasma energy of the free electrons in eV."""
    doping_spread: Annotated[Real, Field(ge=0.0, le=0.2)] = 0.02
    """Relative standard deviation of the plasma energy between particles."""
    background: Annotated[Real, Field(ge=1.0, le=100.0)] = 4.0
    """Permittivity of the particles far above the plasma energy."""
    damping: Annotated[Real, Field(ge=1e-3, le=10.0)] = 0.1
    """Damping in eV."""

    voltage: Annotated[Real, Field(ge=10.0, le=1000.0)] = 60.0
    """Accelerating voltage in kV."""
    energies: tuple[_Positive, _Positive] = (0.3, 1.3)
    """First and last energy loss, in eV."""
    channels: Annotated[Whole, Field(ge=8, le=4096)] = 101
    resolution: _Positive = 0.05
    """Full width at half maximum of the zero-loss peak, in eV."""
    tail: Annotated[Real, Field(ge=0.0, le=100.0)] = 0.003
    """Height of the zero-loss peak's tail at 0.5 eV, in 1/eV; it decreases with the third power of the energy."""

    electrons: Annotated[_Positive, Field(le=1e12)] = 2e6
    """Number of electrons in a spectrum; fewer electrons give more noise."""
    readout: Annotated[Real, Field(ge=0.0, le=1e9)] = 2.0
    """Standard deviation of the detector noise, in counts per channel."""
    image_counts: Annotated[Real, Field(gt=0.0, le=1e9)] = 200.0
    """Counts in a pixel of the image at the thickest point of a particle."""

    @model_validator(mode="after")
    def _checked(self) -> Self:
        low, high = self.energies
        if self.grid > self.size:
            raise ValueError(
                f"grid ({self.grid}) must not exceed the size of the image in pixels ({self.size})"
            )
        if not low < high:
            raise ValueError(f"the first energy ({low:g} eV) must be below the last ({high:g} eV)")
        if high - low < 2.0 * self.resolution:
            raise ValueError(
                f"energies from {low:g} to {high:g} eV are not resolved: the range must exceed twice the resolution of "
                f"{self.resolution:g} eV"
            )
        if low <= 2.0 * self.resolution:
            raise ValueError(
                f"the first energy ({low:g} eV) is inside the zero-loss peak ({self.resolution:g} eV wide): it must "
                f"exceed {2.0 * self.resolution:g} eV"
            )
        if self.width + self.gap > 0.25 * self.size:
            raise ValueError(f"particles of {self.width:g} nm are too large for an image of {self.size} nm")
        return self

    def build(self, folder: Path | None = None) -> PlasmonTwin:
        """Return the twin; `folder` is not used.

        Raises:
            ConfigurationError: There are no particles, or they are too close for the dipole model.
        """
        del folder
        return PlasmonTwin(self)


class PlasmonTwin(Twin):
    """A simulated electron microscope with an array of plasmonic particles.

    The survey is a dark-field image (channel ``haadf``) with pixels of 1 nm, so positions in pixels and nm are equal. A
    spectrum is counts against ``energy_loss``: the tail of the zero-loss peak, plasmons of the coupled particles, and
    bulk plasmons where the beam passes through a particle. The energies of the array's modes increase from corners to
    edges to the inside. For the model and its limits, see the explanation of twins.
    """

    settings: PlasmonSettings

    def __init__(self, settings: PlasmonSettings, particles: Particles | None = None) -> None:
        """Generate the sample, or use given particles.

        Args:
            settings: Settings of the sample and the microscope.
            particles: The particles; by default they are drawn from the settings.

        Raises:
            ConfigurationError: There are no particles, or they are too close for the dipole model.
            RefusedPositionError: A position in `settings.refused` is outside the image.
        """
        shape = (settings.size, settings.size)
        margin = min(0.5 * settings.width, 0.1 * settings.size)
        super().__init__(settings, "plasmon twin", shape, grid_positions(shape, (settings.grid,) * 2, margin))
        random = _random(self.sample_key())
        self.particles = _drawn(settings, random) if particles is None else particles
        """The true particles, which a real microscope cannot list."""
        self.energies = np.linspace(*settings.energies, settings.channels)
        """Energies of the channels in eV, shape (channels,)."""
        n = len(self.particles.widths)
        if n == 0:
            raise ConfigurationError(
                f"{self.name}: the sample has no particle (islands = {settings.islands}, strays = {settings.strays}, "
                f"vacancies = {settings.vacancies:g})"
            )
        self._filled = fill(self.particles, 64)
        doping = np.clip(random.standard_normal(len(self._filled.widths)), -2.5, 2.5)
        self.material = Drude(
            settings.plasma_energy * (1.0 + settings.doping_spread * doping),
            settings.background,
            settings.damping,
        )
        if not stable(self._filled.positions, self._filled.volumes, depolarisation(self.particles.aspect)):
            raise ConfigurationError(
                f"{self.name}: particles with width {settings.width:g} nm, aspect {settings.aspect:g} and gap "
                f"{settings.gap:g} nm are too close for the dipole model: use a wider gap or a smaller aspect"
            )

    @cached_property
    def plasmons(self) -> Modes:
        """Modes of the array; padding particles have no coupling."""
        factors = depolarisation(self._filled.aspect)
        found: Modes = modes(self._filled.positions, self._filled.volumes, factors, self.material)
        return found

    def survey(self) -> xr.Dataset:
        """Return the dark-field image (channel, y, x) and the places of spectra, both in nm."""
        import xarray as xr
        from scipy.ndimage import gaussian_filter

        height = np.asarray(projection(self.shape, self._filled), float)
        bright = gaussian_filter(height, _PROBE_BLUR) / (self.particles.aspect * self.particles.widths.mean())
        counts = self.settings.image_counts * (_MEMBRANE + (1.0 - _MEMBRANE) * bright)
        image = _random(self.image_key()).poisson(counts).astype(float)
        axes = {
            name: (name, np.arange(float(n)), {"units": "nm"})
            for name, n in zip("yx", self.shape, strict=True)
        }
        return xr.Dataset(
            {
                "image": (("channel", "y", "x"), image[None]),
                "position": (("candidate", "coordinate"), self.positions.copy(), {"units": "nm"}),
            },
            coords={
                **axes,
                "channel": ["haadf"],
                "channel_units": ("channel", ["counts"]),
                "coordinate": ["y", "x"],
            },
        )

    def loss(self, places: Floats) -> Floats:
        """Return the loss probability at places, shape (n, 2) in nm -> (n, channels), in 1/eV.

        It includes the resolution of the spectrometer, but neither the zero-loss peak nor noise.
        """
        channel = self.energies[1] - self.energies[0]
        beyond = ceil(2.0 * self.settings.resolution / channel)
        axis = self.energies[0] + channel * np.arange(-beyond, len(self.energies) + beyond)
        # Energy losses are positive.
        axis = axis[axis > 0.0]
        seen = np.asarray(resolution_matrix(axis, self.energies, self.settings.resolution), float)
        filled, beam = self._filled, electron_beam(self.settings.voltage)
        # Batches have a fixed size (padded with the last place), so that JAX compiles once.
        padded = np.concatenate([places, np.repeat(places[-1:], -len(places) % _AT_ONCE, axis=0)])
        parts = [
            _loss(part, axis, filled, filled.radii, self.plasmons, self.material, beam)
            for part in np.split(padded, len(padded) // _AT_ONCE)
        ]
        resolved: Floats = np.concatenate(parts).astype(float)[: len(places)] @ seen
        return resolved

    def _clean(self, places: Floats) -> Floats:
        tail = self.settings.tail * (0.5 / self.energies) ** 3
        step = self.energies[1] - self.energies[0]
        counts: Floats = self.settings.electrons * step * (self.loss(places) + tail)
        return counts

    def _noisy(self, clean: Floats, key: jax.Array) -> Floats:
        random = _random(key)
        counts = random.poisson(clean).astype(float)
        noisy: Floats = counts + self.settings.readout * random.standard_normal(clean.shape)
        return noisy

    def _labelled(self, values: Floats, leading: tuple[str, ...] = ()) -> xr.DataArray:
        import xarray as xr

        energy = ("energy_loss", self.energies, {"units": "eV", "long_name": "energy loss"})
        return xr.DataArray(
            values,
            dims=(*leading, "energy_loss"),
            coords={"energy_loss": energy},
            name="eels",
            attrs={"units": "counts", "long_name": "electrons"},
        )


@partial(jax.jit, static_argnames="beam")
def _loss(
    places: Array,
    energies: Array,
    particles: Particles,
    radii: Array,
    plasmons: Modes,
    drude: Drude,
    beam: Beam,
) -> Array:
    surface: Array = plasmon_loss(places, energies, particles.positions, radii, plasmons, drude.damping, beam)
    return surface + bulk_loss(thickness(places, particles), energies, radii, drude, beam)


def _random(key: jax.Array) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def _drawn(settings: PlasmonSettings, random: np.random.Generator) -> Particles:
    pitch = settings.width + settings.gap
    sites, angles = assemble(random, settings.size, pitch, settings.islands, settings.strays)
    taken, positions, widths = roughen(
        random,
        sites,
        settings.width,
        settings.width_spread,
        settings.shift,
        settings.vacancies,
        _SMALLEST_GAP,
    )
    tilted = angles[taken] + 0.03 * random.standard_normal(len(taken))
    return Particles(positions, widths, tilted, settings.aspect, _EXPONENTS[settings.shape])
