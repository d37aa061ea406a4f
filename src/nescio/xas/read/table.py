"""Blocks of numbers in a text, and the lines between them."""

from __future__ import annotations

import csv
import re
from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nescio.errors import FileError
from nescio.files import Source, decoded_text, text_lines

__all__ = ["COMMENT_SIGNS", "Block", "read_blocks"]

_MOST_NUMBERS = 10_000_000
_MOST_LINES = 100_000
_MOST_BLOCKS = 20_000
_LONGEST_LINE = 200_000
COMMENT_SIGNS = "#%;*!"
"""Lines that begin with one of these are comments."""
_LIKE_NUMBER = re.compile(r"[-+]?[Oo\d.*]")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[edED][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_FORTRAN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[dD][-+]?\d+")
# So many lines in the midst of numbers may be no rows.
_MOST_SPOILT, _SHARE_SPOILT = 10, 0.02


@dataclass
class Block:
    """Rows of as many numbers each, and the lines of text before them."""

    header: list[str]
    """Text and comments since the block before."""
    width: int
    first_line: int
    values: array[float] = field(default_factory=lambda: array("d"))
    spoilt: list[tuple[int, str]] = field(default_factory=list)
    """Lines among the rows that are no rows, by number."""

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.values) // self.width

    def rows(self) -> NDArray[np.float64]:
        """Return the numbers, shape (n, width); NaN for empty cells."""
        return np.array(self.values).reshape(-1, self.width)


class _Style:
    """How the rows of a file are written, as far as its lines have shown."""

    def __init__(self) -> None:
        self.decimal_comma: bool | None = None

    def numbers(self, line: str) -> list[float] | None:
        """Return the numbers of a line; None where it is no row."""
        if '"' in line:
            return self._quoted(line)
        if "," not in line and ";" not in line and "\t" not in line:
            return _floats(line.split())
        if "," in line and self.decimal_comma is None:
            self.decimal_comma = _has_decimal_commas(line)
        if self.decimal_comma and "," in line:
            # One of point and comma would have to separate thousands.
            if "." in line:
                return None
            line = line.replace(",", ".")
        for separator in (";", "\t") if self.decimal_comma else (";", ",", "\t"):
            if separator in line:
                return _floats(_cells(line, separator))
        return _floats(line.split())

    def _quoted(self, line: str) -> list[float] | None:
        """Return the numbers of a line with quotation marks, in which a comma separates thousands or decimals."""
        separator = next((sign for sign in (";", "\t") if sign in line), ",")
        try:
            cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
        except csv.Error:
            return None
        point = any("." in cell for cell in cells)
        found = []
        for cell in cells:
            text = cell.strip()
            if "," in text:
                if point and not _THOUSANDS.fullmatch(text):
                    return None
                text = text.replace(",", "" if point else ".")
            found.append(text)
        while found and not found[-1]:
            found.pop()
        return _floats(found)


def _has_decimal_commas(line: str) -> bool:
    """Say whether the commas of a row are decimal signs rather than separators."""
    if "." in line:
        return False
    tokens = (
        line.replace(";", " ").split()
        if ";" in line or "\t" in line or " " in line.strip()
        else [line.strip()]
    )
    return len(tokens) > 1 and all("," not in one or _DECIMAL_COMMA.fullmatch(one) for one in tokens)


def _cells(line: str, separator: str) -> list[str]:
    cells = [cell.strip() for cell in line.strip().split(separator)]
    if separator == "\t":
        # Columns that are lined up by tabs and blanks.
        cells = [part for cell in cells for part in (cell.split() or [""])]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _floats(cells: list[str]) -> list[float] | None:
    """Return numbers, NaN for empty cells; None where one is no number, or none is."""
    found = []
    for cell in cells:
        # Python would read underscores as part of a number.
        if "_" in cell:
            return None
        try:
            found.append(float(cell))
        except ValueError:
            if not cell:
                found.append(np.nan)
            elif _FORTRAN.fullmatch(cell):
                found.append(float(cell.replace("d", "e").replace("D", "e")))
            else:
                return None
    return found if any(one == one for one in found) else None


def read_blocks(source: Source) -> tuple[list[Block], list[str]]:
    """Return the blocks of numbers of a text, and the lines of text after the last.

    Columns may be apart by white space, tabs, commas or semicolons; a decimal comma is understood where no comma
    separates columns. A block ends where the number of columns changes and at lines of text, unless such a line is a
    row with a slip in it.

    Raises:
        FileError: The text is damaged or too large, or too many of its lines among numbers are no rows.
    """
    blocks: list[Block] = []
    pending: list[tuple[int, str]] = []
    style, total, texts = _Style(), 0, 0
    goes_over = False
    for number, line in enumerate(text_lines(source, decoded_text(source)), 1):
        stripped = line.strip()
        # SPEC writes the channels of a detector between the rows, over several lines.
        channels = goes_over or stripped.startswith("@")
        goes_over = channels and stripped.endswith("\\")
        if not stripped or channels:
            continue
        values = None if stripped[0] in COMMENT_SIGNS else style.numbers(stripped)
        if values is None:
            texts += 1
            if texts > _MOST_LINES:
                raise FileError(f"{source.name}: more than {_MOST_LINES:,} lines of text")
            pending.append((number, stripped[:_LONGEST_LINE]))
            continue
        block = blocks[-1] if blocks else None
        if block is None or block.width != len(values) or not _goes_on(block, pending):
            if len(blocks) >= _MOST_BLOCKS:
                raise FileError(f"{source.name}: more than {_MOST_BLOCKS:,} blocks of numbers, no spectrum")
            block = Block([text for _, text in pending], len(values), number)
            blocks.append(block)
        else:
            block.spoilt += pending
        pending = []
        block.values.extend(values)
        total += len(values)
        if total > _MOST_NUMBERS:
            raise FileError(f"{source.name}: more than {_MOST_NUMBERS:,} numbers, no spectrum")
    for block in blocks:
        if len(block.spoilt) > max(_MOST_SPOILT, _SHARE_SPOILT * block.count):
            where, text = block.spoilt[0]
            raise FileError(
                f"{source.name}, line {where}: {text[:60]!r} is no row of numbers (one of {len(block.spoilt)} lines)"
            )
    source.spend(8 * total, "its numbers")
    return blocks, [text for _, text in pending]


def _goes_on(block: Block, pending: list[tuple[int, str]]) -> bool:
    """Say whether all lines between two rows are rows with a slip in them, not comments, titles or a remark."""
    for _, text in pending:
        tokens = text.replace(",", " ").replace(";", " ").split()
        if text[0] in COMMENT_SIGNS or len(tokens) != block.width or not _LIKE_NUMBER.match(tokens[0]):
            return False
    return True
