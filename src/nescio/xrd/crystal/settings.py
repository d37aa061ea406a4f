"""Settings of space groups from a symbol, a number or a list of operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import gemmi

from nescio.xrd.crystal.symmetry import (
    fits_cell,
    group_number,
    operations_from,
    tabulated,
    triplets_of,
)

__all__ = [
    "Setting",
    "alternatives",
    "fitting",
    "hall_setting",
    "listed_setting",
    "named_settings",
    "numbered_settings",
]

# Marks of the choice of origin or axes in files: ":2", "Z" (origin at the centre), "(origin choice 2)", "O2", "H".
_MARK = re.compile(
    r"^(?P<symbol>.*?)\s*(?:[:;]\s*(?P<after>[12HRSZ])|\(?\s*origin\s*(?:choice|at)?\s*(?P<origin>[12])\s*\)?"
    r"|\s*O(?P<o>[12])|(?P<letter>[HRSZ])|\(?\s*(?P<axes>hexagonal|rhombohedral)(?: axes)?\s*\)?)\s*$",
    re.I,
)
_MARKS = {"1": "1", "2": "2", "S": "1", "Z": "2", "H": "H", "R": "R", "HEXAGONAL": "H", "RHOMBOHEDRAL": "R"}
_OVERBAR = re.compile("([1-6])[\u0304\u0305\u0331]")
_SCREW = re.compile(r"[(_]\s*([1-6])\s*\)?")
_LONGEST_SYMBOL = 60
_WORDS = {
    "1": "origin choice 1",
    "2": "origin choice 2",
    "H": "hexagonal axes",
    "R": "rhombohedral axes",
}


@dataclass(frozen=True)
class Setting:
    """A space group with its axes and origin."""

    space_group: str
    """Extended Hermann-Mauguin symbol; of the standard setting where `operations` are given."""
    operations: tuple[str, ...] = ()
    """All operations of an untabulated setting."""
    listed: bool = False
    """Whether the setting is that of operations listed in a file."""

    @property
    def symmetry(self) -> gemmi.GroupOps:
        """Its operations."""
        if self.operations:
            return operations_from(self.operations)
        return gemmi.SpaceGroup(self.space_group).operations()

    @property
    def number(self) -> int:
        """Number in the International Tables; 0 if unknown."""
        return (
            group_number(self.symmetry) if self.operations else int(gemmi.SpaceGroup(self.space_group).number)
        )

    def words(self) -> str:
        """Return a name that distinguishes it from other settings."""
        if self.listed:
            untabulated = " in a setting without a symbol" if self.operations else ""
            return f"the list of operations ({self.space_group}{untabulated})"
        extension = str(gemmi.SpaceGroup(self.space_group).ext).strip()
        choice = _WORDS.get(extension)
        return f"{choice} ({self.space_group})" if choice else self.space_group


def listed_setting(triplets: Iterable[str]) -> Setting:
    """Return the setting of listed operations.

    Raises:
        ValueError: The operations do not form a group; the message explains why.
    """
    group = operations_from(triplets)
    found = tabulated(group)
    if found is not None:
        return Setting(found.xhm(), listed=True)
    number = group_number(group)
    standard = gemmi.find_spacegroup_by_number(number) if number else None
    return Setting(standard.xhm() if standard is not None else "P 1", triplets_of(group), listed=True)


def hall_setting(symbol: str) -> Setting | None:
    """Return the setting of a Hall symbol, or None if it is not recognised."""
    if len(symbol) > _LONGEST_SYMBOL or not symbol.isascii():
        return None
    try:
        group = gemmi.symops_from_hall(symbol)
        triplets = triplets_of(operations_from(triplets_of(group)))
    except (RuntimeError, ValueError):
        return None
    found = tabulated(group)
    if found is not None:
        return Setting(found.xhm())
    number = group_number(group)
    if not number:
        return None
    return Setting(gemmi.find_spacegroup_by_number(number).xhm(), triplets)


def named_settings(symbol: str, choice: str | None = None) -> tuple[Setting, ...]:
    """Return the possible settings of a Hermann-Mauguin symbol; none if it is not recognised.

    Args:
        symbol: Such as "P6_3/mmc", "F d -3 m:2", "F d -3 m Z", "P 2(1)/c"; full or short.
        choice: "1", "2", "H" or "R", if stated elsewhere.
    """
    text = _OVERBAR.sub(r"-\1", symbol.strip())
    if len(text) > _LONGEST_SYMBOL:
        return ()
    found = _named(text, choice)
    if found:
        return found
    match = _MARK.match(text)
    if not match:
        return ()
    mark = next(value for key, value in match.groupdict().items() if key != "symbol" and value)
    return _named(match["symbol"], _MARKS[mark.upper()])


def numbered_settings(number: int, choice: str | None = None) -> tuple[Setting, ...]:
    """Return the standard setting of a number in the International Tables, with each of its origins or axes."""
    if not 1 <= number <= 230:
        return ()
    standard = gemmi.find_spacegroup_by_number(number)
    return _with_extensions(standard.hm, number, choice)


def fitting(settings: Sequence[Setting], cell: Sequence[float]) -> tuple[Setting, ...]:
    """Return the settings that a cell (a, b, c, alpha, beta, gamma) fits."""
    unit = gemmi.UnitCell(*cell)
    return tuple(setting for setting in settings if _fits(setting, unit))


def alternatives(
    settings: Sequence[Setting], cell: Sequence[float], symbol: str | None
) -> tuple[Setting, ...]:
    """Return other settings of the same groups that a cell fits: "P 1 1 2/m" of "P 2/m", with gamma off 90 degree.

    Args:
        settings: The settings first considered.
        cell: a, b, c in angstrom; alpha, beta, gamma in degree.
        symbol: Only settings of this short symbol count; None for all of the group.
    """
    unit = gemmi.UnitCell(*cell)
    numbers = {setting.number for setting in settings}
    short = None if symbol is None else _bare(_SCREW.sub(r"\1", symbol))
    found: list[Setting] = []
    for group in gemmi.spacegroup_table():
        if group.number in numbers and (short is None or _bare(group.hm) == short):
            setting = Setting(group.xhm())
            if setting not in settings and _fits(setting, unit):
                found.append(setting)
    return _distinct(found)


def _fits(setting: Setting, unit: gemmi.UnitCell) -> bool:
    if setting.operations:
        return fits_cell(setting.symmetry, unit)
    return bool(unit.is_compatible_with_spacegroup(gemmi.SpaceGroup(setting.space_group), eps=1e-2))


@lru_cache(maxsize=256)
def _named(symbol: str, choice: str | None) -> tuple[Setting, ...]:
    text = _SCREW.sub(r"\1", symbol).strip()
    if not text.isascii() or not text:
        return ()
    group = cast("gemmi.SpaceGroup | None", gemmi.find_spacegroup_by_name(text)) or cast(
        "gemmi.SpaceGroup | None", gemmi.find_spacegroup_by_name(_shortened(text))
    )
    if group is not None:
        extension = str(group.ext).strip()
        # gemmi chooses an origin if the symbol does not; here it counts only if the symbol states it.
        stated = text.replace(" ", "").upper().endswith(f":{extension}") if extension else False
        return _with_extensions(group.hm, group.number, extension if stated else choice)
    # Short symbols of settings with other axes, such as "P 21/b".
    short = _bare(text)
    return _distinct(
        [Setting(group.xhm()) for group in gemmi.spacegroup_table() if _bare(group.hm) == short and short]
    )


def _with_extensions(hm: str, number: int, choice: str | None) -> tuple[Setting, ...]:
    groups = [group for group in gemmi.spacegroup_table() if group.number == number and group.hm == hm]
    chosen = [group for group in groups if choice and str(group.ext).strip() == choice]
    return _distinct([Setting(group.xhm()) for group in chosen or groups])


def _distinct(settings: Sequence[Setting]) -> tuple[Setting, ...]:
    """Return settings without duplicates (the same operations)."""
    found: dict[frozenset[str], Setting] = {}
    for setting in settings:
        found.setdefault(frozenset(triplets_of(setting.symmetry)), setting)
    return tuple(found.values())


def _bare(symbol: str) -> str:
    """Return a symbol without blanks and without the directions in which a monoclinic cell has no symmetry."""
    words = symbol.split()
    if len(words) == 4 and words.count("1") == 2:
        words = [word for word in words if word != "1"]
    return "".join(words).upper()


def _shortened(symbol: str) -> str:
    """Return the short symbol of a full one: "F 4/m -3 2/m" is "F m -3 m", "P 2/m 2/m 2/m" is "P m m m"."""
    lattice, *words = symbol.split()
    if len(words) < 2 or "1" in words[:1]:
        return symbol
    cubic, orthorhombic = words[1] == "-3", all(word.startswith("2") for word in words)
    short = [
        word.partition("/")[2]
        if "/" in word and (cubic or orthorhombic or (index > 0 and word.startswith("2")))
        else word
        for index, word in enumerate(words)
    ]
    return " ".join([lattice, *short])
