"""Spectra out of projects of Athena, read as text: nothing in them is evaluated."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nescio.errors import FileError, MeasurementError
from nescio.files import decoded_text, read_source, text_lines, unpacked_source
from nescio.xas.spectrum import MOST_SPECTRA, Spectrum, checked

__all__ = ["read_athena"]

_LARGEST = 200_000_000
_LONGEST_LINE = 50_000_000  # an array is one line
_NAME = re.compile(r"^\$old_group = '([^']*)';")
_LIST = re.compile(r"^@(\w+) = \((.*)\);\s*$")
# A word in quotes, in which a backslash protects what follows, or a bare number.
# Possessive quantifiers, so that a quotation that never ends costs no more than its length.
_ITEM = re.compile(r"'((?:[^'\\]|\\.?)*+)'?|([-+.\w]++)")


def read_athena(path: str | Path) -> tuple[list[Spectrum], list[str]]:
    """Read the spectra of an Athena project (.prj), their energies aligned as they were there.

    Args:
        path: Of the project, compressed or not.

    Returns:
        Spectra of mu(E); and for each other record (chi(k), an incomplete one) why it was left out.

    Raises:
        FileError: It cannot be read, or is no project.
    """
    file = Path(path)
    found: list[Spectrum] = []
    left_out: list[str] = []
    group, lists = "", dict[str, str]()
    source = unpacked_source(read_source(file, _LARGEST))
    file = source.path
    for line in text_lines(source, decoded_text(source), longest=_LONGEST_LINE):
        if len(found) + len(left_out) >= MOST_SPECTRA:
            raise FileError(f"{file}: holds more than {MOST_SPECTRA:,} records; divide it into several files")
        if name := _NAME.match(line):
            group, lists = name[1], {}
        elif values := _LIST.match(line):
            lists[values[1]] = values[2]
        elif line.startswith("[record]") and group:
            try:
                found.append(_spectrum(file, group, lists))
            except MeasurementError as error:
                left_out.append(str(error))
            group = ""
    if not found and not left_out:
        raise FileError(f"{file}: is no project of Athena (holds no record)")
    return found, left_out


def _spectrum(file: Path, group: str, lists: dict[str, str]) -> Spectrum:
    told = lists.get("args", "")
    name = _option(told, "label") or group
    if _option(told, "datatype") == "chi" or _option(told, "is_chi") == "1":
        raise MeasurementError(f"{name}: holds chi(k), not mu(E)")
    x, y = (_numbers(name, lists.get(which, "")) for which in ("x", "y"))
    shift = _option(told, "bkg_eshift") or "0"
    try:
        aligned = float(shift)
    except ValueError:
        raise MeasurementError(f"{name}: energy shift {shift!r} is no number") from None
    return checked(
        Spectrum(
            name=name,
            energy=x + aligned,
            mu=y,
            source=str(file),
            element=_option(told, "bkg_z").capitalize(),
            edge=_option(told, "fft_edge").upper(),
            shift=aligned,
        )
    )


def _option(told: str, key: str) -> str:
    """Return the value after a key; other values are lists of their own, so that one cannot count pairs."""
    found = re.search(rf"(?:^|,)'{key}',({_ITEM.pattern})", told)
    return _words(found[1])[0] if found else ""


def _words(text: str) -> list[str]:
    return [
        re.sub(r"\\(.)", r"\1", quoted) if quoted or not bare else bare
        for quoted, bare in _ITEM.findall(text)
    ]


def _numbers(name: str, text: str) -> NDArray[np.float64]:
    words = text.replace("'", "").split(",") if text else []
    try:
        return np.array([float(word) for word in words], np.float64)
    except ValueError as error:
        raise MeasurementError(f"{name}: {error}") from None
