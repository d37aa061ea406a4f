"""The element of a site, from its label, type symbol and the formula."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import gemmi

__all__ = ["NamedSite", "elements_of", "parse_formula"]

_FORMULA_PART = re.compile(r"([A-Z][a-z]?)(\d{0,6}(?:\.\d{0,6})?)")
_LETTERS = re.compile(r"[A-Za-z]+")
_CHARGE = re.compile(r"^[A-Za-z]{1,2}(?:(\d{0,9}\.?\d{1,9})?([+-])(\d{0,9}\.?\d{0,9})?)?")
_WATER = ("wat", "water", "hoh")
_SQUARES = ("\u25a1", "\u25a2", "\u2610", "\u25fb")
# Groups that are written in place of an element.
_GROUPS = {
    "OH": "O",
    "OD": "O",
    "H2O": "O",
    "D2O": "O",
    "H3O": "O",
    "NH4": "N",
    "ND4": "N",
    "NH3": "N",
    "NH2": "N",
}
_GROUP = re.compile(r"([A-Za-z]+\d?[A-Za-z]*)(?:\d*[-+]\d*)?$")
_VACANCY = ("vac", "vacancy", "va", "void")
_MOST_LETTERS = 40


@dataclass(frozen=True)
class NamedSite:
    """Label and type symbol of a site, and its element."""

    label: str
    type_symbol: str | None
    element: str = ""
    """Chemical symbol; empty for a vacancy, or if unknown."""
    charge: int = 0
    vacant: bool = False
    remark: str = ""
    """How the element was found, if not from the name alone; else empty."""
    problem: str = ""
    """Why the element is unknown; else empty."""


def parse_formula(text: str | None) -> dict[str, float] | None:
    """Return the number of atoms of each element in a formula such as "Al2 O3", or None for other notations."""
    words = (text or "").split()
    counts: dict[str, float] = {}
    for word in words:
        if not re.fullmatch(rf"(?:{_FORMULA_PART.pattern})+", word):
            return None
        for symbol, number in _FORMULA_PART.findall(word):
            if _element(symbol) != symbol:
                return None
            try:
                counts[symbol] = counts.get(symbol, 0.0) + (float(number) if number else 1.0)
            except ValueError:
                return None
    return {symbol: number for symbol, number in counts.items() if number > 0.0} or None


def elements_of(
    names: Sequence[tuple[str, str | None]], formula: Mapping[str, float] | None
) -> list[NamedSite]:
    """Return the element of each site.

    A type symbol counts before a label. If it is not an element, or the formula lacks that element, the formula
    decides: "Wat1" is oxygen, "Vac1" is not vanadium, "Ob" is oxygen, "M1" is the only element of the formula that no
    other site has.

    Args:
        names: Label and type symbol (or None) of each site.
        formula: Atoms of each element, or None if the file states none.

    Returns:
        The sites in order; `problem` is not empty if the element is unknown.
    """
    sites = [_by_symbol_or_label(label, symbol, formula) for label, symbol in names]
    if formula is None:
        return sites
    found = {site.element for site in sites}
    # Hydrogen is often not located, so that its absence does not identify another site.
    missing = [symbol for symbol in formula if symbol not in found and symbol not in ("H", "D")]
    unknown = [site for site in sites if site.problem]
    if len(missing) != 1 or not unknown:
        return sites
    remark = f"read as {missing[0]}, the only element of the formula without another site"
    return [
        replace(site, element=missing[0], problem="", remark=remark) if site.problem else site
        for site in sites
    ]


def _by_symbol_or_label(label: str, symbol: str | None, formula: Mapping[str, float] | None) -> NamedSite:
    site = _named(label, symbol, formula)
    if not site.problem or symbol is None:
        return site
    by_label = _named(label, None, formula)
    if by_label.problem:
        return site
    remark = (
        by_label.remark or f"read as {by_label.element} by its label, since {symbol[:20]!r} is not an element"
    )
    return replace(by_label, type_symbol=symbol, remark=remark)


def _named(label: str, symbol: str | None, formula: Mapping[str, float] | None) -> NamedSite:
    text = symbol or label
    source = "type symbol" if symbol else "label"
    site = NamedSite(label, symbol, charge=_charge(text))
    match = _LETTERS.search(text[:_MOST_LETTERS])
    letters = match[0] if match else ""
    word = letters.lower()
    if _is_vacancy(text, word, formula):
        return replace(site, vacant=True, remark="a vacancy, skipped")
    if word in _WATER:
        if formula is not None and "O" not in formula:
            return replace(site, problem="would be water, but the formula has no oxygen")
        return replace(site, element="O", remark="read as the oxygen of water")
    if symbol and (group := _GROUP.match(symbol)) and group[1].upper() in _GROUPS:
        central = _GROUPS[group[1].upper()]
        remark = f"read as the {central} of {group[1]}"
        return replace(site, element=central, charge=0, remark=remark)
    exact = _element(letters) if 0 < len(letters) <= 2 else ""
    possible = [found for length in (2, 1) if len(letters) >= length and (found := _begun(letters, length))]
    if formula is None:
        return _without_formula(site, text, source, possible, plain=exact or letters[:2])
    held = [element for element in possible if _in_formula(element, formula)]
    if held and (not symbol or not exact or exact in held):
        plain = held[0] == (exact or possible[0])
        remark = "" if plain else f"read as {held[0]}, since the formula has no {possible[0]}"
        return replace(site, element=held[0], remark=remark)
    if word.startswith("w") and "O" in formula and ({"H", "D"} & set(formula)):
        return replace(site, element="O", remark="read as the oxygen of water, since the formula has no W")
    if symbol and exact:
        return replace(site, element=exact, remark=f"{exact} by its type symbol, which the formula lacks")
    would = (
        f"would be {possible[0]} by its {source}, which the formula lacks" if possible else "is no element"
    )
    return replace(site, problem=f"{would}; give _atom_site_type_symbol")


def _without_formula(site: NamedSite, text: str, source: str, possible: list[str], plain: str) -> NamedSite:
    if not possible:
        return replace(site, problem=f"is of unknown element {text[:20]!r}")
    element = possible[0]
    if element == "W" and not site.type_symbol:
        return replace(site, element="W", remark="read as tungsten; if it is water, give its type symbol, O")
    return replace(
        site, element=element, remark="" if element == plain else f"read as {element} by its {source}"
    )


def _begun(letters: str, length: int) -> str:
    """Return the element given by the first letters, or an empty text."""
    found = _element(letters[:length])
    # "OG1" in capitals is oxygen rather than oganesson.
    if found and length == 2 and gemmi.Element(found).it92 is None and letters[:2] != found:
        return ""
    return found


def _is_vacancy(text: str, word: str, formula: Mapping[str, float] | None) -> bool:
    if text.strip().startswith(_SQUARES):
        return True
    if word not in _VACANCY:
        return False
    # "Va1" may be a vanadium site if the formula has vanadium.
    return word != "va" or (formula is not None and "V" not in formula)


def _in_formula(element: str, formula: Mapping[str, float]) -> bool:
    return element in formula or (element in ("H", "D") and bool({"H", "D"} & set(formula)))


def _element(text: str) -> str:
    """Return the symbol of an element written in any case, or an empty text."""
    found = gemmi.Element(text.capitalize()) if text else gemmi.Element("X")
    return str(found.name) if found.atomic_number > 0 and found.name == text.capitalize() else ""


def _charge(text: str) -> int:
    match = _CHARGE.match(text)
    if not match or not match[2]:
        return 0
    try:
        magnitude = float(match[1] or (match[3] if match[3] not in (None, "", ".") else 1.0))
    except ValueError:
        return 0
    return round(magnitude) * (1 if match[2] == "+" else -1)
