"""Finding the symmetry of a structure in P 1."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import gemmi
import numpy as np

from nescio.xrd.crystal.structure import Cell, Site, Structure, orthogonal_axes
from nescio.xrd.crystal.symmetry import operation_arrays

__all__ = ["resymmetrised"]


def resymmetrised(structure: Structure, tolerance: float) -> Structure:
    """Return a structure in P 1 in the standard setting of the space group of its positions.

    Args:
        structure: Its anisotropic displacements are replaced by equivalent isotropic ones.
        tolerance: Distance in angstrom within which positions count as equivalent.

    Returns:
        The structure; unchanged if there is no further symmetry.
    """
    import spglib

    # The search treats atoms on a shared position (partial occupancy) as one species.
    written = gemmi.UnitCell(*structure.cell)
    orthogonal = orthogonal_axes(written)
    members = _sharing_positions(structure.sites, structure.cell, tolerance)
    positions = [list(group[0].position) for group in members]
    kinds = [
        tuple(
            sorted(
                (s.element, s.charge, round(s.occupancy, 4), round(s.equivalent_u(written), 5)) for s in group
            )
        )
        for group in members
    ]
    species = sorted(set(kinds))
    numbers = [species.index(kind) for kind in kinds]
    with warnings.catch_warnings():
        # spglib 2.7 announces a change of its error reporting; both forms are handled.
        warnings.simplefilter("ignore", DeprecationWarning)
        cell_of_atoms = (orthogonal.T.tolist(), positions, numbers)
        # Raised since spglib 2.8; earlier versions return None.
        errors = (ValueError, getattr(spglib, "SpglibError", ValueError))
        try:
            dataset = spglib.get_symmetry_dataset(cell_of_atoms, symprec=tolerance)
        except errors:
            dataset = None
    # Without a result (for example, atoms closer than the tolerance) the structure stays in P 1.
    if dataset is None or dataset.number == 1:
        return structure
    found = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(dataset.hall))
    lattice = np.asarray(dataset.std_lattice)
    lengths = np.linalg.norm(lattice, axis=1)
    angles = [
        math.degrees(math.acos(float(np.clip(lattice[i] @ lattice[j] / (lengths[i] * lengths[j]), -1, 1))))
        for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    rotations, translations = operation_arrays(found.operations())
    sites: list[Site] = []
    taken = np.zeros(len(dataset.std_positions), bool)
    standard = np.asarray(dataset.std_positions)
    for i, x in enumerate(standard):
        if taken[i]:
            continue
        images = rotations @ x + translations
        difference = standard[None] - images[:, None]
        difference -= np.round(difference)
        near = (np.linalg.norm(difference @ lattice, axis=2) < 10.0 * tolerance).any(axis=0)
        taken |= near & (np.asarray(dataset.std_types) == dataset.std_types[i])
        for element, charge, occupancy, u_iso in species[dataset.std_types[i]]:
            sites.append(
                Site(
                    element, (float(x[0]), float(x[1]), float(x[2])), occupancy, charge, u_iso, label=element
                )
            )
    a, b, c = (float(v) for v in lengths)
    cell = (a, b, c, angles[0], angles[1], angles[2])
    notes = structure.notes
    if any(site.u_aniso is not None for site in structure.sites):
        notes += (
            "the symmetry is found from the positions, and anisotropic displacements become isotropic ones",
        )
    return Structure(structure.name, cell, found.xhm(), tuple(sites), structure.source, True, notes=notes)


def _sharing_positions(sites: Sequence[Site], cell: Cell, distance: float) -> list[list[Site]]:
    """Group sites that lie within a distance (angstrom) of each other, lattice translations included."""
    orthogonal = orthogonal_axes(gemmi.UnitCell(*cell))
    heads = np.empty((len(sites), 3))
    groups: list[list[Site]] = []
    for site in sites:
        difference = np.asarray(site.position) - heads[: len(groups)]
        difference -= np.round(difference)
        near = np.flatnonzero(np.linalg.norm(difference @ orthogonal.T, axis=1) < distance)
        if near.size:
            groups[near[0]].append(site)
        else:
            heads[len(groups)] = site.position
            groups.append([site])
    return groups
