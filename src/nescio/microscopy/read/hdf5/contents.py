"""Fields of HDF5 files: NeXus, netCDF 4, NSID and USID (pycroscopy), EMD, and others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nescio.files import Hdf5, default_data, groups_below, member
from nescio.microscopy.read.fields import MAX_VALUES, Field, colour_field, with_lines
from nescio.microscopy.read.hdf5.nexus import nexus_form
from nescio.microscopy.read.hdf5.nodes import Form, node_values, packing, text_attribute
from nescio.microscopy.read.hdf5.scales import emd_form, scales_form
from nescio.microscopy.read.hdf5.usid import is_usid, usid_field

__all__ = ["hdf5_fields", "is_hyperspy"]

_MOST_FIELDS = 1000
_SCALE = "DIMENSION_SCALE"


def is_hyperspy(file: Hdf5) -> bool:
    """Return whether a file was written by HyperSpy, from its content."""
    return text_attribute(file.root, "file_format").lower() == "hyperspy"


def hdf5_fields(file: Hdf5, *, everything: bool = False) -> list[Field]:
    """Return the arrays of an open HDF5 file; they can be read while it is open.

    Axes are taken from NXdata, else from dimension scales (NSID, netCDF) or the dimensions of EMD, else from
    one-dimensional arrays in the same group with fitting lengths. The default NXdata is preferred. Packed numbers are
    unpacked (:mod:`nescio.microscopy.read.packing`).

    Args:
        file: The file.
        everything: Whether to include dimension scales as separate arrays.

    Raises:
        FileError: An attribute or a table that describes an array is invalid.
    """
    import h5py

    default = default_data(file.root)
    fields: list[Field] = []
    for group in groups_below(file.root):
        for name in list(group)[:_MOST_FIELDS]:
            node = member(group, name)
            if not isinstance(node, h5py.Dataset) or not node.shape or node.dtype.kind not in "iufcbV":
                continue
            if len(node.shape) == 1 and text_attribute(node, "CLASS") == _SCALE and not everything:
                continue
            if is_usid(file, node):
                fields.append(usid_field(file, node))
                continue
            form = (
                nexus_form(file, group, name, node)
                or emd_form(file, group, name, node)
                or scales_form(file, group, node)
            )
            fields.append(_field(file, node, form, default is not None and group == default and form.shown))
        if len(fields) >= _MOST_FIELDS:
            break
    return with_lines(Path(file.source.name), fields)


def _field(file: Hdf5, node: Any, form: Form, preferred: bool) -> Field:
    name = str(node.name).strip("/")
    if form.colour or (len(node.shape) == 3 and "TRUECOLOR" in text_attribute(node, "IMAGE_SUBCLASS")):
        return colour_field(name, node.shape, lambda: file.values(node, MAX_VALUES, "u"), file.source.budget)
    held = packing(file, node)
    return Field(
        name=name,
        shape=node.shape,
        dtype=node.dtype,
        axes=form.axes,
        read=lambda: node_values(file, node, held),
        preferred=preferred,
        unit=text_attribute(node, "units"),
        budget=file.source.budget,
        coordinates=form.coordinates,
        stack=form.stack,
        notes=form.notes,
        marks=form.marks,
    )
