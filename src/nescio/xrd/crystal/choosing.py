"""Choice between settings of a crystal by its atoms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nescio.errors import StructureError
from nescio.xrd.crystal.contents import Contents, contents_of, diffract_alike, formula_text
from nescio.xrd.crystal.settings import Setting
from nescio.xrd.crystal.structure import Structure

__all__ = ["IMPOSSIBLE", "OVERFULL", "Stated", "choose", "contradictions"]

IMPOSSIBLE = 0.6
"""Smallest ratio of a distance to the sum of the covalent radii: the shortest multiple bonds of metals (Cr-Cr,
1.73 angstrom) have 0.62."""
OVERFULL = 0.05
"""Occupancies of one position may exceed 1 in total by this much, from refinement or rounding."""
_FORMULA_TOLERANCE = 0.04
_DENSITY_TOLERANCE = 0.1


@dataclass(frozen=True)
class Stated:
    """Statements of a file on a crystal besides cell, symmetry and sites."""

    formula: Mapping[str, float] | None = None
    """Atoms of each element in the formula unit."""
    formula_units: float | None = None
    """Formula units in the unit cell, Z."""
    density: float | None = None
    """In g/cm^3."""
    multiplicities: tuple[int | None, ...] = ()
    """Atoms of each site in the unit cell."""


def choose(
    candidates: Sequence[tuple[Setting, Structure]],
    stated: Stated,
    question: str,
    *,
    preferred: Setting | None = None,
    advice: str = "",
) -> tuple[Structure, tuple[str, ...]]:
    """Return the candidate that agrees with the atoms and all other statements.

    A candidate is dropped if its atoms overlap while those of another candidate do not. Then formula, multiplicities
    and density are compared in turn: a candidate that contradicts one of them is dropped if another candidate agrees.

    Args:
        candidates: The structure in at least one setting.
        stated: Statements to compare the candidates with.
        question: First part of the note or error: the open question or contradiction in the file.
        preferred: Candidate to use, with a note, if nothing decides.
        advice: How to answer the question.

    Returns:
        The structure, and a note if there were several candidates.

    Raises:
        StructureError: Several candidates that diffract differently remain.
    """
    first = candidates[0][1]
    if len(candidates) == 1:
        return first, ()
    remaining = [(setting, structure, contents_of(structure)) for setting, structure in candidates]
    reasons: list[str] = []
    possible = [one for one in remaining if not _impossible(one[2])]
    if possible and len(possible) < len(remaining):
        reasons += [f"{one[0].words()} {_impossible(one[2])}" for one in remaining if one not in possible]
        remaining = possible
    for what in ("formula", "multiplicities", "density"):
        agreeing = [one for one in remaining if what not in contradictions(one[1], one[2], stated)]
        if agreeing and len(agreeing) < len(remaining):
            remaining = agreeing
            reasons.append(f"only it agrees with the stated {what}")
    setting, structure, _ = remaining[0]
    if len(remaining) == 1:
        return structure, (f"{question}; {setting.words()} is taken, since {'; '.join(reasons)}",)
    if all(diffract_alike(structure, other) for _, other, _ in remaining[1:]):
        # A choice without effect needs no note; a contradiction in the file does.
        return structure, (f"{question}; both give the same pattern",) if setting.listed else ()
    for setting, structure, _ in remaining:
        if setting == preferred:
            return structure, (f"{question}; {setting.words()} is taken",)
    outcomes = "; ".join(
        f"{setting.words()} gives {_outcome(contents)}" for setting, _, contents in remaining
    )
    raise StructureError(f"{question}: {outcomes}{advice and '; ' + advice}")


def contradictions(structure: Structure, contents: Contents, stated: Stated) -> dict[str, str]:
    """Return a sentence for each contradicted statement, by "formula", "multiplicities", "density"."""
    found: dict[str, str] = {}
    if (sentence := _formula_contradiction(contents, stated)) is not None:
        found["formula"] = sentence
    if (sentence := _multiplicity_contradiction(structure, contents, stated)) is not None:
        found["multiplicities"] = sentence
    density = stated.density
    if density and abs(contents.density / density - 1.0) > _DENSITY_TOLERANCE:
        found["density"] = (
            f"the stated density is {density:.4g} g/cm^3, that of the sites {contents.density:.4g}"
        )
    return found


def _impossible(contents: Contents) -> str:
    """Return why a structure is impossible, or an empty text."""
    if contents.crowded and contents.crowded[1] > 1.0 + OVERFULL:
        return f"puts {contents.crowded[1]:.3g} atoms on one position"
    closest = contents.closest
    if closest and closest.ratio < IMPOSSIBLE:
        first, second = closest.labels
        return f"places {first} and {second} {closest.distance:.2f} angstrom apart"
    return ""


def _outcome(contents: Contents) -> str:
    closest = contents.closest
    shortest = "" if closest is None else (
        f", shortest distance {closest.labels[0]}-{closest.labels[1]} {closest.distance:.2f} angstrom"
    )  # fmt: skip
    return f"{contents.formula()} in the unit cell, {contents.density:.3g} g/cm^3{shortest}"


def _formula_contradiction(contents: Contents, stated: Stated) -> str | None:
    if stated.formula is None:
        return None
    counts, formula = _merged(contents.counts), _merged(stated.formula)
    # Hydrogen is often not located; that is noted elsewhere.
    if "H" not in counts:
        formula.pop("H", None)
    if not formula:
        return None
    z = stated.formula_units
    if z is None:
        # Use the number of formula units that fits best.
        weight = sum(n * n for n in formula.values())
        z = sum(formula[e] * counts.get(e, 0.0) for e in formula) / weight
        if _agree(counts, formula, z):
            return None
        return f"the formula is {formula_text(formula)}, but the unit cell holds {formula_text(counts)}"
    # Some programs state the content of the whole cell as the formula, beside the Z of the reduced one.
    if _agree(counts, formula, z) or (_divides(formula, z) and _agree(counts, formula, 1.0)):
        return None
    expected = formula_text({element: number * z for element, number in formula.items()})
    return (
        f"the formula {formula_text(formula)} with Z = {z:g} means {expected} in the unit cell,"
        f" but that holds {formula_text(counts)}"
    )


def _merged(counts: Mapping[str, float]) -> dict[str, float]:
    """Return atoms with deuterium counted as hydrogen."""
    merged = dict(counts)
    if "D" in merged:
        merged["H"] = merged.get("H", 0.0) + merged.pop("D")
    return merged


def _agree(counts: Mapping[str, float], formula: Mapping[str, float], z: float) -> bool:
    elements = set(counts) | set(formula)
    return all(
        math.isclose(
            counts.get(element, 0.0),
            formula.get(element, 0.0) * z,
            rel_tol=_FORMULA_TOLERANCE,
            abs_tol=0.05,
        )
        for element in elements
    )


def _divides(formula: Mapping[str, float], z: float) -> bool:
    return z >= 1.0 and all(math.isclose(n / z, round(n / z), abs_tol=1e-3) for n in formula.values())


def _multiplicity_contradiction(structure: Structure, contents: Contents, stated: Stated) -> str | None:
    total = len(list(structure.symmetry))
    pairs = [
        (site, given, found)
        for site, given, found in zip(
            structure.sites, stated.multiplicities, contents.multiplicities, strict=False
        )
        if given is not None
    ]
    # An old program wrote the order of the site symmetry here.
    if not pairs or all(given * found == total for _, given, found in pairs):
        return None
    for site, given, found in pairs:
        if given != found:
            return (
                f"site {site.label or site.element} is stated to occur {given} times in the unit cell,"
                f" but the symmetry gives {found}"
            )
    return None
