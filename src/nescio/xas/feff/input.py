"""The input of FEFF, feff.inp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from gemmi import Element
from numpy.typing import ArrayLike

from nescio.errors import ConfigurationError

__all__ = ["feff_input"]

_NEAREST = 0.5
_EDGES = ("K", "L1", "L2", "L3", "M1", "M2", "M3", "M4", "M5")
# Limits of FEFF's tables.
_MOST_ATOMS, _MOST_POTENTIALS = 1000, 11


def feff_input(
    elements: Sequence[str],
    positions: ArrayLike,
    *,
    edge: str,
    absorber: int = 0,
    core_hole: Literal["full", "none"] = "full",
    consistent_within: float | None = 4.5,
    paths_within: float | None = None,
    legs: int = 4,
    largest_wavenumber: float = 20.0,
    title: str = "nescio",
) -> str:
    """Return the input of FEFF 8 for one absorbing atom.

    The absorber has a potential of its own; all other atoms of one element share one.

    Args:
        elements: Symbols of all atoms, shape (n,).
        positions: In angstrom, shape (n, 3).
        edge: Edge of the absorber: K, L1, ... M5.
        absorber: Index of the absorbing atom.
        core_hole: "full" for an empty core level, "none" for an entirely screened hole.
        consistent_within: Radius in angstrom for self-consistent potentials; None for overlapping potentials of free
            atoms, which takes a tenth of the time.
        paths_within: Radius in angstrom for scattering paths; None for potentials and phase shifts only.
        legs: Largest number of legs of a path.
        largest_wavenumber: In 1/angstrom.
        title: Title line.

    Raises:
        ConfigurationError: An element, the edge or the absorber is unknown; atoms coincide; there are too many atoms.
    """
    place = np.asarray(positions, np.float64)
    if place.shape != (len(elements), 3) or not np.isfinite(place).all():
        raise ConfigurationError(
            f"positions of shape {place.shape} for {len(elements)} elements: needs (n, 3), all finite"
        )
    if not 0 <= absorber < len(elements):
        raise ConfigurationError(f"absorber {absorber}: there are atoms 0 to {len(elements) - 1}")
    if edge not in _EDGES:
        raise ConfigurationError(f"edge {edge!r}: is none of {', '.join(_EDGES)}")
    if len(elements) > _MOST_ATOMS:
        raise ConfigurationError(f"{len(elements)} atoms: FEFF takes {_MOST_ATOMS}; leave out those far away")
    numbers = {symbol: Element(symbol).atomic_number for symbol in dict.fromkeys(elements)}
    for symbol, number in numbers.items():
        if number == 0 or Element(symbol).name != symbol:
            raise ConfigurationError(f"element {symbol!r} is not known (as in Cu, Pt)")
    apart = place - place[absorber]
    order = np.argsort(np.linalg.norm(apart, axis=1), kind="stable")
    others = [int(i) for i in order if i != absorber]
    _apart_enough(place)
    kinds = {symbol: kind for kind, symbol in enumerate(dict.fromkeys(elements[i] for i in others), 1)}
    if len(kinds) > _MOST_POTENTIALS:
        raise ConfigurationError(f"{len(kinds)} elements: FEFF takes {_MOST_POTENTIALS}")
    cards = [
        f"TITLE {' '.join(title.split())[:70]}",
        f"EDGE {edge}",
        "S02 1.0",
        f"CONTROL 1 1 1 {'1 1 1' if paths_within else '0 0 0'}",
        "PRINT 1 0 0 0 0 3",
        *([f"SCF {consistent_within:g}"] if consistent_within else []),
        f"EXAFS {largest_wavenumber:g}",
        *([f"RPATH {paths_within:g}", f"NLEG {legs}", "CRITERIA 0 0"] if paths_within else []),
        *(["NOHOLE"] if core_hole == "none" else []),
        "POTENTIALS",
        f" 0 {numbers[elements[absorber]]} {elements[absorber]} 3 3 0.001",
    ]
    counted = [elements[i] for i in others]
    cards += [
        f" {kind} {numbers[symbol]} {symbol} 3 3 {counted.count(symbol)}" for symbol, kind in kinds.items()
    ]
    cards.append("ATOMS")
    for i in (absorber, *others):
        kind = 0 if i == absorber else kinds[elements[i]]
        x, y, z = apart[i]
        cards.append(f" {x:.6f} {y:.6f} {z:.6f} {kind} {elements[i]}")
    return "\n".join([*cards, "END", ""])


def _apart_enough(place: np.ndarray) -> None:
    from scipy.spatial import cKDTree

    for first, second in sorted(cKDTree(place).query_pairs(_NEAREST)):
        raise ConfigurationError(
            f"atoms {first} and {second} are {np.linalg.norm(place[first] - place[second]):.3g} angstrom apart; "
            f"needs {_NEAREST:g} or more"
        )
