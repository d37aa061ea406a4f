"""Symmetry stated in a CIF: operations, Hall symbol, Hermann-Mauguin symbol, number; and their agreement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import gemmi

from nescio.errors import StructureError
from nescio.xrd.cif import Block
from nescio.xrd.crystal.settings import (
    Setting,
    alternatives,
    fitting,
    hall_setting,
    listed_setting,
    named_settings,
    numbered_settings,
)
from nescio.xrd.crystal.symmetry import triplets_of

__all__ = ["SymmetryStatement", "stated_symmetry", "symbol_or_number"]

_OPERATIONS = (
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
    "_space_group_symop_magn_operation_xyz",
    "_space_group_symop_magn_ssg_operation_xyz",
)
_CENTRINGS = ("_space_group_symop_magn_centering_xyz",)
_HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_SYMBOL = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m",
    "_space_group_name_h-m_ref",
    "_space_group_name_h-m_full",
    "_symmetry_space_group_name_h-m_full",
)
_NUMBER = ("_space_group_it_number", "_symmetry_int_tables_number")
_CHOICE = {"1": "1", "2": "2", "h": "H", "r": "R"}
# Time reversal, which follows a magnetic operation, does not change positions.
_TIME_REVERSAL = re.compile(r",\s*[-+]?1\s*$")
_QUOTES = "'\" "


@dataclass(frozen=True)
class SymmetryStatement:
    """Possible settings of the stated symmetry."""

    candidates: tuple[Setting, ...]
    question: str = ""
    """The open question between several candidates."""
    preferred: Setting | None = None
    """The candidate to use if nothing decides; None if that is open."""
    advice: str = ""
    """How the user can answer the question."""
    notes: tuple[str, ...] = ()


def symbol_or_number(text: str, cell: Sequence[float], where: str) -> SymmetryStatement:
    """Return the symmetry of a symbol or number alone, as in a TOML file.

    Raises:
        StructureError: The symbol is unknown, or none of its settings fits the cell.
    """
    word = text.strip()
    if word.isascii() and word.isdigit():
        settings = numbered_settings(int(word)) if len(word) <= 3 else ()
        symbol = None
    else:
        settings, symbol = named_settings(word), word
    if not settings:
        raise StructureError(
            f"{where}: space group {word[:40]!r} is unknown; give a Hermann-Mauguin symbol such as "
            "'P6_3/mmc', or a number from 1 to 230"
        )
    fit = _fitting(settings, cell, symbol, where)
    what = f"space group {word!r}"
    return SymmetryStatement(
        fit,
        question=f"{where}: {what} has {len(fit)} settings that fit the cell",
        advice=_advice(fit, "space_group = "),
    )


def stated_symmetry(block: Block, cell: Sequence[float], where: str) -> SymmetryStatement:
    """Return the possible settings of the symmetry in a block.

    Listed operations are used if no other statement contradicts them; a Hall symbol counts next. A Hermann-Mauguin
    symbol or number alone does not determine the origin or axes of some groups. Contradicting statements all remain
    candidates.

    Raises:
        StructureError: No symmetry is stated, or none that is recognised or fits the cell.
    """
    symbol, hall_text = block.value(*_SYMBOL), block.value(*_HALL)
    number_text = block.value(*_NUMBER)
    number = int(number_text) if number_text and number_text.isascii() and number_text.isdigit() else None
    choice = _CHOICE.get((block.value("_space_group_it_coordinate_system_code") or "").lower())
    notes: list[str] = []
    listed = _listed(block, notes, where)
    by_symbol = named_settings(symbol, choice) if symbol else ()
    by_number = numbered_settings(number, choice) if number is not None else ()
    hall = hall_setting(hall_text) if hall_text else None
    if symbol and not by_symbol and (listed or hall or by_number):
        notes.append(f"the space group symbol {symbol[:40]!r} is not recognised and not used")
    if hall_text and hall is None and (listed or by_symbol or by_number):
        notes.append(f"the Hall symbol {hall_text[:40]!r} is not recognised and not used")
    exact = listed or hall
    if exact is not None:
        return _exact(exact, hall, by_symbol, by_number, cell, (symbol, number), where, notes)
    if not by_symbol and not by_number:
        given = symbol or "none given"
        raise StructureError(
            f"{where}: space group not recognised ({given[:40]}); give _space_group_name_H-M_alt or its number"
        )
    return _by_name(by_symbol, by_number, cell, (symbol, number), where, notes)


def _listed(block: Block, notes: list[str], where: str) -> Setting | None:
    """Return the setting of the listed operations; None if there are no usable ones."""
    column = block.column(*_OPERATIONS)
    triplets = [_triplet(text) for text in column or () if text is not None]
    if not triplets:
        return None
    centrings = [_triplet(text) for text in block.column(*_CENTRINGS) or () if text is not None]
    try:
        setting = listed_setting([*triplets, *centrings])
    except ValueError as error:
        if block.value(*_SYMBOL, *_HALL, *_NUMBER) is None:
            raise StructureError(f"{where}: {error}") from None
        notes.append(f"{error}; the listed operations are not used")
        return None
    complete, distinct = len(setting.symmetry), len({gemmi.Op(t).wrap().triplet() for t in triplets})
    if len(triplets) > distinct:
        notes.append(f"{len(triplets) - distinct} of {len(triplets)} listed operations are repetitions")
    if not centrings and distinct < complete:
        notes.append(f"the listed operations are incomplete: {distinct} of the {complete} of their group")
    return setting


def _triplet(text: str) -> str:
    return _TIME_REVERSAL.sub("", text.strip(_QUOTES)) if text.count(",") == 3 else text.strip(_QUOTES)


def _exact(
    exact: Setting,
    hall: Setting | None,
    by_symbol: tuple[Setting, ...],
    by_number: tuple[Setting, ...],
    cell: Sequence[float],
    stated: tuple[str | None, int | None],
    where: str,
    notes: list[str],
) -> SymmetryStatement:
    """Compare operations, or those of a Hall symbol, with the other statements."""
    symbol, number = stated
    said = exact.words() if exact.listed else f"the Hall symbol ({exact.space_group})"
    others: list[tuple[str, tuple[Setting, ...]]] = []
    # A short symbol also covers other axes.
    if by_symbol and not _same(exact, (*by_symbol, *alternatives(by_symbol, cell, symbol))):
        others.append((f"the symbol is {symbol}", by_symbol))
    if by_number and exact.number != number:
        others.append((f"the number is {number}", by_number))
    if hall is not None and exact.listed and hall.number != exact.number:
        others.append((f"the Hall symbol is that of {hall.space_group}", (hall,)))
    if not others:
        return SymmetryStatement((exact,), notes=tuple(notes))
    rivals: dict[Setting, None] = {}
    for _, settings in others:
        fit = fitting(settings, cell) or alternatives(settings, cell, symbol)
        rivals |= dict.fromkeys(fit)
    words = " and ".join(sentence for sentence, _ in others)
    candidates = (exact, *(setting for setting in rivals if not _same(exact, (setting,), strictly=True)))
    same_type = all(setting.number == exact.number for _, settings in others for setting in settings)
    seconded = len(others) < sum(map(bool, (by_symbol, by_number, hall is not None and exact.listed)))
    return SymmetryStatement(
        candidates,
        question=f"{where}: {words}, which contradicts {said}",
        # Within one space group type, operations are the more explicit statement; or another statement agrees.
        preferred=exact if same_type or seconded else None,
        advice="remove the wrong statement from the file",
        notes=(*notes, f"{words}, which contradicts {said}") if len(candidates) == 1 else tuple(notes),
    )


def _same(exact: Setting, settings: Sequence[Setting], *, strictly: bool = False) -> bool:
    """Return whether a setting is among others; a setting without a symbol is compared by its number."""
    if exact.operations and not strictly:
        return any(setting.number == exact.number for setting in settings)
    # Some settings have two symbols, such as A b a m and A c a m.
    own = set(triplets_of(exact.symmetry))
    return any(set(triplets_of(setting.symmetry)) == own for setting in settings)


def _by_name(
    by_symbol: tuple[Setting, ...],
    by_number: tuple[Setting, ...],
    cell: Sequence[float],
    stated: tuple[str | None, int | None],
    where: str,
    notes: list[str],
) -> SymmetryStatement:
    symbol, number = stated
    if by_symbol and by_number and not {s.number for s in by_symbol} & {s.number for s in by_number}:
        candidates = (*fitting(by_symbol, cell), *fitting(by_number, cell))
        question = f"{where}: the symbol {symbol} is not that of number {number}"
        if not candidates:
            raise StructureError(f"{question}, and the cell fits neither")
        return SymmetryStatement(
            candidates,
            question=question,
            advice="correct the file",
            notes=(f"the symbol {symbol} is not that of number {number}",) if len(candidates) == 1 else (),
        )
    if by_symbol:
        fit = _fitting(by_symbol, cell, symbol, where)
        return SymmetryStatement(
            fit,
            question=f"{where}: the symbol {symbol} has {len(fit)} settings that fit the cell,"
            " and the file does not say which is meant",
            advice=_advice(fit, "_space_group_name_H-M_alt "),
            notes=tuple(notes),
        )
    fit = _fitting(by_number, cell, None, where)
    others = alternatives(fit, cell, None)
    if len(fit) == 1 and others:
        return SymmetryStatement(
            (*fit, *others),
            question=f"{where}: only number {number} is stated",
            preferred=fit[0],
            advice="write _space_group_name_H-M_alt",
            notes=tuple(notes),
        )
    return SymmetryStatement(
        fit,
        question=f"{where}: only number {number} is stated, which has {len(fit)} settings that fit the cell",
        advice=_advice(fit, "_space_group_name_H-M_alt "),
        notes=tuple(notes),
    )


def _fitting(
    settings: tuple[Setting, ...], cell: Sequence[float], symbol: str | None, where: str
) -> tuple[Setting, ...]:
    """Return the settings that the cell fits; if none, those of the same symbol or number with other axes.

    Raises:
        StructureError: The cell fits none of these either.
    """
    fit = fitting(settings, cell) or alternatives(settings, cell, symbol)
    if not fit:
        group = gemmi.SpaceGroup(settings[0].space_group)
        shown = ", ".join(f"{x:g}" for x in cell)
        raise StructureError(
            f"{where}: a cell of {shown} does not fit space group {group.xhm()} ({group.crystal_system_str()})"
        )
    return fit


def _advice(settings: Sequence[Setting], key: str) -> str:
    return f"write {key}" + " or ".join(f"'{setting.space_group}'" for setting in settings)
