"""What the columns of a table are, by their titles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from nescio.xrd.read.axis import read_title, simplified

__all__ = ["Role", "are_titles", "base_of", "role_of"]


class Role(StrEnum):
    """What a column is."""

    AXIS = "axis"
    INTENSITY = "intensity"
    UNCERTAINTY = "uncertainty"
    MODEL = "model"
    """A calculated pattern, a background, a difference, a weight, a logarithm: no measured intensity."""
    OTHER = "other"
    """Nothing that is known: the name of a pattern, or another quantity."""


_BEFORE, _AFTER = r"(?<![a-z])", r"(?![a-z])"
_MODEL = re.compile(
    r"calc|y[\s_-]?cal|(?<![a-z])(?:fit(?:ted)?|model(?:led)?|simul\w*|theor\w*|bragg|tick\w*|allen|hkl|mask|flags?)"
    + _AFTER
    + r"|diff|resid|(?:obs|y|i)\s*-\s*(?:y[\s_]?)?(?:calc?|c|bkg|ybg)"
    r"|back(?:ground|gr?d?)?(?![a-z])|bkgd?|y[\s_]?bg|baseline|weight|(?<![a-z])wt?"
    + _AFTER
)  # fmt: skip
_UNCERTAINTY = re.compile(
    rf"sigma|error|uncert|std|stdev|{_BEFORE}(?:errs?|e\.?\s?s\.?\s?d|s\.?\s?u|s\.?\s?d|sig|e)\.?{_AFTER}"
    rf"|{_BEFORE}(?:d|delta|s|e)[\s_]*\(?[iy]{_AFTER}|\+/?-|\u00b1"
)
_INTENSITY = re.compile(
    r"\|?(?:intensit\w*|intens|int|counts?|cts|cps|kcps|raw|observed|obs|signal|detector|det|lin|psd|yo"
    r"|[iy](?:[\s_-]*(?:obs(?:erved)?|o|meas(?:ured)?|exp(?:erimental)?|raw|norm(?:ali[sz]ed)?))?)"
    r"(?![a-z])"
)
# On a logarithmic or square-root scale an intensity is another quantity; exports hold it beside the counts.
_SCALED = re.compile(
    r"(?:log|ln|lg|sqrt|square[\s_-]*root)(?:10|e|2)?(?:[\s_(\[]|of\b)*(?:intensit\w*|int(?:ens)?|counts?|cps|[iy])(?![a-z])"
)
_EXPERIMENTAL = re.compile(r"(?:measured|experimental|exp|total)[\s_]+(?:intensity|counts|pattern)")
_VALUE = re.compile(r"[:=](\S|$)")
_NUMBERS = re.compile(r"[\s_]*[\d#().-]+$|\[[^\]]*\]|\([^)]*\)")


def role_of(title: str) -> Role:
    """Return what a column with this title is."""
    words = simplified(title)
    # A fit is no observation, whatever its name begins with: "y_calc", "Yobs-Ycal".
    if _MODEL.search(words) or _SCALED.match(words):
        return Role.MODEL
    if _UNCERTAINTY.search(words):
        return Role.UNCERTAINTY
    if _INTENSITY.match(words) or _EXPERIMENTAL.match(words):
        return Role.INTENSITY
    if read_title(title).kind is not None:
        return Role.AXIS
    return Role.OTHER


def base_of(title: str) -> str:
    """Return a title without numbers and units: the same for "I_1" and "I_2", not for "counts" and "cps"."""
    return _NUMBERS.sub("", simplified(title)).strip(" _")


def are_titles(words: Sequence[str], *, separated: bool) -> bool:
    """Say whether words before the numbers are titles of their columns rather than a remark.

    Args:
        words: One a column.
        separated: By more than white space.
    """
    # "energy = 8.05" is a remark over two columns.
    if any(_VALUE.search(word) for word in words):
        return False
    if separated:
        return True
    first, roles = read_title(words[0]), [role_of(word) for word in words]
    return (
        (first.quantity is not None and first.unit is not None)
        or any(role in (Role.INTENSITY, Role.UNCERTAINTY) for role in roles[1:])
        or (roles[0] is Role.INTENSITY and Role.AXIS in roles)
    )
