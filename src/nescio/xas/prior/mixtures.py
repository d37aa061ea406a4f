"""Draw spectra of samples: means over sites, with errors of measurement and theory."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, Strict, model_validator
from scipy.interpolate import CubicSpline

from nescio.configuration import Real, Settings
from nescio.errors import ConfigurationError
from nescio.xas.prior.library import SiteLibrary
from nescio.xas.spectra import HALF, broadened

__all__ = ["MixtureSettings", "Mixtures", "numbers_of"]

Floats = NDArray[np.float64]
_NotNegative = Annotated[Real, Field(ge=0.0, le=100.0)]

_STEP = 0.25
# Largest distance in eV between the edges of a site and of the foil.
_FURTHEST_EDGE = 2.0
# Full widths in eV at which spectra are precomputed; others are interpolated.
_WIDTHS = (0.0, 0.75, 1.5, 2.25, 3.0, 4.0, 5.0)


class MixtureSettings(Settings):
    """Differences between measured spectra and theory, and the energy range of the networks' input."""

    low: Real = -8.0
    """First energy in eV from the Fermi level."""
    high: Real = 82.0
    """Last energy."""
    step: Annotated[Real, Field(ge=0.1, le=10.0)] = 0.75
    """Step of the energies in eV."""
    input: Literal["absorption", "difference"] = "difference"
    """The spectrum itself, or its difference to the foil."""
    sites: Annotated[int, Strict(), Field(ge=1, le=64)] = 16
    """Largest number of sites to average over; 1, 2, 4, ... are equally frequent."""
    shift: _NotNegative = 0.6
    """Largest error of the energy in eV, uniform; between foil and spectrum a tenth of it."""
    broadening: tuple[_NotNegative, _NotNegative] = (0.0, 2.0)
    """Range of the energy resolution (FWHM) in eV, uniform."""
    scale: _NotNegative = 0.015
    """Relative error of the edge step, one standard deviation."""
    slope: _NotNegative = 0.015
    """Error of the post-edge line at the last energy, one standard deviation."""
    noise: _NotNegative = 0.003
    """Largest standard deviation of the noise, uniform."""

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.high <= self.low + 10.0 * self.step:
            raise ValueError(f"high {self.high:g} eV must exceed low {self.low:g} eV by ten steps or more")
        if not self.broadening[0] <= self.broadening[1] <= _WIDTHS[-1]:
            raise ValueError(f"broadening must be ascending, and at most {_WIDTHS[-1]:g} eV")
        return self

    @property
    def energy(self) -> Floats:
        """Energies in eV from the Fermi level, shape (points,)."""
        return np.arange(self.low, self.high + 1e-9, self.step)


def numbers_of(library: SiteLibrary) -> Floats:
    """Return the quantities of each site: coordination numbers and distance, shape (s, e shells + 1)."""
    return np.concatenate([library.coordination, library.distance[:, None]], axis=1)


class Mixtures:
    """Draws spectra with their coordination numbers and distances; a :data:`nescio.techniques.NumberSampler`.

    Args:
        library: Library of sites.
        settings: Settings of the mixtures.
        chosen: Indices of the sites to draw from, shape (k,); by default all sites with a neighbour.
        align: "foil", if measured spectra and foil share an energy axis, or "edge", if each spectrum is shifted until
            its edge matches the foil's; the drawn spectra are treated the same way.
        members: Number of ensemble members, each with a bootstrap of the sites; 0 draws from all sites.
        seed: Random seed of the bootstraps.

    Raises:
        ConfigurationError: The library does not cover the energy range, no sites are left, or a spectrum has no edge to
            align by.
    """

    def __init__(
        self,
        library: SiteLibrary,
        settings: MixtureSettings,
        *,
        chosen: ArrayLike | None = None,
        align: Literal["foil", "edge"] = "foil",
        members: int = 0,
        seed: int = 0,
    ) -> None:
        rows = (
            np.flatnonzero(np.isfinite(library.distance)) if chosen is None else np.asarray(chosen, np.intp)
        )
        if not len(rows):
            raise ConfigurationError("no sites to draw from")
        margin = settings.shift + (_FURTHEST_EDGE if align == "edge" else 0.0)
        if library.energy[0] > settings.low - margin or library.energy[-1] < settings.high + margin:
            raise ConfigurationError(
                f"the networks need {settings.low:g} to {settings.high:g} eV and a margin of {margin:g}; the "
                f"library has {library.energy[0]:g} to {library.energy[-1]:g} eV"
            )
        self.settings = settings
        self.align = align
        fine = np.arange(library.energy[0], library.energy[-1] + 1e-9, _STEP)
        self._first = float(fine[0])
        # Spline and broadening are linear: means over sites are taken on the library's energies, which are few.
        maps = _at_widths(library.energy, np.eye(len(library.energy)), fine)
        spectra = np.asarray(library.mu[rows], np.float64) @ maps
        if align == "edge" and not ((spectra[..., 0] < HALF) & (spectra.max(axis=-1) >= HALF)).all():
            raise ConfigurationError(
                f"spectra cannot be aligned by their edge: some of the library are not below {HALF:g} at "
                f"{library.energy[0]:g} eV, or never above"
            )
        self._mu = jnp.asarray(library.mu[rows], jnp.float32)
        self._maps = jnp.asarray(maps.reshape(-1, len(fine)), jnp.float32)
        self._foil = jnp.asarray(_at_widths(library.energy, library.foil[None], fine)[:, 0], jnp.float32)
        self._numbers = jnp.asarray(numbers_of(library)[rows], jnp.float32)
        self._first_shells = np.arange(len(library.neighbours)) * library.shells
        everyone = np.arange(len(rows))
        rng = np.random.default_rng(seed)
        drawn = [rng.choice(everyone, len(rows)) for _ in range(members)] or [everyone]
        self._rows = jnp.asarray(np.stack(drawn))

    def __call__(self, key: Array, n: int, member: Array) -> tuple[Array, Array]:
        """Return n spectra (n, points) and their numbers (n, outputs)."""
        pick, count, disturb = jax.random.split(key, 3)
        most = self.settings.sites
        powers = int(np.log2(most)) + 1
        many = 2 ** jax.random.randint(count, (n,), 0, powers)
        own = self._rows[jnp.minimum(member, self._rows.shape[0] - 1)]
        sites = own[jax.random.randint(pick, (n, most), 0, own.shape[0])]
        weights = (jnp.arange(most)[None] < many[:, None]) / many[:, None]
        return self.measured(disturb, sites, weights), self._averaged(sites, weights)

    def of_particles(self, key: Array, counts: ArrayLike) -> tuple[Array, Array]:
        """Return measured spectra of particles, (n, points), and their numbers.

        Args:
            key: Random key of the measurement.
            counts: Number of atoms at each site, shape (n, sites).
        """
        table = jnp.asarray(counts, jnp.float32)
        weights = table / table.sum(axis=1, keepdims=True)
        sites = jnp.broadcast_to(jnp.arange(table.shape[1]), table.shape)
        return self.measured(key, sites, weights), self._averaged(sites, weights)

    def measured(self, key: Array, sites: Array, weights: Array) -> Array:
        """Return means over sites with errors of measurement, shape (n, points).

        Args:
            key: Random key.
            sites: Indices of sites, shape (n, k).
            weights: Weight of each site, shape (n, k).
        """
        set_to = self.settings
        n = sites.shape[0]
        keys = jax.random.split(key, 7)
        shift = jax.random.uniform(keys[0], (n, 1), minval=-set_to.shift, maxval=set_to.shift)
        width = jax.random.uniform(keys[1], (n,), minval=set_to.broadening[0], maxval=set_to.broadening[1])
        grid = jnp.asarray(set_to.energy, jnp.float32)
        along = jnp.clip((grid - set_to.low) / (set_to.high - set_to.low), 0.0, 1.0)
        place = jnp.searchsorted(jnp.asarray(_WIDTHS), width, side="right") - 1
        lower = jnp.clip(place, 0, len(_WIDTHS) - 2)
        knots = jnp.asarray(_WIDTHS, jnp.float32)
        part = ((width - knots[lower]) / (knots[lower + 1] - knots[lower]))[:, None]
        mean = jnp.einsum("nk,nke->ne", weights, self._mu[sites])
        levels = jnp.arange(len(_WIDTHS))
        shares = jnp.where(levels == lower[:, None], 1.0 - part, 0.0) + jnp.where(
            levels == lower[:, None] + 1, part, 0.0
        )
        spectra = (shares[:, :, None] * mean[:, None, :]).reshape(n, -1) @ self._maps
        foil = (1.0 - part) * self._foil[lower] + part * self._foil[lower + 1]
        own = grid + shift
        if self.align == "edge":
            own = own + self._half(spectra) - self._half(foil)
        found = self._at(spectra, own)
        scale = 1.0 + set_to.scale * jax.random.normal(keys[2], (n, 1))
        slope = set_to.slope * jax.random.normal(keys[3], (n, 1)) * along
        level = set_to.noise * jax.random.uniform(keys[4], (n, 1))
        found = found * (scale + slope) + level * jax.random.normal(keys[5], found.shape)
        if set_to.input == "absorption":
            return found
        apart = 0.1 * set_to.shift * jax.random.uniform(keys[6], (n, 1), minval=-1.0, maxval=1.0)
        return found - self._at(foil, grid + shift + apart)

    def _at(self, spectra: Array, energy: Array) -> Array:
        """Interpolate spectra on the fine grid (n, fine) linearly at energies (n, points)."""
        place = (energy - self._first) / _STEP
        lower = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, spectra.shape[1] - 2)
        part = jnp.clip(place - lower, 0.0, 1.0)
        below = jnp.take_along_axis(spectra, lower, axis=1)
        return below + part * (jnp.take_along_axis(spectra, lower + 1, axis=1) - below)

    def _half(self, spectra: Array) -> Array:
        """Return the energies in eV at which spectra (n, fine) first reach half of their edge step, shape (n, 1)."""
        above = jnp.maximum(jnp.argmax(spectra >= HALF, axis=1), 1)[:, None]
        high = jnp.take_along_axis(spectra, above, axis=1)
        low = jnp.take_along_axis(spectra, above - 1, axis=1)
        return self._first + _STEP * (above - (high - HALF) / (high - low))

    def _averaged(self, sites: Array, weights: Array) -> Array:
        numbers = self._numbers[sites]
        average = jnp.einsum("nk,nko->no", weights, numbers)
        # Distances are weighted by the number of neighbours.
        neighbours = weights * numbers[..., self._first_shells].sum(axis=-1)
        distance = jnp.sum(neighbours * numbers[..., -1], axis=1) / jnp.sum(neighbours, axis=1)
        return average.at[:, -1].set(distance)


def _at_widths(energy: Floats, spectra: ArrayLike, fine: Floats) -> Floats:
    """Return spectra on a fine grid for each width, shape (widths, n, fine)."""
    table = CubicSpline(energy, np.asarray(spectra, np.float64), axis=1)(fine)
    return np.stack([table if width == 0.0 else broadened(table, width, _STEP) for width in _WIDTHS])
