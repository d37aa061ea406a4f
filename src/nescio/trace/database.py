"""The SQLite file below a trace: opened with care, written in whole steps, read while others write."""

from __future__ import annotations

import re
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from nescio.errors import FileError, TraceError
from nescio.files import Budget, display_name, refuse_special
from nescio.trace import migrations
from nescio.trace.log import log_is_missing, remove_count, write_count
from nescio.trace.records import RECORDS, Event, Experiment, Record
from nescio.trace.schema import APPLICATION_ID, columns, from_row, table_sql, to_row, trigger_sql

__all__ = ["Database", "create_database", "locate", "open_database"]

FILE_NAME = "trace.sqlite"

_BUSY_SECONDS = 10.0
_MOST_ROWS = 500_000
_UNMARKED = 1
"""Version of traces whose mode does not tell whether they were closed."""
_WITHOUT_LOG = (
    "opened without its write-ahead log (-wal), though it was not closed: the steps in it are missing"
)
_Model = TypeVar("_Model", bound=Record)
# A word before a bracket, in what made a table or index: a function that would be computed, or one of the harmless.
_CALL = re.compile(r"""(\w+)["'`\]]?\s*\(""")
_HARMLESS = {"check", "in", "key", "typeof", "unique", *(model.table for model in RECORDS)}


class Database:
    """A connection that several threads may share; a step of one keeps the others waiting."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self._connection = connection
        self._lock = threading.RLock()
        self._depth = 0
        self._token = secrets.token_hex(8)
        self._made = 0

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows.

        Raises:
            TraceError: The file is damaged or locked.
        """
        with self._lock, _translated(self.path):
            found = self._connection.execute(sql, parameters).fetchmany(_MOST_ROWS)
        if len(found) == _MOST_ROWS:
            raise TraceError(f"{self.path}: a table holds more than {_MOST_ROWS:,} rows")
        return found

    def read(
        self, model: type[_Model], clause: str = "ORDER BY id", parameters: Sequence[Any] = ()
    ) -> list[tuple[int, _Model]]:
        """Return records with their row ids.

        Args:
            model: Which.
            clause: What follows the name of the table.
            parameters: Of the clause.

        Raises:
            TraceError: A row is not what it should be.
        """
        names = ", ".join(f'"{column.name}"' for column in columns(model))
        rows = self.rows(f'SELECT id, {names} FROM "{model.table}" {clause}', parameters)  # noqa: S608
        return [(row[0], from_row(model, row[1:], self.source(model, row[0]))) for row in rows]

    def source(self, model: type[Record], row: int) -> str:
        """Return what messages call a row."""
        return f"{self.path}: {model.table} {row}"

    def insert(self, record: Record) -> int:
        """Append a record and return its row id.

        Raises:
            TraceError: It refers to something that is not there, or its number is not the next one, or the file
                cannot be written.
        """
        model = type(record)
        names = ", ".join(f'"{column.name}"' for column in columns(model))
        places = ", ".join("?" * len(columns(model)))
        sql = f'INSERT INTO "{model.table}" ({names}) VALUES ({places})'  # noqa: S608
        with self.step(), _translated(self.path):
            return int(self._connection.execute(sql, to_row(record)).lastrowid or 0)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Write all or nothing of what the block adds; within another step, all or nothing of a part of it."""
        if self.read_only:
            raise TraceError(f"{self.path}: was opened for reading only")
        with self._lock:
            begin, keep, undo = (
                ("SAVEPOINT part", "RELEASE part", ("ROLLBACK TO part", "RELEASE part"))
                if self._depth
                else ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
            )
            # A full disk makes SQLite give up the whole transaction; what came after would stand alone.
            if self._depth and not self._connection.in_transaction:
                raise TraceError(f"{self.path}: this step was given up; nothing can be added to it")
            self._depth += 1
            before = self._connection.total_changes
            try:
                self.rows(begin)
                yield
                whole = self._depth == 1 and self._connection.total_changes != before
                if whole:
                    self._seal()
                self.rows(keep)
                if whole:
                    write_count(self.path, self._token, self._made)
            except BaseException:
                with suppress(TraceError):
                    for statement in undo if self._connection.in_transaction else ():
                        self.rows(statement)
                raise
            finally:
                self._depth -= 1

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one state of the file throughout the block, whatever others write meanwhile."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self.rows("BEGIN")
            try:
                yield
            finally:
                with suppress(TraceError):
                    self.rows("ROLLBACK")

    def budget(self) -> Budget:
        """Return a budget of memory for what one question to a file of this size may take."""
        size = self.rows("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")[0][0]
        return Budget(display_name(self.path), int(size), error=TraceError)

    def begin_session(self) -> None:
        """Leave the token of this connection in the main file, before anything is added."""
        self.rows("BEGIN IMMEDIATE")
        self._seal()
        self.rows("COMMIT")
        write_count(self.path, self._token, self._made)
        self.rows("PRAGMA wal_checkpoint(PASSIVE)")

    def _seal(self) -> None:
        made = int(self.rows("SELECT coalesce(max(number) + 1, 0) FROM measurement")[0][0])
        self.rows("INSERT INTO seal (token, measurements) VALUES (?, ?)", (self._token, made))
        self._made = made

    def close(self) -> None:
        """Let go of the file; what was not committed is gone.

        The last who does so puts the write-ahead log into the file, and the mode of it off: a file of which that is on
        was not closed, and needs its log.
        """
        with self._lock:
            if not self.read_only:
                with suppress(sqlite3.Error):
                    self._connection.execute("PRAGMA busy_timeout = 0")
                    (mode,) = self._connection.execute("PRAGMA journal_mode = DELETE").fetchone()
                    if mode == "delete":
                        remove_count(self.path)
            self._connection.close()


def locate(path: str | Path) -> Path:
    """Return the file of a trace, given it or the folder that holds it."""
    path = Path(path)
    return path / FILE_NAME if path.is_dir() else path


def create_database(path: str | Path, experiment: Experiment) -> Database:
    """Make a file with its first record.

    Raises:
        TraceError: There is one already, or the file system cannot keep it safe.
        FileError: Its folder cannot be made or written to.
    """
    path = locate(path)
    taken = TraceError(f"{path}: exists already; go on with it, or choose another place")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A file without a byte is what a start that was killed leaves behind.
        if path.exists() and path.stat().st_size > 0:
            raise taken
    except OSError as error:
        raise FileError(f"{path}: cannot be made ({error.strerror or error})") from None
    try:
        with _translated(path):
            connection = _connect(path, "rwc")
    except TraceError as error:
        raise FileError(str(error)) from None
    database = Database(connection, path, read_only=False)
    try:
        with _translated(path):
            _protect(connection)
        with database.step():
            if database.rows("SELECT 1 FROM sqlite_master"):
                raise taken
            for model in RECORDS:
                for statement in (table_sql(model), *trigger_sql(model).values()):
                    database.rows(statement)
            database.rows(f"PRAGMA application_id = {APPLICATION_ID}")
            database.rows(f"PRAGMA user_version = {migrations.current_version()}")
            database.insert(experiment)
        with _translated(path):
            _log_ahead(connection, path)
        database.begin_session()
    except BaseException:
        connection.close()
        raise
    return database


def open_database(path: str | Path, *, read_only: bool) -> Database:
    """Open a file; one of an older version is brought to the present one, or, for reading, a copy of it is.

    Raises:
        TraceError: It is missing, no trace of Nescio, damaged, locked, or of a newer version.
    """
    path = locate(path)
    if not path.exists():
        raise TraceError(f"{path}: no such trace; it is made when an experiment starts")
    with _translated(path):
        refuse_special(display_name(path), path.stat(), TraceError)
        unlogged = log_is_missing(path)
        connection = _connect_for_reading(path) if read_only else _connect(path, "rw")
        try:
            _protect(connection)
            version = _version(connection, path)
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            if version < migrations.current_version():
                if read_only:
                    connection = _copy(connection)
                    _protect(connection)
                _migrate(connection, path)
            _check_tables(connection, path)
            if read_only:
                connection.execute("PRAGMA query_only = ON")
            else:
                _log_ahead(connection, path)
                # Tells of a file that is locked, or that may not be written, before anything was measured.
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
        except BaseException:
            connection.close()
            raise
    database = Database(connection, path, read_only=read_only)
    if not read_only:
        try:
            database.begin_session()
            if unlogged and mode == "wal" and version > _UNMARKED:
                database.insert(Event(kind="warning", message=_WITHOUT_LOG))
        except BaseException:
            connection.close()
            raise
    return database


def _connect(path: Path, mode: str, options: str = "") -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}{options}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _connect_for_reading(path: Path) -> sqlite3.Connection:
    connection = _connect(path, "ro")
    try:
        connection.execute("PRAGMA user_version")
    except sqlite3.OperationalError as error:
        connection.close()
        log = path.with_name(path.name + "-wal")
        # In a folder that may not be written, SQLite cannot share a file; one without a log has no writer.
        if _primary(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) or log.exists():
            raise
        return _connect(path, "ro", "&immutable=1")
    except BaseException:
        connection.close()
        raise
    return connection


def _protect(connection: sqlite3.Connection) -> None:
    """Trust nothing in the file, keep its rules, and let a commit return only when the disk has it."""
    for pragma in (
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "foreign_keys = ON",
        "recursive_triggers = ON",  # Else a REPLACE deletes unseen by the trigger against it.
        "synchronous = FULL",
        "fullfsync = ON",  # Of macOS, where fsync alone does not reach the disk.
    ):
        connection.execute(f"PRAGMA {pragma}")


def _log_ahead(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise TraceError(f"{path}: cannot be written safely on this file system; choose a local disk")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID or version < 1:
        raise TraceError(f"{path}: is no trace of Nescio")
    if version > migrations.current_version():
        raise TraceError(
            f"{path}: version {version} of a trace, where this version of Nescio reads up to "
            f"{migrations.current_version()}; use a newer Nescio"
        )
    return int(version)


def _copy(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return a private copy, which SQLite keeps in memory or, where it is large, in a temporary file."""
    copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    try:
        connection.backup(copy)
    except BaseException:
        copy.close()
        raise
    connection.close()
    return copy


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    # Whether foreign keys hold can only be changed outside of a transaction.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again: another process may have been first.
        version = _version(connection, path)
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute('DROP TRIGGER "{}"'.format(name.replace('"', '""')))
        for migration in migrations.MIGRATIONS[version - 1 :]:
            migration(connection)
        for model in RECORDS:
            for trigger in trigger_sql(model).values():
                connection.execute(trigger)
        if connection.execute("PRAGMA foreign_key_check").fetchone():
            raise TraceError(f"{path}: damaged (rows refer to others that are missing)")
        connection.execute(f"PRAGMA user_version = {migrations.current_version()}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    connection.execute("PRAGMA foreign_keys = ON")


def _check_tables(connection: sqlite3.Connection, path: Path) -> None:
    """See that what stands under the names of the tables are these tables, and that nothing else is run or computed."""
    found = {
        (kind, name): sql
        for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master LIMIT 1000")
    }
    known: set[str] = set()
    for model in RECORDS:
        known.update(trigger_sql(model).values())
        there = {row[1] for row in connection.execute(f'PRAGMA table_info("{model.table}")')}
        missing = {"id", *(column.name for column in columns(model))} - there
        if ("table", model.table) not in found or missing:
            what = f"column {min(missing)} of table" if there and missing else "table"
            raise TraceError(f"{path}: damaged ({what} {model.table} is missing)")
    for (kind, name), sql in found.items():
        if kind == "view" or (kind == "trigger" and sql not in known):
            raise TraceError(f"{path}: holds a {kind} {name!r} that no trace of Nescio has")
        calls = {word.lower() for word in _CALL.findall(sql or "")} - _HARMLESS
        if kind != "trigger" and calls:
            raise TraceError(
                f"{path}: {kind} {name!r} computes something ({min(calls)}), as none of a trace does"
            )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Tell what SQLite has to say in the user's terms."""
    try:
        yield
    except sqlite3.Error as error:
        code = _primary(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            message = f"locked by another process for more than {_BUSY_SECONDS:g} s"
        elif code == sqlite3.SQLITE_NOTADB:
            message = "is no trace of Nescio"
        elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            message = "may not be written"
        elif code == sqlite3.SQLITE_CORRUPT:
            message = f"damaged ({error})"
        else:
            # Python, not SQLite, says so of text that is none.
            message = f"damaged ({error})" if "UTF-8" in str(error) else str(error)
        raise TraceError(f"{path}: {message}") from None
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: damaged ({error})") from None
    except (OverflowError, UnicodeError) as error:
        raise TraceError(f"{path}: {error}") from None


def _primary(error: sqlite3.Error) -> int:
    """Return the kind of an error without its detail; 0 where Python raised it and not SQLite."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
