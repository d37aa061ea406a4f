"""Nanoparticles: clusters of common shapes, of one or two elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nescio.display import Summarised
from nescio.errors import ConfigurationError, MissingExtraError

__all__ = ["SHAPES", "Cluster", "make_cluster", "mixed"]

Floats = NDArray[np.float64]
Mixing = Literal["random", "core-shell", "janus", "cluster-in-cluster"]

_LARGEST = 5000
# Tolerance of distances, so that atoms on the sphere are included.
_ROUNDING = 1e-6
_CENTRES = {"atom": (0.0, 0.0, 0.0), "octahedral": (0.5, 0.5, 0.5), "tetrahedral": (0.25, 0.25, 0.25)}
_FACES = {"100": (0.0, 0.0, 1.0), "111": (1.0, 1.0, 1.0)}


@dataclass(frozen=True, eq=False, repr=False)
class Cluster(Summarised):
    """A cluster of atoms."""

    name: str
    elements: tuple[str, ...]
    """Symbols of all atoms, shape (n,)."""
    positions: Floats
    """In angstrom, shape (n, 3)."""

    def __len__(self) -> int:
        return len(self.elements)

    def strained(self, strain: ArrayLike) -> Cluster:
        """Return the cluster with a strain.

        Args:
            strain: 0.01 for 1 %, for all directions or for each: shape () or (3,).
        """
        return replace(self, positions=self.positions * (1.0 + np.asarray(strain, np.float64)))

    def displaced(self, displacements: ArrayLike) -> Cluster:
        """Return the cluster with displaced atoms; displacements have shape (n, 3), in angstrom."""
        return replace(self, positions=self.positions + np.asarray(displacements, np.float64))


def make_cluster(shape: str, element: str, lattice: float, **size: Any) -> Cluster:
    """Return a cluster of one element.

    ============== ===================================== =====================================================
    shape          size                                  atoms
    ============== ===================================== =====================================================
    cuboctahedron  ``shells``                            13, 55, 147, ... for 1, 2, 3, ...
    octahedron     ``length``, ``cut`` (0)               atoms along an edge, and layers cut off the corners
    icosahedron    ``shells``                            13, 55, 147, ...
    decahedron     ``p``, ``q``, ``r``                   as in ASE: atoms on the (100) faces across and along the
                                                         five-fold axis, and the depth of Marks' re-entrance
    sphere         ``radius``, ``centre`` ("atom")       or "octahedral" or "tetrahedral" hole; in angstrom
    hcp            ``radius``, ``ratio`` (1.633)         a sphere of the hexagonal lattice about an atom
    hemisphere     ``radius``, ``face`` ("111")          half a sphere on a support, flat side down; or "100"
    ============== ===================================== =====================================================

    Args:
        shape: One of these shapes.
        element: Symbol.
        lattice: Lattice constant of the fcc metal, in angstrom; hcp clusters have the same nearest-neighbour distance.
        size: Sizes by the names above.

    Raises:
        ConfigurationError: The shape or a size is unknown or impossible, or there are too many atoms.
        MissingExtraError: ASE is not installed; cuboctahedra, octahedra, icosahedra and decahedra need it.
    """
    if shape not in SHAPES:
        raise ConfigurationError(f"shape {shape!r} is not known (known: {', '.join(SHAPES)})")
    if not (np.isfinite(lattice) and 1.0 < lattice < 20.0):
        raise ConfigurationError(f"lattice {lattice:g} angstrom: needs 1 to 20")
    try:
        positions = SHAPES[shape](lattice, **size)
    except TypeError as error:
        raise ConfigurationError(f"{shape}: {str(error).partition(') ')[2] or error}") from None
    except ValueError as error:
        raise ConfigurationError(f"{shape}: {error}") from None
    if not 1 <= len(positions) <= _LARGEST:
        raise ConfigurationError(f"{shape}: {len(positions)} atoms; needs 1 to {_LARGEST}")
    sizes = " ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in size.items()
    )
    centred = positions - positions.mean(axis=0)
    return Cluster(f"{shape} {sizes}".strip(), (element,) * len(positions), centred)


def mixed(
    cluster: Cluster, element: str, fraction: float, mixing: Mixing = "random", *, seed: int = 0
) -> Cluster:
    """Return a cluster in which some atoms are replaced by a second element.

    Args:
        cluster: A cluster of one element.
        element: The second element.
        fraction: Fraction of the second element, rounded to a whole number of atoms.
        mixing: "random"; "core-shell", the second element outside; "janus", on one side; or "cluster-in-cluster",
            around a random atom.
        seed: Random seed.

    Raises:
        ConfigurationError: The fraction is not within 0 to 1, or the mixing is unknown.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ConfigurationError(f"fraction {fraction:g}: needs 0 to 1")
    rng = np.random.default_rng(seed)
    place = cluster.positions - cluster.positions.mean(axis=0)
    chance = rng.random(len(cluster))
    if mixing == "random":
        order = chance
    elif mixing == "core-shell":
        order = -np.linalg.norm(place, axis=1)
    elif mixing == "janus":
        direction = rng.normal(size=3)
        order = place @ (direction / np.linalg.norm(direction))
    elif mixing == "cluster-in-cluster":
        order = np.linalg.norm(place - place[rng.integers(len(cluster))], axis=1)
    else:
        raise ConfigurationError(
            f"mixing {mixing!r} is not known (known: random, core-shell, janus, cluster-in-cluster)"
        )
    # Equivalent atoms in random order.
    ranked = np.lexsort((chance, np.round(order, 6)))
    second = set(ranked[: round(fraction * len(cluster))].tolist())
    elements = tuple(element if i in second else own for i, own in enumerate(cluster.elements))
    return Cluster(f"{cluster.name}, {fraction:g} {element} {mixing}", elements, cluster.positions)


def _generators() -> Any:
    try:
        import ase.cluster
    except ImportError:
        raise MissingExtraError("this shape needs an extra: pip install nescio[ase]") from None
    return ase.cluster


def _cuboctahedron(lattice: float, *, shells: int) -> Floats:
    _at_least(shells, 1, "shells")
    # An octahedron with its corners cut off at half the edge.
    return _of_ase(_generators().Octahedron("Cu", 2 * shells + 1, cutoff=shells, latticeconstant=lattice))


def _octahedron(lattice: float, *, length: int, cut: int = 0) -> Floats:
    _at_least(length, 2, "length")
    _at_least(cut, 0, "cut")
    if 2 * cut > length - 1:
        raise ValueError(f"cut {cut}: a length of {length} allows {(length - 1) // 2}")
    return _of_ase(_generators().Octahedron("Cu", length, cutoff=cut, latticeconstant=lattice))


def _icosahedron(lattice: float, *, shells: int) -> Floats:
    _at_least(shells, 1, "shells")
    return _of_ase(_generators().Icosahedron("Cu", shells + 1, latticeconstant=lattice))


def _decahedron(lattice: float, *, p: int, q: int, r: int) -> Floats:
    _at_least(p, 1, "p")
    _at_least(q, 1, "q")
    _at_least(r, 0, "r")
    return _of_ase(_generators().Decahedron("Cu", p, q, r, latticeconstant=lattice))


def _of_ase(atoms: Any) -> Floats:
    return np.asarray(atoms.get_positions(), np.float64)


def _sphere(lattice: float, *, radius: float, centre: str = "atom") -> Floats:
    if centre not in _CENTRES:
        raise ValueError(f"centre {centre!r}: is none of {', '.join(_CENTRES)}")
    return _within(_fcc(lattice, radius) - lattice * np.array(_CENTRES[centre]), radius)


def _hcp(lattice: float, *, radius: float, ratio: float = float(np.sqrt(8.0 / 3.0))) -> Floats:
    side = lattice / np.sqrt(2.0)
    reach = int(np.ceil(2.0 * radius / side)) + 2
    cells = _grid(reach)
    vectors = side * np.array([[1.0, 0.0, 0.0], [0.5, np.sqrt(0.75), 0.0], [0.0, 0.0, ratio]])
    second = np.array([1.0 / 3.0, 1.0 / 3.0, 0.5]) @ vectors
    layers = cells @ vectors
    return _within(np.concatenate([layers, layers + second]), radius)


def _hemisphere(lattice: float, *, radius: float, face: str = "111") -> Floats:
    if face not in _FACES:
        raise ValueError(f"face {face!r}: is none of {', '.join(_FACES)}")
    normal = np.array(_FACES[face]) / np.linalg.norm(_FACES[face])
    whole = _within(_fcc(lattice, radius), radius)
    return np.asarray(whole[whole @ normal >= -_ROUNDING], np.float64)


def _fcc(lattice: float, radius: float) -> Floats:
    cells = _grid(int(np.ceil(2.0 * radius / lattice)) + 3)
    return np.asarray(cells[cells.sum(axis=1) % 2 == 0] * (lattice / 2.0), np.float64)


def _grid(reach: int) -> NDArray[np.intp]:
    if reach > 60:
        raise ValueError("the radius gives too many atoms")
    steps = np.arange(-reach, reach + 1)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)


def _within(positions: Floats, radius: float) -> Floats:
    if not (np.isfinite(radius) and radius > 0.0):
        raise ValueError(f"radius {radius:g}: needs to be positive")
    return np.asarray(positions[np.linalg.norm(positions, axis=1) <= radius + _ROUNDING], np.float64)


def _at_least(number: int, least: int, what: str) -> None:
    if number < least:
        raise ValueError(f"{what} {number!r}: needs {least} or more")


SHAPES: Mapping[str, Callable[..., Floats]] = {
    "cuboctahedron": _cuboctahedron,
    "octahedron": _octahedron,
    "icosahedron": _icosahedron,
    "decahedron": _decahedron,
    "sphere": _sphere,
    "hcp": _hcp,
    "hemisphere": _hemisphere,
}
"""Shapes by name: functions of the lattice constant and of sizes."""
