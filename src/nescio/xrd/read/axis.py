"""Quantity and unit in the title of an axis."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass

__all__ = [
    "KINDS",
    "Kind",
    "Title",
    "axis_kind",
    "mentions_inverse_length",
    "names_an_angle",
    "other_quantity",
    "read_title",
    "simplified",
]


@dataclass(frozen=True)
class Kind:
    """A quantity and unit of an axis."""

    quantity: str
    """"two_theta", "q", or "d"."""
    factor: float
    """Factor that converts it to degree, 1/angstrom or angstrom."""
    unit: str


KINDS = {
    "two_theta": Kind("two_theta", 1.0, "degree"),
    "two_theta_rad": Kind("two_theta", 57.29577951308232, "radian"),
    "two_theta_mrad": Kind("two_theta", 0.05729577951308232, "milliradian"),
    "q": Kind("q", 1.0, "1/angstrom"),
    "q_nm": Kind("q", 0.1, "1/nm"),
    "q_pm": Kind("q", 100.0, "1/pm"),
    "q_m": Kind("q", 1e-10, "1/m"),
    "d": Kind("d", 1.0, "angstrom"),
    "d_nm": Kind("d", 10.0, "nm"),
    "d_pm": Kind("d", 0.01, "pm"),
    "d_m": Kind("d", 1e10, "m"),
}
"""All kinds of axis, by name: diffraction angle, momentum transfer q = 4 pi sin(theta) / wavelength, spacing d."""

_BY_UNIT = {(kind.quantity, kind.unit): name for name, kind in KINDS.items()}
_RADIAL = {"degree": "two_theta", "radian": "two_theta", "1/nm": "q", "1/angstrom": "q"}
_USUAL_UNIT = {"two_theta": "degree", "q": "1/angstrom", "d": "angstrom"}


@dataclass(frozen=True)
class Title:
    """Quantity and unit of a title."""

    quantity: str | None
    """"two_theta", "q", "d", another quantity in words, or None if it is unknown."""
    unit: str | None
    """None if the title states none."""
    start: int = 0
    """Position of the quantity in the simplified title."""
    only_units: bool = False
    """Whether only units and the name of an intensity follow."""

    @property
    def stands_alone(self) -> bool:
        """Whether it is a complete title: more than a letter, with only units after the quantity."""
        named = self.unit is not None or len(self.quantity or "") > 1
        return self.start == 0 and self.only_units and named

    @property
    def kind(self) -> str | None:
        """Kind of axis, None if it is not an axis; the default unit is degree, 1/angstrom or angstrom."""
        unit = self.unit or _USUAL_UNIT.get(self.quantity or "")
        return _BY_UNIT.get((self.quantity or "", unit or ""))


_GREEK = {
    "\u03b8": "theta", "\u03d1": "theta", "\u03f4": "theta", "\u03c7": "chi", "\u03c6": "phi", "\u03d5": "phi",
    "\u03c9": "omega", "\u03c8": "psi", "\u03b7": "eta", "\u03bb": "lambda", "\u03c3": "sigma", "\u03b4": "delta",
    "\u2206": "delta", "\u00e5": "angstrom", "\u212b": "angstrom", "\u00b0": " deg ", "\u02da": " deg ",
    "\u00ba": " deg ", "\u00b7": "*", "\u2217": "*", "\u00d7": "*", "\u00b5": "u", "\u03bc": "u", "\u2044": "/",
}  # fmt: skip
_MINUS = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\u207b", "-")
_BEFORE = str.maketrans({"\u00ba": " deg ", "\u02da": " deg "})
_AFTER = str.maketrans({**_GREEK, **_MINUS})
_LATEX = re.compile(r"\\(?:mathrm|mathit|mathbf|text|textrm|rm|it|left|right|,|;|!|:| )|[${}~]")
_LATEX_NAMES = re.compile(r"\\(aa|angstrom|circ|degree|theta|vartheta|chi|phi|omega|cdot)\b", re.I)
_LATEX_WORDS = {"aa": "angstrom", "circ": " deg ", "degree": " deg ", "vartheta": "theta", "cdot": "*"}
_LONGEST = 300

_ANGSTROM = r"(?:angstroe?ms?|angstr\.?|angst?|aa|a)"
_NANOMETRE = r"(?:nanomet(?:er|re)s?|nm)"
_PICOMETRE = r"(?:picomet(?:er|re)s?|pm)"
_METRE = r"(?:met(?:er|re)s?|m)"
_LENGTHS = (
    ("nm", _NANOMETRE), ("pm", _PICOMETRE), ("angstrom", _ANGSTROM), ("m", _METRE),
)  # fmt: skip


def _inverse(length: str) -> re.Pattern[str]:
    power = r"\s*(?:\^|\*\*)?\s*\(?\s*-\s*1\s*\)?(?![\d.])"
    return re.compile(
        rf"(?:(?<![\d.])1\s*/\s*|\bper\s+|\b(?:inverse|reciprocal|inv)[\s._]*){length}(?![a-z^])"
        rf"|(?<![a-z]){length}{power}"
    )


def _plain(length: str) -> re.Pattern[str]:
    return re.compile(rf"(?:(?<=[\s_(\[,/])|^){length}(?![a-z^*\d-])")


_INVERSE = [(f"1/{name}", _inverse(pattern)) for name, pattern in _LENGTHS]
_PLAIN = [(name, _plain(pattern)) for name, pattern in _LENGTHS]
_ANGLES = [
    ("milliradian", re.compile(r"(?<![a-z])(?:mrads?|milliradians?)(?![a-z])")),
    ("radian", re.compile(r"(?<![a-z])rad(?:ian)?s?(?![a-z])")),
    ("degree", re.compile(r"(?<![a-z])deg(?:rees?|s|\.)?(?![a-z])")),
]
_NOT_A_WORD = r"(?![a-z0-9])"

# In this order: "2theta" before "theta", "d-spacing" before "distance".
_QUANTITIES = [
    ("inverse spacing", re.compile(
        r"(?<![a-z0-9.])(?:1\s*/\s*d|d\s*\*|d[\s_-]?star|sin\s*\(?\s*theta\s*\)?\s*/\s*lambda)" + _NOT_A_WORD)),
    ("two_theta", re.compile(
        r"(?<![a-z0-9.])(?:2|two)[\s_*-]*th(?:et)?a?\.?(?![a-z0-9])"
        r"|(?<![a-z])(?:tth|ttheta|tta)(?![a-z0-9])|\b(?:scattering|diffraction|polar)[\s_-]*angle(?![a-z])")),
    ("component of q", re.compile(r"(?<![a-z0-9])q[\s_-]?(?:xy|yz|xz|x|y|z|par|perp|r|parallel)" + _NOT_A_WORD)),
    ("q", re.compile(
        r"(?<![a-z0-9])\|?q\|?(?:[\s_-]*(?:mag(?:nitude)?|abs|mod|space|values?|vector|range|axis))?\|?(?![a-z0-9])"
        r"|\bscattering[\s_-]*(?:wave[\s_-]*)?vector\b|\b(?:momentum|wave[\s_-]*vector)[\s_-]*transfer\b")),
    ("d", re.compile(
        r"(?<![a-z0-9])d(?:[\s_-]*(?:spacings?|spac|space|values?|hkl))(?![a-z0-9])"
        r"|\b(?:lattice|interplanar|plane|bragg)[\s_-]*(?:spacings?|distances?)\b")),
    ("azimuth", re.compile(r"\bazim(?:uth(?:al)?)?(?:[\s_-]*angle)?" + _NOT_A_WORD)),
    ("radial distance", re.compile(r"\bradial(?:[\s_-]*(?:distance|position))?\b|\bradius\b")),
    ("time of flight", re.compile(r"\b(?:tof|time[\s_-]*of[\s_-]*flight)\b")),
]  # fmt: skip
# Quick test for possible titles, since tables may have thousands of titles.
_POSSIBLE = re.compile(r"q|th|tt|1\s*/|d|azim|radi|tof|vector|transfer|lattice|planar|plane|bragg|angle")
# These count only as the title of a column, or with only a unit after them; in a remark they may mean anything.
_SHORT = re.compile(
    r"(d|r|theta|th|omega|om|chi|phi|psi|eta|energy|e|time|temperature|channel|index|no|nr|number|points?|row|unnamed"
    r"|pixels?|px|frame|step|distance|position|x|y|z|s|k|wavelength|lambda|motor|image|scan)"
    r"(?=[\s_(\[,/:;.]|$)"
)
# Names of variables, in which a unit after an underscore is an inverse length.
_Q_IN = re.compile(r"q_(nm|a|ang|angstrom|pm)")
_SHORT_LENGTHS = {"nm": "nm", "a": "angstrom", "ang": "angstrom", "angstrom": "angstrom", "pm": "pm"}
_REST = re.compile(r"[\s_()\[\],/:;.|-]*")
_UNIT_WORDS = re.compile(
    r"(?:deg(?:rees?|s|\.)?|m?rad(?:ians?)?|angstroe?ms?|angstr?|aa|a|[npum]m|mm|cm|m|k?ev|s|sec(?:onds)?|ms|us"
    r"|pixels?|px|i|int(?:ensity)?|counts?|cps|a\.?u\.?)(?![a-z])"
)
_ANGLE_WORDS = re.compile(r"(?:angles?|degrees?|deg)\b")


def simplified(text: str) -> str:
    """Return a title in lower case, with Greek letters, LaTeX and superscripts as plain letters."""
    text = html.unescape(text[:_LONGEST]).translate(_BEFORE)
    text = _LATEX_NAMES.sub(lambda match: _LATEX_WORDS.get(match[1].lower(), match[1].lower()), text)
    text = unicodedata.normalize("NFKC", _LATEX.sub("", text)).casefold()
    text = unicodedata.normalize("NFC", text).translate(_AFTER).replace("angstromngstr\u00f6m", "angstrom")
    return " ".join(text.replace("**", "^").split())


def read_title(title: str, units: str = "") -> Title:
    """Return quantity and unit of a title; the unit may be stated separately.

    The quantity may be anywhere in the title, except short names such as "d" or "r", which must be at its beginning.
    """
    words = simplified(title)
    if not units and (match := _Q_IN.fullmatch(words)):
        return Title("q", f"1/{_SHORT_LENGTHS[match[1]]}", only_units=True)
    found = [
        (match.start(), name, match) for name, pattern in _QUANTITIES if (match := pattern.search(words))
    ]
    short = _SHORT.match(words.lstrip("\"'( "))
    if short and (not found or min(found)[0] > 0) and not any(name in _USUAL_UNIT for _, name, _ in found):
        return _with_unit(short[1], words, units, short)
    if not found:
        unit = _unit(None, f"{words} {simplified(units)}") if units or not words.isalnum() else None
        return Title(None, unit)
    # Of quantities at the same place, the earlier one in the list is more specific.
    _, name, match = min(found, key=lambda one: one[0])
    return _with_unit(name, words, units, match)


def axis_kind(title: str, units: str = "") -> str | None:
    """Return the kind of axis (of `KINDS`) of a title and units, or None if it is unknown."""
    return read_title(title, units).kind


def other_quantity(title: str, *, alone: bool = False) -> str | None:
    """Return the quantity in a title that is not an axis of patterns: theta, azimuth, r, an energy, an index.

    Args:
        title: Of a column, or a line of comment.
        alone: Only if nothing but units follows, as in "r (mm)"; "energy = 8.05 keV" is a remark.
    """
    found = read_title(title)
    if found.quantity is None or found.kind is not None:
        return None
    return None if alone and not found.stands_alone else found.quantity


def mentions_inverse_length(text: str) -> bool:
    """Return whether a text contains a unit of q, such as "nm^-1" or "inverse Angstrom"."""
    words = simplified(text)
    return any(pattern.search(words) for _, pattern in _INVERSE[:3])


def names_an_angle(title: str) -> bool:
    """Return whether a title is "angle" or "degrees", which means two-theta in these formats."""
    return bool(_ANGLE_WORDS.match(simplified(title)))


def _with_unit(quantity: str, words: str, units: str, match: re.Match[str]) -> Title:
    after = words[match.end() :]
    unit = _unit(quantity, f" {simplified(units)}" if units.strip() else after)
    if quantity == "radial distance" and unit in _RADIAL:
        # Programs that integrate images use this name for any quantity that increases from the beam outwards.
        quantity = _RADIAL[unit]
    return Title(quantity, unit, match.start(), _only_units(after))


def _unit(quantity: str | None, text: str) -> str | None:
    """Return the unit in a text, preferably one of the quantity."""
    inverse, plain, angles = (
        next((name for name, pattern in patterns if pattern.search(text)), None)
        for patterns in (_INVERSE, _PLAIN, _ANGLES)
    )
    order = {"two_theta": (angles, inverse), "q": (inverse, angles, plain), "d": (inverse, plain, angles)}
    return next((unit for unit in order.get(quantity or "", (inverse, angles, plain)) if unit), None)


def _only_units(text: str) -> bool:
    position = 0
    while position < len(text):
        rest = _REST.match(text, position)
        position = rest.end() if rest else position
        if position == len(text):
            return True
        word = _UNIT_WORDS.match(text, position)
        if word is None:
            return False
        position = word.end()
    return True
