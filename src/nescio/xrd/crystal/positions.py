"""Moving atoms onto the special positions that they were written for, and finding atoms that were written twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import gemmi
import numpy as np
from numpy.typing import NDArray

from nescio.xrd.crystal.choosing import OVERFULL
from nescio.xrd.crystal.structure import SAME_ATOM, Structure, orthogonal_axes
from nescio.xrd.crystal.symmetry import operation_arrays
from nescio.xrd.crystal.words import listed

__all__ = ["settled", "without_images"]

# However coarsely it is rounded, a position is not moved farther (angstrom).
_FARTHEST = 0.2
# Shorter moves (angstrom) are those of digits that are missing.
_NOTED = 0.005


def settled(
    structure: Structure, rounding: Sequence[tuple[float, float, float]]
) -> tuple[Structure, tuple[str, ...]]:
    """Return the structure with its atoms on the special positions that they were written for, and notes.

    An atom belongs on a special position where its images are nearer to each other than 0.05 angstrom, or than the
    digits that are written can tell: 0.33 in a cell of 20 angstrom is 1/3. If it is there only in part, and its
    images are apart by more than rounding, they are parts of one atom, whose occupancies add up.

    Args:
        structure: As written.
        rounding: Half a unit of the last written digit of each site's coordinates.
    """
    rotations, translations = operation_arrays(structure.symmetry)
    axes = orthogonal_axes(gemmi.UnitCell(*structure.cell))
    sites = []
    moved: list[str] = []
    joined: list[str] = []
    for site, half in zip(structure.sites, rounding, strict=True):
        x, halves = np.asarray(site.position), np.asarray(half)
        offsets = rotations @ x + translations - x
        shifts = np.round(offsets)
        apart = np.linalg.norm((offsets - shifts) @ axes.T, axis=1)
        # What rounding each coordinate can change of an image's distance, at most.
        blur = (np.abs(rotations - np.eye(3)) @ halves) @ np.linalg.norm(axes, axis=0)
        near = apart < np.clip(blur, SAME_ATOM, 2.0 * _FARTHEST)
        special = x + (offsets - shifts)[near].mean(axis=0)
        distance = float(np.linalg.norm((special - x) @ axes.T))
        rounded = bool((np.abs(special - x) <= halves * 1.01 + 1e-9).all())
        if near.sum() == 1 or distance > _FARTHEST:
            sites.append(site)
            continue
        occupancy = site.occupancy
        if not rounded and distance > _NOTED:
            label = site.label or site.element
            images = int((apart[near] > _NOTED).sum()) + 1
            if images * occupancy <= 1.0 + OVERFULL:
                occupancy *= images
                joined.append(f"{label} ({images} images)")
            else:
                moved.append(f"{label} ({distance:.3f} angstrom)")
        sites.append(
            replace(
                site,
                position=(float(special[0]), float(special[1]), float(special[2])),
                occupancy=occupancy,
            )
        )
    notes = []
    if moved:
        notes.append(f"moved onto special positions: {listed(moved)}")
    if joined:
        notes.append(f"images nearer than 0.05 angstrom are joined to one atom: {listed(joined)}")
    return replace(structure, sites=tuple(sites)), tuple(notes)


def without_images(structure: Structure) -> tuple[Structure, tuple[str, ...], tuple[int, ...]]:
    """Return the structure without sites that symmetry makes of earlier ones, notes, and which sites are left.

    Some programs write all atoms of the unit cell beside all operations. Only atoms that cannot both be there are
    taken for one: of the same element, with occupancies that add up to more than one.
    """
    from scipy.spatial import KDTree

    rotations, translations = operation_arrays(structure.symmetry)
    axes = orthogonal_axes(gemmi.UnitCell(*structure.cell))
    positions = _within_cell(np.array([site.position for site in structure.sites]))
    tree = KDTree(positions, boxsize=np.ones(3))
    # Nearer than this in fractions of the axes, whatever the angles.
    reach = SAME_ATOM * float(np.abs(np.linalg.inv(axes)).sum(axis=1).max())
    kept: list[int] = []
    twice: list[str] = []
    gone = np.zeros(len(positions), bool)
    for index, site in enumerate(structure.sites):
        if gone[index]:
            continue
        kept.append(index)
        images = _within_cell(rotations @ positions[index] + translations)
        for image in images:
            others = cast("list[int]", tree.query_ball_point(image, min(reach, 0.5)))
            for other in others:
                candidate = structure.sites[other]
                if other <= index or gone[other] or candidate.element != site.element:
                    continue
                difference = positions[other] - image
                difference -= np.round(difference)
                if np.linalg.norm(axes @ difference) < SAME_ATOM and (
                    candidate.occupancy + site.occupancy > 1.0 + OVERFULL
                ):
                    gone[other] = True
                    twice.append(f"{candidate.label or candidate.element} (of {site.label or site.element})")
    if not twice:
        return structure, (), tuple(kept)
    note = f"sites that symmetry makes of others count once: {listed(twice)}"
    return replace(structure, sites=tuple(structure.sites[i] for i in kept)), (note,), tuple(kept)


def _within_cell(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return fractional coordinates from 0 to below 1."""
    wrapped = positions % 1.0
    return np.where(wrapped < 1.0, wrapped, 0.0)
