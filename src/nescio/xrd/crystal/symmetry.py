"""Symmetry operations: completion to a group, naming, and comparison with a cell."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import lru_cache

import gemmi
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "fits_cell",
    "group_number",
    "operation_arrays",
    "operations_from",
    "system_of",
    "tabulated",
    "triplets_of",
]

# Relative deviation of a cell from the symmetry of its group.
_CELL_TOLERANCE = 1e-2
_MOST_OPERATIONS = 192 * 4
# For each system, a cell that its operations preserve if the axes follow the convention.
_SAMPLE_CELLS = {
    "triclinic": [("b", (5, 6, 7, 80, 95, 103))],
    "monoclinic": [
        ("b", (5, 6, 7, 90, 103, 90)),
        ("c", (5, 6, 7, 90, 90, 103)),
        ("a", (5, 6, 7, 103, 90, 90)),
    ],
    "orthorhombic": [("b", (5, 6, 7, 90, 90, 90))],
    "tetragonal": [("b", (5, 5, 7, 90, 90, 90))],
    "trigonal": [("b", (5, 5, 7, 90, 90, 120))],
    "rhombohedral": [("b", (5, 5, 5, 70, 70, 70))],
    "hexagonal": [("b", (5, 5, 7, 90, 90, 120))],
    "cubic": [("b", (5, 5, 5, 90, 90, 90))],
}


def operations_from(triplets: Iterable[str]) -> gemmi.GroupOps:
    """Return the group of listed operations; repeated ones count once, missing products are added.

    Args:
        triplets: Such as "-x,y+1/2,-z".

    Raises:
        ValueError: One is not a symmetry operation of a crystal, or they do not form a group.
    """
    return _operations(tuple(triplets))


@lru_cache(maxsize=256)
def _operations(triplets: tuple[str, ...]) -> gemmi.GroupOps:
    found: dict[str, gemmi.Op] = {}
    for triplet in triplets:
        try:
            operation = gemmi.Op(triplet).wrap()
        except RuntimeError as error:
            raise ValueError(f"{triplet[:40]!r} is no symmetry operation ({str(error)[:80]})") from None
        if abs(operation.det_rot()) != gemmi.Op.DEN**3:
            raise ValueError(f"{triplet[:40]!r} is no symmetry operation (it changes the volume)")
        found.setdefault(operation.triplet(), operation)
    if not 0 < len(found) <= _MOST_OPERATIONS:
        raise ValueError(f"{len(found)} symmetry operations make no group")
    found.setdefault("x,y,z", gemmi.Op("x,y,z"))
    group = gemmi.GroupOps(list(found.values()))
    try:
        group.add_missing_elements()
    except RuntimeError as error:
        raise ValueError(f"the symmetry operations make no group ({str(error)[:80]})") from None
    if len(group) > _MOST_OPERATIONS or not _is_closed(group):
        raise ValueError("the symmetry operations make no group")
    return group


def _is_closed(group: gemmi.GroupOps) -> bool:
    """Return whether the operations are distinct and closed under multiplication."""
    rotations, translations = operation_arrays(group)
    keys = _keys(rotations, translations)
    if len(np.unique(keys, axis=0)) != len(keys):
        return False
    products = np.einsum("aij,bjk->abik", rotations, rotations).reshape(-1, 3, 3)
    moved = np.einsum("aij,bj->abi", rotations, translations) + translations[:, None]
    together = np.concatenate([keys, _keys(products, moved.reshape(-1, 3))])
    return len(np.unique(together, axis=0)) == len(keys)


def _keys(rotations: NDArray[np.float64], translations: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return one row of whole numbers for each operation, equal for operations that differ by a lattice translation."""
    whole = np.rint(rotations * gemmi.Op.DEN).astype(np.int64).reshape(-1, 9)
    return np.concatenate(
        [whole, np.rint(translations * gemmi.Op.DEN).astype(np.int64) % gemmi.Op.DEN], axis=1
    )


def triplets_of(group: gemmi.GroupOps) -> tuple[str, ...]:
    """Return all operations of a group as text."""
    return tuple(operation.triplet() for operation in group)


def operation_arrays(group: gemmi.GroupOps) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rotations (operations, 3, 3) and translations (operations, 3) of a group, centring included."""
    operations = list(group)
    rotations = np.array([op.rot for op in operations], float) / gemmi.Op.DEN
    translations = np.array([op.tran for op in operations], float) / gemmi.Op.DEN
    return rotations, translations


def tabulated(group: gemmi.GroupOps) -> gemmi.SpaceGroup | None:
    """Return the setting of a space group that has exactly these operations, or None if it is not tabulated."""
    found: gemmi.SpaceGroup | None = gemmi.find_spacegroup_by_ops(group)
    return found


def group_number(group: gemmi.GroupOps) -> int:
    """Return the number in the International Tables of a group in any setting; 0 if it is not recognised."""
    found = tabulated(group)
    return int(found.number) if found is not None else _searched_number(triplets_of(group))


@lru_cache(maxsize=256)
def _searched_number(triplets: tuple[str, ...]) -> int:
    import spglib

    rotations, translations = operation_arrays(operations_from(triplets))
    with warnings.catch_warnings():
        # spglib 2.7 announces a change of its error reporting; both forms are handled.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found = spglib.get_spacegroup_type_from_symmetry(np.rint(rotations).astype(np.intc), translations)
        except (ValueError, getattr(spglib, "SpglibError", ValueError)):
            found = None
    return int(found.number) if found is not None else 0


def system_of(group: gemmi.GroupOps) -> tuple[str, str]:
    """Return the crystal system of a group in an untabulated setting, and its unique axis.

    Returns:
        Name for :func:`nescio.xrd.lattice.lattice_freedom`, "isotropic" if the axes differ from the convention of the
        system; and the unique axis of a monoclinic cell, else "b".
    """
    number = group_number(group)
    standard = gemmi.find_spacegroup_by_number(number) if number else None
    name = str(standard.crystal_system_str()) if standard is not None else "triclinic"
    for system in (name, "rhombohedral") if name == "trigonal" else (name,):
        for axis, cell in _SAMPLE_CELLS[system]:
            if fits_cell(group, gemmi.UnitCell(*cell)):
                return system, axis
    return "isotropic", "b"


def fits_cell(group: gemmi.GroupOps, cell: gemmi.UnitCell) -> bool:
    """Return whether the operations preserve lengths and angles of a cell within one per cent."""
    rotations, _ = operation_arrays(group)
    axes = np.array(cell.orth.mat.tolist())
    metric = axes.T @ axes
    lengths = np.sqrt(np.diag(metric))
    turned = np.einsum("oji,jk,okl->oil", rotations, metric, rotations)
    return bool((np.abs(turned - metric) <= _CELL_TOLERANCE * np.outer(lengths, lengths)).all())
