"""Particles of many shapes and sizes, searched by coordination numbers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nescio.errors import MissingExtraError
from nescio.xas.atoms.clusters import Cluster, make_cluster
from nescio.xas.atoms.shells import FCC_SHELLS, shells_of

__all__ = ["Shapes", "known_shapes"]

Floats = NDArray[np.float64]

LARGEST = 1500
"""Number of atoms of the largest particle."""
_DECIMALS = 3


class Shapes(NamedTuple):
    """Particles with different coordination numbers."""

    clusters: tuple[Cluster, ...]
    coordination: Floats
    """Mean coordination numbers of each particle, shape (n, 4)."""

    def within(self, low: ArrayLike, high: ArrayLike) -> list[Cluster]:
        """Return the particles whose coordination numbers lie within `low` and `high`, shape (4,); smallest first."""
        fits = ((self.coordination >= np.asarray(low)) & (self.coordination <= np.asarray(high))).all(axis=1)
        return sorted((self.clusters[i] for i in np.flatnonzero(fits)), key=len)


def _asked() -> list[tuple[str, dict[str, Any]]]:
    """Return shapes and sizes, with radii in lattice constants."""
    radii = np.arange(0.75, 4.3, 0.25)
    return [
        *[("cuboctahedron", {"shells": n}) for n in range(1, 8)],
        *[
            ("octahedron", {"length": length} | ({"cut": cut} if cut else {}))
            for length in range(2, 13)
            for cut in range((length + 1) // 2)
            if 2 * cut < length - 1
        ],
        *[("icosahedron", {"shells": n}) for n in range(1, 8)],
        *[("decahedron", {"p": p, "q": q, "r": r}) for p in range(2, 7) for q in range(1, 6) for r in (0, 1)],
        *[
            ("sphere", {"radius": r, "centre": centre})
            for r in radii
            for centre in ("atom", "octahedral", "tetrahedral")
        ],
        *[("hemisphere", {"radius": r, "face": face}) for r in radii for face in ("111", "100")],
        *[("hcp", {"radius": r}) for r in radii],
    ]


@lru_cache(maxsize=4)
def known_shapes(element: str, lattice: float) -> Shapes:
    """Return cuboctahedra, (truncated) octahedra, icosahedra, decahedra, spheres, hemispheres and hexagonal spheres.

    They have up to `LARGEST` atoms; of particles with the same coordination numbers, the smallest is kept. Without ASE
    only the last three shapes are available.

    Args:
        element: Symbol.
        lattice: Lattice constant of the fcc metal, in angstrom.
    """
    neighbour = lattice / np.sqrt(2.0)
    found: dict[tuple[float, ...], tuple[Cluster, Floats]] = {}
    for shape, size in _asked():
        sizes = {key: value * lattice if key == "radius" else value for key, value in size.items()}
        try:
            cluster = make_cluster(shape, element, lattice, **sizes)
        except MissingExtraError:
            continue
        if not 4 <= len(cluster) <= LARGEST:
            continue
        numbers = shells_of(cluster, np.array(FCC_SHELLS) * neighbour).totals.mean(axis=0)
        key = tuple(np.round(numbers, _DECIMALS).tolist())
        if key not in found or len(cluster) < len(found[key][0]):
            found[key] = cluster, numbers
    clusters, coordination = zip(*found.values(), strict=True)
    return Shapes(clusters, np.stack(coordination))
