"""Read Athena projects in Perl or JSON form, as text: nothing in them is evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nescio.errors import FileError, MeasurementError
from nescio.files import (
    Source,
    decoded_text,
    json_value,
    read_source,
    short_name,
    text_lines,
    unpacked_source,
)
from nescio.xas.read.finishing import finished
from nescio.xas.spectra import MOST_SPECTRA, Spectrum

__all__ = ["athena_in", "is_athena", "read_athena"]

_LARGEST = 200_000_000
_LONGEST_LINE = 50_000_000  # an array is one line
_BEGINNING = 4096
_HEADER = re.compile(r"athena project file", re.I)
_NAME = re.compile(r"^\$old_group = '([^']*)'")
_LIST = re.compile(r"^@(\w+) = \((.*)\);\s*$")
# A quoted word with backslash escapes, or a bare number.
# Possessive quantifiers, so that a quotation that never ends costs no more than its length.
_ITEM = re.compile(r"'((?:[^'\\]|\\.?)*+)'?|([-+.\w]++)")
# Elements that Athena writes if none was set.
_NOT_SET = ("", "H", "He")
_DATA = frozenset(["x", "y"])


class _Record(NamedTuple):
    """A record of a project in either form."""

    group: str
    option: Callable[[str], str]
    """Returns the value of an option; empty if it is not set."""
    numbers: Callable[[str], NDArray[np.float64]]
    """Returns an array; raises MeasurementError if it does not hold numbers."""


def read_athena(path: str | Path) -> tuple[list[Spectrum], list[str]]:
    """Read the spectra of an Athena project (.prj), with its energy shifts applied.

    Projects of Athena and Demeter are read, in Perl form and in JSON form (Demeter 0.9.21 and later).

    Args:
        path: The project, compressed by gzip or not.

    Returns:
        The spectra of mu(E); and the reasons why other records (chi(k), incomplete ones) are left out.

    Raises:
        FileError: The file cannot be read, or is no project.
    """
    return athena_in(unpacked_source(read_source(Path(path), _LARGEST)))


def is_athena(source: Source) -> bool:
    """Return whether an uncompressed file is a project, by its first lines."""
    beginning = source.content[:_BEGINNING].decode("latin-1").replace("\x00", "")
    return _HEADER.search(beginning) is not None


def athena_in(source: Source) -> tuple[list[Spectrum], list[str]]:
    """Return the spectra of an uncompressed project; see :func:`read_athena`."""
    found: list[Spectrum] = []
    left_out: list[str] = []
    json = source.content[:_BEGINNING].lstrip(b"\xef\xbb\xbf \t\r\n\xff\xfe\x00").startswith(b"{")
    for record in _json_records(source) if json else _perl_records(source):
        if len(found) + len(left_out) >= MOST_SPECTRA:
            raise FileError(
                f"{source.name}: holds more than {MOST_SPECTRA:,} records; divide it into several files"
            )
        try:
            found.append(_spectrum(source, record))
        except MeasurementError as error:
            left_out.append(str(error))
    if not found and not left_out:
        raise FileError(f"{source.name}: is no project of Athena (holds no record)")
    return found, left_out


def _perl_records(source: Source) -> Iterator[_Record]:
    group, lists = "", dict[str, str]()
    number = 0
    for line in text_lines(source, decoded_text(source), longest=_LONGEST_LINE):
        if name := _NAME.match(line):
            # The record has no last line: it is cut short.
            if group or _DATA.intersection(lists):
                yield _perl_record(group or f"record {number + 1}", lists)
            group, lists, number = name[1], {}, number + 1
        elif values := _LIST.match(line):
            lists[values[1]] = values[2]
        elif line.startswith("[record]") and (group or lists):
            yield _perl_record(group or f"record {number + 1}", lists)
            group, lists = "", {}
    # Other lists follow the records.
    if group or _DATA.intersection(lists):
        yield _perl_record(group or f"record {number + 1}", lists)


def _perl_record(group: str, lists: dict[str, str]) -> _Record:
    options = lists.get("args", "")

    def option(key: str) -> str:
        # Some values are lists, so pairs cannot be counted.
        found = re.search(rf"(?:^|,)\s*'{key}'\s*,\s*({_ITEM.pattern})", options)
        value = _word(found[1]) if found else ""
        return "" if value == "undef" else value

    def numbers(key: str) -> NDArray[np.float64]:
        text = lists.get(key, "")
        return _floats(group, text.replace("'", "").split(",") if text else [])

    return _Record(group, option, numbers)


def _word(text: str) -> str:
    found = _ITEM.match(text)
    quoted, bare = (found[1], found[2]) if found else (None, None)
    return re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else (bare or "")


def _json_records(source: Source) -> Iterator[_Record]:
    document = json_value(source)
    if not isinstance(document, dict):
        return
    order = document.get("_____order")
    groups = [one for one in order if isinstance(one, str)] if isinstance(order, list) else []
    others = [name for name in document if not name.startswith("_____")]
    for group in dict.fromkeys([*groups, *others]):
        record = document.get(group)
        if isinstance(record, dict):
            yield _json_record(short_name(group), record)
        elif not isinstance(record, str | None):
            yield _json_record(short_name(group), {})


def _json_record(group: str, record: dict[str, Any]) -> _Record:
    options = record.get("args")

    def option(key: str) -> str:
        value = options.get(key) if isinstance(options, dict) else None
        return str(value).strip() if isinstance(value, str | int | float) else ""

    def numbers(key: str) -> NDArray[np.float64]:
        values = record.get(key)
        return _floats(group, values if isinstance(values, list) else [])

    return _Record(group, option, numbers)


def _floats(name: str, values: list[Any]) -> NDArray[np.float64]:
    try:
        return np.array([float(value) for value in values], np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise MeasurementError(f"{name}: {error}") from None


def _spectrum(source: Source, record: _Record) -> Spectrum:
    option = record.option
    name = short_name(option("label") or record.group)
    if option("datatype") == "chi" or option("is_chi") == "1":
        raise MeasurementError(f"{name}: holds chi(k), not mu(E)")
    x, y = record.numbers("x"), record.numbers("y")
    if not x.size and not y.size:
        raise MeasurementError(f"{name}: holds no energies and no absorption; is the record cut short?")
    shift = option("bkg_eshift") or "0"
    try:
        aligned = float(shift)
    except ValueError:
        raise MeasurementError(f"{name}: energy shift {shift!r} is no number") from None
    element, edge = option("bkg_z").capitalize(), option("fft_edge").upper()
    return finished(
        Spectrum(
            name=name,
            energy=x + aligned,
            mu=y,
            source=source.name,
            element="" if element in _NOT_SET else element,
            edge=edge,
            shift=aligned,
        )
    )
