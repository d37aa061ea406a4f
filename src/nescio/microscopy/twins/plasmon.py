"""A scanning transmission electron microscope with energy loss, on an array of plasmonic nanoparticles."""

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
"""Between particles, in nm: ligands keep them apart."""
_MEMBRANE = 0.15
"""Brightness of the membrane, where a particle is 1."""
_PROBE_BLUR = 0.7
"""Of the image, standard deviation in nm; the probe and the particles' rounded edges."""
_AT_ONCE = 256
_EXPONENTS = {"cube": 6.0, "spheroid": 2.0}


class PlasmonSettings(TwinSettings):
    """An array of nanoparticles under an electron beam; by default of fluorine- and tin-doped indium oxide."""

    kind: Literal["plasmon-twin"] = "plasmon-twin"

    size: Annotated[Whole, Field(ge=32, le=1024)] = 300
    """Of the image along y and x, in pixels of 1 nm."""
    grid: Annotated[Whole, Field(ge=2, le=256)] = 60
    """Rows and columns of the places where a spectrum can be measured."""

    islands: Annotated[Whole, Field(ge=0, le=50)] = 3
    """How many pieces of square lattice there are; fewer where they do not fit."""
    strays: Annotated[Whole, Field(ge=0, le=500)] = 5
    """Single particles between the islands."""
    shape: Literal["cube", "spheroid"] = "cube"
    """Of the particles as seen. For its plasmons a cube counts as the sphere of its volume."""
    width: Annotated[_Positive, Field(le=200.0)] = 12.0
    """Of a particle, on average, in nm."""
    aspect: Annotated[Real, Field(ge=0.1, le=2.0)] = 1.0
    """A particle's height over its width."""
    gap: Annotated[Real, Field(ge=_SMALLEST_GAP, le=200.0)] = 2.0
    """Between neighbours in an island, in nm."""
    width_spread: Annotated[Real, Field(ge=0.0, le=0.3)] = 0.05
    """Standard deviation of the width, relative to it."""
    shift: Annotated[Real, Field(ge=0.0, le=50.0)] = 0.4
    """Standard deviation of a particle's displacement from its lattice site along y and x, in nm."""
    vacancies: Annotated[Real, Field(ge=0.0, lt=1.0)] = 0.04
    """Share of lattice sites that are empty."""

    plasma_energy: Annotated[_Positive, Field(le=50.0)] = 2.0
    """Of the free electrons alone, in eV."""
    doping_spread: Annotated[Real, Field(ge=0.0, le=0.2)] = 0.02
    """Standard deviation of the plasma energy from particle to particle, relative to it."""
    background: Annotated[Real, Field(ge=1.0, le=100.0)] = 4.0
    """Permittivity of the particles far above the plasma energy."""
    damping: Annotated[Real, Field(ge=1e-3, le=10.0)] = 0.1
    """In eV."""

    voltage: Annotated[Real, Field(ge=10.0, le=1000.0)] = 60.0
    """In kV."""
    energies: tuple[_Positive, _Positive] = (0.3, 1.3)
    """First and last energy loss, in eV."""
    channels: Annotated[Whole, Field(ge=8, le=4096)] = 101
    resolution: _Positive = 0.05
    """Full width at half maximum of the zero-loss peak, in eV."""
    tail: Annotated[Real, Field(ge=0.0, le=100.0)] = 0.003
    """Height of the zero-loss peak's tail at 0.5 eV, in 1/eV; it falls with the third power of the energy."""

    electrons: Annotated[_Positive, Field(le=1e12)] = 2e6
    """In a spectrum: fewer make it noisier."""
    readout: Annotated[Real, Field(ge=0.0, le=1e9)] = 2.0
    """Standard deviation of the detector's own noise, in counts a channel."""
    image_counts: Annotated[Real, Field(gt=0.0, le=1e9)] = 200.0
    """Counts in a pixel of the image where a particle is thickest."""

    @model_validator(mode="after")
    def _checked(self) -> Self:
        low, high = self.energies
        if self.grid > self.size:
            raise ValueError(f"grid ({self.grid}) must not be finer than the image's pixels ({self.size})")
        if not low < high:
            raise ValueError(f"the first energy ({low:g} eV) must be below the last ({high:g} eV)")
        if high - low < 2.0 * self.resolution:
            raise ValueError(
                f"energies from {low:g} to {high:g} eV are not resolved: needs more than twice {self.resolution:g} eV"
            )
        if low <= 2.0 * self.resolution:
            raise ValueError(
                f"the first energy ({low:g} eV) is within the zero-loss peak, {self.resolution:g} eV wide: needs more "
                f"than {2.0 * self.resolution:g} eV"
            )
        if self.width + self.gap > 0.25 * self.size:
            raise ValueError(f"particles of {self.width:g} nm are too large for an image of {self.size} nm")
        return self

    def build(self, folder: Path | None = None) -> PlasmonTwin:
        """Return the twin; it needs nothing of the configuration's folder.

        Raises:
            ConfigurationError: There is no particle, or they are so close that they would not be stable.
        """
        del folder
        return PlasmonTwin(self)


class PlasmonTwin(Twin):
    """A simulated electron microscope above an array of plasmonic particles.

    The survey is a dark-field image (channel ``haadf``), whose pixels are 1 nm: positions are pixels and nm alike. A
    spectrum is counts over ``energy_loss``: the tail of the zero-loss peak, the plasmons of the coupled particles, and
    their bulk plasmon where the beam goes through one. Energies of the array's modes rise from its corners over its
    edges to its inside. See the explanation of twins for what is modelled and what not.
    """

    settings: PlasmonSettings

    def __init__(self, settings: PlasmonSettings, particles: Particles | None = None) -> None:
        """Draw the sample, or take one.

        Args:
            settings: What it is made of, and how it is measured.
            particles: Those there are, instead of what the settings would draw.

        Raises:
            ConfigurationError: There is no particle, or they are so close that they would not be stable.
            RefusedPositionError: A position that is to be refused is outside the image.
        """
        shape = (settings.size, settings.size)
        margin = min(0.5 * settings.width, 0.1 * settings.size)
        super().__init__(settings, "plasmon twin", shape, grid_positions(shape, (settings.grid,) * 2, margin))
        random = _random(self.sample_key())
        self.particles = _drawn(settings, random) if particles is None else particles
        """Those there are, which no real microscope would list."""
        self.energies = np.linspace(*settings.energies, settings.channels)
        """Shape (channels,), in eV."""
        n = len(self.particles.widths)
        if n == 0:
            raise ConfigurationError(
                f"{self.name}: no particle (islands {settings.islands}, strays {settings.strays}, "
                f"vacancies {settings.vacancies:g})"
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
                f"{self.name}: particles of {settings.width:g} nm, {settings.aspect:g} times as high as wide, with "
                f"gaps of {settings.gap:g} nm are too close to count as dipoles: needs a wider gap, or lower ones"
            )

    @cached_property
    def plasmons(self) -> Modes:
        """The modes of the array; those of particles that only fill up its arrays come with no coupling."""
        factors = depolarisation(self._filled.aspect)
        found: Modes = modes(self._filled.positions, self._filled.volumes, factors, self.material)
        return found

    def survey(self) -> xr.Dataset:
        """Return the dark-field image (channel, y, x) and where spectra can be measured, both in nm."""
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
        """Return the probability of an energy loss at any places, shape (n, 2) in nm -> (n, channels), in 1/eV.

        The spectrometer's resolution is in it; the zero-loss peak, and noise, are not.
        """
        channel = self.energies[1] - self.energies[0]
        beyond = ceil(2.0 * self.settings.resolution / channel)
        axis = self.energies[0] + channel * np.arange(-beyond, len(self.energies) + beyond)
        # Where the resolution is all but the first energy, nothing can be lost below none.
        axis = axis[axis > 0.0]
        seen = np.asarray(resolution_matrix(axis, self.energies, self.settings.resolution), float)
        filled, beam = self._filled, electron_beam(self.settings.voltage)
        # Always the same number at once, the last ones repeated: one program.
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
