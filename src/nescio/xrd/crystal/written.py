"""Structures from their parts, as in a TOML file, and from JSON documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nescio.errors import StructureError
from nescio.xrd.crystal.checks import check_contents, check_parts, check_symmetry
from nescio.xrd.crystal.choosing import Stated
from nescio.xrd.crystal.contents import contents_of
from nescio.xrd.crystal.displacements import U_PER_B, unlikely_displacements
from nescio.xrd.crystal.finishing import finished
from nescio.xrd.crystal.stated import symbol_or_number
from nescio.xrd.crystal.structure import Site, Structure

__all__ = ["make_structure", "structure_from_document"]


def make_structure(
    name: str,
    cell: Sequence[float],
    space_group: str | int,
    sites: Sequence[Mapping[str, Any]],
    *,
    source: str = "",
) -> Structure:
    """Build a structure from its parts.

    Args:
        name: Of the structure.
        cell: a, b, c in angstrom; alpha, beta, gamma in degree.
        space_group: Hermann-Mauguin symbol ("P6_3/mmc" or "P63/mmc") or number, in the standard setting. If it does
            not state the origin ("F d -3 m" and not "F d -3 m:2"), distances decide.
        sites: Mappings with element, position, and optionally occupancy, charge, b_iso (angstrom^2).
        source: Origin of the structure, for messages.

    Raises:
        StructureError: A part is impossible or ambiguous; the message names it.
    """
    where = source or f"phase {name!r}"
    try:
        numbers = tuple(float(x) for x in cell)
    except (TypeError, ValueError, OverflowError):
        raise StructureError(f"{where}: a cell is six numbers, not {cell!r}") from None
    if len(numbers) != 6:
        raise StructureError(f"{where}: a cell is six numbers, not {len(numbers)}")
    try:
        made = tuple(_written_site(site, f"{where}: site {i}") for i, site in enumerate(sites, 1))
    except TypeError:
        raise StructureError(f"{where}: sites must be a list, not {sites!r}") from None
    bare = Structure(name, numbers, "P 1", made, source)
    check_parts(bare, where)
    symmetry = symbol_or_number(str(space_group), numbers, where)
    given = {f"{site.element} (site {i})": site.u_iso for i, site in enumerate(made, 1)}
    note = unlikely_displacements(given, "B")
    bare = Structure(name, numbers, "P 1", made, source, notes=(f"{where}: {note}",) if note else ())
    return finished(bare, symmetry, Stated(), [_rounding(site) for site in made], where)


def _written_site(site: object, where: str) -> Site:
    if not isinstance(site, Mapping):
        raise StructureError(f"{where}: must be a table with element and position, not {site!r}")
    if unknown := set(site) - {"element", "position", "occupancy", "charge", "b_iso"}:
        raise StructureError(
            f"{where}: unknown key {min(unknown)!r}; keys are element, position, occupancy, charge, b_iso"
        )
    if missing := {"element", "position"} - set(site):
        raise StructureError(f"{where}: has no {min(missing)}")
    # A key given as None counts as not given.
    given = {key: value for key, value in site.items() if value is not None}
    try:
        x, y, z = (float(v) for v in given["position"])
        return Site(
            element=str(given["element"]),
            position=(x, y, z),
            occupancy=float(given.get("occupancy", 1.0)),
            charge=int(given.get("charge", 0)),
            u_iso=float(given.get("b_iso", 0.0)) * U_PER_B,
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        raise StructureError(
            f"{where}: needs an element, three fractional coordinates and numbers else, not {dict(site)!r}"
        ) from None


def _rounding(site: Site) -> tuple[float, float, float]:
    """Return half a unit of the last digit of a coordinate."""
    x, y, z = (_half_a_digit(value) for value in site.position)
    return x, y, z


def _half_a_digit(value: float) -> float:
    decimals = repr(value).partition(".")[2]
    return 0.5 * 10.0 ** -len(decimals) if decimals.isdigit() and decimals != "0" else 0.0


def structure_from_document(document: Mapping[str, Any]) -> Structure:
    """Build a structure from the result of :meth:`Structure.to_document`.

    Raises:
        StructureError: The document does not describe a structure.
    """
    try:
        sites = tuple(
            Site(
                **{
                    **site,
                    "position": _floats(site["position"], 3),
                    "u_aniso": None if site["u_aniso"] is None else _floats(site["u_aniso"], 6),
                }
            )
            for site in document["sites"]
        )
        texts = {key: _texts(document[key]) for key in ("operations", "notes") if key in document}
        structure = Structure(**{**document, **texts, "cell": _floats(document["cell"], 6), "sites": sites})
        where = f"structure {structure.name!r}"
        check_parts(structure, where)
        check_symmetry(structure, where)
        check_contents(structure, contents_of(structure), where)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise StructureError(f"structure document: {type(error).__name__}: {error}") from None
    return structure


def _floats(values: Any, length: int) -> tuple[float, ...]:
    if isinstance(values, str) or len(values) != length:
        raise ValueError(f"{values!r} is not {length} numbers")
    return tuple(float(value) for value in values)


def _texts(values: Any) -> tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{values!r} is not a list of texts")
    return tuple(values)
