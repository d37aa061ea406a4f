"""Building a structure from symmetry, cell and sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nescio.xrd.crystal.checks import check_contents, check_parts, check_symmetry, unlikely_contents
from nescio.xrd.crystal.choosing import OVERFULL, Stated, choose, contradictions
from nescio.xrd.crystal.contents import contents_of
from nescio.xrd.crystal.positions import settled, without_images
from nescio.xrd.crystal.settings import Setting
from nescio.xrd.crystal.stated import SymmetryStatement
from nescio.xrd.crystal.structure import Structure

__all__ = ["finished"]


def finished(
    bare: Structure,
    symmetry: SymmetryStatement,
    stated: Stated,
    rounding: Sequence[tuple[float, float, float]],
    where: str,
) -> Structure:
    """Choose the setting of a structure, move its atoms onto special positions, and check it.

    Args:
        bare: Structure with cell and sites; its space group is replaced, its notes are kept.
        symmetry: The possible settings.
        stated: Formula, Z, density and multiplicities stated by the file.
        rounding: Half a unit of the last written digit of each site's coordinates.
        where: The file, and the place in it, for messages.

    Raises:
        StructureError: The structure is impossible, or its setting is ambiguous.
    """
    check_parts(bare, where)
    found: list[tuple[Setting, Structure]] = []
    notes_of: dict[Setting, tuple[str, ...]] = {}
    for setting in symmetry.candidates:
        structure = replace(bare, space_group=setting.space_group, operations=setting.operations)
        check_symmetry(structure, where)
        structure, notes_of[setting] = settled(structure, rounding)
        found.append((setting, structure))
    structure, decision = choose(
        found, stated, symmetry.question, preferred=symmetry.preferred, advice=symmetry.advice
    )
    chosen = next(setting for setting, one in found if one is structure)
    notes = [*symmetry.notes, *decision, *notes_of[chosen]]
    contents = contents_of(structure)
    if contents.crowded and contents.crowded[1] > 1.0 + OVERFULL:
        structure, repeated, kept = without_images(structure)
        multiplicities = tuple(stated.multiplicities[i] for i in kept) if stated.multiplicities else ()
        stated = replace(stated, multiplicities=multiplicities)
        contents = contents_of(structure)
        notes += repeated
    check_contents(structure, contents, where)
    notes += contradictions(structure, contents, stated).values()
    notes += unlikely_contents(contents)
    if (
        stated.formula
        and (absent := {"H", "D"} & set(stated.formula))
        and not {"H", "D"} & set(contents.counts)
    ):
        notes.append(f"no site contains the {min(absent)} of the formula")
    named = (f"{where}: {note.removeprefix(f'{where}: ')}" for note in notes)
    return replace(structure, notes=(*bare.notes, *named))
