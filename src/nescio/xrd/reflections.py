"""Reflections of a structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gemmi
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray

from nescio.display import Summarised
from nescio.errors import ConfigurationError
from nescio.xrd.crystal import Site, Structure, operation_arrays
from nescio.xrd.scattering import anomalous_factors, atomic_scattering_factor

__all__ = ["Reflections", "compute_reflections", "reciprocal_metric", "round_up", "structure_factor"]

# Intensities below this fraction of the strongest are rounding errors.
_ABSENT = 1e-10
_MOST_LATTICE_POINTS = 2e7


@dataclass(frozen=True, eq=False, repr=False)
class Reflections(Summarised):
    """Distinct reflections of a powder, sorted by decreasing lattice spacing."""

    structure: Structure
    miller: NDArray[np.int64]
    """Shape (reflections, 3)."""
    d: NDArray[np.float64]
    """Shape (reflections,), lattice spacing in angstrom."""
    multiplicity: NDArray[np.int64]
    """Shape (reflections,): number of equivalents under the Laue group, opposite ones included."""
    f_squared: NDArray[np.float64]
    """Shape (reflections,): mean of F^2 over a Friedel pair, in electrons^2."""
    equivalents: NDArray[np.int64]
    """Shape (reflections, most, 3): equivalents up to sign; rows past `equivalent_count` are zero."""
    equivalent_count: NDArray[np.int64]
    """Shape (reflections,)."""


def round_up(value: int, sizes: Sequence[int]) -> int:
    """Return the smallest of ascending sizes that holds a value, for padding; the value itself if none does."""
    return next((size for size in sizes if size >= value), value)


def reciprocal_metric(cell: ArrayLike) -> Array:
    """Return the reciprocal metric tensor G*, so that 1/d^2 = h G* h.

    Args:
        cell: Shape (6,), a, b, c in angstrom and alpha, beta, gamma in degree.

    Returns:
        Shape (3, 3), in 1/angstrom^2.

    Source: Giacovazzo (2011), Fundamentals of Crystallography, section 2.3.
    """
    c = jnp.asarray(cell)
    a, b, e = c[0], c[1], c[2]
    alpha, beta, gamma = (jnp.cos(jnp.deg2rad(c[i])) for i in (3, 4, 5))
    volume_squared = 1.0 - alpha**2 - beta**2 - gamma**2 + 2.0 * alpha * beta * gamma
    # Written explicitly rather than by inverting the direct metric: faster to map and differentiate.
    aa = (1.0 - alpha**2) / a**2
    bb = (1.0 - beta**2) / b**2
    cc = (1.0 - gamma**2) / e**2
    ab = (alpha * beta - gamma) / (a * b)
    ac = (alpha * gamma - beta) / (a * e)
    bc = (beta * gamma - alpha) / (b * e)
    rows = [jnp.stack([aa, ab, ac]), jnp.stack([ab, bb, bc]), jnp.stack([ac, bc, cc])]
    return jnp.stack(rows) / volume_squared


def structure_factor(
    structure: Structure, miller: NDArray[np.int64], wavelength: float | None
) -> NDArray[np.complex128]:
    """Return the structure factor F of given reflections.

    Args:
        structure: The crystal.
        miller: Shape (reflections, 3).
        wavelength: In angstrom, for f' and f''; without it they are ignored.

    Returns:
        Shape (reflections,), in electrons: sum of occupancy (f0 + f' + i f'') DW exp(2 pi i h.x).

    Source: Giacovazzo (2011), Fundamentals of Crystallography, section 3.3.
    """
    cell = gemmi.UnitCell(*structure.cell)
    stol_squared = 0.25 / np.asarray(cell.calculate_d_array(np.asarray(miller, np.int32))) ** 2
    positions, site_of, operation_of = structure.unit_cell()
    rotations, _ = operation_arrays(structure.symmetry)
    reciprocal = np.array(cell.reciprocal().parameters[:3])
    total = np.zeros(len(miller), np.complex128)
    for index, site in enumerate(structure.sites):
        amplitude = atomic_scattering_factor(site.element, site.charge, stol_squared).astype(np.complex128)
        if wavelength is not None:
            f_prime, f_double_prime = anomalous_factors(site.element, wavelength)
            amplitude += f_prime + 1j * f_double_prime
        mine = site_of == index
        phases = np.exp(2j * np.pi * (miller @ positions[mine].T))
        if site.u_aniso is None:
            summed = phases.sum(axis=1) * np.exp(-8.0 * np.pi**2 * site.u_iso * stol_squared)
        else:
            # The displacement tensor rotates with the atom: its image under R sees the index R^T h.
            turned = np.einsum("hi,oij->hoj", miller, rotations[operation_of[mine]]) * reciprocal
            summed = (phases * np.exp(-2.0 * np.pi**2 * _quadratic(turned, site))).sum(axis=1)
        total += site.occupancy * amplitude * summed
    return total


def _quadratic(vectors: NDArray[np.float64], site: Site) -> NDArray[np.float64]:
    u11, u22, u33, u12, u13, u23 = site.u_aniso or (0.0,) * 6
    tensor = np.array([[u11, u12, u13], [u12, u22, u23], [u13, u23, u33]])
    return np.asarray(np.einsum("...i,ij,...j->...", vectors, tensor, vectors))


def compute_reflections(
    structure: Structure, wavelength: float, d_min: float, *, anomalous: bool = True
) -> Reflections:
    """List the reflections of a powder.

    Args:
        structure: The crystal.
        wavelength: In angstrom, for f' and f''.
        d_min: Smallest lattice spacing in angstrom.
        anomalous: Whether to add f' and f''.

    Returns:
        All reflections that are not extinct; reflections of equal spacing stay separate unless symmetry relates them.

    Raises:
        ConfigurationError: `d_min` is not positive, or so small that there are too many reflections.
    """
    volume = gemmi.UnitCell(*structure.cell).volume
    if not d_min > 0.0 or 4.0 / 3.0 * np.pi * volume / d_min**3 > _MOST_LATTICE_POINTS:
        raise ConfigurationError(
            f"smallest lattice spacing must be positive, and leave a cell of {volume:.0f} angstrom^3 fewer "
            f"than {_MOST_LATTICE_POINTS:.0e} lattice points, not {d_min:g} angstrom"
        )
    symmetry, cell = structure.symmetry, gemmi.UnitCell(*structure.cell)
    miller = _unique_reflections(structure, cell, d_min)
    d = np.asarray(cell.calculate_d_array(miller.astype(np.int32)), np.float64)
    order = np.argsort(-d, kind="stable")
    miller, d = miller[order], d[order]

    used = wavelength if anomalous else None
    f_squared = np.abs(structure_factor(structure, miller, used)) ** 2
    if anomalous and not symmetry.is_centrosymmetric():
        f_squared = 0.5 * (f_squared + np.abs(structure_factor(structure, -miller, used)) ** 2)
    present = f_squared > _ABSENT * f_squared.max(initial=0.0)
    miller, d, f_squared = miller[present], d[present], f_squared[present]

    equivalents, counts = _equivalents(miller, symmetry)
    return Reflections(structure, miller, d, 2 * counts, f_squared, equivalents, counts)


def _unique_reflections(structure: Structure, cell: gemmi.UnitCell, d_min: float) -> NDArray[np.int64]:
    """Return one reflection of each set of equivalents that is not extinct, shape (reflections, 3)."""
    if not structure.operations:
        group = gemmi.SpaceGroup(structure.space_group)
        return np.asarray(gemmi.make_miller_array(cell, group, d_min), np.int64).reshape(-1, 3)
    every = np.asarray(gemmi.make_miller_array(cell, gemmi.SpaceGroup("P 1"), d_min), np.int32).reshape(-1, 3)
    present = every[~structure.symmetry.systematic_absences(every)].astype(np.int64)
    first = np.array([row[0] for row in _equivalent_lists(present, structure.symmetry)]).reshape(-1, 3)
    return np.unique(first, axis=0)


def _equivalents(
    miller: NDArray[np.int64], symmetry: gemmi.GroupOps
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the equivalents of each reflection up to sign (reflections, most, 3), and their numbers."""
    lists = _equivalent_lists(miller, symmetry)
    counts = np.array([len(row) for row in lists], np.int64)
    table = np.zeros((len(lists), int(counts.max(initial=1)), 3), np.int64)
    for i, row in enumerate(lists):
        table[i, : len(row)] = row
    return table, counts


def _equivalent_lists(miller: NDArray[np.int64], symmetry: gemmi.GroupOps) -> list[NDArray[np.int64]]:
    """Return the equivalents of each reflection up to sign, sorted."""
    rotations = np.array([op.rot for op in symmetry.sym_ops], np.int64) // gemmi.Op.DEN
    images = np.einsum("hi,oij->hoj", miller, rotations)
    # Of h and -h, the one with a positive first non-zero index represents both.
    leading = np.sign(images[..., 0] * 4 + np.sign(images[..., 1]) * 2 + np.sign(images[..., 2]))
    first = np.where(images[..., 0] != 0, np.sign(images[..., 0]), leading)
    images = images * first[..., None]
    return [np.unique(row, axis=0) for row in images]
