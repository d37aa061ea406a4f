"""What a user says of columns: ``energy=1,mu=ln(i0/it)``. Parsed by a small grammar; nothing is evaluated as code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nescio.errors import ConfigurationError, FileError
from nescio.xas.read.names import Column

__all__ = ["Formula", "Formulas", "parse_columns"]

Floats = NDArray[np.float64]

_LONGEST = 500
_DEEPEST = 30
_FORM = "write it as energy=1,mu=ln(i0/it)"
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?)|\$?(?P<column>\d+)"
    r"|(?P<name>[^\W\d][\w.:]*)|\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|\{(?P<braced>[^{}]*)\}"
    r"|(?P<sign>\*\*|[-+*/^()]))"
)
_FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "ln": np.log,
    "log": np.log,
    "log10": np.log10,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "rad": np.radians,
}
_CONSTANTS = {"pi": np.pi}
_Value = Callable[[Floats, Sequence[Column]], Floats]


@dataclass(frozen=True)
class Formula:
    """How to compute a quantity from columns."""

    text: str
    value: _Value
    """(table of shape (n, columns), the columns) -> shape (n,); raises FileError for a column that is not there."""


@dataclass(frozen=True)
class Formulas:
    """What a user says of columns."""

    energy: Formula
    mu: tuple[Formula, ...]
    """One for each spectrum."""


def parse_columns(text: str) -> Formulas:
    """Parse what a user says of columns.

    A whole number is the number of a column, counted from 1. A word is the name of a column; put it in quotation marks
    or braces if it holds blanks or signs. A number with a decimal point is a constant. Formulas may use ``+ - * / ^``,
    brackets, ``pi``, and the functions ln (log), log10, exp, sqrt, abs, sin, cos and rad (degree to radian). Several
    ``mu`` give several spectra.

    Raises:
        ConfigurationError: It is not of this form; with the place.
    """
    if len(text) > _LONGEST:
        raise ConfigurationError(f"columns: {len(text)} characters are more than {_LONGEST}")
    energy: Formula | None = None
    mu: list[Formula] = []
    for part in _parts(text):
        key, sign, rest = part.partition("=")
        key, rest = key.strip().lower(), rest.strip()
        if not sign or key not in ("energy", "mu") or not rest:
            raise ConfigurationError(f"columns: {part.strip()[:60]!r} is not energy=... or mu=...; {_FORM}")
        formula = Formula(rest, _Parser(rest).parsed())
        if key == "mu":
            mu.append(formula)
        elif energy is not None:
            raise ConfigurationError(f"columns: energy is there twice; {_FORM}")
        else:
            energy = formula
    if energy is None or not mu:
        raise ConfigurationError(f"columns: {'mu' if energy else 'energy'} is missing; {_FORM}")
    return Formulas(energy, tuple(mu))


def _parts(text: str) -> Iterator[str]:
    """Yield the parts of a text between commas that stand in no brackets or quotation marks."""
    part, depth, quote = "", 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "({":
            depth += 1
        elif character in ")}":
            depth -= 1
        elif character == "," and depth <= 0:
            yield part
            part = ""
            continue
        part += character
    yield part


class _Parser:
    """A parser by recursive descent: sum, product, sign, power, atom."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        place, end = 0, len(text.rstrip())
        while place < end:
            found = _TOKEN.match(text, place)
            if found is None or found.lastgroup is None:
                raise ConfigurationError(
                    f"columns: {text[place:].strip()[:20]!r} in {text!r} is not understood"
                )
            kind = found.lastgroup
            self.tokens.append(("name" if kind in ("double", "single", "braced") else kind, found[kind]))
            place = found.end()
        self.place = 0
        self.depth = 0

    def parsed(self) -> _Value:
        value = self._sum()
        if self.place < len(self.tokens):
            raise self._wrong()
        return value

    def _wrong(self) -> ConfigurationError:
        rest = "".join(token for _, token in self.tokens[self.place :])
        where = f"{rest[:20]!r} is not expected" if rest else "something is missing at the end"
        return ConfigurationError(f"columns: {where} in {self.text!r}")

    def _next(self, *signs: str) -> str | None:
        """Return the next token if it is one of these signs, and go past it."""
        if self.place < len(self.tokens):
            kind, token = self.tokens[self.place]
            if kind == "sign" and token in signs:
                self.place += 1
                return token
        return None

    def _sum(self) -> _Value:
        value = self._product()
        while sign := self._next("+", "-"):
            value = _joined(np.add if sign == "+" else np.subtract, value, self._product())
        return value

    def _product(self) -> _Value:
        value = self._signed()
        while sign := self._next("*", "/"):
            value = _joined(np.multiply if sign == "*" else np.divide, value, self._signed())
        return value

    def _signed(self) -> _Value:
        minus = False
        while sign := self._next("+", "-"):
            minus ^= sign == "-"
        value = self._power()
        return _applied(np.negative, value) if minus else value

    def _power(self) -> _Value:
        value = self._atom()
        if self._next("^", "**"):
            self._deeper()
            value = _joined(np.power, value, self._signed())
            self.depth -= 1
        return value

    def _atom(self) -> _Value:
        if self._next("("):
            return self._bracketed()
        if self.place >= len(self.tokens) or self.tokens[self.place][0] == "sign":
            raise self._wrong()
        kind, token = self.tokens[self.place]
        self.place += 1
        if kind == "number":
            return _constant(float(token))
        if kind == "column":
            return _by_number(int(token[:9]))
        if token.lower() in _FUNCTIONS and self._next("("):
            return _applied(_FUNCTIONS[token.lower()], self._bracketed())
        if token.lower() in _CONSTANTS:
            return _constant(_CONSTANTS[token.lower()])
        return _by_name(token)

    def _bracketed(self) -> _Value:
        self._deeper()
        value = self._sum()
        self.depth -= 1
        if not self._next(")"):
            raise self._wrong()
        return value

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ConfigurationError(f"columns: {self.text[:60]!r} is nested more than {_DEEPEST} deep")


def _joined(operation: Callable[[Floats, Floats], Floats], left: _Value, right: _Value) -> _Value:
    return lambda table, columns: operation(left(table, columns), right(table, columns))


def _applied(function: Callable[[Floats], Floats], value: _Value) -> _Value:
    return lambda table, columns: function(value(table, columns))


def _constant(number: float) -> _Value:
    return lambda table, _: np.full(len(table), number)


def _by_number(number: int) -> _Value:
    def value(table: Floats, columns: Sequence[Column]) -> Floats:
        if not 1 <= number <= len(columns):
            raise FileError(
                f"there is no column {number}, there are {len(columns)}; a constant needs a decimal point: {number}.0"
            )
        return table[:, number - 1]

    return value


def _by_name(name: str) -> _Value:
    def value(table: Floats, columns: Sequence[Column]) -> Floats:
        wanted = name.strip().casefold()
        found = [one.number for one in columns if one.name.casefold() == wanted]
        if len(found) != 1:
            several = f"columns {', '.join(map(str, found))} are called" if found else "no column is called"
            raise FileError(
                f"{several} {name[:40]!r}; the columns are {', '.join(map(str, columns))}; "
                "a number in its place means the column of that number"
            )
        return table[:, found[0] - 1]

    return value
