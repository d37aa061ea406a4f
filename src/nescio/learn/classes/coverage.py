"""Calibrations for measurements that cover only a part of the axis, shared by similar ranges and saved on disk."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nescio.errors import AgentError, FileError, NescioWarning
from nescio.files import file_content, write_atomically
from nescio.learn.classes.calibrate import Calibration
from nescio.learn.classes.novelty import VIEWS, NoveltyScale
from nescio.learn.storage import array_content, arrays_of

__all__ = ["CalibrationStore", "shared_coverage"]

Mask = NDArray[np.bool_]

_BLOCKS = 128
_LARGEST_FILE = 100_000_000
# Above this size on disk, the oldest files are removed.
_MOST_KEPT = 200
# Increased when the same mask and weights give another calibration.
_VERSION = b"1"


def shared_coverage(covered: Mask) -> Mask:
    """Return the measured points to use, so that measurements with similar ranges share a calibration.

    Some measured points are ignored; missing points are never used. The axis is divided into blocks, and partly
    measured blocks are ignored. Then the number of missing blocks at each end is rounded up. This ignores less than
    half of the number missing there and less than an eighth of the measured points.

    Args:
        covered: True for measured points, shape (n, points).
    """
    n, points = covered.shape
    size = -(-points // _BLOCKS)
    padded = np.pad(covered, ((0, 0), (0, -points % size)), constant_values=True)
    whole: Mask = np.asarray(padded.reshape(n, padded.shape[1] // size, size).all(axis=2))
    rounded = whole.copy()
    for row in np.flatnonzero(whole.any(axis=1)):
        blocks = np.flatnonzero(whole[row])
        before, after = int(blocks[0]), whole.shape[1] - 1 - int(blocks[-1])
        rounded[row, : _rounded(before, blocks.size)] = False
        rounded[row, whole.shape[1] - _rounded(after, blocks.size) :] = False
    return np.asarray(np.repeat(rounded, size, axis=1)[:, :points])


def _rounded(missing: int, measured: int) -> int:
    """Return a number of missing blocks rounded up to a multiple of a power of two."""
    step = 1
    while 2 * step <= min(missing / 2, measured / 8):
        step *= 2
    return -(-missing // step) * step


@dataclass(eq=False)
class CalibrationStore:
    """Calibrations for parts of the axis, in memory and, if a folder is writable, on disk.

    The name of a file is a digest of the agent's weights and the mask, so files of different agents cannot be confused.
    A damaged file counts as missing.
    """

    weights: str = ""
    """Digest of the agent's weights."""
    folders: tuple[Path, ...] = ()
    """Folders: files are written to the first writable one and read from all."""
    _known: dict[bytes, Calibration] = field(default_factory=dict, repr=False)

    def find(self, mask: Mask, draws: int = 0) -> Calibration | None:
        """Return the calibration for a mask of shape (points,) with at least `draws` draws, or None."""
        key = _key(mask)
        if (found := self._known.get(key)) is None or found.novelty.size < draws:
            for folder in self.folders:
                kept = _read(folder / self._name(key))
                if kept is not None and kept.novelty.size >= draws:
                    self._known[key] = kept
                    return kept
            return None
        return found

    def keep(self, masks: Sequence[Mask], calibrations: Sequence[Calibration]) -> None:
        """Save calibrations; if no folder is writable, warn and keep them only in memory."""
        problem = ""
        for mask, calibration in zip(masks, calibrations, strict=True):
            key = _key(mask)
            self._known[key] = calibration
            problem = self._write(self._name(key), calibration) or problem
        if problem:
            warnings.warn(
                f"calibrations for parts of the axis cannot be saved: {problem}",
                NescioWarning,
                stacklevel=2,
            )

    def _name(self, key: bytes) -> str:
        return hashlib.sha256(_VERSION + self.weights.encode() + key).hexdigest()[:32] + ".safetensors"

    def _write(self, name: str, calibration: Calibration) -> str:
        """Write a calibration to the first writable folder; return the reason if there is none."""
        problem = ""
        for folder in self.folders:
            try:
                write_atomically(folder / name, _content(calibration))
            except FileError as error:
                problem = str(error)
            else:
                _thin(folder)
                return ""
        return problem


def _key(mask: Mask) -> bytes:
    return mask.size.to_bytes(8, "little") + np.packbits(mask).tobytes()


def _content(calibration: Calibration) -> bytes:
    return array_content(
        {
            "novelty": calibration.novelty,
            "median": calibration.scale.median,
            "spread": calibration.scale.spread,
            "numbers": np.array([calibration.temperature, calibration.error]),
        }
    )


def _read(file: Path) -> Calibration | None:
    if not file.exists():
        return None
    with suppress(FileError, AgentError, KeyError, ValueError):
        arrays = arrays_of(file_content(file, _LARGEST_FILE), file)
        novelty, median, spread = (arrays[name] for name in ("novelty", "median", "spread"))
        temperature, error = (float(number) for number in arrays["numbers"])
        whole = (
            novelty.ndim == 1
            and novelty.size > 0
            and (np.diff(novelty) >= 0.0).all()
            and median.shape == spread.shape == (len(VIEWS),)
            and (spread > 0.0).all()
            and temperature > 0.0
        )
        if whole:
            return Calibration(temperature, NoveltyScale(median, spread), novelty, error)
    return None


def _thin(folder: Path) -> None:
    """Remove the oldest files of a folder that exceeds the size limit."""
    files = list(folder.glob("*.safetensors"))
    if len(files) <= _MOST_KEPT:
        return
    with suppress(OSError):  # another process may remove files as well
        for file in sorted(files, key=lambda one: one.stat().st_mtime)[: len(files) - _MOST_KEPT]:
            file.unlink(missing_ok=True)
