"""Fields of microscopes' own formats, through RosettaSciIO (HyperSpy's readers)."""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from nescio.errors import FileError, MissingExtraError
from nescio.files import HDF5_SIGNATURE, file_content, one_line, opened_hdf5
from nescio.microscopy.read.fields import MAX_BYTES, MAX_VALUES, Axis, Field, Role, unique_names

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


def hyperspy_fields(path: Path) -> list[Field]:
    """Return the signals of a file, by the reader that RosettaSciIO registers for its extension.

    Raises:
        MissingExtraError: RosettaSciIO is not installed.
        FileError: No reader that executes nothing knows the extension, or those that do fail.
    """
    try:
        plugins_known: list[dict[str, Any]] = import_module("rsciio").IO_PLUGINS
    except ImportError:
        raise MissingExtraError(
            f"{path}: files of kind {path.suffix!r} need RosettaSciIO; pip install nescio[hyperspy]"
        ) from None
    content = file_content(path, MAX_BYTES)
    if content.startswith(HDF5_SIGNATURE):
        with opened_hdf5(path, content, MAX_VALUES):
            pass
    suffix = path.suffix.lower().removeprefix(".")
    known = [plugin for plugin in plugins_known if suffix in map(str.lower, plugin["file_extensions"])]
    plugins = [plugin for plugin in known if plugin["name"] in _READERS]
    if not plugins:
        why = "is read by nothing that could not also execute what a file says" if known else "is unknown"
        raise FileError(f"{path}: kind {path.suffix[:20]!r} {why}; save it as .hspy, NeXus or .npz")
    reason = ""
    for plugin in plugins:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                signals = import_module(plugin["api"]).file_reader(str(path), lazy=False)
                return _fields(signals)
        except Exception as error:  # the readers fail on damaged or foreign files in every possible way
            reason = reason or f"{plugin['name']}: {one_line(error)}"
    raise FileError(f"{path}: cannot be read ({reason})")


def _fields(signals: list[dict[str, Any]]) -> list[Field]:
    titles = [str(signal.get("metadata", {}).get("General", {}).get("title") or "") for signal in signals]
    fields = []
    for title, signal in zip(unique_names(titles, "signal"), signals, strict=True):
        values = np.asarray(signal["data"])
        axes = [axis for axis in signal["axes"] if axis.get("size", 1) or axis.get("axis") is not None]
        roles = _roles([bool(axis.get("navigate")) for axis in axes])
        fields.append(
            Field.of(
                title,
                values,
                [_axis(axis, role, n) for axis, role, n in zip(axes, roles, values.shape, strict=True)],
                unit=_quantity_unit(signal),
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
    values = axis.get("axis")
    if values is None:
        values = float(axis.get("offset", 0.0)) + float(axis.get("scale", 1.0)) * np.arange(points)
    name, unit = (str(axis.get(key) or "") for key in ("name", "units"))
    unit = "" if unit == "<undefined>" else unit
    return Axis("" if name == "<undefined>" else name, np.asarray(values, np.float64), unit, role)


def _quantity_unit(signal: dict[str, Any]) -> str:
    quantity = str(signal.get("metadata", {}).get("Signal", {}).get("quantity") or "")
    return quantity.partition("(")[2].rstrip(") ")
