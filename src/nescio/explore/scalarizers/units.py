"""Units of products, quotients and powers, as text; empty if a unit is unknown."""

from __future__ import annotations

__all__ = ["power", "product", "quotient"]


def product(first: str, second: str) -> str:
    """Return the unit of a product."""
    if not first or not second:
        return ""
    if first == "1" or second == "1":
        return second if first == "1" else first
    return f"{_within(first)} {_within(second)}"


def quotient(above: str, below: str) -> str:
    """Return the unit of a quotient."""
    if not above or not below:
        return ""
    if above == below:
        return "1"
    return above if below == "1" else f"{_within(above)}/{_within(below)}"


def power(unit: str, exponent: int) -> str:
    """Return the unit of a power, ``1`` for the exponent 0."""
    if exponent == 0:
        return "1"
    if exponent == 1 or unit in ("", "1"):
        return unit
    return f"{_within(unit)}^{exponent}"


def _within(unit: str) -> str:
    return f"({unit})" if "/" in unit or " " in unit else unit
