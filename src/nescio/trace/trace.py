"""The trace: the complete record of an experiment, in one append-only file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from numpy.typing import ArrayLike, NDArray

from nescio.errors import TraceError
from nescio.files import display_name, refuse_special
from nescio.trace import content
from nescio.trace.database import Database, create_database, open_database
from nescio.trace.records import (
    Act,
    DatasetRecord,
    Experiment,
    Record,
    ScalarizerRecord,
    ScalarRecord,
    StoredArray,
    Variable,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Trace"]

_Model = TypeVar("_Model", bound=Record)


class Trace:
    """The append-only record of an experiment; use :meth:`create` or :meth:`open`.

    Data are safe on disk, also against a killed process or a power cut, when the adding method returns or, inside a
    step, when the step's block ends. Other processes may read, and add acts, at the same time. The file is SQLite in
    WAL mode, which needs a local disk. While the file is open for writing, two further files (``-wal``, ``-shm``)
    belong to it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claim: sqlite3.Connection | None = None

    @classmethod
    def create(cls, path: str | Path, experiment: Experiment) -> Self:
        """Create a trace.

        Args:
            path: The file, or a folder, in which it is named ``trace.sqlite``; missing parent folders are created.
            experiment: The record of the experiment.

        Raises:
            TraceError: The file exists already.
            FileError: The file cannot be written.
        """
        return cls(create_database(path, experiment))

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = False) -> Self:
        """Open a trace.

        Args:
            path: The file, or the folder that contains it as ``trace.sqlite``.
            read_only: Do not write. A trace of an older version is then read as a private copy; opened for writing,
                it is migrated to the current version.

        Raises:
            TraceError: The file is missing, not a trace, damaged, locked, or of a newer version.
        """
        return cls(open_database(path, read_only=read_only))

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    @property
    def database(self) -> Database:
        """The underlying SQLite database, for other queries."""
        return self._database

    @property
    def experiment(self) -> Experiment:
        """The record of the experiment."""
        found = self._database.read(Experiment)
        if len(found) != 1:
            raise TraceError(f"{self.path}: damaged ({len(found)} experiments instead of one)")
        return found[0][1]

    @contextmanager
    def step(self) -> Iterator[None]:
        """Add everything in the block, or nothing if the block raises; may be nested.

        Other writers wait meanwhile, up to 10 s, so measure before the step.
        """
        with self._database.step():
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one consistent state in the block, even if others add records meanwhile."""
        with self._database.snapshot():
            yield

    def add(self, record: Record) -> int:
        """Append a record and return its row id.

        Raises:
            TraceError: The record refers to a missing row, its number is not the next one, it is a duplicate, or the
                file cannot be written.
        """
        if isinstance(record, DatasetRecord | Variable | StoredArray):
            raise TraceError(
                f"a {type(record).__name__} must be added with put_dataset, put_dataarray or put_arrays"
            )
        if isinstance(record, Experiment):
            raise TraceError(f"{self.path}: contains an experiment already; a trace has exactly one")
        return self._database.insert(record)

    def add_act(self, kind: str, parameters: Mapping[str, Any] | None = None, *, who: str) -> int:
        """Append an act with the next free number, safely from several processes, and return its row id.

        Args:
            kind: Kind of the act.
            parameters: Parameters of the act, in JSON types.
            who: The person.
        """
        with self.step():
            return self.add(
                Act(number=self.count(Act), who=who, kind=kind, parameters=dict(parameters or {}))
            )

    def get(self, model: type[_Model], row: int) -> _Model:
        """Return the record with a row id.

        Raises:
            TraceError: The record does not exist.
        """
        found = self._database.read(model, "WHERE id = ?", (row,))
        if not found:
            raise TraceError(f"{self.path}: has no {model.table} {row}")
        return found[0][1]

    def all(self, model: type[_Model]) -> list[tuple[int, _Model]]:
        """Return all records of a kind with their row ids, in the order of addition."""
        return self._database.read(model)

    def since(self, model: type[_Model], row: int) -> list[tuple[int, _Model]]:
        """Return the records added after the one with this row id (0: all records)."""
        return self._database.read(model, "WHERE id > ? ORDER BY id", (row,))

    def last(self, model: type[_Model]) -> tuple[int, _Model] | None:
        """Return the latest record with its row id, or None."""
        found = self._database.read(model, "ORDER BY id DESC LIMIT 1")
        return found[0] if found else None

    def count(self, model: type[Record]) -> int:
        """Return the number of records of a kind."""
        return int(self._database.rows(f'SELECT count(*) FROM "{model.table}"')[0][0])  # noqa: S608

    def scalars(self, scalarizer: int | None = None) -> list[tuple[int, ScalarRecord]]:
        """Return the scalars of one scalarizer.

        Args:
            scalarizer: Row id of the scalarizer; default: the latest.
        """
        if scalarizer is None:
            latest = self.last(ScalarizerRecord)
            if latest is None:
                return []
            scalarizer = latest[0]
        return self._database.read(ScalarRecord, "WHERE scalarizer = ? ORDER BY id", (scalarizer,))

    def put_dataset(self, name: str, dataset: xr.Dataset) -> int:
        """Append a dataset and return its row id.

        Args:
            name: Name such as "survey", "candidates" or "maps"; the latest dataset of a name counts.
            dataset: Numbers, booleans and text, with attributes in JSON types. Arrays that the trace contains already
                are not stored again.

        Raises:
            TraceError: The dataset contains other types, or an array of more than 1 GiB.
        """
        return content.write_dataset(self._database, name, dataset)

    def get_dataset(self, which: int | str) -> xr.Dataset:
        """Return a dataset by its row id, or the latest one with a name.

        Raises:
            TraceError: The dataset does not exist or is damaged.
        """
        return content.read_dataset(self._database, which)

    def put_dataarray(self, array: xr.DataArray, name: str = "") -> int:
        """Append a data array, such as a spectrum, and return its row id; see :meth:`put_dataset`."""
        return content.write_dataarray(self._database, array, name)

    def get_dataarray(self, which: int | str) -> xr.DataArray:
        """Return a data array; see :meth:`get_dataset`."""
        return content.read_dataarray(self._database, which)

    def put_arrays(self, arrays: Mapping[str, ArrayLike], name: str = "") -> int:
        """Append named arrays, such as a surrogate's parameters, and return the row id; see :meth:`put_dataset`."""
        return content.write_arrays(self._database, arrays, name)

    def get_arrays(self, which: int | str) -> dict[str, NDArray[Any]]:
        """Return named arrays; see :meth:`get_dataset`."""
        return content.read_arrays(self._database, which)

    def claim_run(self) -> None:
        """Claim the right to measure for this trace, until the trace is closed. Only one process can have it.

        The claim is an operating-system lock on ``<trace>.lock``, which always ends with the process.

        Raises:
            TraceError: Another process has the claim, or the trace was opened for reading only.
        """
        if self._claim is not None:
            return
        if self._database.read_only:
            raise TraceError(f"{self.path}: was opened for reading only")
        lock = self.path.with_name(self.path.name + ".lock")
        if lock.exists():
            refuse_special(display_name(lock), lock.stat(), TraceError)
        # SQLite locks files in the same way on all platforms; the file stays empty.
        connection = sqlite3.connect(lock, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            connection.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise TraceError(f"{self.path}: another process is running this experiment") from None
            raise TraceError(f"{lock}: cannot be locked ({error})") from None
        self._claim = connection

    def close(self) -> None:
        """Close the file and release the claim."""
        self._database.close()
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
