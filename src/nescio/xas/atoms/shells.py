"""Surroundings of atoms: coordination numbers and distances by shell, and unique sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from nescio.display import Summarised
from nescio.errors import ConfigurationError
from nescio.xas.atoms.clusters import Cluster

__all__ = ["FCC_SHELLS", "Shells", "Surroundings", "shells_of", "unique_surroundings"]

Floats = NDArray[np.float64]

FCC_SHELLS = (1.261, 1.586, 1.874, 2.162)
"""Outer limits of the first four shells of an fcc metal, in nearest-neighbour distances; the shells of twinned and
hexagonal particles fall within the same limits."""

_DECIMALS = 2


@dataclass(frozen=True, eq=False, repr=False)
class Shells(Summarised):
    """Neighbours of every atom, by element and shell."""

    elements: tuple[str, ...]
    """Elements of the neighbours, shape (elements,)."""
    numbers: NDArray[np.intp]
    """Numbers of neighbours, shape (atoms, elements, shells)."""
    distances: Floats
    """Mean distances in angstrom, same shape; NaN without neighbours."""

    @property
    def totals(self) -> NDArray[np.intp]:
        """Numbers of neighbours of all elements, shape (atoms, shells)."""
        return np.asarray(self.numbers.sum(axis=1), np.intp)


def shells_of(cluster: Cluster, limits: ArrayLike) -> Shells:
    """Count the neighbours of every atom, by element and shell.

    Args:
        cluster: The cluster.
        limits: Outer limit of each shell in angstrom, ascending, shape (shells,).

    Raises:
        ConfigurationError: The limits are not ascending, or not above zero.
    """
    ends = np.asarray(limits, np.float64)
    if ends.ndim != 1 or not len(ends) or (np.diff(np.concatenate([[0.0], ends])) <= 0.0).any():
        raise ConfigurationError(f"limits of shells {ends.tolist()}: need to be above 0 and ascending")
    kinds = tuple(dict.fromkeys(cluster.elements))
    kind = np.array([kinds.index(symbol) for symbol in cluster.elements])
    pairs = cKDTree(cluster.positions).query_pairs(float(ends[-1]), output_type="ndarray")
    apart = np.linalg.norm(cluster.positions[pairs[:, 0]] - cluster.positions[pairs[:, 1]], axis=1)
    shell = np.searchsorted(ends, apart)
    shape = (len(cluster), len(kinds), len(ends))
    numbers, sums = np.zeros(shape, np.intp), np.zeros(shape)
    for one, other in ((0, 1), (1, 0)):
        place = (pairs[:, one], kind[pairs[:, other]], shell)
        np.add.at(numbers, place, 1)
        np.add.at(sums, place, apart)
    with np.errstate(invalid="ignore"):
        return Shells(kinds, numbers, sums / np.where(numbers, numbers, np.nan))


@dataclass(frozen=True)
class Surroundings:
    """A unique kind of site."""

    cluster: int
    """Index of a cluster with such a site."""
    site: int
    """Index of the atom in that cluster."""
    members: tuple[tuple[int, int], ...]
    """Cluster and site of all equivalent sites."""


def unique_surroundings(clusters: Sequence[Cluster], radius: float) -> list[Surroundings]:
    """Return the unique sites of clusters, in the order of their first occurrence.

    Two sites are equivalent if they have the same element, and if all distances between the atoms within the radius,
    with their elements, are the same. Rotations and mirror images are equivalent.

    Args:
        clusters: The clusters.
        radius: In angstrom around the site.

    Raises:
        ConfigurationError: The radius is not positive.
    """
    if not radius > 0.0:
        raise ConfigurationError(f"radius {radius:g} angstrom: needs to be positive")
    found: dict[bytes, list[tuple[int, int]]] = {}
    for number, cluster in enumerate(clusters):
        numbering = {symbol: i for i, symbol in enumerate(sorted(set(cluster.elements)))}
        symbols = "".join(f"{symbol} " for symbol in numbering)
        kinds = np.array([numbering[symbol] for symbol in cluster.elements])
        tree = cKDTree(cluster.positions)
        for site, near in enumerate(tree.query_ball_point(cluster.positions, radius + 1e-6)):
            key = symbols.encode() + _fingerprint(cluster.positions, kinds, site, np.array(near))
            found.setdefault(key, []).append((number, site))
    return [Surroundings(*members[0], tuple(members)) for members in found.values()]


def _fingerprint(place: Floats, kinds: NDArray[np.intp], site: int, near: NDArray[np.intp]) -> bytes:
    """Return a key of the distances of all atoms to the site and to each other."""
    own = np.linalg.norm(place[near] - place[site], axis=1)
    between = np.linalg.norm(place[near][:, None] - place[near][None], axis=-1)
    # Bins of 0.01 angstrom, shifted off round numbers, at which many distances may lie.
    step = 10.0**-_DECIMALS
    coarse = np.floor(own / step + 0.2137).astype(np.int64)
    seen = []
    for i in range(len(near)):
        row = np.floor(between[i] / step + 0.2137).astype(np.int64)
        table = np.stack([kinds[near], coarse, row])
        seen.append((int(kinds[near[i]]), int(coarse[i]), table[:, np.lexsort(table)].tobytes()))
    return repr((int(kinds[site]), sorted(seen))).encode()
