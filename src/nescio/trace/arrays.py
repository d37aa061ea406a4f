"""Store arrays as bytes: little-endian, compressed, with a digest; never pickled."""

from __future__ import annotations

import hashlib
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nescio.errors import TraceError
from nescio.trace.records import StoredArray

__all__ = ["LARGEST_ARRAY", "decode_array", "encode_array", "stored_size"]

LARGEST_ARRAY = 2**30
"""Largest size of one array in bytes; larger arrays are not read."""

_DTYPES = frozenset(
    ["|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16"]
)
_LAST_CHARACTER = 0x10FFFF


def encode_array(values: ArrayLike, name: str) -> StoredArray:
    """Encode an array for storage.

    Args:
        values: Numbers, booleans or text, of any shape.
        name: Name of the array, for messages.

    Raises:
        TraceError: The array has another type, or is too large.
    """
    array = np.asarray(values)
    if array.dtype.kind in "OT" and all(isinstance(item, str) for item in array.flat):
        array = array.astype(np.str_)
    if array.dtype == np.dtype("<U0"):
        array = array.astype("<U1")
    array = np.asarray(array, order="C", dtype=array.dtype.newbyteorder("<"))
    if not _allowed(array.dtype):
        raise TraceError(
            f"{name}: arrays of {array.dtype} cannot be stored; numbers of up to 8 bytes, booleans and text can"
        )
    if array.nbytes > LARGEST_ARRAY:
        raise TraceError(
            f"{name}: has {array.nbytes / 1e9:.1f} GB; the limit is {LARGEST_ARRAY / 1e9:.1f} GB"
        )
    raw = array.tobytes()
    return StoredArray(
        dtype=array.dtype.str,
        shape=list(array.shape),
        data=zlib.compress(raw, 1),
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def decode_array(stored: StoredArray, source: str, *, check_digest: bool = False) -> NDArray[Any]:
    """Decode a stored array.

    Args:
        stored: The stored array.
        source: Place of the array, for messages.
        check_digest: Also check the digest.

    Raises:
        TraceError: The array is damaged, or of a type that a trace cannot contain.
    """
    size = stored_size(stored, source)
    dtype = np.dtype(stored.dtype)
    raw = _decompressed(stored.data, size, source)
    if check_digest and hashlib.sha256(raw).hexdigest() != stored.sha256:
        raise TraceError(f"{source}: does not match its SHA-256")
    array = np.frombuffer(raw, dtype) if size else np.zeros(0, dtype)
    if dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
        raise TraceError(f"{source}: contains a boolean that is neither true nor false")
    if dtype.kind == "U" and array.view("<u4").max(initial=0) > _LAST_CHARACTER:
        raise TraceError(f"{source}: contains an invalid character")
    try:
        return array.reshape(stored.shape).copy()
    except ValueError:
        raise TraceError(f"{source}: has the invalid shape {stored.shape}") from None


def stored_size(stored: StoredArray, source: str) -> int:
    """Return the size in bytes of a stored array before compression, from its type and shape.

    Raises:
        TraceError: The type or shape is invalid.
    """
    try:
        dtype = np.dtype(stored.dtype)
    except (TypeError, ValueError, SyntaxError):
        raise TraceError(f"{source}: {stored.dtype!r} is not an array type") from None
    if dtype.str != stored.dtype or not _allowed(dtype):
        raise TraceError(f"{source}: array type {stored.dtype!r} is not allowed in a trace")
    size = math.prod(stored.shape) * dtype.itemsize
    if size > LARGEST_ARRAY or len(stored.shape) > 32:
        raise TraceError(f"{source}: the shape {stored.shape} is too large for a trace")
    return size


def _allowed(dtype: np.dtype[Any]) -> bool:
    return dtype.str in _DTYPES or (dtype.kind == "U" and dtype.byteorder in "=<" and dtype.itemsize > 0)


def _decompressed(data: bytes, size: int, source: str) -> bytes:
    unpack = zlib.decompressobj()
    try:
        # Ask for one byte more than expected, to detect excess data.
        raw = unpack.decompress(data, size + 1)
    except zlib.error as error:
        raise TraceError(f"{source}: damaged ({error})") from None
    if len(raw) != size or not unpack.eof:
        raise TraceError(f"{source}: the length does not match the shape ({size} bytes)")
    return raw
