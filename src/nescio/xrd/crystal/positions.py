"""Moving atoms onto special positions, and finding duplicate atoms."""

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

# Moves farther than this (angstrom) are noted.
_NOTED = 0.005
# Fractions behind rounded coordinates: 1/3 is written as 0.33, 0.333, 0.3333.
_SIXTHS = np.array([1.0, 2.0, 4.0, 5.0]) / 6.0


def settled(
    structure: Structure, rounding: Sequence[tuple[float, float, float]]
) -> tuple[Structure, tuple[str, ...]]:
    """Return the structure with rounded atoms moved onto their special positions, and notes.

    An atom belongs on a special position if its images are closer than 0.05 angstrom, or would be with 1/3 in place of
    0.33. If the occupancy is partial and the distance of the images exceeds rounding, the images are parts of one atom,
    and their occupancies add up.

    Args:
        structure: As in the file.
        rounding: Half a unit of the last written digit of each site's coordinates.
    """
    rotations, translations = operation_arrays(structure.symmetry)
    axes = orthogonal_axes(gemmi.UnitCell(*structure.cell))
    sites = []
    moved: list[str] = []
    joined: list[str] = []
    for site, half in zip(structure.sites, rounding, strict=True):
        written, halves = np.asarray(site.position), np.asarray(half)
        x, found = written, _images(written, rotations, translations, axes)
        thirds = _with_thirds(written, halves)
        if not np.array_equal(thirds, written):
            others = _images(thirds, rotations, translations, axes)
            if others[1].sum() > found[1].sum():
                x, found = thirds, others
        nearest, near, apart = found
        if near.sum() == 1:
            sites.append(site)
            continue
        special = nearest[near].mean(axis=0)
        distance = float(np.linalg.norm(axes @ (special - written)))
        occupancy, label = site.occupancy, site.label or site.element
        rounded = x is thirds or bool((np.abs(special - written) <= halves * 1.01 + 1e-9).all())
        images = int(near.sum()) // max(int((apart[near] <= _NOTED).sum()), 1)
        if images > 1 and not rounded and images * occupancy <= 1.0 + OVERFULL:
            occupancy *= images
            joined.append(f"{label} ({images} images)")
        elif distance > _NOTED:
            moved.append(f"{label} ({distance:.3f} angstrom)")
        position = float(special[0]), float(special[1]), float(special[2])
        sites.append(replace(site, position=position, occupancy=occupancy))
    notes = []
    if moved:
        notes.append(f"moved onto special positions: {listed(moved)}")
    if joined:
        notes.append(f"images closer than {SAME_ATOM:g} angstrom are merged into one atom: {listed(joined)}")
    return replace(structure, sites=tuple(sites)), tuple(notes)


def _images(
    x: NDArray[np.float64],
    rotations: NDArray[np.float64],
    translations: NDArray[np.float64],
    axes: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Return images (operations, 3) in the cell around a position, which of them coincide, and their distances."""
    offsets = rotations @ x + translations - x
    offsets -= np.round(offsets)
    apart = np.linalg.norm(offsets @ axes.T, axis=1)
    return x + offsets, apart < SAME_ATOM, apart


def _with_thirds(x: NDArray[np.float64], halves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a position with exact 1/3, 2/3, 1/6, 5/6 in place of rounded or truncated coordinates."""
    whole = np.floor(x)
    differences = _SIXTHS - (x - whole)[:, None]
    written = halves[:, None]
    fits = (np.abs(differences) <= written * 1.01) | ((differences > 0.0) & (differences < 2.0 * written))
    # With one digit, 0.3 is three tenths.
    fits &= (written > 0.0) & (written < 0.01)
    return np.where(fits.any(axis=1), whole + _SIXTHS[fits.argmax(axis=1)], x)


def without_images(structure: Structure) -> tuple[Structure, tuple[str, ...], tuple[int, ...]]:
    """Return the structure without symmetry copies of earlier sites, notes, and the kept sites.

    Some programs write all atoms of the unit cell in addition to all operations. Only atoms that cannot coexist are
    merged: those of the same element whose occupancies add up to more than 1.
    """
    from scipy.spatial import KDTree

    rotations, translations = operation_arrays(structure.symmetry)
    axes = orthogonal_axes(gemmi.UnitCell(*structure.cell))
    positions = _within_cell(np.array([site.position for site in structure.sites]))
    tree = KDTree(positions, boxsize=np.ones(3))
    # Closer than this in fractions of the axes, for any angles.
    reach = SAME_ATOM * float(np.abs(np.linalg.inv(axes)).sum(axis=1).max())
    kept: list[int] = []
    twice: list[str] = []
    gone = np.zeros(len(positions), bool)
    for index, site in enumerate(structure.sites):
        if gone[index]:
            continue
        kept.append(index)
        images = _within_cell(rotations @ positions[index] + translations)
        near = cast("Sequence[list[int]]", tree.query_ball_point(images, min(reach, 0.5)))
        for image, others in zip(images, near, strict=True):
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
    note = f"symmetry copies of other sites count once: {listed(twice)}"
    return replace(structure, sites=tuple(structure.sites[i] for i in kept)), (note,), tuple(kept)


def _within_cell(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return fractional coordinates from 0 to below 1."""
    wrapped = positions % 1.0
    return np.where(wrapped < 1.0, wrapped, 0.0)
