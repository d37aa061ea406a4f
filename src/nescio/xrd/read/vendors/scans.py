"""Helpers shared by the vendor formats: beam, scans and numbers in text."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nescio.errors import FileError
from nescio.files import Source
from nescio.xrd.read.measured import (
    MAX_POINTS,
    measured_dataset,
    resolved_wavelength,
    stem_of,
    wavelength_angstrom,
)
from nescio.xrd.read.several import joined

__all__ = [
    "MOST_SCANS",
    "Beam",
    "Fields",
    "Scans",
    "is_two_theta",
    "number",
    "numbers_in",
    "rows_in",
    "text_number",
]

MOST_SCANS = 5000
"""Scans or ranges of one file."""

_LARGEST = 1e15
_LONGEST_WORD = 400


@dataclass(frozen=True)
class Beam:
    """What a file says about its X-ray source."""

    alpha1: float | None = None
    """Wavelength of K-alpha 1, or of the only line, in angstrom; None or 0 where the file states none."""
    alpha2: float | None = None
    """Wavelength of K-alpha 2 in angstrom."""
    ratio: float | None = None
    """Intensity of K-alpha 2 divided by that of K-alpha 1."""
    anode: str = ""
    """Chemical symbol of the anode."""

    def wavelength(self, place: str) -> float | None:
        """Return the wavelength of the strongest line in angstrom, or None where the file states none.

        Raises:
            FileError: The file states an impossible wavelength.
        """
        return wavelength_angstrom(f"{self.alpha1!r} angstrom", place) if self.alpha1 else None

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of a dataset measured with this beam."""
        found: dict[str, Any] = {}
        if self.anode.isalpha() and len(self.anode) <= 2:
            found["anode"] = self.anode.capitalize()
        if self.alpha1 and self.alpha2 and 0.0 < self.alpha2 < 100.0:
            found["k_alpha2_angstrom"] = self.alpha2
            if self.ratio and 0.0 < self.ratio < 10.0:
                found["k_alpha2_to_k_alpha1"] = self.ratio
        return found


class Scans:
    """The scans of one file, collected one by one."""

    def __init__(self, source: Source, axis: str | None, wavelength: float | None) -> None:
        """Start a collection.

        Args:
            source: The file.
            axis: What the user says the axis is.
            wavelength: What the user says the wavelength is, in angstrom.

        Raises:
            FileError: The user names another axis than two-theta.
        """
        if axis not in (None, "two_theta"):
            raise FileError(
                f"{source.name}: this format holds two-theta in degree; axis {axis!r} is not possible"
            )
        self.source = source
        self.notes: list[str] = []
        self._wavelength = wavelength
        self._scans: dict[int, xr.Dataset] = {}
        self._left_out: list[str] = []
        self._number = 0

    def next(self) -> str:
        """Return the name of the next scan for messages, such as "scan 2".

        Raises:
            FileError: There are more than `MOST_SCANS`.
        """
        self._number += 1
        if self._number > MOST_SCANS:
            raise FileError(
                f"{self.source.name}: has more than {MOST_SCANS:,} scans; split it into several files"
            )
        return f"scan {self._number}"

    def note(self, text: str) -> None:
        """Add a note on the file."""
        self.notes.append(f"{self.source.name}: {text}")

    def leave_out(self, why: str) -> None:
        """Record why a scan cannot be used."""
        self._left_out.append(why)

    def add(
        self,
        name: str,
        two_theta: npt.ArrayLike,
        intensity: npt.ArrayLike,
        *,
        beam: Beam,
        seconds: float | None = None,
        counts: bool = False,
        uncertainty: npt.ArrayLike | None = None,
    ) -> None:
        """Add a scan; a scan that breaks the rules is recorded as left out.

        Args:
            name: Of the scan, from `next`.
            two_theta: In degree, shape (points,).
            intensity: Shape (points,).
            beam: Its X-ray source.
            seconds: Counting time of each point in s.
            counts: Whether the intensities are counts: whole numbers then have uncertainties from counting statistics.
            uncertainty: One standard deviation, shape (points,), where the file states it.
        """
        source = self.source
        values = np.asarray(intensity, np.float64)
        if values.size > MAX_POINTS:
            raise FileError(f"{source.name}: {name} has more than {MAX_POINTS:,} points")
        source.spend(6 * 8 * values.size, name)
        sigma = uncertainty
        if sigma is None and counts and (values >= 0.0).all() and (values == np.rint(values)).all():
            # A count of zero has an uncertainty too: that of one.
            sigma = np.sqrt(np.maximum(values, 1.0))
        attributes = beam.attributes()
        if seconds is not None and math.isfinite(seconds) and 0.0 < seconds < _LARGEST:
            attributes["counting_time_seconds"] = seconds
        try:
            line = resolved_wavelength(
                source.path, "two_theta", self._wavelength, lambda: beam.wavelength(f"{source.name}: {name}")
            )
            self._scans[self._number] = measured_dataset(
                source.path,
                "two_theta",
                two_theta,
                values,
                wavelength=line,
                uncertainty=sigma,
                attributes=attributes,
                place=lambda index: f"{name}, point {index + 1}",
            )
        except FileError as error:
            why = str(error).removeprefix(f"{source.name}: ")
            self.leave_out(why if why.startswith(name) else f"{name}: {why}")

    def dataset(self, what: str = "scan") -> xr.Dataset:
        """Return all scans as the measurements of one dataset.

        Args:
            what: The format's word for a scan, for the message.

        Raises:
            FileError: There is no scan; the reason of the first is given.
        """
        if not self._scans:
            why = self._left_out[0] if self._left_out else f"contains no {what} over two-theta with points"
            raise FileError(f"{self.source.name}: {why}")
        scans = list(self._scans.values())
        if self._number > 1:
            # A scan keeps its number, whichever of the others are left out.
            stem = stem_of(self.source.path)
            scans = [
                scan.assign_coords(measurement=[f"{stem}#{number}"]) for number, scan in self._scans.items()
            ]
        return joined(self.source, scans, notes=self.notes, left_out=self._left_out)


class Fields:
    """Numbers and texts at places in a binary file."""

    def __init__(self, source: Source) -> None:
        """Take the bytes of a file; integers and floats are little-endian."""
        self.content = source.content
        self.name = source.name

    def __len__(self) -> int:
        return len(self.content)

    def whole(self, place: int, what: str) -> int:
        """Return the unsigned 32-bit integer at a place.

        Raises:
            FileError: The file ends before; the message names `what`.
        """
        return int(self._unpacked("<I", place, what))

    def single(self, place: int, what: str) -> float:
        """Return the 32-bit float at a place; see `whole`."""
        return float(self._unpacked("<f", place, what))

    def double(self, place: int, what: str) -> float:
        """Return the 64-bit float at a place; see `whole`."""
        return float(self._unpacked("<d", place, what))

    def text(self, place: int, size: int) -> str:
        """Return the text at a place, up to the first zero byte."""
        return self.content[place : place + size].split(b"\x00")[0].decode("latin-1").strip()

    def column(self, place: int, count: int, stride: int, kind: str, what: str) -> npt.NDArray[np.float64]:
        """Return one number of each record.

        Args:
            place: Of the first number.
            count: Records.
            stride: Bytes from one record to the next.
            kind: NumPy's name of the kind of number, such as "<f4".
            what: The data, for the message.

        Raises:
            FileError: The file ends before.
        """
        size = np.dtype(kind).itemsize
        if count < 1 or place + (count - 1) * stride + size > len(self.content):
            raise FileError(f"{self.name}: {what} is cut short: {count:,} points do not fit into the file")
        view = np.ndarray((count,), kind, self.content, place, (stride,))
        with np.errstate(all="ignore"):
            return view.astype(np.float64)

    def _unpacked(self, form: str, place: int, what: str) -> Any:
        if place < 0 or place + struct.calcsize(form) > len(self.content):
            raise FileError(f"{self.name}: is cut short within {what}")
        return struct.unpack_from(form, self.content, place)[0]


def is_two_theta(name: str) -> bool:
    """Say whether the name of a scan's axis means two-theta: "2Theta", "TwoThetaOmega", "Theta/2-Theta", "COUPLED"."""
    plain = "".join(character for character in name.lower().replace("θ", "theta") if character.isalnum())
    return "2theta" in plain or "twotheta" in plain or plain in ("coupled", "tth", "2th", "theta2")


def number(word: str) -> float | None:
    """Return a finite number, or None where a word is none."""
    if len(word) > _LONGEST_WORD or "_" in word or not word.isascii():
        return None
    try:
        found = float(word)
    except ValueError:
        return None
    return found if abs(found) < _LARGEST else None


def text_number(text: str | None) -> float | None:
    """Return the number in a text that may be missing or no number."""
    return None if text is None else number(text.strip())


def numbers_in(words: Sequence[str], place: str, into: array[float]) -> None:
    """Append the numbers in words.

    Raises:
        FileError: A word is no finite number below 1e15, or there are too many.
    """
    if len(into) + len(words) > 3 * MAX_POINTS:
        raise FileError(f"{place}: more than {MAX_POINTS:,} points")
    for word in words:
        found = number(word)
        if found is None:
            raise FileError(f"{place}: {word[:30]!r} is not a finite number below 1e15")
        into.append(found)


def rows_in(lines: Iterable[str], place: str, first: int = 1) -> tuple[array[float], int]:
    """Return the numbers of lines of two or three columns in one array, and the number of columns; skips empty lines.

    Args:
        lines: The lines.
        place: Where they are, for messages.
        first: Number of the first line.

    Raises:
        FileError: A line has another number of columns, or a word that is no number.
    """
    rows: array[float] = array("d")
    width = 0
    for line_number, line in enumerate(lines, first):
        words = line.split()
        if not words:
            continue
        width = width or len(words)
        at = f"{place} line {line_number}"
        if len(words) != width or width not in (2, 3):
            needed = width if width in (2, 3) else "2 or 3"
            raise FileError(f"{at}: {len(words)} numbers where {needed} are needed")
        numbers_in(words, at, rows)
    return rows, width
