"""Displacement parameters of a CIF: U, B or beta, isotropic or not, as mean-square displacements."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import gemmi
import numpy as np

from nescio.errors import StructureError
from nescio.xrd.cif import Block, parse_number
from nescio.xrd.crystal.structure import orthogonal_axes
from nescio.xrd.crystal.words import listed

__all__ = ["U_PER_B", "Tensor", "anisotropic_u", "isotropic_u", "unlikely_displacements"]

Tensor: TypeAlias = tuple[float, float, float, float, float, float]

U_PER_B = 1.0 / (8.0 * math.pi**2)
_INDICES = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
_NAMES = ("11", "22", "33", "12", "13", "23")
_KINDS = ("u", "b", "beta")
_ISOTROPIC = {
    "U": ("_atom_site_u_iso_or_equiv", "_atom_site_u_iso", "_atom_site_u_equiv_geom_mean"),
    "B": ("_atom_site_b_iso_or_equiv", "_atom_site_b_iso", "_atom_site_b_equiv_geom_mean"),
}
# Refinements give slightly negative values if the model of absorption or background is wrong.
_MOST_NEGATIVE = -0.05
_ROUNDING = 1e-4
# Larger mean-square displacements (angstrom^2) are unlikely in a crystal.
_LARGE_U = 0.2
# Zero-point motion alone exceeds this, even for heavy atoms in hard crystals (osmium, 0.03).
_SMALL_B = 0.025


def isotropic_u(
    block: Block, labels: Sequence[str], where: str
) -> tuple[list[float | None], str, tuple[str, ...]]:
    """Return U of each site in angstrom^2 (None if missing), the kind in the file ("U" or "B"), and notes.

    Raises:
        StructureError: A value is not a number, or far below zero.
    """
    columns = {
        kind: column
        for kind, tags in _ISOTROPIC.items()
        if (column := block.column(*tags)) is not None and len(column) == len(labels)
    }
    values: list[float | None] = []
    kinds: list[str] = []
    negative: list[str] = []
    contradictory: list[str] = []
    for i, label in enumerate(labels):
        stated: dict[str, float] = {}
        for kind, column in columns.items():
            if (text := column[i]) is None:
                continue
            number = _number(text, f"{where}: {kind} of site {label!r}")
            u = number * (1.0 if kind == "U" else U_PER_B)
            if u < _MOST_NEGATIVE:
                raise StructureError(
                    f"{where}: site {label!r} has an impossible displacement {kind} = {text}"
                )
            if u < 0.0:
                negative.append(f"{kind} of {label} ({text})")
            stated[kind] = max(u, 0.0)
        kinds.extend(list(stated)[:1])
        values.append(next(iter(stated.values()), None))
        if len(stated) > 1 and abs(stated["U"] - stated["B"]) > 0.05 * max(stated.values()) + 5e-4:
            contradictory.append(label)
    notes = []
    if negative:
        notes.append(f"displacement parameters below zero count as 0: {listed(negative)}")
    if contradictory:
        notes.append(f"U and B = 8 pi^2 U contradict each other, U is used: {listed(contradictory)}")
    return values, "B" if kinds and "U" not in kinds else "U", tuple(notes)


def anisotropic_u(
    block: Block, labels: Sequence[str], cell: gemmi.UnitCell, where: str
) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
    """Return U11, U22, U33, U12, U13, U23 in angstrom^2 by label of the site, and notes.

    B_ij are divided by 8 pi^2; beta_ij, of exp(-(beta11 h^2 + ... + 2 beta12 h k + ...)), by 2 pi^2 a*_i a*_j.

    Source: Trueblood et al. (1996), Acta Cryst. A52, 770-781, section 1.2.

    Raises:
        StructureError: A value is not a number, or impossible.
    """
    found = [
        (
            kind,
            [block.column(f"_atom_site_aniso_{kind}_{ij}", f"_atom_site_aniso_{kind}{ij}") for ij in _NAMES],
        )
        for kind in _KINDS
    ]
    tensors: dict[str, Tensor] = {}
    notes: list[str] = []
    negative: list[str] = []
    strangers: list[str] = []
    repeated: list[str] = []
    known = {label: label for label in labels}
    # Some programs omit signs from labels in one of the two loops: "Oh1" for "O-h1".
    plain = Counter(_plain(label) for label in labels)
    known |= {
        _plain(label): label for label in labels if plain[_plain(label)] == 1 and _plain(label) not in known
    }
    for kind, columns in found:
        given = [column for column in columns if column is not None]
        if len(given) < len(columns):
            continue
        names = block.column("_atom_site_aniso_label") or tuple(labels)
        for label, *texts in zip(names, *given, strict=False):
            if label is None or any(text is None for text in texts):
                continue
            written = label
            if (label := known.get(written) or known.get(_plain(written))) is None:
                strangers.append(written)
                continue
            if label in tensors:
                repeated.append(label)
                continue
            numbers = [_number(text or "", f"{where}: {kind} of site {label!r}") for text in texts]
            if not any(numbers):
                continue
            tensor, lowest = _positive(_as_u(numbers, kind, cell), cell)
            if lowest < _MOST_NEGATIVE:
                raise StructureError(f"{where}: site {label!r} has impossible anisotropic displacements")
            if lowest < -_ROUNDING:
                negative.append(label)
            tensors[label] = tensor
    if negative:
        notes.append(
            f"anisotropic displacements with a negative direction count as 0 in that direction: {listed(negative)}"
        )
    if strangers:
        notes.append(f"anisotropic displacements of unlisted sites are ignored: {listed(strangers)}")
    if repeated:
        notes.append(
            f"several anisotropic displacements are given, the first are used, for: {listed(repeated)}"
        )
    return tensors, tuple(notes)


def unlikely_displacements(values: Mapping[str, float], kind: str) -> str | None:
    """Return a note on unlikely values of U (angstrom^2) by label, or None.

    Args:
        values: Stated mean-square displacements of sites.
        kind: "U", "B" or "beta", the kind in the file.
    """
    given = {label: u for label, u in values.items() if u > 0.0}
    if not given:
        return None
    label, largest = max(given.items(), key=lambda item: item[1])
    if largest > _LARGE_U:
        every = len(given) > 1 and min(given.values()) > _LARGE_U
        alike = every and math.isclose(min(given.values()), largest, rel_tol=0.01)
        whose = "every atom" if alike else f"{label}" + (" (the largest; all are above 0.2)" if every else "")
        sentence = (
            f"U = {largest:.3g} square angstrom for {whose} is a root mean square amplitude of"
            f" {math.sqrt(largest):.2g} angstrom"
        )
        if kind == "U" and (every or len(given) == 1):
            return f"{sentence}; probably B was written as U ({largest:.3g} / (8 pi^2) = {largest * U_PER_B:.2g})"
        return f"{sentence}; check this value"
    if kind == "B" and largest / U_PER_B < _SMALL_B:
        return (
            f"B = {largest / U_PER_B:.3g} square angstrom, the largest, is below the zero-point motion of atoms;"
            f" probably U was written as B (U = {largest / U_PER_B:.3g} is B = {largest / U_PER_B**2:.2g})"
        )
    return None


def _plain(label: str) -> str:
    return re.sub(r"\W|_", "", label)


def _number(text: str, place: str) -> float:
    try:
        return parse_number(text).value
    except ValueError as error:
        raise StructureError(f"{place}: {error}") from None


def _as_u(numbers: Sequence[float], kind: str, cell: gemmi.UnitCell) -> Tensor:
    if kind == "u":
        factors = [1.0] * 6
    elif kind == "b":
        factors = [U_PER_B] * 6
    else:
        reciprocal = cell.reciprocal().parameters[:3]
        factors = [1.0 / (2.0 * math.pi**2 * reciprocal[i] * reciprocal[j]) for i, j in _INDICES]
    u11, u22, u33, u12, u13, u23 = (n * factor for n, factor in zip(numbers, factors, strict=True))
    return u11, u22, u33, u12, u13, u23


def _positive(tensor: Tensor, cell: gemmi.UnitCell) -> tuple[Tensor, float]:
    """Return the tensor with negative eigenvalues set to zero, and its lowest eigenvalue before."""
    matrix = np.zeros((3, 3))
    for value, (i, j) in zip(tensor, _INDICES, strict=True):
        matrix[i, j] = matrix[j, i] = value
    axes = orthogonal_axes(cell) * np.array(cell.reciprocal().parameters[:3])
    lengths, directions = np.linalg.eigh(axes @ matrix @ axes.T)
    lowest = float(lengths.min())
    if lowest >= 0.0:
        return tensor, lowest
    back = np.linalg.inv(axes)
    cut = back @ (directions * np.maximum(lengths, 0.0)) @ directions.T @ back.T
    u11, u22, u33, u12, u13, u23 = (float(cut[i, j]) for i, j in _INDICES)
    return (u11, u22, u33, u12, u13, u23), lowest
