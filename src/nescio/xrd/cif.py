"""The text of a CIF as blocks of values, for crystals and powder profiles."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import gemmi

from nescio.errors import FileError
from nescio.files import Source, decoded_text

__all__ = ["Block", "Number", "parse_cif", "parse_number"]

_CIF2 = re.compile(r"\s*#\\#CIF_2")
# A word of its own, so that what is written without quotes stays one value.
_ESCAPED = re.compile(r"~u([0-9a-f]{1,6})~")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_BLANKS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff]")
_NAME_WITH_BLANKS = re.compile(r"^(data_\S*)([ \t]+(?!_|loop_|data_|#)\S.*)$", re.I | re.M)
_MINUS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_NUMBER = re.compile(
    r"(?P<number>(?P<sign>[-+]?)(?P<whole>\d*)(?:\.(?P<decimals>\d*))?(?:[eEdD](?P<power>[-+]?\d{1,2}))?)"
    r"(?:\((?P<sigma>\d{1,9}|\?)\))?"
)
_FRACTION = re.compile(r"(?P<above>[-+]?\d{1,6})/(?P<below>\d{1,6})")
_LONGEST_NUMBER = 60
# Measured; blocks and loops take more, and are fewer.
_BYTES_PER_WORD = 90
_MOST = {"data_": 10_000, "loop_": 50_000}
_PLACE = re.compile(r"^string:(\d+)(?::\d+(?:\(\d+\))?:?)?\s*")


@dataclass(frozen=True)
class Number:
    """A number as a CIF states it."""

    value: float
    sigma: float | None = None
    """The standard uncertainty in parentheses, if there is one."""
    rounding: float = 0.0
    """Half a unit of the last written digit; zero for a fraction such as 1/3."""


@dataclass(frozen=True)
class Block:
    """One data block: values by tag, in lower case and with underscores for the dots of newer dictionaries."""

    name: str
    columns: Mapping[str, tuple[str | None, ...]]
    """Values of each tag; None for "?" and "."."""
    loops: tuple[frozenset[str], ...] = ()
    """Tags that share a loop."""
    conflicts: tuple[str, ...] = ()
    """Tags that occur more than once with different values."""

    def value(self, *tags: str) -> str | None:
        """Return the first known value of the first tag that has one."""
        for tag in tags:
            for value in self.columns.get(tag, ()):
                if value is not None and value.strip():
                    return value.strip()
        return None

    def column(self, *tags: str) -> tuple[str | None, ...] | None:
        """Return all values of the first tag that occurs, or None."""
        return next((self.columns[tag] for tag in tags if tag in self.columns), None)

    def has(self, start: str) -> bool:
        """Return whether a tag with this beginning has a known value."""
        return any(
            tag.startswith(start) and any(value is not None for value in values)
            for tag, values in self.columns.items()
        )


def parse_cif(source: Source) -> tuple[Block, ...]:
    """Return the data blocks of a CIF.

    Byte order marks, UTF-16, Latin-1, Ctrl-Z, non-ASCII text without quotes, repeated names of blocks, and the
    quotes and lists of CIF 2 are supported.

    Raises:
        FileError: The text is not valid CIF, contains no block, or exceeds its budget of memory.
    """
    text = decoded_text(source)
    _spend(source, text)
    try:
        blocks = tuple(_blocks(_plain(text)))
    except (ValueError, RuntimeError) as error:
        reason = _PLACE.sub(r"line \1: ", " ".join(str(error).split()))
        raise FileError(f"{source.name}: not a valid CIF: {_shown(reason)[:200]}") from None
    if not blocks:
        raise FileError(f"{source.name}: contains no data_ block; a CIF is expected")
    return blocks


def parse_number(text: str) -> Number:
    """Return the number in a text such as "1.234(5)", "-.5", "1/3" or "1e-3".

    Raises:
        ValueError: The text is not a number.
    """
    word = text.strip().translate(_MINUS)
    if len(word) <= _LONGEST_NUMBER:
        if (match := _FRACTION.fullmatch(word)) and int(match["below"]):
            return Number(int(match["above"]) / int(match["below"]))
        match = _NUMBER.fullmatch(word)
        if match and (match["whole"] or match["decimals"]):
            value = float(match["number"].lower().replace("d", "e"))
            decimals = len(match["decimals"] or "") - int(match["power"] or 0)
            unit = 10.0**-decimals
            given = match["sigma"]
            sigma = int(given) * unit if given and given != "?" else None
            if math.isfinite(value):
                # Without a decimal point nothing was rounded: 0 and 1 are exact.
                return Number(value, sigma, 0.5 * unit if match["decimals"] is not None else 0.0)
    raise ValueError(f"{text[:40]!r} is not a number")


def _spend(source: Source, text: str) -> None:
    """Account for the memory of the values of a text."""
    words = sum(map(text.count, " \t\r\n")) + 1
    if words * _BYTES_PER_WORD > source.budget.left:
        # Blanks that align columns are no words of their own.
        words = sum(1 for _ in re.finditer(r"\S+", text))
    source.spend(words * _BYTES_PER_WORD, "its values")
    for mark, most in _MOST.items():
        if text.count(mark) + text.count(mark.upper()) > most:
            raise FileError(f"{source.name}: more than {most:,} {mark} in one file")


def _blocks(text: str) -> Iterator[Block]:
    document = gemmi.cif.Document()
    document.parse_string(text)
    names: dict[str, int] = {}
    for block in document:
        name = _shown(block.name).strip()
        names[name.lower()] = number = names.get(name.lower(), 0) + 1
        columns: dict[str, tuple[str | None, ...]] = {}
        loops: list[frozenset[str]] = []
        conflicts: list[str] = []
        for item in block:
            for tag, values in _items(item):
                if columns.setdefault(tag, values) != values:
                    conflicts.append(tag)
            if item.loop is not None:
                loops.append(frozenset(_tag(tag) for tag in item.loop.tags))
        yield Block(name if number == 1 else f"{name} ({number})", columns, tuple(loops), tuple(conflicts))


def _items(item: gemmi.cif.Item) -> Iterator[tuple[str, tuple[str | None, ...]]]:
    pair = cast("Sequence[str] | None", item.pair)
    if pair is not None:
        yield _tag(pair[0]), (_value(pair[1]),)
    elif item.loop is not None:
        width = len(item.loop.tags)
        values = [_value(value) for value in item.loop.values]
        for index, tag in enumerate(item.loop.tags):
            yield _tag(tag), tuple(values[index::width])


def _tag(tag: str) -> str:
    # One string for each tag, however many blocks there are.
    return sys.intern(tag.lower().replace(".", "_"))


def _value(value: str) -> str | None:
    return None if not value or gemmi.cif.is_null(value) else _shown(gemmi.cif.as_string(value))


def _shown(text: str) -> str:
    """Return text with its non-ASCII characters, which the CIF parser does not allow without quotes."""
    return _ESCAPED.sub(lambda match: chr(min(int(match[1], 16), 0x10FFFF)), text)


def _plain(text: str) -> str:
    """Return the text in CIF 1.1 and ASCII."""
    if _CIF2.match(text):
        text = _without_cif2(text)
    text = _BLANKS.sub(" ", text)
    text = _NOT_ASCII.sub(lambda match: f"~u{ord(match[0]):x}~", text)
    # Some programs name a block after the sample, blanks and all.
    return _NAME_WITH_BLANKS.sub(lambda match: match[1] + re.sub(r"\s+", "_", match[2].rstrip()), text)


def _without_cif2(text: str) -> str:
    """Return CIF 2 with its triple quotes as text fields, and its lists and tables as one value each."""
    result: list[str] = []
    start = 0
    depth, opened = 0, 0
    index = 0
    while index < len(text):
        character = text[index]
        begins = index == 0 or text[index - 1].isspace() or text[index - 1] in "[{:"
        if character == "#" and begins:
            index = _end(text, "\n", index)
        elif character == ";" and (index == 0 or text[index - 1] == "\n") and not depth:
            index = _end(text, "\n;", index) + 1
        elif character in "'\"" and begins:
            quote = character * 3 if text.startswith(character * 3, index) else character
            end = _end(text, quote, index + len(quote) - 1)
            if len(quote) == 3 and not depth:
                inside = text[index + 3 : end].replace("\n;", "\n ;")
                result += [text[start:index], "\n;", inside, "\n;\n"]
                start = end + 3
            index = end + len(quote) - 1
        elif character in "[{" and (begins or depth):
            if not depth:
                opened = index
            depth += 1
        elif character in "]}" and depth:
            depth -= 1
            if not depth:
                inside = text[opened : index + 1].replace("\n;", "\n ;")
                result += [text[start:opened], "\n;", inside, "\n;\n"]
                start = index + 1
        index += 1
    return "".join([*result, text[start:]])


def _end(text: str, mark: str, index: int) -> int:
    found = text.find(mark, index + 1)
    return len(text) if found < 0 else found
