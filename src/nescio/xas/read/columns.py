"""Spectra out of text with columns of numbers: XDI, SPEC, exports of Athena, and files of many beamlines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from nescio.errors import FileError, MeasurementError
from nescio.files import Source, read_source, suffix_of, unpacked_source
from nescio.xas.read.angles import energy_of_angle, lattice_spacing, photon_factory_columns
from nescio.xas.read.choice import Choice, NoColumnError, Signal, choose
from nescio.xas.read.expression import Formulas, parse_columns
from nescio.xas.read.finishing import finished_scans
from nescio.xas.read.names import Column, Role, column_of
from nescio.xas.read.table import COMMENT_SIGNS, Block, read_blocks
from nescio.xas.read.titles import columns_of, fields_of, text_of, unnamed
from nescio.xas.spectra import MOST_SPECTRA, Spectrum

__all__ = ["columns_in", "read_columns"]

Floats = NDArray[np.float64]

_LARGEST = 100_000_000
_FEWEST = 30
_MOST_NAMED = 5
# Lines of the first header that later scans get too: who measured what, not the names of columns.
_MOST_REPEATED = 50
# So large a share of the rows may have another number of columns, such as a row that is cut short.
_MOST_RAGGED, _SHARE_RAGGED = 3, 0.01
_SPEC_SCAN = re.compile(r"#S\s+(\d{1,9})")
_ATHENA = re.compile(r"athena|demeter|ifeffit|larch|larix|xas ?viewer", re.I)
_EXPORTED = (".nor", ".norm", ".flat", ".xmu")
"""Suffixes of what Athena exports: the columns after the energy are spectra."""
_SYMBOL = re.compile(r"([A-Za-z]{1,2})\b")
_EDGE = re.compile(r"(K|[LM][1-5])\b", re.I)
_EDGE_IN_LINE = re.compile(r"\bedge\s*[:=]\s*(K|[LM][1-5])\b", re.I)
_ELEMENT_FIELDS = ("element.symbol", "element", "scanparameters.element", "scan.element", "atom", "absorber")
_EDGE_FIELDS = ("element.edge", "edge", "scanparameters.edge", "scan.edge")


@dataclass
class _Table:
    """Blocks of numbers under one header."""

    header: list[str]
    """All lines before it, of the first table; of others those since the one before."""
    columns: list[Column] | None
    blocks: list[Block]
    scan: str = ""
    """Number of a scan of SPEC."""

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.blocks[0].width

    @property
    def count(self) -> int:
        """Number of rows."""
        return sum(block.count for block in self.blocks)

    def rows(self) -> Floats:
        """Return the numbers, shape (n, width)."""
        return np.concatenate([block.rows() for block in self.blocks])


def read_columns(path: str | Path, *, columns: str | None = None) -> tuple[list[Spectrum], list[str]]:
    """Read the spectra of a text with columns of numbers; packed by gzip or not.

    The names of the columns say which are energy and absorption: a column called absorption (mu, xmu, norm, mutrans,
    mufluor, ...) is used first, then ln(i0/it), then if/i0. Two columns without names are energy and mu. Other files
    are refused, and the message lists their columns.

    Args:
        path: Of the file.
        columns: Which columns to use, such as ``energy=1,mu=ln(i0/it)``: numbers or names of columns, and formulas of
            them. It takes precedence over the names in the file.

    Returns:
        Spectra with notes, several if the file holds several scans or exported groups; and why other parts of the file
        cannot be used.

    Raises:
        ConfigurationError: `columns` is not of that form.
        FileError: The file cannot be read as columns of numbers, or has no such columns.
        MeasurementError: Its only spectrum cannot be used; see :func:`nescio.xas.spectra.checked`.
    """
    formulas = None if columns is None else parse_columns(columns)
    return columns_in(unpacked_source(read_source(Path(path), _LARGEST)), formulas)


def columns_in(source: Source, formulas: Formulas | None) -> tuple[list[Spectrum], list[str]]:
    """Return the spectra of a text; see :func:`read_columns`."""
    blocks, footer = read_blocks(source)
    if not blocks:
        raise FileError(f"{source.name}: no rows of numbers; needs columns of energy and absorption")
    tables, notes = _tables(source, blocks)
    if text := next((line for line in footer if line[0] not in COMMENT_SIGNS), None):
        notes.append(f"text after the numbers is not used: {text[:60]!r}")
    if len(tables) > MOST_SPECTRA:
        raise FileError(
            f"{source.name}: holds more than {MOST_SPECTRA:,} scans; divide it into several files"
        )
    source.spend(8 * sum(len(block.values) for block in blocks), "its tables")
    found: list[Spectrum] = []
    left_out: list[str] = []
    for number, table in enumerate(tables, 1):
        name = source.path.stem if len(tables) == 1 else f"{source.path.stem}#{table.scan or number}"
        try:
            found += _spectra(source, tables[0], table, name, formulas)
        except (MeasurementError, FileError) as error:
            if len(tables) == 1:
                raise
            reason = str(error).removeprefix(f"{source.name}: ").removeprefix(f"{name}: ")
            left_out.append(f"{name}: {reason}")
        if len(found) > MOST_SPECTRA:
            raise FileError(
                f"{source.name}: holds more than {MOST_SPECTRA:,} spectra; divide it into several files"
            )
    if not found:
        raise MeasurementError(f"{source.name}: no spectrum can be used; the first: {left_out[0]}")
    found[0] = replace(found[0], notes=(*(f"{source.name}: {note}" for note in notes), *found[0].notes))
    return found, left_out


def _tables(source: Source, blocks: Sequence[Block]) -> tuple[list[_Table], list[str]]:
    """Return the tables of a text that can be spectra, and notes on what was left out.

    Raises:
        FileError: Rows have different numbers of columns.
    """
    notes: list[str] = []
    tables: list[_Table] = []
    scan = ""
    for block in blocks:
        starts = [found[1] for line in block.header if (found := _SPEC_SCAN.match(line))]
        notes += [f"scan {empty} holds no points" for empty in starts[:-1]]
        scan = starts[-1] if starts else scan
        last = tables[-1] if tables else None
        columns = None if last is None else _columns(block.header, block.width)
        comments = all(line[0] in COMMENT_SIGNS for line in block.header)
        goes_on = last is not None and not starts and columns is None and last.width == block.width
        if last is not None and goes_on and (last.count >= _FEWEST or comments):
            last.blocks.append(block)
        else:
            tables.append(_Table(block.header, columns, [block], scan))
    for line, text in [one for block in blocks for one in block.spoilt][:_MOST_NAMED]:
        notes.append(f"line {line} is no row of numbers and is left out: {text[:40]!r}")
    first = next((n for n, table in enumerate(tables) if table.count >= _FEWEST), None)
    if first is None:
        first = max(range(len(tables)), key=lambda n: tables[n].count)
    # Small tables before the first that can be a spectrum are parts of its header.
    main = tables[first]
    main.header = [line for table in tables[: first + 1] for line in table.header]
    main.columns = _columns(main.header, main.width)
    kept = [main]
    others: list[_Table] = []
    for table in tables[first + 1 :]:
        if table.count >= _FEWEST:
            kept.append(table)
        elif table.scan and table.scan != main.scan:
            notes.append(
                f"scan {table.scan} holds {table.count} points, too few for a spectrum, and is left out"
            )
        else:
            others.append(table)
    ragged = sum(table.count for table in others)
    if ragged > max(_MOST_RAGGED, _SHARE_RAGGED * main.count) or (ragged and main.count < _FEWEST):
        widths = sorted({table.width for table in [main, *others]})
        shown = " and ".join(map(str, widths[:5]))
        line = others[0].blocks[0].first_line
        raise FileError(
            f"{source.name}, line {line}: rows of {shown} numbers; needs columns of energy and absorption"
        )
    for table in others[:_MOST_NAMED]:
        notes.append(f"line {table.blocks[0].first_line}: a row of {table.width} numbers is left out")
    return kept, notes


def _columns(header: Sequence[str], width: int) -> list[Column] | None:
    return photon_factory_columns(header, width) or columns_of(header, width)


def _spectra(
    source: Source, main: _Table, table: _Table, name: str, formulas: Formulas | None
) -> list[Spectrum]:
    """Return the spectra of one table; names of columns hold from the first table on until there are others."""
    header = table.header if table is main else [*main.header[:_MOST_REPEATED], *table.header]
    columns = table.columns
    if columns is None and main.columns is not None and main.width == table.width:
        columns = main.columns
    columns = columns or unnamed(table.width)
    columns, notes = _by_convention(header, columns)
    rows = table.rows()
    fields = fields_of(header)
    try:
        if formulas is None:
            energy, unit, choice = _chosen(source, header, columns, rows)
        else:
            energy, unit, choice = _asked(formulas, columns, rows)
    except (FileError, MeasurementError) as error:
        raise type(error)(f"{source.name}: {error}") from None
    element, edge = _absorber(fields, header)
    told = (*notes, *choice.notes)
    found: list[Spectrum] = []
    for signal in choice.signals:
        own = fields.get("sample.name", "") or name if "#" not in name else name
        spectrum = Spectrum(
            name=_name_of(signal.name, own, choice),
            energy=energy,
            mu=signal.mu,
            source=source.name,
            element=element,
            edge=edge,
            notes=tuple(f"{source.name}: {note}" for note in told),
        )
        named = choice.energy.role is not Role.UNNAMED
        found += finished_scans(spectrum, unit=unit, named=named)
        told = ()
    return found


def _name_of(signal: str, own: str, choice: Choice) -> str:
    """Return the name of a spectrum: of its group, or of the file with what was computed beside the first."""
    if len(choice.signals) == 1 or not signal:
        return own
    return signal if choice.signals[0].name else f"{own} {signal}"


def _chosen(
    source: Source, header: Sequence[str], columns: Sequence[Column], rows: Floats
) -> tuple[Floats, str, Choice]:
    """Return energies in the unit that is returned too, and the absorption, by the names of the columns."""
    exported = suffix_of(source.path) in _EXPORTED or any(_ATHENA.search(line) for line in header[:20])
    choice = choose(rows, columns, groups=exported)
    column = choice.energy
    energy = rows[:, column.number - 1]
    if column.role is not Role.ANGLE:
        return energy, column.unit, choice
    spacing = lattice_spacing(header)
    if spacing is None:
        raise NoColumnError(
            f"column {column} is an angle, and the file does not state the d-spacing of the monochromator; compute the "
            f"energy, such as --columns energy=12398.42/(2.0*3.1356*sin(rad({column.number}))),mu=..."
        )
    note = f"energies are computed from column {column} with the stated d-spacing of {spacing:g} angstrom"
    choice = replace(choice, notes=(note, *choice.notes))
    if column.unit.startswith(("rad", "mrad")):
        energy = np.degrees(energy if column.unit.startswith("rad") else energy / 1000.0)
    return energy_of_angle(energy, spacing), "ev", choice


def _asked(formulas: Formulas, columns: Sequence[Column], rows: Floats) -> tuple[Floats, str, Choice]:
    """Return energies, their unit and absorption as the user wants them."""
    with np.errstate(all="ignore"):
        energy = np.asarray(formulas.energy.value(rows, columns), np.float64)
        signals = tuple(
            Signal(
                np.asarray(formula.value(rows, columns), np.float64),
                formula.text,
                formula.text if len(formulas.mu) > 1 else "",
            )
            for formula in formulas.mu
        )
    column = next((one for one in columns if np.array_equal(rows[:, one.number - 1], energy)), None)
    return energy, "" if column is None else column.unit, Choice(column_of(1, "energy"), signals)


def _by_convention(header: Sequence[str], columns: list[Column]) -> tuple[list[Column], tuple[str, ...]]:
    """Return columns with names that mean something at one beamline only, and a note."""
    names = [column.name for column in columns]
    start = text_of(header[0]).lower() if header else ""
    if start.startswith("cls data acquisition") and "$(Detector3)" in names:
        roles = {"$(Detector2)": Role.I0, "$(Detector3)": Role.TRANSMITTED, "$(Detector4)": Role.REFERENCE}
        note = (
            "by the convention of the beamline HXMA, Detector2 is i0, Detector3 it, Detector4 the reference"
        )
    elif {"Mon", "Ion1", "Ion2", "ZapEnergy"} <= set(names):
        roles = {"Mon": Role.I0, "MonEx": Role.DENIED, "Ion1": Role.DENIED, "Ion2": Role.TRANSMITTED}
        roles["xmap_roi00"] = Role.FLUORESCENCE
        note = "by the convention of the Swiss-Norwegian beamline, Mon is i0 and Ion2 it"
    elif any(one.name == "requested angle" for one in columns) and any(
        text_of(line).startswith("Offset") for line in header[-3:]
    ):
        return columns, ("the counts in the line Offset are not subtracted",)
    else:
        return columns, ()
    return [replace(column, role=roles.get(column.name, column.role)) for column in columns], (note,)


def _absorber(fields: dict[str, str], header: Sequence[str]) -> tuple[str, str]:
    """Return element and edge that a header names; empty where it names none."""
    element = ""
    for key in _ELEMENT_FIELDS:
        found = _SYMBOL.match(fields.get(key, ""))
        if found and gemmi.Element(found[1].capitalize()).atomic_number > 2:
            element = found[1].capitalize()
            break
    edge = next((found[1] for key in _EDGE_FIELDS if (found := _EDGE.match(fields.get(key, "")))), "")
    if not edge:
        edge = next((found[1] for line in header if (found := _EDGE_IN_LINE.search(line))), "")
    return element, edge.upper()
