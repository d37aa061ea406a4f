"""Files that are not traces, damaged, hostile or of another version are reported; older versions are migrated."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trace.toy import experiment, record

from nescio.errors import TraceError
from nescio.trace import Event, Trace, migrations, verify


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    trace = record(tmp_path_factory.mktemp("whole") / "trace.sqlite", 3)
    trace.close()
    return trace.path.read_bytes()


@pytest.fixture
def path(whole, tmp_path):
    (tmp_path / "trace.sqlite").write_bytes(whole)
    return tmp_path / "trace.sqlite"


def alter(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("read_only", [True, False])
def test_what_is_no_trace_is_told(tmp_path, read_only):
    with pytest.raises(TraceError, match="no such trace"):
        Trace.open(tmp_path, read_only=read_only)
    file = tmp_path / "trace.sqlite"
    for content in (b"", b"\x89HDF\r\n\x1a\n" * 100):
        file.write_bytes(content)
        with pytest.raises(TraceError, match="is not a Nescio trace"):
            Trace.open(tmp_path, read_only=read_only)
        assert file.read_bytes() == content
    file.unlink()
    alter(file, "CREATE TABLE event (id INTEGER)")
    before = file.read_bytes()
    with pytest.raises(TraceError, match="is not a Nescio trace"):
        Trace.open(file, read_only=read_only)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("PRAGMA user_version = 99", "the trace has version 99.*use a newer Nescio"),
        ("DROP TABLE event", "table event is missing"),
        ("ALTER TABLE event RENAME COLUMN message TO said", "column message of table event is missing"),
        (
            "CREATE TRIGGER extra AFTER INSERT ON event BEGIN SELECT 1; END",
            "trigger 'extra', which a Nescio trace does not have",
        ),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_not_opened(path, statement, reason):
    alter(path, statement)
    with pytest.raises(TraceError, match=reason):
        Trace.open(path)


def test_a_view_in_the_place_of_a_table_is_not_asked(path):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i"
    alter(
        path,
        "DROP TABLE event",
        f"CREATE VIEW event AS {endless} AS id, i AS time, i AS kind, i AS message, i AS details FROM n",
    )
    with pytest.raises(TraceError, match="table event is missing"):
        Trace.open(path, read_only=True)


def test_a_trace_that_somebody_holds_is_told(path, monkeypatch):
    monkeypatch.setattr("nescio.trace.database._BUSY_SECONDS", 0.05)
    with (
        Trace.open(path) as first,
        first.step(),
        pytest.raises(TraceError, match="locked by another process"),
    ):
        Trace.open(path)


@settings(max_examples=25)
@given(data=st.data())
def test_no_damage_is_worse_than_an_error(whole, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / "trace.sqlite"
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(1, len(content))) :]
    path.write_bytes(content)
    try:
        problems = verify(path)
    except TraceError as error:
        problems = [str(error)]
    assert all(isinstance(problem, str) for problem in problems)


@pytest.fixture
def older(tmp_path, monkeypatch):
    """A file whose events have no details, and what gives them some, as if it were a version older than the present."""

    def add_details(connection):
        connection.execute("ALTER TABLE event ADD COLUMN details TEXT NOT NULL DEFAULT '{}'")
        connection.execute("UPDATE event SET message = 'it: ' || message")

    with Trace.create(tmp_path, experiment()) as trace:
        path = trace.path
    alter(
        path,
        "DROP TABLE event",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL)",
        "INSERT INTO event VALUES (1, '2026-01-01T00:00:00+00:00', 'stop', 'ended')",
        "CREATE TRIGGER event_delete BEFORE DELETE ON event BEGIN SELECT 1; END",
    )
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, add_details))
    return path


def test_a_trace_of_an_older_version_is_brought_up_to_date_for_writing(older):
    with Trace.open(older) as trace:
        assert trace.get(Event, 1) == Event(time="2026-01-01T00:00:00Z", kind="stop", message="it: ended")
        trace.add(Event(kind="resume", details={"a": 1}))
        assert trace.database.rows("PRAGMA user_version") == [(3,)]
    assert verify(older) == []
    with Trace.open(older) as again:
        assert [event.message for _, event in again.all(Event)] == ["it: ended", ""]
    with (
        closing(sqlite3.connect(older)) as other,
        pytest.raises(sqlite3.IntegrityError, match="added to"),
    ):
        other.execute("UPDATE event SET message = ''")


def test_a_trace_of_an_older_version_is_read_without_a_change_to_it(older):
    before = older.read_bytes()
    with Trace.open(older, read_only=True) as trace:
        assert trace.get(Event, 1).message == "it: ended"
        with pytest.raises(TraceError, match="reading only"):
            trace.add(Event(kind="resume"))
    assert older.read_bytes() == before


def test_a_migration_that_fails_changes_nothing(older, monkeypatch):
    def fail(connection):
        connection.execute("ALTER TABLE event ADD COLUMN mood TEXT")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS[:-1], fail))
    before = older.read_bytes()
    with pytest.raises(TraceError, match="nowhere"):
        Trace.open(older)
    assert older.read_bytes() == before
