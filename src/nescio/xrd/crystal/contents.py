"""Contents of a unit cell: atoms, density, close contacts; comparison of the diffraction of two cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from nescio.xrd.crystal.structure import SAME_ATOM, Structure, orthogonal_axes

__all__ = ["Contact", "Contents", "cell_mass", "contents_of", "diffract_alike", "formula_text"]

# g/cm^3 for one atomic mass unit per cubic angstrom.
_DENSITY = 1.66053906660
# Search radius of contacts in angstrom; larger than the shortest possible distance of any two atoms.
_REACH = 3.2
_NEIGHBOURS = 24
_MOST_ATOMS = 60_000
# Atoms whose occupancies add up to less may be alternatives.
_ALTERNATIVES = 1.2
_MOST_REFLECTIONS = 400
_ALIKE = 1e-3


@dataclass(frozen=True)
class Contact:
    """The closest two atoms of a crystal, relative to their size."""

    labels: tuple[str, str]
    distance: float
    """In angstrom."""
    ratio: float
    """Distance over the sum of their covalent radii."""


@dataclass(frozen=True)
class Contents:
    """Contents of a unit cell."""

    counts: Mapping[str, float]
    """Atoms of each element in the unit cell."""
    multiplicities: tuple[int, ...]
    """Atoms of each site in the unit cell, independent of its occupancy."""
    density: float
    """In g/cm^3."""
    closest: Contact | None
    """None if no two atoms are close enough."""
    crowded: tuple[tuple[int, ...], float] | None
    """Sites on the position with the largest total occupancy, and that occupancy."""

    def formula(self) -> str:
        """Atoms of the unit cell, such as "Al16 Mg8 O32"."""
        return formula_text(self.counts)


def contents_of(structure: Structure) -> Contents:
    """Return the contents of a structure's unit cell; contacts are not searched in very large cells."""
    positions, site_of, _ = structure.unit_cell()
    cell = gemmi.UnitCell(*structure.cell)
    multiplicities = np.bincount(site_of, minlength=len(structure.sites))
    counts = _counts(structure, multiplicities)
    closest, crowded = _neighbours(structure, positions, site_of, cell)
    return Contents(
        counts, tuple(multiplicities.tolist()), _DENSITY * _mass(counts) / cell.volume, closest, crowded
    )


def cell_mass(structure: Structure) -> float:
    """Return the mass of the atoms in the unit cell, in dalton."""
    _, site_of, _ = structure.unit_cell()
    return _mass(_counts(structure, np.bincount(site_of, minlength=len(structure.sites))))


def _counts(structure: Structure, multiplicities: NDArray[np.int64]) -> dict[str, float]:
    counts: dict[str, float] = {}
    for site, number in zip(structure.sites, multiplicities, strict=True):
        counts[site.element] = counts.get(site.element, 0.0) + float(number) * site.occupancy
    return counts


def _mass(counts: Mapping[str, float]) -> float:
    return sum(gemmi.Element(element).weight * number for element, number in counts.items())


def formula_text(counts: Mapping[str, float]) -> str:
    """Return numbers of atoms as text, such as "Al16 Mg8 O32"."""
    return " ".join(f"{element}{number:.4g}" for element, number in sorted(counts.items()))


def _neighbours(
    structure: Structure, positions: NDArray[np.float64], site_of: NDArray[np.int64], cell: gemmi.UnitCell
) -> tuple[Contact | None, tuple[tuple[int, ...], float] | None]:
    """Return the closest contact relative to the radii, and the position with the largest occupancy."""
    from scipy.spatial import KDTree

    if len(positions) > _MOST_ATOMS:
        return None, None
    sites = structure.sites
    axes = orthogonal_axes(cell)
    # Atoms of neighbouring cells that may be in contact with an atom of the cell.
    margin = _REACH * np.array(cell.reciprocal().parameters[:3])
    steps = [np.arange(-np.ceil(m), np.floor(m) + 2) for m in margin]
    shifts = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    around = (positions % 1.0)[None] + shifts[:, None]
    inside = ((around >= -margin) & (around <= 1.0 + margin)).all(axis=2)
    owner = np.broadcast_to(site_of, inside.shape)[inside]
    tree = KDTree(around[inside] @ axes.T)
    # By symmetry, one atom of each site has all contacts of the site.
    _, first = np.unique(site_of, return_index=True)
    distances, found = tree.query(
        (positions[first] % 1.0) @ axes.T,
        k=min(_NEIGHBOURS, len(owner)),
        distance_upper_bound=_REACH,
    )
    occupancy = np.array([site.occupancy for site in sites])
    radius = np.array([gemmi.Element(site.element).covalent_r for site in sites])
    closest: Contact | None = None
    crowded: tuple[tuple[int, ...], float] | None = None
    for site, (row, indices) in enumerate(zip(np.atleast_2d(distances), np.atleast_2d(found), strict=True)):
        near = np.isfinite(row)
        others, lengths = owner[indices[near]], row[near]
        same = lengths < SAME_ATOM
        total = float(occupancy[others[same]].sum())
        if crowded is None or total > crowded[1]:
            crowded = tuple(others[same].tolist()), total
        ratios = lengths / (radius[site] + radius[others])
        ratios[same | (occupancy[site] + occupancy[others] < _ALTERNATIVES)] = np.inf
        best = int(np.argmin(ratios)) if ratios.size else 0
        if ratios.size and np.isfinite(ratios[best]) and (closest is None or ratios[best] < closest.ratio):
            labels = _label(structure, site), _label(structure, int(others[best]))
            closest = Contact(labels, float(lengths[best]), float(ratios[best]))
    return closest, crowded


def _label(structure: Structure, index: int) -> str:
    site = structure.sites[index]
    return site.label or site.element


def diffract_alike(first: Structure, second: Structure) -> bool:
    """Return whether two structures in cells of the same size give the same powder pattern.

    Compares the summed intensities of point atoms at each lattice spacing, for the first few hundred reflections.
    """
    if first.cell != second.cell:
        return False
    cell = gemmi.UnitCell(*first.cell)
    d_min = (4.0 / 3.0 * np.pi * cell.volume / (2.0 * _MOST_REFLECTIONS)) ** (1.0 / 3.0)
    miller = np.asarray(gemmi.make_miller_array(cell, gemmi.SpaceGroup("P 1"), d_min), np.int32)
    if not len(miller):
        return False
    d = np.asarray(cell.calculate_d_array(miller))
    lines = np.unique(np.round(d, 5), return_inverse=True)[1]
    sums = []
    for structure in (first, second):
        positions, site_of, _ = structure.unit_cell()
        electrons = np.array([s.occupancy * gemmi.Element(s.element).atomic_number for s in structure.sites])
        factor = np.exp(2j * np.pi * (miller @ positions.T)) @ electrons[site_of]
        sums.append(np.bincount(lines, np.abs(factor) ** 2))
    return bool(np.abs(sums[0] - sums[1]).max() <= _ALIKE * max(sums[0].max(), sums[1].max()))
