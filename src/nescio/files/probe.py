"""A program of its own that walks through an HDF5 file once, and reads all of it that a reader might.

The HDF5 library crashes or never returns on some damaged files, which no exception handling can catch; here it takes
only this process with it. The answer says what in the file lies outside of it, and what cannot be read.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeAlias

import h5py
import numpy as np

from nescio.files.apart import serve_apart
from nescio.files.hdf5 import register_filters
from nescio.files.messages import one_line

_MOST_NAMED = 5
_DAMAGE = (RuntimeError, KeyError, ValueError, OSError, TypeError)
_LARGEST_ATTRIBUTE = 2**24
_LARGEST_PIECE = 2**25
_MOST_REFERENCES = 10_000
_MOST_TEXTS = 100_000

_Node: TypeAlias = h5py.Group | h5py.Dataset | h5py.Datatype


class _Walk:
    """What was found so far."""

    def __init__(self, file: h5py.File, request: dict[str, Any]) -> None:
        self.file = file
        self.left = int(request["limit"])
        self.most_objects, self.most_links = int(request["objects"]), int(request["links"])
        self.deadline = time.process_time() + 0.9 * float(request["seconds"])
        self.seen: set[tuple[int, int]] = set()
        self.waiting: list[_Node] = []
        self.datasets: list[h5py.Dataset] = []
        self.outside: list[str] = []
        self.refused = ""
        self.links = 0
        self.size = 0
        self.unread: dict[str, str] = {}

    def all(self) -> None:
        """Visit every object once, whatever the links, and then read the datasets, small ones first."""
        self.add(self.file["/"])
        while self.waiting and not self.refused:
            node = self.waiting.pop()
            if isinstance(node, h5py.Group):
                self.group(node)
            elif isinstance(node, h5py.Dataset):
                self.dataset(node)
            self.attributes(node)
        if self.outside or self.refused:
            return
        for dataset in sorted(self.datasets, key=lambda one: (_size(one), str(one.name))):
            self.read(dataset)

    def add(self, node: _Node) -> None:
        """Note an object to visit, once for each place in the file."""
        place = h5py.h5o.get_info(node.id)
        if (key := (place.fileno, place.addr)) not in self.seen:
            self.seen.add(key)
            self.waiting.append(node)
        if len(self.seen) > self.most_objects:
            self.refused = f"holds more than {self.most_objects:,} objects"

    def group(self, group: h5py.Group) -> None:
        names: list[bytes] = []

        def note(name: bytes) -> bool | None:
            names.append(bytes(name))
            return True if len(names) > self.most_links else None

        group.id.links.iterate(note)
        self.links += len(names)
        if self.links > self.most_links:
            self.refused = f"holds more than {self.most_links:,} links"
        for name in names:
            if time.process_time() > self.deadline:
                self.refused = "takes too long to walk through"
            if self.refused:
                return
            kind = group.id.links.get_info(name).type
            if kind == h5py.h5l.TYPE_HARD:
                # What is damaged so that it cannot be opened, a reader cannot open either.
                with suppress(*_DAMAGE):
                    self.add(_node(h5py.h5o.open(group.id, name)))
            elif kind == h5py.h5l.TYPE_SOFT:
                with suppress(*_DAMAGE):
                    group.get(name)
            else:
                self.outside.append(f"{_name(group)}/{name.decode('utf-8', 'replace')} (an external link)")

    def dataset(self, dataset: h5py.Dataset) -> None:
        properties = dataset.id.get_create_plist()
        if properties.get_external_count():
            self.outside.append(f"{_name(dataset)} (stored in another file)")
        elif properties.get_layout() == h5py.h5d.VIRTUAL:
            self.outside.append(f"{_name(dataset)} (a virtual dataset)")
        else:
            self.datasets.append(dataset)
            self.scales(dataset)
            self.references(dataset)

    def scales(self, dataset: h5py.Dataset) -> None:
        """Ask for the scales of a dataset, as readers of NetCDF do."""
        with suppress(*_DAMAGE):
            bool(dataset.is_scale)
            for dimension in dataset.dims:
                str(dimension.label)
                for _, scale in dimension.items():  # noqa: PERF102 - has no values()
                    self.add(scale)

    def references(self, dataset: h5py.Dataset) -> None:
        """Visit what the references in a dataset point at."""
        # What is damaged so that it cannot be read, a reader cannot read either.
        with suppress(*_DAMAGE):
            holds = dataset.dtype.hasobject and not h5py.check_string_dtype(dataset.dtype)
            if holds and _size(dataset) <= self.left:
                for piece in _pieces(dataset):
                    self.follow(dataset[piece])

    def attributes(self, node: _Node) -> None:
        for name in node.attrs:
            # What is damaged so that it cannot be read, a reader cannot read either.
            with suppress(*_DAMAGE):
                found = node.attrs.get_id(name)
                size = math.prod(found.shape) * found.get_type().get_size()
                if size > _LARGEST_ATTRIBUTE:
                    self.refused = f"{_name(node)} has an attribute of {size / 1e6:,.0f} MB"
                    return
                self.follow(node.attrs[name])

    def follow(self, value: Any) -> None:
        """Visit what references point at: it need not have a name."""
        for reference in _references(np.asarray(value)):
            with suppress(*_DAMAGE):
                self.add(_node(h5py.h5r.dereference(reference, self.file.id)))

    def read(self, dataset: h5py.Dataset) -> None:
        try:
            problem = self.pieces(dataset)
        except Exception as error:
            problem = one_line(error)
        if problem:
            self.unread[str(h5py.h5o.get_info(dataset.id).addr)] = problem

    def pieces(self, dataset: h5py.Dataset) -> str:
        """Read a dataset piece by piece; return why it cannot be read."""
        size = max(_size(dataset), _chunk_size(dataset))
        if size > self.left:
            return f"{size / 1e6:,.0f} MB are more than are read"
        if time.process_time() > self.deadline:
            return "the file takes too long to read"
        texts = h5py.check_string_dtype(dataset.dtype)
        if (dataset.dtype.hasobject or texts) and (dataset.size or 0) > _MOST_TEXTS:
            return f"{dataset.size:,} texts or lists are more than are read"
        self.left -= size
        self.size += size
        if dataset.shape is None:
            return ""
        register_filters(dataset)
        for piece in _pieces(dataset):
            values = dataset[piece]
            if dataset.dtype.hasobject:
                self.left -= sum(map(_length, np.ravel(values)))
            if self.left < 0 or time.process_time() > self.deadline:
                return "it takes more memory or time than is spent on a file"
        return ""


def _node(identity: Any) -> _Node:
    kinds = {h5py.h5g.GroupID: h5py.Group, h5py.h5d.DatasetID: h5py.Dataset}
    return kinds.get(type(identity), h5py.Datatype)(identity)


def _name(node: _Node) -> str:
    return str(node.name).rstrip("/") if node.name else "an object without a name"


def _size(dataset: h5py.Dataset) -> int:
    return int(math.prod(dataset.shape or (1,)) * max(dataset.id.get_type().get_size(), 1))


def _chunk_size(dataset: h5py.Dataset) -> int:
    return int(math.prod(dataset.chunks) * max(dataset.id.get_type().get_size(), 1)) if dataset.chunks else 0


def _pieces(dataset: h5py.Dataset) -> Iterator[Any]:
    """Yield what is stored in a dataset in pieces: its chunks, or rows of it."""
    if not dataset.shape:
        yield ()
    elif dataset.chunks:
        offsets: list[tuple[int, ...]] = []
        dataset.id.chunk_iter(lambda chunk: offsets.append(chunk.chunk_offset))
        for offset in offsets:
            yield tuple(slice(at, at + step) for at, step in zip(offset, dataset.chunks, strict=True))
    else:
        rows = max(1, _LARGEST_PIECE // max(_size(dataset) // max(dataset.shape[0], 1), 1))
        for start in range(0, dataset.shape[0], rows):
            yield slice(start, start + rows)


def _length(value: Any) -> int:
    return (
        int(value.nbytes)
        if isinstance(value, np.ndarray)
        else len(value)
        if isinstance(value, bytes | str)
        else 0
    )


def _references(array: np.ndarray) -> Iterator[Any]:
    """Yield the references in an array of objects, of lists, or of records with fields of these."""
    if array.dtype.names:
        for name in array.dtype.names:
            yield from _references(np.asarray(array[name]))
    elif array.dtype.hasobject:
        for item in np.ravel(array)[:_MOST_REFERENCES]:
            if isinstance(item, h5py.Reference):
                if item:
                    yield item
            elif isinstance(item, np.ndarray):
                yield from _references(item)


def _probe(request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            walk = _Walk(file, request)
            walk.all()
            outside = [*walk.outside[:_MOST_NAMED], *(["..."] if len(walk.outside) > _MOST_NAMED else [])]
            return {
                "outside": outside,
                "refused": walk.refused,
                "unread": walk.unread,
                "size": walk.size,
            }, b""
    except Exception as error:  # the HDF5 library fails on damaged bytes in every possible way
        return {
            "outside": [],
            "refused": f"is not a readable HDF5 file ({one_line(error)})",
            "unread": {},
            "size": 0,
        }, b""


if __name__ == "__main__":
    serve_apart(_probe)
