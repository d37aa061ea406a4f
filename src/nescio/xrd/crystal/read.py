"""Reading the crystal structures of a CIF."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gemmi

from nescio.errors import StructureError
from nescio.files import read_source
from nescio.xrd.cif import Block, parse_cif, parse_number
from nescio.xrd.crystal.atoms import FORMULA_TAGS, has_atoms, read_atoms
from nescio.xrd.crystal.checks import check_cell, check_parts
from nescio.xrd.crystal.choosing import Stated
from nescio.xrd.crystal.elements import parse_formula
from nescio.xrd.crystal.finishing import finished
from nescio.xrd.crystal.resymmetrise import resymmetrised
from nescio.xrd.crystal.stated import stated_symmetry
from nescio.xrd.crystal.structure import Cell, Structure
from nescio.xrd.crystal.words import listed

__all__ = ["read_structure", "read_structures"]

_LARGEST_FILE = 50_000_000
_LENGTHS = ("_cell_length_a", "_cell_length_b", "_cell_length_c")
_ANGLES = ("_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma")
_USED = ("_cell_", "_atom_site_", "_symmetry_", "_space_group_", "_chemical_formula_sum")
_VOLUME_TOLERANCE = 0.01
# The time of the symmetry search grows with the square of the number of atoms: some seconds for this many.
_MOST_SEARCHED = 2500
# Properties beyond the average structure, which are ignored.
_MORE = {
    "_atom_site_moment": "magnetic moments are not used: X-rays see the nuclear structure only",
    "_cell_modulation_dimension": "the structure is modulated; its average is read",
    "_cell_subsystems_number": "the structure is composite; its average is read",
}


def read_structure(
    path: str | Path,
    *,
    name: str | None = None,
    block: str | None = None,
    resymmetrise: bool = True,
    tolerance: float = 1e-3,
) -> Structure:
    """Read one structure of a CIF: that of a named block, or the first.

    The structure's `notes` list all doubtful points and how they were resolved: contradictions between symmetry,
    formula and sites; elements read from labels; unlikely displacements, distances and densities; skipped sites. If the
    file does not state the origin or setting, formula, multiplicities, density or distances decide; otherwise it is
    refused.

    Args:
        path: The file.
        name: Of the structure; by default the file's stem.
        block: Name of the data block.
        resymmetrise: Find the symmetry of a file written in P 1, common in databases; texture and strain need it.
            The result has the standard conventional cell and equivalent isotropic displacements.
        tolerance: Distance in angstrom within which positions count as equivalent.

    Raises:
        FileError: The file is missing, empty, too large or not a CIF.
        StructureError: The file contains no usable structure; the message names the missing or impossible part.
    """
    path = Path(path)
    blocks = _blocks(path)
    with_atoms = [one for one in blocks if has_atoms(one)]
    if block is not None:
        chosen = [one for one in blocks if one.name.lower() == block.lower()]
        if not chosen:
            names = listed([one.name for one in with_atoms]) or "none"
            raise StructureError(f"{path}: no block {block[:40]!r}; blocks with atom sites: {names}")
        return _structure(path, chosen[0], name or path.stem, len(with_atoms) > 1, resymmetrise, tolerance)
    failures: list[str] = []
    for index, one in enumerate(with_atoms):
        try:
            found = _structure(path, one, name or path.stem, len(with_atoms) > 1, resymmetrise, tolerance)
        except StructureError as error:
            failures.append(str(error))
            continue
        rest = [other.name for other in with_atoms[index + 1 :]]
        notes = [f"{failure} (this block is skipped)" for failure in failures]
        if rest:
            notes.append(
                f"{path}: block {one.name!r} is read; further structures are in: {listed(rest)}"
                f" (cif = '{path.name}#{rest[0]}' reads another)"
            )
        return replace(found, notes=(*found.notes, *notes))
    if failures:
        raise StructureError(failures[0])
    raise StructureError(f"{path}: no atom sites (_atom_site_fract_x ...) in block {blocks[0].name!r}")


def read_structures(
    path: str | Path, *, resymmetrise: bool = True, tolerance: float = 1e-3
) -> tuple[tuple[Structure, ...], tuple[StructureError, ...]]:
    """Read all structures of a CIF, each named after its block.

    Args:
        path: The file.
        resymmetrise: As of :func:`read_structure`.
        tolerance: As of :func:`read_structure`.

    Returns:
        The structures, and an error for each block with unusable atom sites.

    Raises:
        FileError: The file is missing, empty, too large or not a CIF.
    """
    path = Path(path)
    found: list[Structure] = []
    errors: list[StructureError] = []
    for block in _blocks(path):
        if has_atoms(block):
            try:
                found.append(_structure(path, block, block.name, True, resymmetrise, tolerance))
            except StructureError as error:
                errors.append(error)
    return tuple(found), tuple(errors)


def _blocks(path: Path) -> tuple[Block, ...]:
    return parse_cif(read_source(path, _LARGEST_FILE))


def _structure(
    path: Path, block: Block, name: str, several: bool, resymmetrise: bool, tolerance: float
) -> Structure:
    where = f"{path}: block {block.name!r}" if several else str(path)
    cell, notes = _cell(block, where)
    unit = gemmi.UnitCell(*cell)
    atoms = read_atoms(block, unit, where)
    notes += [
        f"{tag} occurs with different values; the first is used"
        for tag in block.conflicts
        if tag.startswith(_USED)
    ]
    notes += atoms.notes
    notes += [sentence for tag, sentence in _MORE.items() if block.has(tag)]
    bare = Structure(
        name, cell, "P 1", atoms.sites, str(path), notes=tuple(f"{where}: {note}" for note in notes)
    )
    check_parts(bare, where)
    symmetry = stated_symmetry(block, cell, where)
    stated = Stated(
        formula=next((found for tag in FORMULA_TAGS if (found := parse_formula(block.value(tag)))), None),
        formula_units=_number(block, "_cell_formula_units_z"),
        density=_number(block, "_exptl_crystal_density_diffrn", "_exptl_crystal_density_meas"),
        multiplicities=atoms.multiplicities,
    )
    structure = finished(bare, symmetry, stated, atoms.rounding, where)
    if not resymmetrise or structure.space_group_number != 1 or structure.operations:
        return structure
    if len(structure.sites) > _MOST_SEARCHED:
        note = f"{where}: more than {_MOST_SEARCHED:,} atoms in P 1; the symmetry is not searched"
        return replace(structure, notes=(*structure.notes, note))
    return resymmetrised(structure, tolerance)


def _cell(block: Block, where: str) -> tuple[Cell, list[str]]:
    """Return a, b, c, alpha, beta, gamma, and notes."""
    lengths = [_parameter(block, tag, where) for tag in _LENGTHS]
    if all(length is None for length in lengths):
        raise StructureError(f"{where}: no unit cell (_cell_length_a ...) in block {block.name!r}")
    if any(length is None for length in lengths):
        raise StructureError(f"{where}: the unit cell is incomplete (_cell_length_a, _b and _c)")
    notes = []
    angles = [_parameter(block, tag, where) for tag in _ANGLES]
    if any(angle is None for angle in angles):
        # The CIF dictionary defines this default.
        notes.append("angles of the cell that are not stated are 90 degree")
    a, b, c = (float(length or 0.0) for length in lengths)
    alpha, beta, gamma = (90.0 if angle is None else angle for angle in angles)
    check_cell((a, b, c, alpha, beta, gamma), where)
    volume = _number(block, "_cell_volume")
    if volume:
        own = gemmi.UnitCell(a, b, c, alpha, beta, gamma).volume
        if not abs(own - volume) <= _VOLUME_TOLERANCE * volume:
            notes.append(f"the stated cell volume is {volume:.6g} angstrom^3, that of the cell {own:.6g}")
    return (a, b, c, alpha, beta, gamma), notes


def _parameter(block: Block, tag: str, where: str) -> float | None:
    text = block.value(tag)
    try:
        return None if text is None else parse_number(text).value
    except ValueError as error:
        raise StructureError(f"{where}: {tag}: {error}") from None


def _number(block: Block, *tags: str) -> float | None:
    """Return a number that helps to decide, or None if it is invalid."""
    text = block.value(*tags)
    try:
        return None if text is None else parse_number(text).value
    except ValueError:
        return None
