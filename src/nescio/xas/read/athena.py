"""Spectra out of projects of Athena, read as text: nothing in them is evaluated."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nescio.errors import FileError, MeasurementError
from nescio.files import file_content
from nescio.xas.spectrum import Spectrum, checked

__all__ = ["read_athena"]

_LARGEST = 200_000_000
_NAME = re.compile(r"^\$old_group = '([^']*)';")
_LIST = re.compile(r"^@(\w+) = \((.*)\);\s*$")
# A word in quotes, in which a backslash protects what follows, or a bare number.
_ITEM = re.compile(r"'((?:[^'\\]|\\.)*)'|([-+.\w]+)")


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
    lines = _text(file).splitlines()
    if not any(_NAME.match(line) for line in lines):
        raise FileError(f"{file}: is no project of Athena (holds no record)")
    for line in lines:
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
    return found, left_out


def _spectrum(file: Path, group: str, lists: dict[str, str]) -> Spectrum:
    told = lists.get("args", "")
    name = _option(told, "label") or group
    if _option(told, "datatype") == "chi" or _option(told, "is_chi") == "1":
        raise MeasurementError(f"{name}: holds chi(k), not mu(E)")
    x, y = (_numbers(name, _words(lists.get(which, ""))) for which in ("x", "y"))
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


def _numbers(name: str, words: list[str]) -> NDArray[np.float64]:
    try:
        return np.array([float(word) for word in words], np.float64)
    except ValueError as error:
        raise MeasurementError(f"{name}: {error}") from None


def _text(file: Path) -> str:
    content = file_content(file, _LARGEST)
    if content[:2] == b"\x1f\x8b":
        try:
            with gzip.open(io.BytesIO(content)) as opened:
                # Of a few bytes a compressed file can make any number.
                content = opened.read(_LARGEST + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise FileError(f"{file}: cannot be read ({error})") from None
        if len(content) > _LARGEST:
            raise FileError(f"{file}: unpacks to more than {_LARGEST // 1_000_000} MB, no project")
    return content.decode("utf-8", errors="replace")
