"""Arrays and JSON on disk: never pickled, written so that a crash leaves the old or the new file, never half of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from nescio.errors import AgentError, FileError
from nescio.files import file_content, json_value, read_source, write_atomically
from nescio.learn.shapes import is_array_or_shape
from nescio.techniques import AnyPrior

__all__ = [
    "document_digest",
    "learned_identity",
    "named_arrays",
    "read_arrays",
    "read_json",
    "restore_arrays",
    "write_arrays",
    "write_json",
]

_Tree = TypeVar("_Tree")
_LARGEST_JSON = 100_000_000
_LARGEST_ARRAYS = 2**32
_LONGEST_HEADER = 2**23


def named_arrays(tree: Any, prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a tree under names that say where in it they stand."""
    leaves = jax.tree_util.tree_flatten_with_path(eqx.filter(tree, eqx.is_array))[0]
    return {prefix + jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def restore_arrays(like: _Tree, arrays: Mapping[str, NDArray[Any]], prefix: str, source: Path) -> _Tree:
    """Return a tree like `like` with its arrays, or their shapes (:func:`shapes_of`), replaced by stored arrays.

    Raises:
        AgentError: One is missing, or has another shape or type.
    """
    dynamic, static = eqx.partition(like, is_array_or_shape)
    leaves, structure = jax.tree_util.tree_flatten_with_path(dynamic)
    restored = []
    for path, leaf in leaves:
        name = prefix + jax.tree_util.keystr(path)
        if name not in arrays:
            raise AgentError(f"{source}: array {name!r} is missing")
        found = arrays[name]
        if found.shape != leaf.shape or found.dtype != leaf.dtype:
            raise AgentError(
                f"{source}: array {name!r} is {found.dtype}{list(found.shape)}, "
                f"where {leaf.dtype}{list(leaf.shape)} is needed"
            )
        restored.append(jnp.asarray(found))
    tree: _Tree = eqx.combine(jax.tree_util.tree_unflatten(structure, restored), static)
    return tree


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays in safetensors format, atomically."""
    from safetensors.numpy import save

    write_atomically(path, save({name: np.asarray(array, order="C") for name, array in arrays.items()}))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read a safetensors file.

    Raises:
        AgentError: It is missing or damaged, or holds numbers that are not finite.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content = file_content(path, _LARGEST_ARRAYS)
        if int.from_bytes(content[:8], "little") > _LONGEST_HEADER:
            raise AgentError(f"{path}: its header is too long for what it should be")
        arrays = load(content)
    except FileError as error:
        raise AgentError(str(error)) from None
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise AgentError(f"{path}: not a readable safetensors file ({error})") from None
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise AgentError(f"{path}: array {name!r} holds numbers that are not finite")
    return arrays


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file, atomically."""
    write_atomically(path, json.dumps(document, indent=1, allow_nan=False))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        AgentError: It is missing or no JSON object, or holds a number that JSON does not know (NaN).
    """
    try:
        document = json_value(read_source(path, _LARGEST_JSON))
    except FileError as error:
        raise AgentError(str(error)) from None
    if not isinstance(document, dict):
        raise AgentError(f"{path}: holds no JSON object")
    return document


def document_digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a document, the same however its keys are ordered and its file is indented.

    Raises:
        ValueError: A number is not finite.
    """
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def learned_identity(prior: AnyPrior, settings: BaseModel) -> str:
    """Return the SHA-256 of all that an agent is learned from: technique, prior and settings."""
    document = {
        "technique": prior.technique,
        "prior": prior.to_document(),
        "settings": settings.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
