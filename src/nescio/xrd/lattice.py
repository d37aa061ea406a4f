"""Changes of a cell that preserve its crystal system."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray

__all__ = ["lattice_freedom", "strained_cell"]

_ALL = np.eye(3)
_FIRST_TWO_EQUAL = np.array([[1.0, 0, 0], [1.0, 0, 0], [0, 0, 1.0]])
_ALL_EQUAL = np.array([[1.0, 0, 0]] * 3)
_NONE = np.zeros((3, 3))


def lattice_freedom(
    crystal_system: str, unique_axis: str = "b"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrices that project changes of lengths and angles onto a crystal system.

    Args:
        crystal_system: "triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal" (hexagonal axes),
            "rhombohedral" (rhombohedral axes), "hexagonal" or "cubic".
        unique_axis: The axis of a monoclinic cell: "a", "b" or "c".

    Returns:
        Two matrices (3, 3). They convert three independent relative changes of length to those of a, b, c, and three
        independent changes of angle to those of alpha, beta, gamma.

    Source: International Tables for Crystallography A (2016), table 2.1.1.1.
    """
    if crystal_system == "triclinic":
        return _ALL, _ALL
    if crystal_system == "monoclinic":
        angle = np.zeros((3, 3))
        index = "abc".index(unique_axis)
        angle[index, index] = 1.0
        return _ALL, angle
    if crystal_system == "orthorhombic":
        return _ALL, _NONE
    if crystal_system in ("tetragonal", "trigonal", "hexagonal"):
        return _FIRST_TWO_EQUAL, _NONE
    if crystal_system == "rhombohedral":
        return _ALL_EQUAL, _ALL_EQUAL
    if crystal_system == "cubic":
        return _ALL_EQUAL, _NONE
    raise ValueError(f"unknown crystal system {crystal_system!r}")


def strained_cell(
    cell: ArrayLike, length_change: ArrayLike, angle_change: ArrayLike, lengths: ArrayLike, angles: ArrayLike
) -> Array:
    """Return the cell after free relative changes of length and changes of angle.

    Args:
        cell: Shape (6,), a, b, c in angstrom and alpha, beta, gamma in degree.
        length_change: Shape (3,), relative; `lengths` projects them onto the crystal system.
        angle_change: Shape (3,), in degree, likewise with `angles`.
        lengths: Shape (3, 3), first matrix of :func:`lattice_freedom`.
        angles: Shape (3, 3), the second.

    Returns:
        Shape (6,).
    """
    cell = jnp.asarray(cell)
    return jnp.concatenate(
        [
            cell[:3] * (1.0 + jnp.asarray(lengths) @ jnp.asarray(length_change)),
            cell[3:] + jnp.asarray(angles) @ jnp.asarray(angle_change),
        ]
    )
