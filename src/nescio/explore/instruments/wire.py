"""What instruments on a network say to each other: maps of msgpack, with arrays as plain bytes. Nothing is pickled.

A request is ``{"v": 1, "id": number, "client": text, "token": text, "session": text, "method": text, "position":
array}``, an answer
``{"v": 1, "id": number, "session": text, "value": ...}`` or ``{..., "error": kind, "message": text}``. An array is
``{"dtype": "<f8", "shape": [...], "data": bytes}`` (or ``{"text": [...], "shape": [...]}``), in the order of C.

A request to measure that comes again, with the same client and id, is the same request: it is answered with what was
measured, and not measured again. One that states another session than the server's was meant for a server that is gone.
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
"""A request holds a position at most."""

_DTYPES = frozenset(
    ["|b1", "|i1", "|u1"]
    + [f"<{kind}" for kind in ("i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16")]
)
_MOST_DIMENSIONS = 16
_MOST_ITEMS = 1_000_000
_MOST_CHARACTERS = 2**26
_DEEPEST = 8


def pack(message: Mapping[str, Any], limit: int = LARGEST_MESSAGE) -> bytes:
    """Return a message as bytes.

    Raises:
        InstrumentError: It is larger than the limit, or holds what cannot be sent.
        MissingExtraError: msgpack is not installed.
    """
    msgpack = _msgpack()
    try:
        data: bytes = msgpack.packb(message, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise InstrumentError(f"a message cannot be sent: {error}") from None
    if len(data) > limit:
        raise InstrumentError(f"a message of {len(data):,} bytes, where {limit:,} can be sent")
    return data


def unpack(data: bytes, limit: int = LARGEST_MESSAGE) -> dict[str, Any]:
    """Return the message that bytes hold.

    Raises:
        InstrumentError: They are no message of this protocol.
        MissingExtraError: msgpack is not installed.
    """
    msgpack = _msgpack()
    if len(data) > limit:
        raise InstrumentError(f"a message of {len(data):,} bytes, where {limit:,} are allowed")
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
    # Its errors have no common base: some are ValueError, others come from decoding text or from running out of data.
    except Exception as error:
        raise InstrumentError(f"not a message of this protocol ({type(error).__name__})") from None
    if not isinstance(message, dict):
        raise InstrumentError("not a message of this protocol (no map)")
    return message


class _Items:
    """Counts the items of lists and maps: a byte of a message may become a hundred in memory."""

    def __init__(self) -> None:
        self.count = 0

    def counted(self, container: _Container) -> _Container:
        self.count += len(container)
        if self.count > _MOST_ITEMS:
            raise ValueError("too many items")
        return container


def encode_array(values: Any, name: str = "array") -> dict[str, Any]:
    """Return an array as a map of plain values.

    Raises:
        InstrumentError: It holds neither numbers nor text.
    """
    array = np.asarray(values)
    if array.dtype.kind in "UT" or (
        array.dtype == object and all(isinstance(item, str) for item in array.flat)
    ):
        return {"text": [str(item) for item in array.flat], "shape": list(array.shape)}
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    code = little.dtype.str
    if code not in _DTYPES:
        raise InstrumentError(f"{name} holds {array.dtype}, which cannot be sent; numbers and text can")
    return {"dtype": code, "shape": list(array.shape), "data": little.tobytes()}


def decode_array(document: Any) -> NDArray[Any]:
    """Return the array that :func:`encode_array` described; writable, and no view of the message.

    Raises:
        InstrumentError: Its type is not one that is sent, or its size is not what its shape says.
    """
    shape = _of(document, "shape", list)
    if len(shape) > _MOST_DIMENSIONS or not all(type(size) is int and size >= 0 for size in shape):
        raise InstrumentError(f"an array of shape {_shown(shape)}")
    count = math.prod(shape)
    if "text" in document:
        text = _of(document, "text", list)
        if len(text) != count or not all(isinstance(item, str) for item in text):
            raise InstrumentError(f"an array of shape {_shown(shape)} with {len(text)} texts")
        # Each takes as many characters as the longest.
        if count * max(map(len, text), default=0) > _MOST_CHARACTERS:
            raise InstrumentError(f"{count:,} texts of which one has {max(map(len, text)):,} characters")
        return _reshaped(np.array(text, dtype=str), shape)
    code, data = _of(document, "dtype", str), _of(document, "data", bytes)
    if code not in _DTYPES:
        raise InstrumentError(f"an array of type {_shown(code)}, which is not one that is sent")
    dtype = np.dtype(code)
    if count * dtype.itemsize != len(data):
        raise InstrumentError(f"an array of type {code} and shape {_shown(shape)} in {len(data)} bytes")
    return _reshaped(np.frombuffer(data, dtype), shape).copy()


def _reshaped(values: NDArray[Any], shape: list[int]) -> NDArray[Any]:
    try:
        return values.reshape(shape)
    # Nothing fits into an array of no points whose other dimensions are larger than memory.
    except (ValueError, OverflowError) as error:
        raise InstrumentError(f"an array of shape {_shown(shape)} ({error})") from None


def encode_spectrum(spectrum: xr.DataArray) -> dict[str, Any]:
    """Return a spectrum, its coordinates and its attributes as a map of plain values.

    Raises:
        InstrumentError: It is no DataArray, or something in it cannot be sent.
    """
    import xarray as xr

    if not isinstance(spectrum, xr.DataArray):
        raise InstrumentError(f"a driver returned {type(spectrum).__name__}, where a DataArray is needed")
    name = None if spectrum.name is None else str(spectrum.name)
    return {"name": name, **_variable(spectrum.variable, "spectrum"), "coords": _variables(spectrum.coords)}


def decode_spectrum(document: Any) -> xr.DataArray:
    """Return the spectrum that :func:`encode_spectrum` described.

    Raises:
        InstrumentError: It is not such a description.
    """
    import xarray as xr

    name = document.get("name") if isinstance(document, dict) else None
    dims, values, attrs = _decoded(document)
    coords = _decoded_all(document, "coords")
    try:
        return xr.DataArray(values, coords, dims, None if name is None else str(name), attrs)
    except (ValueError, TypeError) as error:
        raise InstrumentError(f"a spectrum that does not fit together ({error})") from None


def encode_dataset(dataset: xr.Dataset) -> dict[str, Any]:
    """Return a survey as a map of plain values.

    Raises:
        InstrumentError: It is no Dataset, or something in it cannot be sent.
    """
    import xarray as xr

    if not isinstance(dataset, xr.Dataset):
        raise InstrumentError(f"a driver returned {type(dataset).__name__}, where a Dataset is needed")
    return {
        "data": _variables(dataset.data_vars),
        "coords": _variables(dataset.coords),
        "attrs": _plain(dataset.attrs, "an attribute of the survey"),
    }


def decode_dataset(document: Any) -> xr.Dataset:
    """Return the survey that :func:`encode_dataset` described.

    Raises:
        InstrumentError: It is not such a description.
    """
    import xarray as xr

    attrs = _plain(_of(document, "attrs", dict), "an attribute of the survey")
    try:
        return xr.Dataset(_decoded_all(document, "data"), _decoded_all(document, "coords"), attrs)
    except (ValueError, TypeError) as error:
        raise InstrumentError(f"a survey that does not fit together ({error})") from None


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
        raise InstrumentError(f"dimensions {_shown(dims)} of an array of shape {values.shape}")
    return dims, values, attrs


def _plain(value: Any, name: str, depth: int = 0) -> Any:
    """Return an attribute as what msgpack has: NumPy's scalars as Python's, arrays and tuples as lists."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {str(key): _plain(item, name, depth + 1) for key, item in value.items()}
    if depth < _DEEPEST and isinstance(value, (list, tuple)):
        return [_plain(item, name, depth + 1) for item in value]
    raise InstrumentError(f"{name} is a {type(value).__name__}, which cannot be sent; numbers and text can")


def _of(document: Any, key: str, kind: type) -> Any:
    value = document.get(key) if isinstance(document, dict) else None
    if not isinstance(value, kind):
        raise InstrumentError(f"an answer without {key!r}, or with another kind of it")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def _msgpack() -> Any:
    try:
        return import_module("msgpack")
    except ImportError:
        raise MissingExtraError(
            "instruments on a network need msgpack: pip install nescio[network]"
        ) from None
