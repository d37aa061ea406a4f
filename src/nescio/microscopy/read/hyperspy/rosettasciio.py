"""Fields of microscopes' file formats, read by RosettaSciIO (HyperSpy's readers)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from nescio.errors import FileError, MissingExtraError
from nescio.files import (
    CrashError,
    FileKind,
    Source,
    TimeLimitError,
    answer_apart,
    checked_hdf5,
    display_name,
    file_content,
    file_kind,
    suffix_of,
    write_problem,
)
from nescio.microscopy.read.fields import (
    MAX_BYTES,
    Axis,
    Field,
    axis_role,
    colour_field,
    direction_of,
    flagged_roles,
    unique_names,
)

__all__ = ["HYPERSPY_SUFFIXES", "hyperspy_fields", "signal_field"]

# Readers that neither evaluate text nor unpickle objects. netCDF evaluates text; PantaRhei, MRCZ and ZSPY can unpickle,
# ZSPY through the codecs of Zarr (see nescio.microscopy.read.hyperspy.zspy).
_READERS = frozenset(
    (
        *(
            "Blockfile",
            "Bruker",
            "Delmic",
            "DENS",
            "DigitalMicrograph",
            "DigitalSurf",
            "EDAX",
            "EMD",
            "EMPAD",
        ),
        *("Hamamatsu", "HSPY", "Impulse", "JEOL", "JobinYvon", "MRC", "MSA", "Phenom", "Protochips"),
        *("QuantumDetector", "Renishaw", "Ripple", "Semper", "TIA", "Topspin", "TriVista", "TVIPS"),
    )
)

HYPERSPY_SUFFIXES = (
    ".hspy",
    ".dm3",
    ".dm4",
    ".emd",
    ".ser",
    ".emi",
    ".bcf",
    ".blo",
    ".mrc",
    ".rpl",
    ".wdf",
    ".msa",
)
"""The most common suffixes; all other formats of RosettaSciIO are read in the same way."""

_UNDEFINED = "<undefined>"
# Before version 1.4 of its format, HyperSpy stored no flags for axes, but "record_by" for the whole signal.
_RECORDS = {"spectrum": 1, "image": 2}

_COMPANIONS = {
    ".rpl": (r"\.raw",),
    ".raw": (r"\.rpl",),
    ".emi": (r"_\d+\.ser",),
    ".mib": (r"\.hdr",),
    ".hdr": (r"\.mib",),
    ".spd": (r"\.spc", r"\.ipr"),
}
"""Companion files of a file: regular expressions for the part of the name after the stem."""
_SECONDS = 8.0
_SECONDS_PER_BYTE = 2e-8


@contextmanager
def hyperspy_fields(source: Source, path: Path, *, reader: str = "") -> Iterator[list[Field]]:
    """Yield the signals of a file, read by the RosettaSciIO reader for its extension.

    The reader runs in a separate process, on copies of the file and its companions (the .raw of a .rpl). Time and
    memory are limited, and it can open no other files. Signals can be read inside the context.

    Args:
        source: The file.
        path: Path of the file, to find its companions.
        reader: Name of the reader, if it is known from the content of the file.

    Raises:
        MissingExtraError: RosettaSciIO or a package that the reader needs is not installed.
        FileError: No safe reader supports the extension, or the readers fail.
    """
    plugins = _plugins(source, path, reader)
    if file_kind(source.content) is FileKind.HDF5:
        checked_hdf5(source)
    with TemporaryDirectory(prefix="nescio-") as folder:
        _copy(source, path, Path(folder))
        request = {
            "folder": folder,
            "name": path.name,
            "readers": [[plugin["name"], plugin["api"]] for plugin in plugins],
            "most": source.budget.left // 2,
        }
        try:
            answer, _ = answer_apart(
                "nescio.microscopy.read.hyperspy.rosettasciio_worker",
                request,
                b"",
                seconds=_SECONDS + _SECONDS_PER_BYTE * len(source.content),
                memory=source.budget.limit,
            )
        except TimeLimitError:
            raise FileError(f"{source.name}: is damaged; its reader exceeded the time limit") from None
        except CrashError:
            raise FileError(
                f"{source.name}: is damaged; its reader crashed or exceeded the memory limit"
            ) from None
        if lacking := answer.get("lacks"):
            raise MissingExtraError(f"{source.name}: its reader cannot work: {lacking}")
        if "problem" in answer:
            raise FileError(f"{source.name}: cannot be read ({answer['problem']})")
        names = unique_names([one["title"] for one in answer["signals"]], "signal")
        yield [
            signal_field(source, Path(folder), name, signal)
            for name, signal in zip(names, answer["signals"], strict=True)
        ]


def _plugins(source: Source, path: Path, reader: str) -> list[dict[str, Any]]:
    """Return the readers for a file."""
    try:
        plugins_known: list[dict[str, Any]] = import_module("rsciio").IO_PLUGINS
    except ImportError:
        kind = f"files of {reader}" if reader else f"files of type {path.suffix!r}"
        raise MissingExtraError(
            f"{source.name}: {kind} need RosettaSciIO; pip install nescio[hyperspy]"
        ) from None
    suffix = suffix_of(path)
    known = [
        plugin
        for plugin in plugins_known
        if plugin["name"] == reader
        or (not reader and suffix[1:] in map(str.lower, plugin["file_extensions"]))
    ]
    plugins = [plugin for plugin in known if plugin["name"] in _READERS]
    if not plugins:
        why = "is refused, because its reader could execute code from the file" if known else "is unknown"
        raise FileError(f"{source.name}: format {path.suffix[:20]!r} {why}; save it as .hspy, NeXus or .npz")
    return plugins


def _copy(source: Source, path: Path, folder: Path) -> None:
    """Copy a file and its companions."""
    stem = path.name.removesuffix(path.suffix)
    try:
        (folder / path.name).write_bytes(source.content)
        for pattern in _COMPANIONS.get(path.suffix.lower(), ()):
            wanted = re.compile(re.escape(stem) + pattern, re.I)
            for file in path.parent.iterdir():
                if wanted.fullmatch(file.name) and file.name != path.name:
                    content = file_content(file, MAX_BYTES)
                    source.spend(len(content), display_name(file))
                    (folder / file.name).write_bytes(content)
    except OSError as error:
        raise FileError(write_problem(folder / path.name, error)) from None


def signal_field(source: Source, folder: Path, name: str, signal: dict[str, Any]) -> Field:
    """Return a signal as a field.

    Args:
        source: The file.
        folder: Folder with the numbers of the signal.
        name: Name of the signal.
        signal: Description from :mod:`nescio.microscopy.read.hyperspy.rosettasciio_worker`.
    """
    shape = tuple(signal["shape"])
    described = [axis for axis in signal["axes"] if axis["size"] or axis["values"] is not None]
    if signal["dtype"] is None:
        # Other types than numbers are listed, but cannot be read.
        held = np.dtype([(str(part), "u1") for part in signal["parts"]] or "V1")
        return Field.of(name, np.broadcast_to(np.zeros((), held), shape), budget=source.budget)
    dtype = np.dtype(signal["dtype"])
    file = folder / signal["file"]

    def read() -> npt.NDArray[np.generic]:
        source.spend(file.stat().st_size, name)
        return np.fromfile(file, dtype).reshape(shape)

    points = shape[: len(described)]
    axes = [_axis(axis, n) for axis, n in zip(described, points, strict=True)]
    if signal["colours"]:
        return colour_field(name, shape, read, source.budget, axes)
    roles, stack, contradiction = flagged_roles(
        [axis.name for axis in axes],
        [axis.role for axis in axes],
        _marks([axis["navigate"] for axis in described], signal["record_by"]),
    )
    quantity = signal["quantity"].partition("(")[2].rstrip(") ")
    return Field(
        name,
        shape,
        dtype,
        tuple(axis._replace(role=role) for axis, role in zip(axes, roles, strict=True)),
        read,
        unit=quantity,
        budget=source.budget,
        stack=stack,
        marks=f"{name} {contradiction}" if contradiction else "",
    )


def _marks(navigate: Sequence[bool | None], record_by: str) -> list[bool]:
    """Return which axes HyperSpy flags as navigation."""
    if any(mark is not None for mark in navigate) or record_by not in _RECORDS:
        return [bool(mark) for mark in navigate]
    places = len(navigate) - _RECORDS[record_by]
    return [index < places for index in range(len(navigate))]


def _axis(axis: dict[str, Any], points: int) -> Axis:
    name, unit = ("" if axis[key] == _UNDEFINED else axis[key] for key in ("name", "units"))
    unit = "" if unit in ("[]", "None") else unit
    values = axis["values"]
    if values is None:
        values = axis["offset"] + axis["scale"] * np.arange(points)
    along = np.asarray(values, np.float64)
    return Axis(
        name,
        along if along.shape == (points,) else None,
        unit,
        axis_role(name, unit),
        toward=direction_of(name),
    )
