"""Arrays and JSON on disk without pickle; a document and its arrays change together by one rename."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
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
from nescio.techniques import Prior

__all__ = [
    "Pair",
    "array_content",
    "arrays_of",
    "document_digest",
    "learned_identity",
    "named_arrays",
    "read_json",
    "restore_arrays",
    "write_json",
]

_Tree = TypeVar("_Tree")
_LARGEST_JSON = 100_000_000
_LARGEST_ARRAYS = 2**32
_LONGEST_HEADER = 2**23


def named_arrays(tree: Any, prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a tree by name; the name is the path in the tree."""
    leaves = jax.tree_util.tree_flatten_with_path(eqx.filter(tree, eqx.is_array))[0]
    return {prefix + jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def restore_arrays(like: _Tree, arrays: Mapping[str, NDArray[Any]], prefix: str, source: Path) -> _Tree:
    """Return a tree with the structure of `like` and stored arrays.

    Args:
        like: Tree of arrays or of their shapes (:func:`nescio.learn.networks.shapes_of`).
        arrays: Arrays by the names of :func:`named_arrays`.
        prefix: Prefix of the names.
        source: File of the arrays, for messages.

    Raises:
        AgentError: An array is missing or has another shape or type.
    """
    dynamic, static = eqx.partition(like, _has_shape)
    leaves, structure = jax.tree_util.tree_flatten_with_path(dynamic)
    found = [
        (prefix + jax.tree_util.keystr(path), leaf, arrays.get(prefix + jax.tree_util.keystr(path)))
        for path, leaf in leaves
    ]
    for name, leaf, array in found:
        if array is None:
            raise AgentError(f"{source}: array {name!r} is missing")
        if array.shape != leaf.shape or array.dtype != leaf.dtype:
            raise AgentError(
                f"{source}: array {name!r} is {array.dtype}{list(array.shape)}, "
                f"but must be {leaf.dtype}{list(leaf.shape)}"
            )
    restored = [jnp.asarray(array) for _, _, array in found]
    tree: _Tree = eqx.combine(jax.tree_util.tree_unflatten(structure, restored), static)
    return tree


def _has_shape(leaf: Any) -> bool:
    return eqx.is_array(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)


def array_content(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as the content of a safetensors file."""
    from safetensors.numpy import save

    return save({name: np.asarray(array, order="C") for name, array in arrays.items()})


def arrays_of(content: bytes, source: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file by name.

    Args:
        content: Content of the file.
        source: Path of the file, for messages.

    Raises:
        AgentError: The content is damaged or has numbers that are not finite.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if int.from_bytes(content[:8], "little") > _LONGEST_HEADER:
        raise AgentError(f"{source}: the header is too long")
    try:
        arrays = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise AgentError(f"{source}: not a readable safetensors file ({error})") from None
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise AgentError(f"{source}: array {name!r} holds numbers that are not finite")
    return arrays


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file atomically.

    Raises:
        FileError: The file cannot be written.
    """
    write_atomically(path, json.dumps(document, indent=1, allow_nan=False))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        AgentError: The file is missing, too large, not a JSON object, or contains NaN or infinity.
    """
    try:
        document = json_value(read_source(path, _LARGEST_JSON))
    except FileError as error:
        raise AgentError(str(error)) from None
    if not isinstance(document, dict):
        raise AgentError(f"{path}: holds no JSON object")
    return document


def _content(path: Path, most: int) -> bytes:
    try:
        return file_content(path, most)
    except FileError as error:
        raise AgentError(str(error)) from None


@dataclass(frozen=True)
class Pair:
    """A JSON document and its file of arrays, which change together.

    New arrays are written beside the ones in use. They become valid when the document that names them is renamed into
    place. A process may die at any moment: the folder has the old pair or the new pair.

    Attributes:
        folder: Folder of both files.
        document: Name of the document, such as ``agent.json``.
        stem: Stem of the file of arrays, such as ``weights``.
    """

    folder: Path
    document: str
    stem: str

    @property
    def path(self) -> Path:
        """Path of the document."""
        return self.folder / self.document

    def write_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, str]:
        """Write arrays beside the ones in use, and return the keys of the document that name them.

        The caller then writes the document with these keys and calls :meth:`remove_unused`.

        Raises:
            FileError: The folder cannot be written to.
        """
        content = array_content(arrays)
        digest = hashlib.sha256(content).hexdigest()
        name = self._usual
        if name == self._in_use():
            name = f"{self.stem}-{digest[:16]}.safetensors"
        write_atomically(self.folder / name, content)
        return {"weights": name, "sha256": digest}

    def remove_unused(self) -> None:
        """Remove arrays that the document does not name, and temporary files of killed processes."""
        in_use = self._in_use()
        left = re.compile(
            rf"({re.escape(self.stem)}(-[0-9a-f]{{16}})?\.safetensors"
            rf"|\.({re.escape(self.stem)}|{re.escape(self.document)}).*\.[0-9a-f]+\.partial)"
        )
        for file in self.folder.iterdir():
            if file.name != in_use and left.fullmatch(file.name):
                with suppress(OSError):  # in use on Windows, or already removed
                    file.unlink()

    def read(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the document and its arrays.

        Raises:
            AgentError: A file is missing or damaged, or the arrays do not belong to the document.
        """
        document = read_json(self.path)
        try:
            return document, self._arrays(document)
        except AgentError:
            # Another process may have replaced the pair in the meantime.
            again = read_json(self.path)
            if again == document:
                raise
            return again, self._arrays(again)

    def _arrays(self, document: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        file = self.folder / self._named(document)
        content = _content(file, _LARGEST_ARRAYS)
        arrays = arrays_of(content, file)
        if hashlib.sha256(content).hexdigest() != document.get("sha256"):
            raise AgentError(f"{self.folder}: {file.name} does not belong to {self.document}")
        return arrays

    @property
    def _usual(self) -> str:
        return f"{self.stem}.safetensors"

    def _named(self, document: Mapping[str, Any]) -> str:
        name = document.get("weights", self._usual)
        if not isinstance(name, str) or not re.fullmatch(
            rf"{re.escape(self.stem)}(-[0-9a-f]{{16}})?\.safetensors", name
        ):
            raise AgentError(f"{self.path}: must name a file of arrays, such as {self._usual}")
        return name

    def _in_use(self) -> str:
        """Return the file of arrays in use: empty without a document, the default name if it cannot be read."""
        if not self.path.exists():
            return ""
        try:
            return self._named(read_json(self.path))
        except AgentError:
            return self._usual


def document_digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a document, independent of the order of keys and of indentation.

    Raises:
        ValueError: A number is not finite.
    """
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def learned_identity(prior: Prior, settings: BaseModel) -> str:
    """Return the SHA-256 of technique, prior and settings of an agent."""
    document = {
        "technique": prior.technique,
        "prior": prior.to_document(),
        "settings": settings.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
