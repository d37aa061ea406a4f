"""Fields of microscopes' own formats, through RosettaSciIO (HyperSpy's readers)."""

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

# Readers that neither evaluate text nor unpickle objects from a file: netCDF does the one; PantaRhei, MRCZ and ZSPY
# can do the other, ZSPY through the codecs of Zarr (see nescio.microscopy.read.hyperspy.zspy).
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
"""The most usual of them; others that RosettaSciIO knows are read alike."""

_UNDEFINED = "<undefined>"
# Before version 1.4 of its format, HyperSpy did not mark axes, and said of the whole what each place holds.
_RECORDS = {"spectrum": 1, "image": 2}

_COMPANIONS = {
    ".rpl": (r"\.raw",),
    ".raw": (r"\.rpl",),
    ".emi": (r"_\d+\.ser",),
    ".mib": (r"\.hdr",),
    ".hdr": (r"\.mib",),
    ".spd": (r"\.spc", r"\.ipr"),
}
"""What the names of files that belong to a file have after its stem, as regular expressions."""
_SECONDS = 8.0
_SECONDS_PER_BYTE = 2e-8


@contextmanager
def hyperspy_fields(source: Source, path: Path, *, reader: str = "") -> Iterator[list[Field]]:
    """Give the signals of a file, by the reader that RosettaSciIO registers for its extension.

    The reader works in a process of its own, on copies of the file and of those that belong to it (the .raw of a .rpl):
    it may crash or take too much time or memory, and opens no other file. The signals can be read while the block
    lasts.

    Args:
        source: The file.
        path: Where it is, to find those that belong to it.
        reader: Name of the reader, where the content of the file and not its extension tells it.

    Raises:
        MissingExtraError: RosettaSciIO is not installed, or a package that this reader needs.
        FileError: No reader that executes nothing knows the extension, or those that do fail.
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
            raise FileError(f"{source.name}: is damaged; its reader did not end") from None
        except CrashError:
            raise FileError(
                f"{source.name}: is damaged; its reader crashed or took too much memory"
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
        kind = f"files of {reader}" if reader else f"files of kind {path.suffix!r}"
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
        why = "is read by nothing that could not also execute what a file says" if known else "is unknown"
        raise FileError(f"{source.name}: kind {path.suffix[:20]!r} {why}; save it as .hspy, NeXus or .npz")
    return plugins


def _copy(source: Source, path: Path, folder: Path) -> None:
    """Copy a file, and those of the same name that its reader looks for."""
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
        folder: Where the numbers of the signal lie.
        name: Of the signal.
        signal: As :mod:`nescio.microscopy.read.hyperspy.rosettasciio_worker` describes it.
    """
    shape = tuple(signal["shape"])
    described = [axis for axis in signal["axes"] if axis["size"] or axis["values"] is not None]
    if signal["dtype"] is None:
        # What is no number is listed, and refused where it is asked for.
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
    """Return which axes HyperSpy navigates by."""
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
