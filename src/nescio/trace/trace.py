"""The trace: everything that an experiment did, in one file that is only ever added to."""

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
    """The append-only record of an experiment; :meth:`create` or :meth:`open` gives one.

    What a method that adds has returned (outside a step), and what a step has added once its block has ended, is
    on the disk: neither a killed process nor a power cut takes it away. Others may read, and add acts, meanwhile.
    The file is SQLite in WAL mode, which needs a local disk; while it is written, two files beside it
    (``-wal``, ``-shm``) belong to it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claim: sqlite3.Connection | None = None

    @classmethod
    def create(cls, path: str | Path, experiment: Experiment) -> Self:
        """Make a trace.

        Args:
            path: The file, or the folder that will hold it as ``trace.sqlite``; missing folders above it are made.
            experiment: What it is the record of.

        Raises:
            TraceError: There is one already.
            FileError: It cannot be written there.
        """
        return cls(create_database(path, experiment))

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = False) -> Self:
        """Open a trace.

        Args:
            path: The file, or the folder that holds it as ``trace.sqlite``.
            read_only: Never write to it. A trace of an older version is then read through a private copy; opened for
                writing it is brought to the present version.

        Raises:
            TraceError: It is missing, no trace, damaged, locked, or of a newer version.
        """
        return cls(open_database(path, read_only=read_only))

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    @property
    def database(self) -> Database:
        """The SQLite file below, for questions that this class does not answer."""
        return self._database

    @property
    def experiment(self) -> Experiment:
        """What it is the record of."""
        found = self._database.read(Experiment)
        if len(found) != 1:
            raise TraceError(f"{self.path}: damaged ({len(found)} experiments, where there should be one)")
        return found[0][1]

    @contextmanager
    def step(self) -> Iterator[None]:
        """Add all of what the block adds, or nothing of it if it raises; may be nested.

        Other writers wait meanwhile (up to 10 s): measure first, then add.
        """
        with self._database.step():
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one state throughout the block, whatever others add meanwhile."""
        with self._database.snapshot():
            yield

    def add(self, record: Record) -> int:
        """Append a record and return its row id.

        Raises:
            TraceError: It refers to a row that is not there, its number is not the next one, there is one like it, or
                the file cannot be written.
        """
        if isinstance(record, DatasetRecord | Variable | StoredArray):
            raise TraceError(
                f"a {type(record).__name__} is added by put_dataset, put_dataarray or put_arrays"
            )
        if isinstance(record, Experiment):
            raise TraceError(f"{self.path}: is the record of an experiment already; one trace holds one")
        return self._database.insert(record)

    def add_act(self, kind: str, parameters: Mapping[str, Any] | None = None, *, who: str) -> int:
        """Append an act with the next free number, whichever processes do so at the same time; return its row id.

        Args:
            kind: What is asked for.
            parameters: What it needs, as JSON knows it.
            who: Who asks.
        """
        with self.step():
            return self.add(
                Act(number=self.count(Act), who=who, kind=kind, parameters=dict(parameters or {}))
            )

    def get(self, model: type[_Model], row: int) -> _Model:
        """Return the record with a row id.

        Raises:
            TraceError: There is none.
        """
        found = self._database.read(model, "WHERE id = ?", (row,))
        if not found:
            raise TraceError(f"{self.path}: holds no {model.table} {row}")
        return found[0][1]

    def all(self, model: type[_Model]) -> list[tuple[int, _Model]]:
        """Return all records of a kind, each with its row id, in the order in which they were added."""
        return self._database.read(model)

    def since(self, model: type[_Model], row: int) -> list[tuple[int, _Model]]:
        """Return the records that were added after the one with this row id (0: all of them)."""
        return self._database.read(model, "WHERE id > ? ORDER BY id", (row,))

    def last(self, model: type[_Model]) -> tuple[int, _Model] | None:
        """Return the record added last and its row id, or None."""
        found = self._database.read(model, "ORDER BY id DESC LIMIT 1")
        return found[0] if found else None

    def count(self, model: type[Record]) -> int:
        """Return how many records of a kind there are."""
        return int(self._database.rows(f'SELECT count(*) FROM "{model.table}"')[0][0])  # noqa: S608

    def scalars(self, scalarizer: int | None = None) -> list[tuple[int, ScalarRecord]]:
        """Return what one scalarizer made of the measurements.

        Args:
            scalarizer: Its row id; by default the latest.
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
            name: What it is found by, such as "survey", "candidates" or "maps"; of several the latest counts.
            dataset: Numbers, booleans and text; its attributes as JSON knows them. An array that the trace already
                holds is not stored again.

        Raises:
            TraceError: It holds something else, or an array of more than 1 GiB.
        """
        return content.write_dataset(self._database, name, dataset)

    def get_dataset(self, which: int | str) -> xr.Dataset:
        """Return a dataset by its row id, or the latest of a name.

        Raises:
            TraceError: There is none, or it is damaged.
        """
        return content.read_dataset(self._database, which)

    def put_dataarray(self, array: xr.DataArray, name: str = "") -> int:
        """Append a data array, such as a spectrum, and return its row id; else as :meth:`put_dataset`."""
        return content.write_dataarray(self._database, array, name)

    def get_dataarray(self, which: int | str) -> xr.DataArray:
        """Return a data array; else as :meth:`get_dataset`."""
        return content.read_dataarray(self._database, which)

    def put_arrays(self, arrays: Mapping[str, ArrayLike], name: str = "") -> int:
        """Append named arrays, such as a surrogate's parameters, and return the row id; else as :meth:`put_dataset`."""
        return content.write_arrays(self._database, arrays, name)

    def get_arrays(self, which: int | str) -> dict[str, NDArray[Any]]:
        """Return named arrays; else as :meth:`get_dataset`."""
        return content.read_arrays(self._database, which)

    def claim_run(self) -> None:
        """Become the one process that measures for this trace, until it is closed.

        The claim is a lock of the operating system on ``<trace>.lock``, which ends with the process however it ends.

        Raises:
            TraceError: Another process holds it, or the trace was opened for reading only.
        """
        if self._claim is not None:
            return
        if self._database.read_only:
            raise TraceError(f"{self.path}: was opened for reading only")
        lock = self.path.with_name(self.path.name + ".lock")
        if lock.exists():
            refuse_special(display_name(lock), lock.stat(), TraceError)
        # SQLite locks files on every platform alike; the file stays empty.
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
        """Let go of the file, and of the claim to run."""
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
