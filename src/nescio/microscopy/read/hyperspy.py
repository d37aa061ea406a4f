"""Fields of microscopes' own formats, through RosettaSciIO (HyperSpy's readers)."""

from __future__ import annotations

import math
import re
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

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
from nescio.microscopy.read.fields import MAX_BYTES, Axis, Field, Role, unique_names

__all__ = ["HYPERSPY_SUFFIXES", "hyperspy_fields"]

# Readers that neither evaluate text nor unpickle objects from a file: netCDF does the one; PantaRhei, MRCZ and ZSPY
# can do the other, ZSPY through the codecs of Zarr.
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


def hyperspy_fields(source: Source, path: Path) -> list[Field]:
    """Return the signals of a file, by the reader that RosettaSciIO registers for its extension.

    The reader works in a process of its own, on copies of the file and of those that belong to it (the .raw of a .rpl):
    it may crash or take too much time or memory, and opens no other file.

    Args:
        source: The file.
        path: Where it is, to find those that belong to it.

    Raises:
        MissingExtraError: RosettaSciIO is not installed.
        FileError: No reader that executes nothing knows the extension, or those that do fail.
    """
    try:
        plugins_known: list[dict[str, Any]] = import_module("rsciio").IO_PLUGINS
    except ImportError:
        raise MissingExtraError(
            f"{source.name}: files of kind {path.suffix!r} need RosettaSciIO; pip install nescio[hyperspy]"
        ) from None
    suffix = suffix_of(path)
    known = [plugin for plugin in plugins_known if suffix[1:] in map(str.lower, plugin["file_extensions"])]
    plugins = [plugin for plugin in known if plugin["name"] in _READERS]
    if not plugins:
        why = "is read by nothing that could not also execute what a file says" if known else "is unknown"
        raise FileError(f"{source.name}: kind {path.suffix[:20]!r} {why}; save it as .hspy, NeXus or .npz")
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
            answer, data = answer_apart(
                "nescio.microscopy.read.hyperspy_worker",
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
    if "problem" in answer:
        raise FileError(f"{source.name}: cannot be read ({answer['problem']})")
    source.spend(len(data), "its signals")
    return _fields(source, answer["signals"], data)


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


def _fields(source: Source, signals: list[dict[str, Any]], data: bytes) -> list[Field]:
    fields = []
    start = 0
    for name, signal in zip(unique_names([one["title"] for one in signals], "signal"), signals, strict=True):
        shape = tuple(signal["shape"])
        axes = [axis for axis in signal["axes"] if axis["size"] or axis["values"] is not None]
        roles = _roles([axis["navigate"] for axis in axes])
        if signal["dtype"] is None:
            # What is no number is listed, and refused where it is asked for.
            values = np.broadcast_to(np.zeros((), "V1"), shape)
        else:
            count = math.prod(shape)
            values = np.frombuffer(data, signal["dtype"], count, start).reshape(shape)
            start += values.nbytes
        fields.append(
            Field.of(
                name,
                values,
                [_axis(axis, role, n) for axis, role, n in zip(axes, roles, shape, strict=True)],
                unit=signal["quantity"].partition("(")[2].rstrip(") "),
                budget=source.budget,
            )
        )
    return fields


def _roles(navigating: list[bool]) -> list[Role]:
    """Return what the axes are, from which HyperSpy navigates by and which belong to the signal at each place."""
    places = sum(navigating)
    if len(navigating) - places == 2 and places < 2:
        return ["channel" if navigates else "space" for navigates in navigating]
    return ["space" if navigates else "signal" for navigates in navigating]


def _axis(axis: dict[str, Any], role: Role, points: int) -> Axis:
    values = axis["values"]
    if values is None:
        values = axis["offset"] + axis["scale"] * np.arange(points)
    name, unit = ("" if axis[key] == "<undefined>" else axis[key] for key in ("name", "units"))
    return Axis(name, np.asarray(values, np.float64), unit, role)
