"""Banks in powder files of GSAS: records STD, ESD, FXYE, FXY and ALT.

Described in Larson and Von Dreele (2004), LAUR 86-748, chapter "GSAS standard powder data file".
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from nescio.errors import FileError
from nescio.files import Source, decoded_text, text_lines
from nescio.xrd.read.vendors.scans import Beam, Scans, number

__all__ = ["is_gsas", "read_gsas"]

_BANK = re.compile(r"BANK\s+\d+\s+\d+", re.I)
_MARK = re.compile(rb"^BANK[ \t]+\d+[ \t]+\d+[ \t]+\d+[ \t]+[A-Z]", re.I | re.M)
_CONSTANT = ("CONS", "CONST")
_TIMES = ("SLOG", "RALF", "TIME_MAP", "COND", "LOG6", "LPSD")
_CENTIDEGREE = 0.01
_TYPES = ("STD", "ESD", "FXYE", "FXY", "ALT")
_MOST_WORDS = 40
_WAVELENGTH = re.compile(r"(mean )?wavelength\b[^\d\n]{0,12}(\d{0,3}\.\d{1,12})", re.I)


def is_gsas(content: bytes) -> bool:
    """Say whether a text can be a powder file of GSAS."""
    return _MARK.search(content[:100_000]) is not None


def read_gsas(source: Source, *, axis: str | None, wavelength: float | None) -> xr.Dataset:
    """Read all banks over two-theta; each is a measurement of its own.

    Angles are stored in hundredths of a degree. ESD, FXYE and ALT state the uncertainties; STD holds counts, which were
    averaged over as many detectors as each record says. Banks over a time of flight are left out. The wavelength is
    that in the comments before the first bank, where they state one.

    Raises:
        FileError: The file holds no bank over two-theta.
    """
    scans = Scans(source, axis, wavelength)
    head: list[str] = []
    lines: list[str] = []
    stated: list[tuple[bool, float]] = []
    for line in text_lines(source, decoded_text(source)):
        if _BANK.match(line):
            _close(scans, head, lines, stated)
            head, lines = line.split()[:_MOST_WORDS], []
        elif not head:
            if len(stated) < _MOST_WORDS and (match := _WAVELENGTH.search(line[:200])):
                stated.append((match[1] is not None, float(match[2])))
        elif line.strip() and not line.startswith(("#", "!")):
            source.spend(2 * len(line) + 50, "the lines of a bank")
            lines.append(line)
    _close(scans, head, lines, stated)
    return scans.dataset("bank")


def _beam(scans: Scans, stated: Sequence[tuple[bool, float]]) -> Beam:
    """Return the beam of what comments state: whether a wavelength is the mean one, and the wavelength."""
    values = [value for mean, value in stated if mean] or [value for _, value in stated]
    if values and max(values) > 1.001 * min(values):
        scans.note("the comments state several wavelengths, and none is used")
        return Beam()
    return Beam(values[0] if values else None)


def _close(
    scans: Scans, head: Sequence[str], lines: Sequence[str], stated: Sequence[tuple[bool, float]]
) -> None:
    """Add a bank that was read."""
    if not head:
        return
    name = scans.next()
    try:
        _add(scans, name, head, lines, _beam(scans, stated))
    except FileError as error:
        scans.leave_out(f"{name}: {error}")


def _add(scans: Scans, name: str, head: Sequence[str], lines: Sequence[str], beam: Beam) -> None:
    # BANK number points records binning coefficients... type; a type that is missing is STD.
    kind = next((word.upper() for word in reversed(head[4:]) if word.upper() in _TYPES), "STD")
    binning = head[4].upper() if len(head) > 4 else ""
    if binning in _TIMES:
        raise FileError(f"has the binning {binning}: a time of flight, which is not read")
    if binning not in _CONSTANT:
        raise FileError(f"has the unknown binning {binning[:20]!r}; CONS is read")
    points = int(head[2]) if len(head[2]) < 10 else 0
    coefficients = [found for word in head[5:9] if (found := number(word)) is not None]
    if points < 2:
        raise FileError(f"has {head[2][:20]} points")
    stated, intensity, sigma = _columns(kind, lines)
    if stated is None:
        if len(coefficients) < 2:
            raise FileError("has no start and step of two-theta")
        stated = np.asarray(coefficients[0] + coefficients[1] * np.arange(intensity.size), np.float64)
    two_theta = _CENTIDEGREE * stated
    if intensity.size < points:
        scans.note(f"{name}: {points:,} points are announced, {intensity.size:,} are in the file")
    elif intensity.size > points:
        # The last record of STD and ESD is filled with zeros.
        two_theta, intensity = two_theta[:points], intensity[:points]
        sigma = None if sigma is None else sigma[:points]
    scans.add(name, two_theta, intensity, beam=beam, uncertainty=sigma)


_Columns = tuple[npt.NDArray[np.float64] | None, npt.NDArray[np.float64], npt.NDArray[np.float64] | None]


def _columns(kind: str, lines: Sequence[str]) -> _Columns:
    """Return positions in hundredths of a degree where each point states its own, intensities and uncertainties."""
    if kind in ("FXYE", "FXY"):
        width = len(kind) - 1
        table = _table((line.split()[:width] for line in lines), width)
        return table[:, 0], table[:, 1], table[:, 2] if width == 3 else None
    if kind == "ESD":
        table = _table(([line[at : at + 8] for at in range(0, min(len(line), 80), 8)] for line in lines), 2)
        return None, table[:, 0], table[:, 1]
    if kind == "ALT":
        # Position, intensity and uncertainty in 8, 7 and 5 characters; the last two with 4 decimals where no point is.
        points = (
            line[at : at + 20] for line in lines for at in (0, 20, 40, 60) if line[at : at + 20].strip()
        )
        table = _table(([one[:8], _implied(one[8:15]), _implied(one[15:])] for one in points), 3)
        return None, table[:, 1], table[:, 2]
    # Two characters for the number of detectors, blank for one, and six for the counts.
    pairs = (line[at : at + 8] for line in lines for at in range(0, min(len(line), 80), 8))
    table = _table(([pair[:2].strip() or "1", pair[2:]] for pair in pairs if pair[2:].strip()), 2)
    detectors, counts = np.maximum(table[:, 0], 1.0), table[:, 1]
    return None, counts, np.sqrt(np.maximum(counts, 1.0) / detectors)


def _implied(text: str) -> str:
    """Return a number with four decimals as it is written out: "  12345" is 1.2345."""
    found = number(text.strip()) if "." not in text else None
    return text if found is None else repr(found / 10_000.0)


def _table(rows: Iterable[Sequence[str]], width: int) -> npt.NDArray[np.float64]:
    """Return rows of words as numbers, shape (points, width); what follows the last whole row is dropped.

    Raises:
        FileError: A word is no number, or there is no row.
    """
    found: array[float] = array("d")
    for row in rows:
        for word in row:
            if not word.strip():
                continue
            value = number(word.strip())
            if value is None:
                raise FileError(f"point {len(found) // width + 1}: {word[:20]!r} is not a number")
            found.append(value)
    whole = len(found) - len(found) % width
    if not whole:
        raise FileError("has no points")
    return np.array(found[:whole]).reshape(-1, width)
