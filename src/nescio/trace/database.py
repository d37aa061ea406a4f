"""The SQLite file of a trace: opened safely, written in atomic steps, readable while others write."""

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
"""Version of traces whose header does not record whether they were closed."""
_WITHOUT_LOG = (
    "opened without the write-ahead log (-wal), although it was not closed: the steps in the log are missing"
)
_Model = TypeVar("_Model", bound=Record)
# A word before a bracket in the SQL of a table or index: a function call, unless it is one of the harmless words.
_CALL = re.compile(r"""(\w+)["'`\]]?\s*\(""")
_HARMLESS = {"check", "in", "key", "typeof", "unique", *(model.table for model in RECORDS)}


class Database:
    """A connection that several threads may share; during a step of one thread the others wait."""

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
            TraceError: The file is damaged or locked, or there are too many rows.
        """
        with self._lock, _translated(self.path):
            found = self._connection.execute(sql, parameters).fetchmany(_MOST_ROWS)
        if len(found) == _MOST_ROWS:
            raise TraceError(f"{self.path}: a table has more than {_MOST_ROWS:,} rows")
        return found

    def read(
        self, model: type[_Model], clause: str = "ORDER BY id", parameters: Sequence[Any] = ()
    ) -> list[tuple[int, _Model]]:
        """Return records with their row ids.

        Args:
            model: Type of the records.
            clause: SQL after the name of the table.
            parameters: Parameters of the clause.

        Raises:
            TraceError: A row is invalid.
        """
        names = ", ".join(f'"{column.name}"' for column in columns(model))
        rows = self.rows(f'SELECT id, {names} FROM "{model.table}" {clause}', parameters)  # noqa: S608
        return [(row[0], from_row(model, row[1:], self.source(model, row[0]))) for row in rows]

    def source(self, model: type[Record], row: int) -> str:
        """Return the name of a row for messages."""
        return f"{self.path}: {model.table} {row}"

    def insert(self, record: Record) -> int:
        """Append a record and return its row id.

        Raises:
            TraceError: The record refers to a missing row, its number is not the next one, or the file cannot be
                written.
        """
        model = type(record)
        names = ", ".join(f'"{column.name}"' for column in columns(model))
        places = ", ".join("?" * len(columns(model)))
        sql = f'INSERT INTO "{model.table}" ({names}) VALUES ({places})'  # noqa: S608
        with self.step(), _translated(self.path):
            return int(self._connection.execute(sql, to_row(record)).lastrowid or 0)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Write all or nothing of the block's additions; a nested step is atomic within the outer step."""
        if self.read_only:
            raise TraceError(f"{self.path}: was opened for reading only")
        with self._lock:
            begin, keep, undo = (
                ("SAVEPOINT part", "RELEASE part", ("ROLLBACK TO part", "RELEASE part"))
                if self._depth
                else ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
            )
            # On a full disk, SQLite rolls back the whole transaction; later additions would be stored without it.
            if self._depth and not self._connection.in_transaction:
                raise TraceError(f"{self.path}: this step was rolled back; nothing can be added to it")
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
        """Read one consistent state in the block, even if others write meanwhile."""
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
        """Return the memory budget for one query, from the size of the file."""
        size = self.rows("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")[0][0]
        return Budget(display_name(self.path), int(size), error=TraceError)

    def begin_session(self) -> None:
        """Write the token of this connection into the main file, before anything is added."""
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
        """Close the file; uncommitted changes are lost.

        The last connection merges the write-ahead log into the file and switches WAL mode off. A file in WAL mode was
        therefore not closed and needs its log.
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
    """Return the file of a trace, given the file or its folder."""
    path = Path(path)
    return path / FILE_NAME if path.is_dir() else path


def create_database(path: str | Path, experiment: Experiment) -> Database:
    """Create a file with its first record.

    Raises:
        TraceError: The file exists already, or the file system does not support safe writing.
        FileError: The folder cannot be created or written.
    """
    path = locate(path)
    taken = TraceError(f"{path}: exists already; resume it, or choose another path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A start that was killed may leave an empty file.
        if path.exists() and path.stat().st_size > 0:
            raise taken
    except OSError as error:
        raise FileError(f"{path}: cannot be created ({error.strerror or error})") from None
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
    """Open a file and migrate it to the current version; for reading, migrate a copy.

    Raises:
        TraceError: The file is missing, not a Nescio trace, damaged, locked, or of a newer version.
    """
    path = locate(path)
    if not path.exists():
        raise TraceError(f"{path}: no such trace; a trace is created when an experiment starts")
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
                # Detect a locked or read-only file before anything is measured.
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
        # In a read-only folder, SQLite cannot share a file; but a file without a log has no writer.
        if _primary(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) or log.exists():
            raise
        return _connect(path, "ro", "&immutable=1")
    except BaseException:
        connection.close()
        raise
    return connection


def _protect(connection: sqlite3.Connection) -> None:
    """Distrust the file's contents, enforce its constraints, and make commits durable."""
    for pragma in (
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "foreign_keys = ON",
        "recursive_triggers = ON",  # Otherwise the trigger does not see the deletion by a REPLACE.
        "synchronous = FULL",
        "fullfsync = ON",  # For macOS, where fsync alone does not reach the disk.
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
        raise TraceError(f"{path}: is not a Nescio trace")
    if version > migrations.current_version():
        raise TraceError(
            f"{path}: the trace has version {version}; this Nescio reads versions up to "
            f"{migrations.current_version()}; use a newer Nescio"
        )
    return int(version)


def _copy(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return a private copy, which SQLite keeps in memory or, if it is large, in a temporary file."""
    copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    try:
        connection.backup(copy)
    except BaseException:
        copy.close()
        raise
    connection.close()
    return copy


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    # This setting can only be changed outside of a transaction.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again: another process may have migrated the file.
        version = _version(connection, path)
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute('DROP TRIGGER "{}"'.format(name.replace('"', '""')))
        for migration in migrations.MIGRATIONS[version - 1 :]:
            migration(connection)
        for model in RECORDS:
            for trigger in trigger_sql(model).values():
                connection.execute(trigger)
        if connection.execute("PRAGMA foreign_key_check").fetchone():
            raise TraceError(f"{path}: damaged (rows refer to missing rows)")
        connection.execute(f"PRAGMA user_version = {migrations.current_version()}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    connection.execute("PRAGMA foreign_keys = ON")


def _check_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Check that all tables are complete and that the file contains no other code to run."""
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
            raise TraceError(f"{path}: contains a {kind} {name!r}, which a Nescio trace does not have")
        calls = {word.lower() for word in _CALL.findall(sql or "")} - _HARMLESS
        if kind != "trigger" and calls:
            raise TraceError(
                f"{path}: {kind} {name!r} contains an expression ({min(calls)}), which is not allowed"
            )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Translate SQLite's errors into the user's terms."""
    try:
        yield
    except sqlite3.Error as error:
        code = _primary(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            message = f"locked by another process for more than {_BUSY_SECONDS:g} s"
        elif code == sqlite3.SQLITE_NOTADB:
            message = "is not a Nescio trace"
        elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            message = "no permission to write"
        elif code == sqlite3.SQLITE_CORRUPT:
            message = f"damaged ({error})"
        else:
            # Python, not SQLite, reports invalid text.
            message = f"damaged ({error})" if "UTF-8" in str(error) else str(error)
        raise TraceError(f"{path}: {message}") from None
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: damaged ({error})") from None
    except (OverflowError, UnicodeError) as error:
        raise TraceError(f"{path}: {error}") from None


def _primary(error: sqlite3.Error) -> int:
    """Return the primary code of an SQLite error; 0 if Python raised the error."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
