"""A trace without its write-ahead log, or with the log of another trace, is detected."""

import shutil
import sqlite3
import zlib
from contextlib import closing

import pytest
from tests.trace.toy import experiment, measurement, record

from nescio.errors import TraceError
from nescio.trace import ENDINGS, Event, Measurement, Trace, verify


def add(trace: Trace, numbers: range) -> None:
    for number in numbers:
        trace.add(measurement(number))


def copied(trace: Trace, folder, *endings: str):
    """Copy an open trace, with those of the files beside it whose names end so."""
    folder.mkdir()
    for ending in ("", *endings):
        shutil.copy(f"{trace.path}{ending}", folder / f"trace.sqlite{ending}")
    return folder / "trace.sqlite"


@pytest.fixture
def live(tmp_path):
    """An open trace of 20 measurements, of which none is in the main file yet."""
    with Trace.create(tmp_path / "live" / "trace.sqlite", experiment()) as trace:
        add(trace, range(20))
        yield trace


def test_an_open_trace_is_whole_and_so_is_a_copy_of_all_its_files(live, tmp_path):
    assert verify(live.path) == []
    assert verify(copied(live, tmp_path / "copy", "-wal", "-count")) == []


def test_the_main_file_alone_is_not_whole(live, tmp_path):
    (problem,) = verify(copied(live, tmp_path / "copy"))
    assert "log trace.sqlite-wal is missing" in problem
    assert "measurements after number 0" in problem


def test_it_is_told_how_many_measurements_there_should_be(live, tmp_path):
    problems = verify(copied(live, tmp_path / "copy", "-count"))
    assert any("20 measurements were made, but the trace has 0" in problem for problem in problems)


def test_a_log_that_lacks_its_end_is_told(live, tmp_path):
    path = copied(live, tmp_path / "copy", "-wal", "-count")
    log = path.with_name("trace.sqlite-wal")
    log.write_bytes(log.read_bytes()[: 32 + 30 * (24 + 4096)])
    (problem,) = verify(path)
    assert "20 measurements were made" in problem
    assert "cut short" in problem


def test_a_log_that_ends_in_the_midst_of_a_page_is_told_even_alone(live, tmp_path):
    path = copied(live, tmp_path / "copy", "-wal")
    log = path.with_name("trace.sqlite-wal")
    log.write_bytes(log.read_bytes()[:50_000])
    (problem,) = verify(path)
    assert "is cut short" in problem


@pytest.mark.parametrize("content", [b"", bytes(range(256)) * 400])
def test_something_else_in_the_place_of_the_log_is_told(live, tmp_path, content):
    path = copied(live, tmp_path / "copy")
    path.with_name("trace.sqlite-wal").write_bytes(content)
    (problem,) = verify(path)
    assert "log trace.sqlite-wal is missing" in problem


def test_the_log_of_another_trace_is_told(live, tmp_path):
    """Made alike, so that the measurements of one would pass for those of the other."""
    with Trace.create(tmp_path / "other", experiment()) as other:
        add(other, range(15))
        path = copied(live, tmp_path / "copy")
        shutil.copy(f"{other.path}-wal", f"{path}-wal")
        problems = verify(path)
    assert any("belongs to another trace" in problem for problem in problems)


def test_the_log_of_a_copy_that_went_another_way_is_told(tmp_path):
    record(tmp_path / "one" / "trace.sqlite", 3).close()
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with Trace.open(tmp_path / "one") as one, Trace.open(tmp_path / "two") as two:
        add(one, range(3, 9))
        add(two, range(3, 7))
        path = copied(one, tmp_path / "copy")
        shutil.copy(f"{two.path}-wal", f"{path}-wal")
        problems = verify(path)
    assert any("belongs to another trace, or to another copy" in problem for problem in problems)


def test_a_closed_trace_is_one_file_that_is_whole_by_itself(live, tmp_path):
    live.close()
    assert [file.name for file in live.path.parent.iterdir()] == ["trace.sqlite"]
    shutil.copy(live.path, tmp_path / "alone.sqlite")
    assert verify(tmp_path / "alone.sqlite") == []
    with Trace.open(tmp_path / "alone.sqlite", read_only=True) as trace:
        assert trace.count(Measurement) == 20


def test_going_on_without_the_log_is_put_on_record(live, tmp_path):
    path = copied(live, tmp_path / "copy")
    with Trace.open(path) as trace:
        ((_, event),) = trace.all(Event)
    assert event.kind == "warning"
    assert "without the write-ahead log" in event.message
    with Trace.open(path, read_only=True) as trace:
        assert trace.count(Event) == 1


def test_a_trace_of_version_1_is_read_and_gets_its_seals_when_it_is_written(tmp_path):
    trace = record(tmp_path / "trace.sqlite", 4)
    trace.close()
    with closing(sqlite3.connect(trace.path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE seal")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("PRAGMA journal_mode = WAL")  # as it was left by closing
    assert verify(trace.path) == []
    with Trace.open(trace.path, read_only=True) as old:
        assert old.count(Measurement) == 4
    with Trace.open(trace.path) as new:
        assert new.count(Event) == 1  # that of the failed measurement
        add(new, range(4, 6))
    assert verify(trace.path) == []


def test_two_writers_leave_a_whole_file_behind(tmp_path):
    with Trace.create(tmp_path, experiment()) as runner:
        add(runner, range(3))
        with Trace.open(tmp_path) as person:
            person.add_act("pause", who="operator")
        add(runner, range(3, 5))
        assert verify(tmp_path) == []
    assert verify(tmp_path) == []
    assert not any((tmp_path / f"trace.sqlite{ending}").exists() for ending in ENDINGS)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE VIEW more AS SELECT hex(zeroblob(900000000)) AS a", "view 'more'"),
        ("CREATE INDEX more ON event (hex(zeroblob(1000)))", "index 'more' contains an expression"),
        (
            "CREATE TABLE more (a CHECK (length(hex(zeroblob(500000000))) > 0))",
            "table 'more' contains an expression",
        ),
        ("CREATE TABLE more (a, b GENERATED ALWAYS AS (hex(a)))", "table 'more' contains an expression"),
    ],
)
def test_what_would_be_computed_on_reading_is_refused(tmp_path, statement, reason):
    record(tmp_path / "trace.sqlite", 1).close()
    with closing(sqlite3.connect(tmp_path / "trace.sqlite")) as connection:
        connection.execute(statement)
        connection.commit()
    with pytest.raises(TraceError, match=reason):
        Trace.open(tmp_path, read_only=True)


def test_an_array_larger_than_its_file_could_honestly_hold_is_not_unpacked(tmp_path):
    record(tmp_path / "trace.sqlite", 1).close()
    size = 2**29
    with closing(sqlite3.connect(tmp_path / "trace.sqlite")) as connection:
        row = ("|u1", f"[{size}]", zlib.compress(bytes(size), 1), "")
        array = connection.execute(
            "INSERT INTO array (dtype, shape, data, sha256) VALUES (?, ?, ?, ?)", row
        ).lastrowid
        dataset = connection.execute(
            "INSERT INTO dataset (kind, name, attributes) VALUES ('arrays', 'bomb', '{}')"
        ).lastrowid
        connection.execute(
            "INSERT INTO variable (dataset, role, name, dimensions, array, attributes) "
            "VALUES (?, 'data', 'a', '[]', ?, '{}')",
            (dataset, array),
        )
        connection.commit()
    with (
        Trace.open(tmp_path, read_only=True) as trace,
        pytest.raises(TraceError, match="539 MB of memory, but only"),
    ):
        trace.get_arrays("bomb")
    with Trace.open(tmp_path) as trace:
        trace.database.rows("DROP TRIGGER array_update")
        trace.database.rows("UPDATE array SET shape = '[4]' WHERE id = ?", (array,))
        with pytest.raises(TraceError, match="too many for the shape"):
            trace.get_arrays("bomb")
