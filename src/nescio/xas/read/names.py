"""What a column holds, by its name: the spellings of beamlines and programs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Column", "Role", "column_of"]


class Role(StrEnum):
    """What a column holds."""

    ENERGY = "energy"
    ANGLE = "angle"
    """Of the monochromator."""
    I0 = "incident beam"
    TRANSMITTED = "transmitted beam"
    FLUORESCENCE = "fluorescence"
    """Or another yield that is divided by the incident beam."""
    SECOND = "third ion chamber"
    """I2: what passed the sample and something behind it."""
    REFERENCE = "reference"
    """A foil measured beside the sample: its beam, or its absorption."""
    MU = "absorption"
    WAVENUMBER = "wavenumber"
    DENIED = "something else"
    """A name that is known, and is no part of a spectrum."""
    UNKNOWN = "unknown"
    UNNAMED = "unnamed"


@dataclass(frozen=True)
class Column:
    """A column and what its name says."""

    number: int
    """Counted from 1."""
    name: str
    """As in the file; empty where it has none."""
    role: Role
    unit: str = ""
    """In lower case; empty where the file does not say."""
    rank: int = 0
    """Among several energies, the lowest is the one to take."""

    def __str__(self) -> str:
        """Return number and name for messages."""
        return f"{self.number} {self.name[:30]!r}" if self.name else str(self.number)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Of a name; longer ones are cut.
_LONGEST = 100
_SYMBOLS = _set(
    "na mg al si p s cl ar k ca sc ti v cr mn fe co ni cu zn ga ge as se br kr rb sr y zr nb mo tc ru rh pd ag cd "
    "in sn sb te i xe cs ba la ce pr nd pm sm eu gd tb dy ho er tm yb lu hf ta w re os ir pt au hg tl pb bi th u "
    "np pu"
)
_UNITS = r"k?ev|deg(?:rees?)?|m?rad(?:ians?)?|a\.?u\.?|arb\.?(?:\s?units?)?|counts?|cts|v|volts?|n?a|s|sec|1"
_UNIT = re.compile(rf"[\s_]*(?:[(\[{{]\s*([^)\]}}]{{0,30}})\s*[)\]}}]|[/,]\s*({_UNITS}))\s*\*?$", re.I)
_TRAILING_UNIT = re.compile(r"(?<=[a-z])[_\s](k?ev|deg)$", re.I)
# "8_mu01" of APS 12-BM, "I0_c4" of SLS Phoenix.
_NUMBERED = re.compile(r"^\d{1,3}_(?=[A-Za-z])|_c\d{1,3}$")
# Mu and the sign for micro, and nu.
_GREEK = str.maketrans({"\u00b5": "mu", "\u03bc": "mu", "\u03bd": "v"})
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_RATIO = re.compile(r"(-?)\s*(?:(ln|log|log10)\s*\(?)?\s*([\w\s]{1,20}?)\s*/\s*([\w\s]{1,20}?)\s*\)?", re.I)

_I0 = _set("i0 io izero i00 mon monitor monex imon monitors iomon")
_TRANSMITTED = _set("it i1 itrans itr trans transmission transmitted itransmission itransmitted")
_SECOND = _set("i2")
_REFERENCE = _set("ir iref irefer irf ref refer reference iref1 irefd")
_FLUORESCENCE = _set(
    "if iff ifl ifluor ifluo ifluorescence fl flu fluo fluor fluorescence lytle pips vortex sdd tfy pfy fy ff "
    "flatot tey ey pey drain yield xs ketek canberra bruker amptek"
)
_FLUORESCENCE_WORD = re.compile(r"(?:fluo\w*|fla\d+|sca\d*|roi\d*|xs\d+|sdd\d+|if\d+|ff\d+|vtx\d*)")
_NO_INTENSITY = _set(
    "gain sens sensitivity offset dark background bkg bg voltage volts hv unit units time deadtime icr ocr dtc "
    "std stddev err error sigma var variance pressure gas pos position motor slit keithleygain"
)
_MU = re.compile(
    r"x?mu(?:_?(?:e|t|f|x|s|a|tot|total|raw|exp|trans\w*|fl\w*|sample|norm\w*|flat\w*|s?\d{2}|01))?"
    r"|(?:norm(?:ali[sz]ed)?|nor|flat(?:tened)?)(?:_?(?:x?mu|absorption|absorbance|abs|trans\w*|fluo\w*|fl|e|intensity"
    r"|xanes|xas))?|ln_?i0_?(?:it|i1|itrans)|ffi0|if_?i0|absorption(?:_?coefficient)?|absorbance|absorb|abs|xanes|xas|xafs|exafs|x?mu_?(?:normali[sz]ed)"
)
_NOT_MU = _set("mu0 chi chie bkg nbkg fbkg bkgd background pre post der sec nder nsec fit")
_MU_REFERENCE = re.compile(
    r"x?mu_?(?:r|ref\w*|12|23)|ln_?(?:it|i1|i0)_?(?:ir\w*|i2)|(?:ref|reference)_?(?:x?mu|norm\w*|abs\w*)|norm_?ref\w*"
)
_WAVENUMBER = _set("k wavenumber kspace")
_DENIED = _set(
    "time sec secs seconds s t counttime livetime realtime clock rtc dwell duration index point points no nr n "
    "number event eventid current ring ringcurrent sr srcurrent temperature temp chi chik chik2 chik3 chir chie "
    "window bkg nbkg fbkg background pre pre_edge preedge post post_edge postedge der deriv derivative nder nsec "
    "second std stdev stddev err error errors sigma esd fit residual resid diff difference weight mu0 icr ocr "
    "count counts cps gap epoch deadtime dt iterations scan"
)
_ANGLE = _set("angle theta bragg braggangle monoangle thetamono monotheta th dcmtheta")

_PLAIN = _set(
    "abs name mono bragg x ray xray photon zap e ev kev alt dcm beam incident monochromator axis bl the of in hv "
    "exafs xas scan"
)
_ACHIEVED = _set(
    "achieved actual real measured readback read rbv fbk feedback encoder enc obs observed calibrated cal "
    "corrected"
)
_REQUESTED = _set("requested request setpoint set sp target nominal command demand desired setting")
_NOT_ENERGY = _set(
    "edge step error err loss transfer relative rel resolution width gap undulator sigma delta shift offset "
    "emission emitted analyzer analyser spectrometer counts bandwidth res"
)


def column_of(number: int, name: str, unit: str = "") -> Column:
    """Return a column with what its name says.

    Args:
        number: Of the column, counted from 1.
        name: As in the file.
        unit: Where the file says it apart from the name.
    """
    name = name.strip()[:_LONGEST].strip("\"'").strip()
    if not name:
        return Column(number, "", Role.UNNAMED, unit)
    bare = _bare(name)
    if (ratio := _ratio(bare)) is not None:
        return Column(number, name, ratio, unit)
    stated = _UNIT.search(bare)
    # mu(E) has no unit.
    if stated and (found := (stated[1] or stated[2] or "").strip().lower()) != "e":
        unit, bare = unit or found, bare[: stated.start()] or bare
    elif (stated := _TRAILING_UNIT.search(bare)) is not None:
        unit, bare = unit or stated[1].lower(), bare[: stated.start()]
    words = _words(bare)
    role = _role("_".join(words), words)
    rank = _rank(words) if role is Role.ENERGY else 0
    if role is Role.ENERGY and not unit and words and words[0] in ("kev", "ekev"):
        unit = "kev"
    return Column(number, name, role, unit.lower(), rank)


def _bare(name: str) -> str:
    """Return a name without what facilities put around it: numbers of columns, ``$(...)``."""
    if name.startswith("$(") and name.endswith(")"):
        name = name[2:-1]
    return _NUMBERED.sub("", name).rstrip("* ").strip() or name


def _words(name: str) -> list[str]:
    apart = _CAMEL.sub(" ", name)
    plain = apart.lower().translate(_GREEK)
    return [word for word in re.split(r"[^a-z0-9]+", plain) if word]


def _ratio(name: str) -> Role | None:
    """Return what a name such as "ln(I0/I1)" or "If/I0" means; None where it is no ratio of two beams."""
    found = _RATIO.fullmatch(name)
    if found is None:
        return None
    above, below = (_role("_".join(words), words) for words in (_words(found[3]), _words(found[4])))
    beams = (Role.I0, Role.TRANSMITTED, Role.FLUORESCENCE, Role.SECOND, Role.REFERENCE)
    if above not in beams or below not in beams:
        return None
    logarithm, minus = found[2] is not None, bool(found[1])
    if above is Role.FLUORESCENCE and below is Role.I0:
        return Role.DENIED if logarithm else Role.MU
    if not logarithm:
        return Role.DENIED
    pair = (below, above) if minus else (above, below)
    if pair == (Role.I0, Role.TRANSMITTED):
        return Role.MU
    return (
        Role.REFERENCE if pair[0] in (Role.I0, Role.TRANSMITTED) and pair[1] is not Role.I0 else Role.DENIED
    )


def _role(joined: str, words: list[str]) -> Role:
    """Return what a name means, given as words and with underscores between them."""
    fused = joined.replace("_", "")
    if _is_energy(fused, words):
        return Role.ENERGY
    if _MU_REFERENCE.fullmatch(joined) or _MU_REFERENCE.fullmatch(fused):
        return Role.REFERENCE
    if (_MU.fullmatch(joined) or _MU.fullmatch(fused)) and fused not in _NOT_MU:
        return Role.MU
    if fused in _WAVENUMBER:
        return Role.WAVENUMBER
    if fused in _ANGLE or (words and words[0] == "angle" and len(words) < 3):
        return Role.ANGLE
    if not _NO_INTENSITY.intersection(words):
        found = _beam(fused, words)
        if found is not None:
            return found
    if fused in _DENIED or joined in _DENIED or _NO_INTENSITY.intersection(words):
        return Role.DENIED
    return Role.UNKNOWN


def _beam(fused: str, words: list[str]) -> Role | None:
    every = {fused, *words}
    if every & _I0:
        return Role.I0
    if fused == "i" or every & _TRANSMITTED:
        return Role.TRANSMITTED
    if every & _SECOND:
        return Role.SECOND
    if every & _REFERENCE:
        return Role.REFERENCE
    if every & _FLUORESCENCE or any(_FLUORESCENCE_WORD.fullmatch(word) for word in words):
        return Role.FLUORESCENCE
    return Role.FLUORESCENCE if _names_a_line(words) else None


def _names_a_line(words: list[str]) -> bool:
    """Say whether words name an emission line: "AsKa", "fe_ka1", "Ce La"."""
    lines = re.compile(r"([a-z]{0,2}?)(?:k[ab]|l[abg]|ma)\d?")
    for before, word in zip(["", *words], words, strict=False):
        found = lines.fullmatch(word)
        if found is not None and (found[1] or before) in _SYMBOLS:
            return True
    return False


def _is_energy(fused: str, words: list[str]) -> bool:
    if fused in (
        "e",
        "en",
        "ev",
        "kev",
        "ekev",
        "eev",
        "nrg",
        "hv",
        "hnu",
        "omega",
        "energies",
        "energia",
        "energie",
    ):
        return True
    if _NOT_ENERGY.intersection(words):
        return False
    return any(word.endswith(("energy", "nrg")) or word.startswith("energy") for word in words)


def _rank(words: list[str]) -> int:
    """Return how far a name is from plain "energy"; a requested energy comes after a measured one."""
    if words == ["omega"]:
        # FEFF's xmu.dat: its "e" counts from the Fermi level.
        return -1
    others = {word for word in words if not (word.endswith(("energy", "nrg")) and len(word) < 8)}
    others = {word for word in others if not word.isdigit() and word != "energy"}
    if not others - _PLAIN:
        return 0
    if others & _REQUESTED:
        return 3
    return 1 if others & _ACHIEVED else 2
