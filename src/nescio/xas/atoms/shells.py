"""Who surrounds an atom: coordination numbers and distances by shell, and surroundings that differ."""

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
"""Where the first four shells of a face-centred cubic metal end, in distances of nearest neighbours; those of twinned
and hexagonal ones fall into the same."""

_DECIMALS = 2


@dataclass(frozen=True, eq=False, repr=False)
class Shells(Summarised):
    """Neighbours of every atom."""

    elements: tuple[str, ...]
    """Those that are counted apart."""
    numbers: NDArray[np.intp]
    """How many, shape (atoms, elements, shells)."""
    distances: Floats
    """Their mean in angstrom, the same shape; NaN where there are none."""

    @property
    def totals(self) -> NDArray[np.intp]:
        """Numbers of all elements together, shape (atoms, shells)."""
        return np.asarray(self.numbers.sum(axis=1), np.intp)


def shells_of(cluster: Cluster, limits: ArrayLike) -> Shells:
    """Count the neighbours of every atom, by element and shell.

    Args:
        cluster: Of one element or more.
        limits: Where each shell ends, in angstrom, rising, shape (shells,).

    Raises:
        ConfigurationError: The limits do not rise from above zero.
    """
    ends = np.asarray(limits, np.float64)
    if ends.ndim != 1 or not len(ends) or (np.diff(np.concatenate([[0.0], ends])) <= 0.0).any():
        raise ConfigurationError(f"limits of shells {ends.tolist()}: need to rise from above 0")
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
    """One kind of place that an atom can have."""

    cluster: int
    """Index of a cluster that has it."""
    site: int
    """Of an atom there."""
    members: tuple[tuple[int, int], ...]
    """Every cluster and site that is like it."""


def unique_surroundings(clusters: Sequence[Cluster], radius: float) -> list[Surroundings]:
    """Return the places that differ within a radius, each once, in the order in which they are met.

    Two places are alike if the absorbers are, and if all distances between the atoms within the radius are, each with
    the two elements; so that turns and mirror images are alike.

    Args:
        clusters: Any number.
        radius: In angstrom about the absorber.

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
    """Return the sorted distances of all atoms to the absorber, and, for each shell, to one another."""
    own = np.linalg.norm(place[near] - place[site], axis=1)
    between = np.linalg.norm(place[near][:, None] - place[near][None], axis=-1)
    # To half a hundredth of an angstrom, off the round numbers, on which a lattice constant may put many.
    step = 10.0**-_DECIMALS
    coarse = np.floor(own / step + 0.2137).astype(np.int64)
    seen = []
    for i in range(len(near)):
        row = np.floor(between[i] / step + 0.2137).astype(np.int64)
        told = np.stack([kinds[near], coarse, row])
        seen.append((int(kinds[near[i]]), int(coarse[i]), told[:, np.lexsort(told)].tobytes()))
    return repr((int(kinds[site]), sorted(seen))).encode()
