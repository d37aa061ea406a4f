"""The atom sites of a CIF."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import gemmi

from nescio.errors import StructureError
from nescio.xrd.cif import Block, Number, parse_number
from nescio.xrd.crystal.displacements import anisotropic_u, isotropic_u, unlikely_displacements
from nescio.xrd.crystal.elements import NamedSite, elements_of, parse_formula
from nescio.xrd.crystal.structure import Site
from nescio.xrd.crystal.words import listed

__all__ = ["FORMULA_TAGS", "Atoms", "has_atoms", "read_atoms"]

_AXES = ("x", "y", "z")
_MULTIPLICITY = ("_atom_site_site_symmetry_multiplicity", "_atom_site_symmetry_multiplicity")
FORMULA_TAGS = ("_chemical_formula_sum", "_chemical_formula_structural", "_chemical_formula_moiety")
"""Tags of the formula in a CIF; the first readable one counts."""
# A refined occupancy may exceed 1 or fall below 0 by this much, and by three standard uncertainties.
_OCCUPANCY_TOLERANCE = 0.05
_LARGEST_OCCUPANCY = 1.2
_MOST_SITES = 20_000


@dataclass(frozen=True)
class Atoms:
    """Sites of a block that contain atoms, with their further data."""

    sites: tuple[Site, ...]
    rounding: tuple[tuple[float, float, float], ...]
    """Half a unit of the last digit of each coordinate."""
    multiplicities: tuple[int | None, ...]
    """Stated number of atoms in the unit cell."""
    notes: tuple[str, ...]


def has_atoms(block: Block) -> bool:
    """Return whether a block lists atom sites with fractional coordinates."""
    return bool(block.column("_atom_site_fract_x"))


def read_atoms(block: Block, cell: gemmi.UnitCell, where: str) -> Atoms:
    """Return the atom sites of a block.

    Vacancies, dummy atoms, sites with zero occupancy and hydrogen without coordinates are skipped, with a note.

    Raises:
        StructureError: A site has no element, or an impossible number.
    """
    columns = [block.column(f"_atom_site_fract_{axis}") for axis in _AXES]
    x, y, z = columns
    if not x or y is None or z is None or not len(x) == len(y) == len(z):
        raise StructureError(f"{where}: no atom sites (_atom_site_fract_x, _y and _z)")
    count = len(x)
    if count > _MOST_SITES:
        raise StructureError(f"{where}: {count} atom sites are more than the limit of {_MOST_SITES}")
    symbols = _column(block, "_atom_site_type_symbol", count)
    labels = [
        label or symbol or f"site {number}"
        for number, (label, symbol) in enumerate(
            zip(_column(block, "_atom_site_label", count), symbols, strict=True), 1
        )
    ]
    formula = next((found for tag in FORMULA_TAGS if (found := parse_formula(block.value(tag)))), None)
    named = elements_of(list(zip(labels, symbols, strict=True)), formula)
    coordinates = [
        _coordinates((x[i], y[i], z[i]), named[i], f"{where}: site {labels[i]!r}") for i in range(count)
    ]
    occupancies = [
        _occupancy(text, f"{where}: site {label!r}")
        for text, label in zip(_column(block, "_atom_site_occupancy", count), labels, strict=True)
    ]
    isotropic, kind, notes = isotropic_u(block, labels, where)
    tensors, tensor_notes = anisotropic_u(block, labels, cell, where)
    multiplicities = [_whole(text) for text in _column(block, _MULTIPLICITY, count)]
    dummies = {i for i, flag in enumerate(_column(block, "_atom_site_calc_flag", count)) if flag == "dum"}

    kept: list[int] = []
    for i, site in enumerate(named):
        if site.vacant or i in dummies or coordinates[i] is None or occupancies[i] <= 0.0:
            continue
        if site.problem:
            raise StructureError(f"{where}: site {labels[i]!r} {site.problem}")
        kept.append(i)
    used = set(kept)
    left_out = {i: site for i, site in enumerate(named) if i not in used}
    all_notes = [
        *_remarks(named, dummies),
        *_left_out_notes(left_out, coordinates, dummies),
        *_occupancy_notes([(labels[i], occupancies[i]) for i in kept]),
        *notes,
        *tensor_notes,
    ]
    if not kept:
        raise StructureError(f"{where}: no usable atom site: {'; '.join(all_notes)}")
    sites = [
        Site(
            element=named[i].element,
            position=_values(coordinates[i]),
            occupancy=occupancies[i],
            charge=named[i].charge,
            u_iso=isotropic[i] or 0.0,
            u_aniso=tensors.get(labels[i]),
            label=labels[i],
        )
        for i in kept
    ]
    given = {
        site.label: site.equivalent_u(cell)
        for i, site in zip(kept, sites, strict=True)
        if site.u_aniso is not None or isotropic[i] is not None
    }
    if note := unlikely_displacements(given, kind if any(u is not None for u in isotropic) else "U"):
        all_notes.append(note)
    if given and (without := [site.label for site in sites if site.label not in given]):
        all_notes.append(f"sites without a displacement parameter, taken as 0: {listed(without)}")
    return Atoms(
        tuple(sites),
        tuple(_rounding(coordinates[i]) for i in kept),
        tuple(multiplicities[i] for i in kept),
        tuple(all_notes),
    )


def _column(block: Block, tags: str | Sequence[str], count: int) -> tuple[str | None, ...]:
    found = block.column(*([tags] if isinstance(tags, str) else tags))
    return found if found is not None and len(found) == count else (None,) * count


def _coordinates(
    texts: tuple[str | None, str | None, str | None], site: NamedSite, place: str
) -> tuple[Number, Number, Number] | None:
    """Return fractional coordinates, or None for a hydrogen atom without coordinates."""
    if any(text is None for text in texts):
        if site.vacant or site.element in ("H", "D"):
            return None
        raise StructureError(
            f"{place} has no usable coordinates ({', '.join(text or '?' for text in texts)})"
        )
    try:
        x, y, z = (parse_number(text or "") for text in texts)
    except ValueError as error:
        raise StructureError(f"{place} has no usable coordinates: {error}") from None
    return x, y, z


def _occupancy(text: str | None, place: str) -> float:
    """Return an occupancy; 0 if it is not above 0 within its uncertainty."""
    if text is None:
        return 1.0
    try:
        number = parse_number(text)
    except ValueError as error:
        raise StructureError(f"{place}: occupancy: {error}") from None
    slack = max(_OCCUPANCY_TOLERANCE, 3.0 * (number.sigma or 0.0))
    if not -slack <= number.value <= min(1.0 + slack, _LARGEST_OCCUPANCY):
        raise StructureError(f"{place}: occupancy must be above 0 and at most 1, not {text}")
    return max(number.value, 0.0)


def _remarks(named: Sequence[NamedSite], dummies: set[int]) -> list[str]:
    """Return a note for each rule that found elements not stated by the site names."""
    together: dict[str, list[str]] = {}
    for i, site in enumerate(named):
        if site.remark and i not in dummies:
            together.setdefault(site.remark, []).append(site.label)
    return [
        f"site{'s' if len(labels) > 1 else ''} {listed(labels)}: {remark}"
        for remark, labels in together.items()
    ]


def _left_out_notes(
    left_out: dict[int, NamedSite],
    coordinates: Sequence[tuple[Number, Number, Number] | None],
    dummies: set[int],
) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for i, site in left_out.items():
        if site.vacant:
            continue
        if i in dummies:
            reason = "dummy atoms are skipped"
        elif coordinates[i] is None:
            reason = "hydrogen without coordinates is skipped"
        else:
            reason = "sites with zero occupancy are skipped"
        reasons.setdefault(reason, []).append(site.label)
    return [f"{reason}: {listed(labels)}" for reason, labels in reasons.items()]


def _occupancy_notes(occupancies: Sequence[tuple[str, float]]) -> list[str]:
    above = [f"{label} ({occupancy:g})" for label, occupancy in occupancies if occupancy > 1.0 + 1e-3]
    return [f"occupancies above 1 are used unchanged: {listed(above)}"] if above else []


def _values(coordinates: tuple[Number, Number, Number] | None) -> tuple[float, float, float]:
    x, y, z = coordinates or (Number(math.nan),) * 3
    return x.value, y.value, z.value


def _rounding(coordinates: tuple[Number, Number, Number] | None) -> tuple[float, float, float]:
    x, y, z = coordinates or (Number(math.nan),) * 3
    return x.rounding, y.rounding, z.rounding


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 5 else None
