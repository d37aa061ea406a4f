"""The names of columns, wherever a header has them, and what else it says."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nescio.xas.read.names import Column, Role, column_of
from nescio.xas.read.table import COMMENT_SIGNS

__all__ = ["columns_of", "fields_of", "text_of", "unnamed"]

_MOST_LOOKED_AT = 300
_SPEC_TITLES = re.compile(r"#L\s+")
# "#C 1_Energy (keV) 2_sec" of APS 12-BM stands in a comment of SPEC.
_SPEC_SIGN = re.compile(r"#[LC]\s+")
_COLUMN_FIELD = re.compile(r"column[.\s_]*(\d{1,3})$", re.I)
_EPICS_LEGEND = re.compile(r"([PD]\d{1,3})\s*=\s*\{([^{}]{1,80})\}")
_NUMBERED_LEGEND = re.compile(r"(?:^|(?<=\s))(\d{1,3})\)\s")
_FIELD = re.compile(r"([A-Za-z][\w .]{0,60}?)\s*[:=]\s*(.*)")
_BRACKETED = re.compile(r"[(\[{]")
_QUOTED = re.compile(r'"([^"]{0,100})"')
_UNITS = re.compile(
    r"[(\[]?(?:k?ev|counts?|cts|cps|a\.?u\.?|arb\.?|deg|degrees?|rad|s|sec|v|volts?|n?a|amps?|1|-+|none|)[)\]]?",
    re.I,
)
_WORDLESS = re.compile(r"[^\w]*")
_BEAMS = (Role.I0, Role.TRANSMITTED, Role.FLUORESCENCE, Role.REFERENCE, Role.SECOND, Role.MU, Role.WAVENUMBER)


def text_of(line: str) -> str:
    """Return a line of a header without the signs that make it a comment."""
    if line[:1] == "#" and _SPEC_SIGN.match(line):
        line = line[2:]
    return line.lstrip(COMMENT_SIGNS + "/ \t").strip()


def fields_of(header: Sequence[str]) -> dict[str, str]:
    """Return what lines "key: value" or "key = value" of a header say, keys in lower case; the first of each counts."""
    found: dict[str, str] = {}
    for line in header:
        if match := _FIELD.match(text_of(line).lstrip(".% ")):
            found.setdefault(match[1].strip().lower(), match[2].strip())
    return found


def unnamed(width: int) -> list[Column]:
    """Return columns without names."""
    return [column_of(number, "") for number in range(1, width + 1)]


def columns_of(header: Sequence[str], width: int) -> list[Column] | None:
    """Return the columns that a header names; None where it names none.

    Names may stand in fields "Column.1: energy eV" (XDI), in SPEC's ``#L``, one in a line after "Data:" (SSRL), in a
    numbered list, or in a line of their own, with or without a comment sign, apart by blanks, tabs or commas, quoted
    or not.

    Args:
        header: Lines before the numbers.
        width: Number of columns.
    """
    return (
        _by_fields(header, width)
        or _by_spec(header, width)
        or _one_a_line(header, width)
        or _by_list(header, width)
        or _by_line(header, width)
    )


def _named(names: Sequence[str]) -> list[Column]:
    return [column_of(number, name) for number, name in enumerate(names, 1)]


def _by_fields(header: Sequence[str], width: int) -> list[Column] | None:
    """Return columns by the fields of XDI; those without a field have no name."""
    found: dict[int, tuple[str, str]] = {}
    for key, value in fields_of(header).items():
        if (match := _COLUMN_FIELD.match(key)) and value:
            # What follows || is the name of a process variable, what follows # a remark.
            words = value.split("||")[0].split("#")[0].split()
            if words:
                found.setdefault(int(match[1]), (words[0], " ".join(words[1:])))
    if not any(1 <= number <= width for number in found):
        return None
    return [column_of(number, *found.get(number, ("", ""))) for number in range(1, width + 1)]


def _by_spec(header: Sequence[str], width: int) -> list[Column] | None:
    for line in reversed(header):
        if _SPEC_TITLES.match(line):
            text = line[2:].strip()
            for names in (re.split(r"\s{2,}", text), text.split()):
                if len(names) == width:
                    return _named(names)
            return None
    return None


def _one_a_line(header: Sequence[str], width: int) -> list[Column] | None:
    """Return columns whose names are all that follows a line "Data:", one in a line."""
    lines = [text_of(line) for line in header]
    if width + 1 <= len(lines) and lines[-width - 1].lower().rstrip(":") == "data":
        return _named(lines[-width:])
    return None


def _by_list(header: Sequence[str], width: int) -> list[Column] | None:
    """Return columns by a list "1) name" or "P1 = {name}"."""
    numbered: dict[int, str] = {}
    legend: dict[str, str] = {}
    for line in header[-_MOST_LOOKED_AT:]:
        text = text_of(line)
        if match := _EPICS_LEGEND.match(text):
            legend[match[1]] = match[2]
        elif _NUMBERED_LEGEND.match(text):
            parts = _NUMBERED_LEGEND.split(text)
            numbered.update(
                (int(number), name.strip()) for number, name in zip(parts[1::2], parts[2::2], strict=True)
            )
    if width == len(numbered) and all(numbered.get(number) for number in range(1, width + 1)):
        return _named([numbered[number] for number in range(1, width + 1)])
    if legend and header:
        words = text_of(header[-1]).split()
        if len(words) == width and all(word in legend for word in words):
            return _named([legend[word] for word in words])
    return None


def _by_line(header: Sequence[str], width: int) -> list[Column] | None:
    """Return columns by the line nearest to the numbers that names them."""
    last = True
    units: list[str] = []
    for line in reversed(header[-_MOST_LOOKED_AT:]):
        text = text_of(line)
        if not any(character.isalpha() for character in text):
            continue
        readings = _readings(text, width)
        # A line of units under the names.
        if stated := next((words for words in readings if all(map(_UNITS.fullmatch, words))), None):
            units = units or stated
            continue
        for names in readings:
            columns = _named(names)
            if _are_titles(columns, last=last):
                return [
                    column_of(one.number, one.name, unit.strip("()[]"))
                    for one, unit in zip(columns, units or [one.unit for one in columns], strict=True)
                ]
        last = False
    return None


def _readings(text: str, width: int) -> list[list[str]]:
    """Return the ways to take a line for names of so many columns."""
    found = [_QUOTED.findall(text)]
    signs = [sign for sign in ("\t", ",", ";") if sign in text]
    found += [[part.strip() for part in text.rstrip(sign + " ").split(sign)] for sign in signs]
    words = _joined_units(text.split())
    found.append(words)
    found.append(re.split(r"\s{2,}", text))
    if "*" in text:
        *marked, last = text.split("*")
        found.append([*(part.strip() for part in marked), *last.split()])
    if ":" in text:
        found.append(_joined_units(text.rpartition(":")[2].split()))
    # "@#" ends the titles of FEFF.
    if words and not words[-1].isalnum() and _WORDLESS.fullmatch(words[-1]):
        found.append(words[:-1])
    return [names for names in found if len(names) == width and any(names)]


def _joined_units(words: Sequence[str]) -> list[str]:
    """Return words with units in brackets joined to the names before them: "Energy (eV)"."""
    found: list[str] = []
    for word in words:
        if found and _BRACKETED.match(word):
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def _are_titles(columns: Sequence[Column], *, last: bool) -> bool:
    """Say whether words are names of columns rather than a remark.

    They are if two of them name parts of a spectrum, or all are known; an energy alone counts only in the last line.
    """
    roles = [column.role for column in columns]
    known = sum(role in _BEAMS or role in (Role.ENERGY, Role.ANGLE) for role in roles)
    axis = any(role in (Role.ENERGY, Role.ANGLE) for role in roles)
    return known > 1 or (axis and last) or all(role is not Role.UNKNOWN for role in roles)
