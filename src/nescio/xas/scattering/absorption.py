"""X-ray absorption near the edge for a site in a cluster, by full multiple scattering."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray

from nescio.errors import ConfigurationError
from nescio.xas.scattering.contour import broadening_matrix
from nescio.xas.scattering.multiple import ITERATIONS, TOLERANCE, absorber_green_function
from nescio.xas.scattering.potentials import Scattering

__all__ = ["SiteModel", "environment", "site_absorption", "site_model"]

Floats = NDArray[np.float64]

NORMALISED_AT = 50.0
"""Energy above the Fermi level, in eV, at which the absorption without scattering is set to 1."""


class SiteModel(NamedTuple):
    """All inputs of the absorption of a site except the positions of atoms, as JAX arrays."""

    channels: tuple[int, ...]
    wavenumber: Array
    phase_shifts: Array
    weights: Array
    scale: Array
    real: Array
    """Real part of the matrix from the contour to the spectrum, shape (m, n)."""
    imaginary: Array
    atomic: Array
    """Absorption without scattering, shape (m,)."""


def site_model(scattering: Scattering, energy: ArrayLike) -> SiteModel:
    """Prepare the computation of the absorption at given energies.

    Args:
        scattering: All energies of its contour are used; reduce them first to what the spectrum needs, by
            :meth:`Scattering.on_contour`.
        energy: In eV from the Fermi level, shape (m,).

    Raises:
        ConfigurationError: An energy lies beyond the contour, or the contour ends below 50 eV.
    """
    wanted = np.asarray(energy, np.float64)
    if scattering.largest_energy < NORMALISED_AT:
        raise ConfigurationError(
            f"scattering up to {scattering.largest_energy:.4g} eV: needs {NORMALISED_AT:g} eV for the normalisation"
        )
    matrix = broadening_matrix(scattering.energy, scattering.horizontal, wanted)
    one = broadening_matrix(scattering.energy, scattering.horizontal, np.array([NORMALISED_AT]))
    norm = float((one @ scattering.atomic).imag[0])
    kind = jnp.zeros(0).dtype
    wave = jnp.complex128 if kind == jnp.float64 else jnp.complex64
    return SiteModel(
        scattering.channels,
        jnp.asarray(scattering.wavenumber, wave),
        jnp.asarray(scattering.phase_shifts, wave),
        jnp.asarray(scattering.weights, wave),
        jnp.asarray(scattering.scale / norm, kind),
        jnp.asarray(matrix.real, kind),
        jnp.asarray(matrix.imag, kind),
        jnp.asarray((matrix @ scattering.atomic).imag / norm, kind),
    )


def site_absorption(
    model: SiteModel,
    positions: ArrayLike,
    potentials: ArrayLike,
    *,
    sigma2: ArrayLike = 0.0,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
) -> Array:
    """Return the absorption of one site, shape (m,), relative to that without scattering 50 eV above the Fermi level.

    The result is differentiable with respect to the positions.

    Args:
        model: From :func:`site_model`.
        positions: In angstrom, shape (atoms, 3), the absorber first; see :func:`environment`.
        potentials: Potential of each atom, shape (atoms,): 0 for the absorber, negative for padding atoms.
        sigma2: Mean square relative displacement, see :func:`nescio.xas.scattering.propagator.free_propagator`.
        tolerance: See :func:`nescio.xas.absorber_green_function`.
        iterations: See :func:`nescio.xas.absorber_green_function`.
    """
    green = absorber_green_function(
        positions,
        potentials,
        model.wavenumber,
        model.phase_shifts,
        channels=model.channels,
        sigma2=sigma2,
        tolerance=tolerance,
        iterations=iterations,
    )
    scattered = model.scale * jnp.sum(model.weights * green, axis=0)
    return model.atomic + model.real @ scattered.imag + model.imaginary @ scattered.real


def environment(
    positions: ArrayLike, site: int, radius: float, *, atoms: int | None = None
) -> tuple[Floats, NDArray[np.intp]]:
    """Return the surroundings of a site for :func:`site_absorption`, padded to a fixed number of atoms.

    Args:
        positions: Positions of a cluster, in angstrom, shape (n, 3).
        site: Index of the absorber.
        radius: In angstrom; atoms further away are ignored.
        atoms: Number of atoms to return; by default all within the radius. Padding atoms have index -1.

    Returns:
        Positions relative to the absorber, shape (atoms, 3), the nearest first; and their indices in the cluster.

    Raises:
        ConfigurationError: The site does not exist, there are more than `atoms` within the radius, or atoms coincide.
    """
    place = np.asarray(positions, np.float64)
    if not 0 <= site < len(place):
        raise ConfigurationError(f"site {site}: there are 0 to {len(place) - 1}")
    apart = place - place[site]
    distance = np.linalg.norm(apart, axis=1)
    order = np.argsort(distance, kind="stable")
    order = order[distance[order] <= radius]
    if len(order) > 1 and distance[order[1]] < 0.5:
        raise ConfigurationError(
            f"atoms {order[0]} and {order[1]} are {distance[order[1]]:.3g} angstrom apart; needs 0.5 or more"
        )
    count = len(order) if atoms is None else atoms
    if len(order) > count:
        raise ConfigurationError(
            f"{len(order)} atoms within {radius:g} angstrom of site {site}: at most {count} are allowed"
        )
    filled = np.empty((count, 3))
    filled[: len(order)] = apart[order]
    # Padding atoms far away, at different positions.
    spare = np.arange(count - len(order))
    filled[len(order) :] = np.stack([100.0 + 3.0 * spare, 0.0 * spare, 0.0 * spare], axis=1)
    index = np.full(count, -1, np.intp)
    index[: len(order)] = order
    return filled, index
