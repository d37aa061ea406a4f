"""Checks of a structure: errors for impossible structures, notes for unlikely ones."""

from __future__ import annotations

import math

import gemmi

from nescio.errors import StructureError
from nescio.xrd.crystal.choosing import IMPOSSIBLE, OVERFULL
from nescio.xrd.crystal.contents import Contents
from nescio.xrd.crystal.structure import Cell, Structure
from nescio.xrd.crystal.symmetry import fits_cell

__all__ = ["check_cell", "check_contents", "check_parts", "check_symmetry", "unlikely_contents"]

_MOST_SITES = 5000
_MOST_ATOMS = 200_000
_LARGEST_OCCUPANCY = 1.2
# Osmium has 22.6 g/cm^3, the lightest frameworks have 0.1.
_DENSEST, _LIGHTEST = 25.0, 0.05


def check_cell(cell: Cell, where: str) -> None:
    """Check that a cell encloses a volume.

    Raises:
        StructureError: The cell has no volume, or is too small or large.
    """
    if not all(math.isfinite(x) for x in cell) or not all(0.5 <= x <= 1000.0 for x in cell[:3]):
        raise StructureError(f"{where}: cell lengths must be within 0.5 to 1000 angstrom, not {cell[:3]}")
    if not all(10.0 < x < 170.0 for x in cell[3:]):
        raise StructureError(f"{where}: cell angles must be within 10 to 170 degree, not {cell[3:]}")
    cosines = [math.cos(math.radians(x)) for x in cell[3:]]
    if 1.0 - sum(c * c for c in cosines) + 2.0 * math.prod(cosines) <= 1e-6:
        raise StructureError(f"{where}: cell angles {cell[3:]} enclose no volume")


def check_parts(structure: Structure, where: str) -> None:
    """Check the cell and each site separately.

    Raises:
        StructureError: The cell or a site is impossible; the message names it.
    """
    check_cell(structure.cell, where)
    if not 0 < len(structure.sites) <= _MOST_SITES:
        raise StructureError(f"{where}: needs 1 to {_MOST_SITES} atom sites, not {len(structure.sites)}")
    for site in structure.sites:
        label = site.label or site.element
        if gemmi.Element(site.element).atomic_number == 0:
            raise StructureError(f"{where}: site {label!r} is of unknown element {site.element!r}")
        if site.element != "D" and gemmi.Element(site.element).it92 is None:
            raise StructureError(
                f"{where}: element {site.element!r} has no tabulated X-ray scattering factor"
            )
        if abs(site.charge) > 9:
            raise StructureError(f"{where}: site {label!r} has an impossible charge {site.charge:+d}")
        if not all(math.isfinite(x) and abs(x) < 1e3 for x in site.position):
            raise StructureError(f"{where}: site {label!r} has no usable coordinates {site.position}")
        if not 0.0 < site.occupancy <= _LARGEST_OCCUPANCY:
            raise StructureError(
                f"{where}: occupancy of site {label!r} must be above 0 and at most 1, not {site.occupancy:g}"
            )
        if not 0.0 <= site.u_iso < 5.0:
            raise StructureError(f"{where}: site {label!r} has an impossible displacement U = {site.u_iso:g}")
        if site.u_aniso is not None and not all(math.isfinite(u) and abs(u) < 5.0 for u in site.u_aniso):
            raise StructureError(f"{where}: site {label!r} has impossible anisotropic displacements")


def check_symmetry(structure: Structure, where: str) -> None:
    """Check that the cell fits the space group, and the number of atoms.

    Raises:
        StructureError: The cell does not fit, or there are too many atoms.
    """
    unit = gemmi.UnitCell(*structure.cell)
    if structure.operations:
        fits = fits_cell(structure.symmetry, unit)
        group = "the listed operations"
    else:
        named = gemmi.SpaceGroup(structure.space_group)
        fits = unit.is_compatible_with_spacegroup(named, eps=1e-2)
        group = f"space group {named.xhm()} ({named.crystal_system_str()})"
    if not fits:
        cell = ", ".join(f"{x:g}" for x in structure.cell)
        raise StructureError(f"{where}: a cell of {cell} does not fit {group}")
    most = len(structure.sites) * len(structure.symmetry)
    if most > _MOST_ATOMS:
        raise StructureError(f"{where}: {most} atoms in a unit cell are more than the limit of {_MOST_ATOMS}")


def check_contents(structure: Structure, contents: Contents, where: str) -> None:
    """Check that no position of the unit cell holds more than one atom.

    Raises:
        StructureError: A position holds more; the message names the sites.
    """
    if contents.crowded is None:
        return
    members, total = contents.crowded
    # A refined occupancy above 1 of a single site was accepted before.
    if total <= 1.0 + OVERFULL or len(members) == 1:
        return
    labels = [structure.sites[i].label or structure.sites[i].element for i in members]
    distinct = list(dict.fromkeys(labels))[:4]
    raise StructureError(
        f"{where}: sites {', '.join(distinct)} share a position with a total occupancy of {total:.4g}"
    )


def unlikely_contents(contents: Contents) -> tuple[str, ...]:
    """Return notes on an impossible density or distance."""
    notes = []
    closest = contents.closest
    if closest is not None and closest.ratio < IMPOSSIBLE:
        first, second = closest.labels
        notes.append(
            f"{first} and {second} are {closest.distance:.2f} angstrom apart, closer than in any crystal;"
            " check cell, space group and coordinates"
        )
    if contents.density > _DENSEST:
        notes.append(
            f"a density of {contents.density:.4g} g/cm^3 is above that of any crystal;"
            " check that the cell is in angstrom"
        )
    elif contents.density < _LIGHTEST:
        notes.append(
            f"a density of {contents.density:.2g} g/cm^3 is below that of any crystal; check for missing atoms"
        )
    return tuple(notes)
