"""HDF5 and NeXus files, however damaged or hostile: opened only after a walk through all of the file."""

from __future__ import annotations

import importlib
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from nescio.errors import FileError, NescioError
from nescio.files.apart import CrashError, TimeLimitError, answer_apart
from nescio.files.kinds import FileKind, file_kind
from nescio.files.messages import one_line
from nescio.files.source import Source

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "Hdf5",
    "attribute",
    "checked_hdf5",
    "default_data",
    "groups_below",
    "member",
    "opened_hdf5",
    "register_filters",
    "text_of",
]

_MOST_OBJECTS = 50_000
_MOST_LINKS = 100_000
_MOST_DEFAULTS = 12
_FIRST_FOREIGN = 256
"""Number of the first filter that is not one of HDF5's own."""
_SECONDS = 7.0
_SECONDS_PER_BYTE = 2e-8


class Hdf5:
    """An open file of which nothing lies elsewhere, and of which only what was read without harm is read again."""

    def __init__(self, root: Any, source: Source, unread: dict[str, str]) -> None:
        """See :func:`opened_hdf5`."""
        self.root = root
        """The ``h5py.File``."""
        self.source = source
        self._unread = unread

    def numbers(self, group: Any, name: str, most: int) -> np.ndarray:
        """Return a dataset of real numbers as they are stored.

        Args:
            group: Where the dataset is.
            name: Of the dataset.
            most: It may hold at most as many numbers.

        Raises:
            FileError: There is none, or it is too large, damaged, or holds no real numbers.
        """
        import h5py

        dataset = member(group, name)
        if not isinstance(dataset, h5py.Dataset):
            raise FileError(f"{self.source.name}: {group.name} has no dataset {name[:40]!r}")
        return self.values(dataset, most)

    def values(self, dataset: Any, most: int, kinds: str = "iuf") -> np.ndarray:
        """Return the values of a dataset of numbers, of NumPy's `kinds`; see :meth:`numbers`."""
        import h5py

        what = f"{self.source.name}: {dataset.name}"
        if dataset.dtype.kind not in kinds:
            held = "text" if h5py.check_string_dtype(dataset.dtype) else str(dataset.dtype)[:60]
            raise FileError(f"{what} must hold numbers, not {held}")
        if dataset.shape is None or math.prod(dataset.shape) > most:
            raise FileError(f"{what} must hold at most {most} numbers")
        self._spend(dataset)
        values: np.ndarray = dataset[...]
        return values

    def texts(self, dataset: Any, most: int = 10_000) -> list[str]:
        """Return the texts in a dataset, in the order of C.

        Raises:
            FileError: It holds no text, or more than `most`, or is damaged.
        """
        import h5py

        what = f"{self.source.name}: {dataset.name}"
        if not h5py.check_string_dtype(dataset.dtype):
            raise FileError(f"{what} must hold text, not {str(dataset.dtype)[:60]}")
        if dataset.shape is None or math.prod(dataset.shape) > most:
            raise FileError(f"{what} must hold at most {most} texts")
        self._spend(dataset)
        return [text_of(entry) for entry in dataset[...].ravel()]

    def _spend(self, dataset: Any) -> None:
        import h5py

        if problem := self._unread.get(str(h5py.h5o.get_info(dataset.id).addr)):
            raise FileError(f"{self.source.name}: {dataset.name} cannot be read ({problem})")
        register_filters(dataset)
        # A chunk is unpacked as a whole, however little of it the dataset uses.
        values = max(math.prod(dataset.shape), math.prod(dataset.chunks or ()))
        self.source.spend(values * max(dataset.id.get_type().get_size(), 1), str(dataset.name))


@contextmanager
def opened_hdf5(source: Source) -> Iterator[Hdf5]:
    """Open an HDF5 file held in memory.

    Yields:
        The file.

    Raises:
        FileError: It is no HDF5 file, is damaged, or refers to other files: by external links, external storage or
            virtual datasets, anywhere in it. Also where reading from it fails inside the block.
    """
    import h5py

    unread, _ = _walked(source)
    try:
        with h5py.File(io.BytesIO(source.content), "r") as file:
            yield Hdf5(file, source, unread)
    except NescioError:
        raise
    except Exception as error:  # the HDF5 library fails on damaged bytes in every possible way
        raise FileError(f"{source.name}: is not a readable HDF5 file ({one_line(error)})") from error


def checked_hdf5(source: Source) -> None:
    """Check an HDF5 file before another library reads it from the same bytes, all of it.

    Raises:
        FileError: As of :func:`opened_hdf5`, or a part of it is damaged or too large.
    """
    unread, size = _walked(source)
    source.spend(size, "its datasets")
    if unread:
        raise FileError(f"{source.name}: a part of it cannot be read ({next(iter(unread.values()))})")


def _walked(source: Source) -> tuple[dict[str, str], int]:
    """Walk through a file in a process of its own.

    Returns:
        Why datasets cannot be read, by their address; and the bytes that all others take.
    """
    if file_kind(source.content) is not FileKind.HDF5:
        raise FileError(f"{source.name}: is not an HDF5 file (it does not begin with the HDF5 signature)")
    seconds = _SECONDS + _SECONDS_PER_BYTE * len(source.content)
    try:
        answer, _ = answer_apart(
            "nescio.files.probe",
            {"limit": source.budget.left, "objects": _MOST_OBJECTS, "links": _MOST_LINKS},
            source.content,
            seconds=seconds,
            memory=source.budget.limit,
        )
    except TimeLimitError:
        raise FileError(
            f"{source.name}: is damaged; HDF5 did not end reading it in {seconds:.0f} s"
        ) from None
    except CrashError:
        raise FileError(f"{source.name}: is damaged; HDF5 crashed on reading it") from None
    if answer["outside"]:
        raise FileError(
            f"{source.name}: refers to other files, which are not followed: {', '.join(answer['outside'])}; "
            "copy what is needed into one file"
        )
    if answer["refused"]:
        raise FileError(f"{source.name}: {answer['refused']}")
    return answer["unread"], answer["size"]


def member(group: Any, name: str) -> Any:
    """Return a member of a group, None where there is none."""
    return group.get(name) if name else None


def groups_below(group: Any) -> Iterator[Any]:
    """Yield a group and those below it, each once, however often it is linked."""
    import h5py

    seen: set[int] = set()
    waiting = [group]
    while waiting:
        found = waiting.pop()
        place = h5py.h5o.get_info(found.id).addr
        if place in seen:
            continue
        seen.add(place)
        yield found
        below = (member(found, name) for name in found)
        waiting += [node for node in below if isinstance(node, h5py.Group)][::-1]


def attribute(node: Any, name: str) -> Any:
    """Return an attribute, as text where it is text, or None."""
    value = node.attrs.get(name)
    if getattr(value, "size", 0) == 1 and getattr(value, "ndim", 0):
        value = value.ravel()[0]
    return text_of(value) if isinstance(value, bytes) else value


def register_filters(dataset: Any) -> None:
    """Make the filters of a dataset known that HDF5 does not bring along (those of Eiger detectors), if installed."""
    properties = dataset.id.get_create_plist()
    if any(properties.get_filter(index)[0] >= _FIRST_FOREIGN for index in range(properties.get_nfilters())):
        with suppress(ImportError):
            importlib.import_module("hdf5plugin")


def text_of(value: object) -> str:
    """Return what may be bytes as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def default_data(file: Any) -> Any:
    """Return the NXdata group that a NeXus file shows first, or None.

    It is found by the ``default`` attributes, or is the first NXdata with a ``signal``.
    """
    import h5py

    group: Any = file
    for _ in range(_MOST_DEFAULTS):
        name = attribute(group, "default")
        found = member(group, name) if isinstance(name, str) else None
        if not isinstance(found, h5py.Group):
            break
        group = found
    if attribute(group, "signal") is not None:
        return group
    for group in groups_below(file):
        if attribute(group, "NX_class") == "NXdata" and attribute(group, "signal") is not None:
            return group
    return None
