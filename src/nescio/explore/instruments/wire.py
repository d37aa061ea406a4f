"""The network protocol of instruments: msgpack maps, with arrays as plain bytes. Nothing is pickled.

A request is ``{"v": 1, "id": number, "client": text, "token": text, "session": text, "method": text, "position":
array}``. An answer is ``{"v": 1, "id": number, "session": text, "value": ...}`` or ``{..., "error": kind, "message":
text}``. An array is ``{"dtype": "<f8", "shape": [...], "data": bytes}`` (or ``{"text": [...], "shape": [...]}``), in C
order.

A request to measure with the same client and id as an earlier one is the same request: the server answers with the
stored result and does not measure again. A request with another session than the server's is rejected, because it was
sent to an earlier server.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nescio.errors import InstrumentError, MissingExtraError

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "LARGEST_MESSAGE",
    "LARGEST_REQUEST",
    "VERSION",
    "decode_array",
    "decode_dataset",
    "decode_spectrum",
    "encode_array",
    "encode_dataset",
    "encode_spectrum",
    "pack",
    "unpack",
]

_Container = TypeVar("_Container", list[Any], dict[str, Any])

VERSION = 1
LARGEST_MESSAGE = 2**29
LARGEST_REQUEST = 2**16
"""Largest request in bytes; its largest part is a position."""

_DTYPES = frozenset(
    ["|b1", "|i1", "|u1"]
    + [f"<{kind}" for kind in ("i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16")]
)
_MOST_DIMENSIONS = 16
_MOST_ITEMS = 1_000_000
_MOST_CHARACTERS = 2**26
_DEEPEST = 8


def pack(message: Mapping[str, Any], limit: int = LARGEST_MESSAGE) -> bytes:
    """Encode a message.

    Raises:
        InstrumentError: The message is larger than the limit, or contains a type that cannot be sent.
        MissingExtraError: msgpack is not installed.
    """
    msgpack = _msgpack()
    try:
        data: bytes = msgpack.packb(message, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise InstrumentError(f"the message cannot be sent: {error}") from None
    if len(data) > limit:
        raise InstrumentError(f"the message has {len(data):,} bytes; the limit is {limit:,}")
    return data


def unpack(data: bytes, limit: int = LARGEST_MESSAGE) -> dict[str, Any]:
    """Decode a message.

    Raises:
        InstrumentError: The bytes are not a message of this protocol.
        MissingExtraError: msgpack is not installed.
    """
    msgpack = _msgpack()
    if len(data) > limit:
        raise InstrumentError(f"the message has {len(data):,} bytes; the limit is {limit:,}")
    items = _Items()
    try:
        message = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_array_len=_MOST_ITEMS,
            max_map_len=_MOST_ITEMS,
            list_hook=items.counted,
            object_hook=items.counted,
        )
    # msgpack's errors have no common base class.
    except Exception as error:
        raise InstrumentError(f"not a message of this protocol ({type(error).__name__})") from None
    if not isinstance(message, dict):
        raise InstrumentError("not a message of this protocol (not a map)")
    return message


class _Items:
    """Counts the items of lists and maps, because one byte of a message may need a hundred bytes of memory."""

    def __init__(self) -> None:
        self.count = 0

    def counted(self, container: _Container) -> _Container:
        self.count += len(container)
        if self.count > _MOST_ITEMS:
            raise ValueError("too many items")
        return container


def encode_array(values: Any, name: str = "array") -> dict[str, Any]:
    """Encode an array as a map of plain values.

    Raises:
        InstrumentError: The array contains neither numbers nor text.
    """
    array = np.asarray(values)
    if array.dtype.kind in "UT" or (
        array.dtype == object and all(isinstance(item, str) for item in array.flat)
    ):
        return {"text": [str(item) for item in array.flat], "shape": list(array.shape)}
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    code = little.dtype.str
    if code not in _DTYPES:
        raise InstrumentError(f"{name} contains {array.dtype}; only numbers and text can be sent")
    return {"dtype": code, "shape": list(array.shape), "data": little.tobytes()}


def decode_array(document: Any) -> NDArray[Any]:
    """Decode an array from :func:`encode_array`; the result is writable and not a view of the message.

    Raises:
        InstrumentError: The type is not allowed, or the size does not match the shape.
    """
    shape = _of(document, "shape", list)
    if len(shape) > _MOST_DIMENSIONS or not all(type(size) is int and size >= 0 for size in shape):
        raise InstrumentError(f"an array has the invalid shape {_shown(shape)}")
    count = math.prod(shape)
    if "text" in document:
        text = _of(document, "text", list)
        if len(text) != count or not all(isinstance(item, str) for item in text):
            raise InstrumentError(f"an array of shape {_shown(shape)} has {len(text)} texts")
        # In NumPy, each text takes as much memory as the longest.
        if count * max(map(len, text), default=0) > _MOST_CHARACTERS:
            raise InstrumentError(
                f"too large: {count:,} texts, of which one has {max(map(len, text)):,} characters"
            )
        return _reshaped(np.array(text, dtype=str), shape)
    code, data = _of(document, "dtype", str), _of(document, "data", bytes)
    if code not in _DTYPES:
        raise InstrumentError(f"an array has type {_shown(code)}, which is not allowed")
    dtype = np.dtype(code)
    if count * dtype.itemsize != len(data):
        raise InstrumentError(f"an array of type {code} and shape {_shown(shape)} has {len(data)} bytes")
    return _reshaped(np.frombuffer(data, dtype), shape).copy()


def _reshaped(values: NDArray[Any], shape: list[int]) -> NDArray[Any]:
    try:
        return values.reshape(shape)
    # For example an empty array with one dimension of zero and others larger than memory.
    except (ValueError, OverflowError) as error:
        raise InstrumentError(f"an array has the invalid shape {_shown(shape)} ({error})") from None


def encode_spectrum(spectrum: xr.DataArray) -> dict[str, Any]:
    """Encode a spectrum, its coordinates and its attributes as a map of plain values.

    Raises:
        InstrumentError: The spectrum is not a DataArray, or a part of it cannot be sent.
    """
    import xarray as xr

    if not isinstance(spectrum, xr.DataArray):
        raise InstrumentError(f"the driver returned {type(spectrum).__name__} instead of a DataArray")
    name = None if spectrum.name is None else str(spectrum.name)
    return {"name": name, **_variable(spectrum.variable, "spectrum"), "coords": _variables(spectrum.coords)}


def decode_spectrum(document: Any) -> xr.DataArray:
    """Decode a spectrum from :func:`encode_spectrum`.

    Raises:
        InstrumentError: The document is invalid.
    """
    import xarray as xr

    name = document.get("name") if isinstance(document, dict) else None
    dims, values, attrs = _decoded(document)
    coords = _decoded_all(document, "coords")
    try:
        return xr.DataArray(values, coords, dims, None if name is None else str(name), attrs)
    except (ValueError, TypeError) as error:
        raise InstrumentError(f"the parts of the spectrum do not fit together ({error})") from None


def encode_dataset(dataset: xr.Dataset) -> dict[str, Any]:
    """Encode a survey as a map of plain values.

    Raises:
        InstrumentError: The survey is not a Dataset, or a part of it cannot be sent.
    """
    import xarray as xr

    if not isinstance(dataset, xr.Dataset):
        raise InstrumentError(f"the driver returned {type(dataset).__name__} instead of a Dataset")
    return {
        "data": _variables(dataset.data_vars),
        "coords": _variables(dataset.coords),
        "attrs": _plain(dataset.attrs, "an attribute of the survey"),
    }


def decode_dataset(document: Any) -> xr.Dataset:
    """Decode a survey from :func:`encode_dataset`.

    Raises:
        InstrumentError: The document is invalid.
    """
    import xarray as xr

    attrs = _plain(_of(document, "attrs", dict), "an attribute of the survey")
    try:
        return xr.Dataset(_decoded_all(document, "data"), _decoded_all(document, "coords"), attrs)
    except (ValueError, TypeError) as error:
        raise InstrumentError(f"the parts of the survey do not fit together ({error})") from None


def _variables(variables: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): _variable(array.variable, str(name)) for name, array in variables.items()}


def _variable(variable: xr.Variable, name: str) -> dict[str, Any]:
    return {
        "dims": [str(dim) for dim in variable.dims],
        "attrs": _plain(variable.attrs, f"an attribute of {name}"),
        "array": encode_array(variable.values, name),
    }


def _decoded_all(document: Any, key: str) -> dict[str, tuple[list[str], NDArray[Any], dict[str, Any]]]:
    return {str(name): _decoded(item) for name, item in _of(document, key, dict).items()}


def _decoded(document: Any) -> tuple[list[str], NDArray[Any], dict[str, Any]]:
    dims, attrs = _of(document, "dims", list), _plain(_of(document, "attrs", dict), "an attribute")
    values = decode_array(_of(document, "array", dict))
    if len(dims) != values.ndim or not all(isinstance(dim, str) for dim in dims):
        raise InstrumentError(f"the dimensions {_shown(dims)} do not match an array of shape {values.shape}")
    return dims, values, attrs


def _plain(value: Any, name: str, depth: int = 0) -> Any:
    """Return an attribute in msgpack's types: NumPy scalars as Python scalars, arrays and tuples as lists."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {str(key): _plain(item, name, depth + 1) for key, item in value.items()}
    if depth < _DEEPEST and isinstance(value, (list, tuple)):
        return [_plain(item, name, depth + 1) for item in value]
    raise InstrumentError(f"{name} is of type {type(value).__name__}; only numbers and text can be sent")


def _of(document: Any, key: str, kind: type) -> Any:
    value = document.get(key) if isinstance(document, dict) else None
    if not isinstance(value, kind):
        raise InstrumentError(f"the message has no valid {key!r}")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def _msgpack() -> Any:
    try:
        return import_module("msgpack")
    except ImportError:
        raise MissingExtraError("network instruments need msgpack: pip install nescio[network]") from None
