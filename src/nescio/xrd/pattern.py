"""The forward model: one powder pattern as a pure function of a crystal and a parameter object."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray

from nescio.xrd.corrections import debye_waller, displacement_shift, lorentz_polarisation
from nescio.xrd.lattice import lattice_freedom, strained_cell
from nescio.xrd.peaks import FourierGrid, sum_peaks
from nescio.xrd.profile import caglioti_fwhm, combine_widths, scherrer_fwhm, split_width, strain_fwhm
from nescio.xrd.radiation import Radiation
from nescio.xrd.reflections import Reflections, reciprocal_metric
from nescio.xrd.texture import cosine_squared, march_dollase

__all__ = [
    "Crystal",
    "Diffractometer",
    "PatternParameters",
    "bragg_peaks",
    "peak_list",
    "peak_widths",
    "powder_pattern",
]

# Up to this many peaks (reflections times lines) the plain sum is faster; see benchmarks/simulate.py.
_FEW_PEAKS = 64
# Reflections with a larger sine of theta are left out: the Lorentz factor diverges at 1.
_LARGEST_SINE = 0.9995
# Number of comb cells across the narrowest peak.
_CELLS_PER_FWHM = 5.0


class PatternParameters(eqx.Module):
    """Parameters of a measured pattern besides the crystal; every field can be traced, mapped and differentiated."""

    length_change: ArrayLike = eqx.field(default=(0.0, 0.0, 0.0))
    """Relative change of a, b, c (3,), subject to the crystal system."""
    angle_change: ArrayLike = eqx.field(default=(0.0, 0.0, 0.0))
    """Change of alpha, beta, gamma (3,) in degree, for angles that the crystal system leaves free."""
    texture_axis: ArrayLike = eqx.field(default=(0.0, 0.0, 1.0))
    """Indices (3,) of the plane whose normal is the March-Dollase axis."""
    march_coefficient: ArrayLike = 1.0
    """March-Dollase r; 1 is a random powder."""
    crystallite_size_nm: ArrayLike = 100.0
    """Volume-weighted crystallite size in nm."""
    microstrain: ArrayLike = 0.0
    """Upper limit of microstrain, dimensionless."""
    mixing: ArrayLike = 0.5
    """Lorentzian share of the sample's broadening, 0 to 1."""
    caglioti: ArrayLike = eqx.field(default=(0.0, 0.0, 0.0))
    """The instrument's Gaussian U, V, W (3,) in degree^2."""
    lorentzian_xy: ArrayLike = eqx.field(default=(0.0, 0.0))
    """The instrument's Lorentzian X (tan theta) and Y (1/cos theta) in degree (2,)."""
    zero_shift: ArrayLike = 0.0
    """Added to every two-theta, in degree."""
    displacement_mm: ArrayLike = 0.0
    """Distance of the sample behind the goniometer axis in mm."""
    b_iso: ArrayLike = 0.0
    """Displacement parameter B in angstrom^2, added to those of the sites."""


class Crystal(eqx.Module):
    """The reflections of one phase as arrays; stack several of equal shape to map over phases."""

    cell: Array
    """Shape (6,)."""
    equivalents: Array
    """Shape (reflections, equivalents, 3): symmetry equivalents up to sign, zero where padded."""
    weights: Array
    """Shape (reflections, equivalents): one over the number of equivalents, zero where padded."""
    strength: Array
    """Shape (reflections,): multiplicity times F^2 per squared cell volume, in 1/angstrom^6; zero where padded."""
    length_ties: Array
    """Shape (3, 3), see :func:`nescio.xrd.lattice.lattice_freedom`."""
    angle_ties: Array
    """Shape (3, 3)."""

    @classmethod
    def from_reflections(
        cls, reflections: Reflections, *, count: int | None = None, equivalents: int | None = None
    ) -> Crystal:
        """Build a crystal from a list of reflections, padded to `count` reflections of `equivalents` each."""
        structure = reflections.structure
        found, most = reflections.equivalents.shape[:2]
        rows, columns = count or max(found, 1), equivalents or max(most, 1)
        table = np.zeros((rows, columns, 3), np.float32)
        weights = np.zeros((rows, columns), np.float32)
        strength = np.zeros(rows, np.float32)
        for i in range(found):
            n = int(reflections.equivalent_count[i])
            table[i, :n] = reflections.equivalents[i, :n]
            weights[i, :n] = 1.0 / n
        volume = float(
            1.0 / np.sqrt(np.linalg.det(np.asarray(reciprocal_metric(np.asarray(structure.cell)))))
        )
        strength[:found] = reflections.multiplicity * reflections.f_squared / volume**2
        # Padding repeats an existing plane with zero intensity, so that positions and widths stay finite.
        table[found:, 0] = table[0, 0] if found else (0.0, 0.0, 1.0)
        lengths, angles = lattice_freedom(structure.crystal_system, structure.unique_axis)
        return cls(
            cell=jnp.asarray(structure.cell, jnp.float32),
            equivalents=jnp.asarray(table),
            weights=jnp.asarray(weights),
            strength=jnp.asarray(strength),
            length_ties=jnp.asarray(lengths, jnp.float32),
            angle_ties=jnp.asarray(angles, jnp.float32),
        )


class Diffractometer(eqx.Module):
    """Grid, radiation and geometry of all patterns of one agent."""

    two_theta: Array
    """Shape (points,), increasing, in degree."""
    radiation: Radiation = eqx.field(static=True)
    polarisation: float = eqx.field(static=True)
    """See :func:`nescio.xrd.corrections.lorentz_polarisation`."""
    radius_mm: float = eqx.field(static=True)
    """Goniometer radius."""
    comb: FourierGrid = eqx.field(static=True)
    """Evenly spaced grid for adding many peaks."""
    even: bool = eqx.field(static=True)
    """Whether the comb's grid equals the grid; otherwise patterns are interpolated."""

    def __init__(
        self,
        two_theta: NDArray[np.float64],
        radiation: Radiation,
        *,
        polarisation: float = 1.0,
        radius_mm: float = 200.0,
        narrowest_fwhm: float = 0.1,
        nodes: int = 4,
    ) -> None:
        """Describe the measurement.

        Args:
            two_theta: Shape (points,), increasing, in degree; even spacing is fastest.
            radiation: The lines and their weights.
            polarisation: Share of the beam polarised in the scattering plane relative to that across it.
            radius_mm: Goniometer radius in mm.
            narrowest_fwhm: The narrowest peak, in degree, that must be drawn well where many peaks are added.
            nodes: Chebyshev nodes of the width where many peaks are added.
        """
        points = np.asarray(two_theta, np.float64)
        steps = np.diff(points)
        self.even = bool(np.ptp(steps) < 1e-4 * steps.mean())
        count = points.size if self.even else int(np.ceil(np.ptp(points) / steps.min())) + 1
        step = np.ptp(points) / (count - 1)
        refinement = int(np.ceil(_CELLS_PER_FWHM * step / narrowest_fwhm))
        self.comb = FourierGrid(points[0], points[-1], count, refinement=max(refinement, 1), nodes=nodes)
        self.two_theta = jnp.asarray(points, jnp.float32)
        self.radiation = radiation
        self.polarisation = polarisation
        self.radius_mm = radius_mm


def peak_list(
    crystal: Crystal, parameters: PatternParameters, instrument: Diffractometer
) -> tuple[Array, Array, Array, Array]:
    """Return positions, areas and widths of the peaks.

    Returns:
        Position (degree of two-theta), area, full width at half maximum (degree) and Lorentzian share, each of
        shape (lines * reflections,). Area is zero for a peak outside the range of this wavelength or grid.
    """
    position, area, fwhm, mixing = bragg_peaks(
        crystal, parameters, instrument.radiation, instrument.polarisation, instrument.radius_mm
    )
    reach = 0.5 * (instrument.comb.points - 1) * instrument.comb.step
    start = instrument.comb.start
    seen = (position > start - 0.9 * reach) & (position < start + 2.9 * reach)
    return position, jnp.where(seen, area, 0.0), fwhm, mixing


def bragg_peaks(
    crystal: Crystal,
    parameters: PatternParameters,
    radiation: Radiation,
    polarisation: float,
    radius_mm: ArrayLike,
) -> tuple[Array, Array, Array, Array]:
    """Return positions, areas and widths of all peaks, wherever they are.

    Args:
        crystal: The phase.
        parameters: All other parameters of the pattern.
        radiation: The lines and their weights.
        polarisation: See :func:`nescio.xrd.corrections.lorentz_polarisation`.
        radius_mm: Goniometer radius in mm.

    Returns:
        What :func:`peak_list` returns. Area is zero for a reflection beyond the reach of the wavelength.
    """
    p = parameters
    cell = strained_cell(
        crystal.cell,
        jnp.asarray(p.length_change),
        jnp.asarray(p.angle_change),
        crystal.length_ties,
        crystal.angle_ties,
    )
    metric = reciprocal_metric(cell)
    h = crystal.equivalents[:, 0]
    # All equivalents have the same length, since the strain preserves the crystal system.
    inverse_d_squared = jnp.sum((h @ metric) * h, axis=-1)
    cosines = cosine_squared(crystal.equivalents, jnp.asarray(p.texture_axis), metric)
    texture = march_dollase(cosines, crystal.weights, p.march_coefficient)
    strength = crystal.strength * texture * debye_waller(p.b_iso, inverse_d_squared)

    wavelengths = jnp.asarray([line[0] for line in radiation.lines], jnp.float32)[:, None]
    shares = jnp.asarray([line[1] for line in radiation.lines], jnp.float32)[:, None]
    sine = 0.5 * wavelengths * jnp.sqrt(inverse_d_squared)[None]
    theta = jnp.arcsin(jnp.minimum(sine, _LARGEST_SINE))
    position = (
        2.0 * jnp.rad2deg(theta) + p.zero_shift + displacement_shift(p.displacement_mm, radius_mm, theta)
    )
    area = shares * strength * lorentz_polarisation(theta, polarisation)
    area = jnp.where(sine < _LARGEST_SINE, area, 0.0)
    fwhm, mixing = peak_widths(p, wavelengths, theta)
    return position.ravel(), area.ravel(), fwhm.ravel(), mixing.ravel()


def peak_widths(
    parameters: PatternParameters, wavelength: ArrayLike, theta: ArrayLike
) -> tuple[Array, Array]:
    """Return width and Lorentzian share of peaks.

    Args:
        parameters: Parameters of the pattern.
        wavelength: In angstrom.
        theta: Half the diffraction angle in radian, of a shape that broadcasts with `wavelength`.

    Returns:
        Full width at half maximum in degree of two-theta, and mixing, in the common shape.

    Source: Gaussian contributions add in quadrature, Lorentzian ones linearly: Thompson, Cox and Hastings (1987),
    J. Appl. Cryst. 20, 79-83.
    """
    p = parameters
    scherrer = scherrer_fwhm(p.crystallite_size_nm, wavelength, theta)
    strain = strain_fwhm(p.microstrain, theta)
    gaussian_share, lorentzian_share = split_width(1.0, p.mixing)
    u, v, w = jnp.asarray(p.caglioti)
    x, y = jnp.asarray(p.lorentzian_xy)
    gaussian_fwhm = jnp.sqrt(
        caglioti_fwhm(u, v, w, theta) ** 2 + gaussian_share**2 * (scherrer**2 + strain**2)
    )
    lorentzian_fwhm = x * jnp.tan(theta) + y / jnp.cos(theta) + lorentzian_share * (scherrer + strain)
    return combine_widths(gaussian_fwhm, lorentzian_fwhm)


def powder_pattern(crystal: Crystal, parameters: PatternParameters, instrument: Diffractometer) -> Array:
    """Return the Bragg intensity of one phase, without background and noise.

    Args:
        crystal: The phase.
        parameters: All other parameters of the pattern.
        instrument: Grid, radiation and geometry.

    Returns:
        Shape (points,), on a scale common to all phases: intensity per irradiated volume.
    """
    position, area, fwhm, mixing = peak_list(crystal, parameters, instrument)
    if position.shape[0] <= _FEW_PEAKS:
        return sum_peaks(instrument.two_theta, position, area, fwhm, mixing)
    pattern = instrument.comb.sum_peaks(position, area, fwhm, mixing)
    if instrument.even:
        return pattern
    return _interpolate(pattern, (instrument.two_theta - instrument.comb.start) / instrument.comb.step)


def _interpolate(values: Array, at: Array) -> Array:
    """Interpolate evenly spaced values at fractional indices with the Catmull-Rom cubic."""
    last = values.shape[0] - 1
    i = jnp.clip(jnp.floor(at).astype(jnp.int32), 0, last - 1)
    f = at - i
    before, left, right, after = (values[jnp.clip(i + k, 0, last)] for k in (-1, 0, 1, 2))
    slope_left, slope_right = 0.5 * (right - before), 0.5 * (after - left)
    return (
        left * (1.0 + 2.0 * f) * (1.0 - f) ** 2
        + right * f * f * (3.0 - 2.0 * f)
        + slope_left * f * (1.0 - f) ** 2
        - slope_right * f * f * (1.0 - f)
    )
