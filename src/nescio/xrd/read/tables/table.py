"""Rows of numbers in a text, with any separator, in one block or several."""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from nescio.errors import FileError
from nescio.files import Source, decoded_text, text_lines
from nescio.xrd.read.axis import axis_kind
from nescio.xrd.read.measured import MAX_POINTS, MAX_VALUES

__all__ = ["Table", "read_tables"]

_COMMENT = ("#", "!", ";", "'", "//", "%", "*")
_COMMENT_SIGNS = "#!;'/%* \t"
_MOST_HEADER = 5000
_MOST_TABLES = 5000
_LONGEST_REMARK = 300
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d*)?(?:[ed][+-]?\d+)?", re.I)
_FORTRAN = re.compile(r"^([-+]?[\d.]+)[dD]([-+]?\d+)$")
# A word that begins like a number, perhaps with a letter O or l in place of a digit.
_LIKE_NUMBER = re.compile(r"[-+]?[OolI]?[.,\d]")
# A word that may contain blanks in brackets, and a word that can only be the unit of the previous one.
_WORD = re.compile(r"(?:[^\s(\[]|\([^()]{0,40}\)|\[[^\[\]]{0,40}\]|[(\[])+")
_UNIT = re.compile(r"[(\[]|1/|(?:nm|a|å|angstrom)(?:\^|\*\*)?\{?[-⁻−][1¹]\}?$", re.I)
_WIDE_GAP = re.compile(r"\s{2,}|\t")
_SPEC_TITLES = re.compile(r"#L\s+")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:e[+-]?\d+)?", re.I)
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_DOUBTFUL = re.compile(r'"[-+]?\d{1,3}(?:,\d{3})+"')
_EMPTY = ("", "nan", "n/a", "na", "-", "--", "null", "none")


@dataclass(frozen=True)
class Table:
    """Rows of numbers and their line numbers."""

    rows: np.ndarray
    """Shape (points, columns); NaN for empty cells."""
    lines: Sequence[int]
    header: list[str]
    """Comments and titles before the first row, without comment signs."""
    separator: str | None
    """None for white space."""
    words: list[str]
    """Words of the last line before the numbers, if there is one for each column; else empty."""


@dataclass
class _Open:
    """A table while it is read."""

    header: list[str]
    last: str = ""
    last_line: int = 0
    rows: array[float] = field(default_factory=lambda: array("d"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    width: int = 0
    separator: str | None = None
    decimal_comma: bool = False

    def rises(self) -> int:
        """Return 1 if the first column increases, -1 if it decreases, 0 if this is not known yet."""
        if len(self.lines) < 2:
            return 0
        first, last = self.rows[0], self.rows[-self.width]
        return int(first < last) - int(first > last)

    def goes_on(self, values: Sequence[float]) -> bool:
        """Return whether a row can be the next row of this table."""
        step = values[0] - self.rows[-self.width]
        return len(values) == self.width and (not self.rises() or step * self.rises() > 0)

    def closed(self, source: Source) -> Table:
        source.spend(16 * len(self.rows), "its numbers")
        rows = np.array(self.rows).reshape(-1, self.width)
        # Titles of several words may be separated by several blanks: "Two Theta   Counts".
        readings = [_words(self.last, self.separator), _WIDE_GAP.split(self.last.strip())]
        words = next((words for words in readings if len(words) == self.width), [])
        return Table(rows, self.lines, self.header, self.separator, words)


def read_tables(source: Source) -> tuple[list[Table], list[str]]:
    """Return all tables of a text, with notes.

    Separators may be white space, tabs, semicolons or commas. Decimal commas are supported if no comma separates
    columns, and commas between thousands within quotes. Another table begins after a line of text if the first column
    restarts.

    Raises:
        FileError: There is no table, or a line of a table is not a row of numbers.
    """
    tables: list[Table] = []
    notes: list[str] = []
    table = _Open([])
    between: list[tuple[int, str, bool]] = []
    total = 0
    text = decoded_text(source)
    ended = text.endswith(("\n", "\r"))
    for number, line, is_last in _numbered_lines(source, text):
        stripped = line.strip()
        if not stripped:
            continue
        comment = stripped.startswith(_COMMENT)
        if not table.lines:
            if len(table.header) > _MOST_HEADER:
                raise FileError(f"{source.name}: no row of numbers in the first {_MOST_HEADER:,} lines")
            values = None if comment else _first_row(table, stripped)
            if values is None:
                _add_header(table, stripped, number, comment)
                continue
            if table.last_line == number - 1 and _is_spoilt_row(table.last, table.separator, len(values)):
                raise _no_row(source, table.last_line, table.last)
            table.width = len(values)
        else:
            values = (
                None if comment else _numbers(stripped, table.separator, table.decimal_comma, table.width)
            )
            if values is None or (between and len(values) < 2):
                if not comment and not between and _is_spoilt_row(stripped, table.separator, table.width):
                    raise _no_row(source, number, stripped)
                between.append((number, stripped, comment))
                continue
            texts = [(where, words) for where, words, remark in between if not remark]
            # A single row before a line of text is a scan that was aborted immediately.
            if between and (not table.goes_on(values) or (texts and len(table.lines) == 1)):
                tables.append(table.closed(source))
                if len(tables) > _MOST_TABLES:
                    raise FileError(f"{source.name}: more than {_MOST_TABLES:,} tables")
                table = _Open([])
                for where, words, remark in between:
                    _add_header(table, words, where, remark)
                values = _first_row(table, stripped) or values
                table.width = len(values)
            elif texts:
                raise _no_row(source, *texts[0])
            between = []
        if len(values) != table.width:
            if is_last and not ended and len(values) < table.width:
                notes.append(f"{source.name}: line {number} is incomplete and skipped")
                continue
            raise FileError(
                f"{source.name}: line {number}: {len(values)} numbers; the previous rows have {table.width}"
            )
        table.rows.extend(values)
        table.lines.append(number)
        total += len(values)
        if len(table.lines) > MAX_POINTS or total > MAX_VALUES:
            raise FileError(
                f"{source.name}: line {number}: more than {MAX_POINTS} rows or {MAX_VALUES} numbers"
            )
    if table.lines:
        tables.append(table.closed(source))
    if not tables:
        if doubtful := next((line for line in table.header if _DOUBTFUL.search(line)), None):
            raise FileError(
                f"{source.name}: {doubtful[:40]!r}: the comma may separate thousands or decimals; write numbers with"
                " points only"
            )
        raise FileError(f"{source.name}: contains no rows of at least two numbers (axis, intensity)")
    return tables, notes


def _numbered_lines(source: Source, text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield the number of each line, the line, and whether it is the last."""
    waiting: tuple[int, str] | None = None
    for number, line in enumerate(text_lines(source, text), start=1):
        if waiting is not None:
            yield *waiting, False
        waiting = number, line
    if waiting is not None:
        yield *waiting, True


def _no_row(source: Source, number: int, line: str) -> FileError:
    return FileError(f"{source.name}: line {number}: {line[:40]!r} is not a row of numbers")


def _add_header(table: _Open, line: str, number: int, comment: bool) -> None:
    table.last = _SPEC_TITLES.sub("", line, count=1).lstrip(_COMMENT_SIGNS) if comment else line
    # Comments are not checked for typing errors.
    table.last_line = -1 if comment else number
    table.header.append(table.last[:_LONGEST_REMARK])


def _first_row(table: _Open, line: str) -> list[float] | None:
    """Return the numbers of a line and set the notation of the table, or None if the line is not a row."""
    separator, decimal_comma = _convention(line)
    values = _numbers(line, separator, decimal_comma, None)
    if values is None or len(values) < 2:
        return None
    table.separator, table.decimal_comma = separator, decimal_comma
    return values


def _words(line: str, separator: str | None) -> list[str]:
    """Return the words of a line that may be titles, each with its unit."""
    if separator is not None:
        return [word.strip().strip("\"'") for word in _split(line, separator, None)]
    words: list[str] = []
    for word in _WORD.findall(line):
        if words and _UNIT.match(word):
            words[-1] += f" {word}"
        else:
            words.append(word.strip("\"'"))
    return words


def _is_spoilt_row(line: str, separator: str | None, columns: int) -> bool:
    """Return whether a line is a row with a typing error rather than titles or a remark."""
    tokens = [token.strip() for token in _split(line, separator, None)]
    if len(tokens) != columns or axis_kind(tokens[0]):
        return False
    if _NUMBER.fullmatch(tokens[0]):
        return True
    # "2O.0 100" is a typing error; "Temperature 300" is a remark.
    return bool(_LIKE_NUMBER.match(tokens[0])) and any(map(_NUMBER.fullmatch, tokens[1:]))


def _convention(line: str) -> tuple[str | None, bool]:
    """Return the separator (None: white space) and whether the comma is the decimal sign."""
    for separator in (";", "\t"):
        if separator in line.rstrip(separator):
            tokens = [token.strip().strip('"') for token in line.split(separator)]
            return separator, any(_DECIMAL_COMMA.fullmatch(token) for token in tokens)
    if "," not in line:
        return None, False
    tokens = line.split()
    # "10,02 200" and "10,02 200,5" hold decimal commas; "10.02,200" and "10.02, 200" separate by commas.
    if (
        len(tokens) > 1
        and "." not in line
        and all("," not in t or _DECIMAL_COMMA.fullmatch(t) for t in tokens)
    ):
        return None, True
    if '"' in line:
        # A comma within quotes separates no columns: it is decimal, unless a point in the row says otherwise.
        inside = [token.strip() for token in _split(line, ",", None) if "," in token]
        decimal = bool(inside) and all(map(_DECIMAL_COMMA.fullmatch, inside))
        return ",", decimal and "." not in line and not all(map(_THOUSANDS.fullmatch, inside))
    return ",", False


def _split(line: str, separator: str | None, width: int | None) -> list[str]:
    """Return the cells of a line; trailing empty ones only up to the width of the table."""
    if separator is None:
        return line.split()
    if '"' in line:
        try:
            cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
        except csv.Error:
            cells = line.split(separator)
    else:
        cells = line.split(separator)
    while len(cells) > (width or 0) and not cells[-1].strip():
        cells.pop()
    return cells


def _numbers(line: str, separator: str | None, decimal_comma: bool, width: int | None) -> list[float] | None:
    """Return the numbers of a row, NaN for empty cells, or None if it is not a row."""
    if decimal_comma and "." in line:
        # One of the two would have to separate thousands, which is ambiguous.
        return None
    numbers = []
    for cell in _split(line, separator, width):
        token = cell.strip().strip('"')
        if decimal_comma:
            token = token.replace(",", ".")
        elif "," in token:
            # Only a point elsewhere in the row shows that 1,100 is not 1.1.
            if not _THOUSANDS.fullmatch(token) or "." not in line:
                return None
            token = token.replace(",", "")
        if separator is not None and token.lower() in _EMPTY:
            numbers.append(float("nan"))
            continue
        # Python would also read underscores as part of a number, and not the exponents of Fortran: 1.0D+03.
        if "_" in token:
            return None
        token = _FORTRAN.sub(r"\1e\2", token)
        try:
            numbers.append(float(token))
        except ValueError:
            return None
    return numbers if any(number == number for number in numbers) else None
