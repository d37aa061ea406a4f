"""Each check finds its kind of damage, and finds nothing in an undamaged trace."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from tests.trace.toy import FAILED, experiment, measurement, record, scalarizer

from nescio.errors import TraceError
from nescio.trace import Decision, ScalarRecord, Trace, verify


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    trace = record(tmp_path_factory.mktemp("whole") / "trace.sqlite")
    trace.close()
    return trace.path.read_bytes()


def test_a_whole_trace_has_no_problems(tmp_path, whole):
    (tmp_path / "trace.sqlite").write_bytes(whole)
    assert verify(tmp_path) == []


def test_a_trace_in_use_is_verified(tmp_path):
    with Trace.create(tmp_path, experiment()) as trace, trace.step():
        trace.add(measurement(0))
        assert verify(tmp_path) == []


ALTERATIONS = {
    "UPDATE event SET details = '{'": "event 1: details is not JSON",
    "UPDATE event SET details = '[1, NaN]'": "event 1: details is not JSON",
    "UPDATE event SET kind = 'party'": "event 1: kind: Input should be",
    "UPDATE measurement SET candidate = 12 WHERE id = 4": "measurement 3 refers to candidate 12, but there are 12",
    "UPDATE measurement SET number = 9 WHERE id = 5": "measurement has number 9 in place of 4",
    "UPDATE measurement SET spectrum = NULL WHERE id = 1": "a measurement without a spectrum needs a problem",
    "UPDATE decision SET chosen = '[3, 50]' WHERE id = 2": "decision 2 chose candidate 50, but there are 12",
    "UPDATE decision SET step = 77 WHERE id = 2": "decision 2 refers to 77 measurements, but there are 5",
    "UPDATE decision SET scalarizer = 5 WHERE id = 2": "decision 2 refers to a missing scalarizer",
    "DELETE FROM scalar WHERE measurement = 1 AND scalarizer = 1": "measurement 0 has no 'centre' of scalarizer 1",
    "DELETE FROM scalar WHERE measurement = 5 AND scalarizer = 2": "measurement 4 has no 'width' of scalarizer 2",
    "UPDATE scalar SET output = 'depth' WHERE id = 8": "has output 'depth', which scalarizer 2 does not define",
    "UPDATE \"array\" SET sha256 = 'f00' WHERE id = 2": "array 2: does not match its SHA-256",
    "UPDATE \"array\" SET shape = '[13,2]' WHERE shape = '[12,2]'": "the length does not match the shape",
    "UPDATE \"array\" SET data = 'text' WHERE id = 2": "array 2: damaged (the column data holds text instead of bytes)",
    'UPDATE "array" SET data = 5 WHERE id = 2': "array 2: damaged (the column data holds integer instead of bytes)",
    "UPDATE seal SET measurements = '{}'": "seal 1: measurements: Input should be",
    "UPDATE variable SET dimensions = '[\"y\"]' WHERE name = 'image'": "'image' is damaged",
    "DELETE FROM variable WHERE name = 'intensity' AND dataset = 3": "a data array with 0 arrays",
    "DELETE FROM experiment": "contains 0 experiments",
    "DROP TRIGGER event_update": "trigger event_update is missing",
}


@pytest.mark.parametrize("statement", ALTERATIONS)
def test_damage_is_found(tmp_path, whole, statement):
    path = tmp_path / "trace.sqlite"
    path.write_bytes(whole)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f'DROP TRIGGER "{name}"')
        dropped = statement.removeprefix("DROP TRIGGER ") if statement.startswith("DROP") else None
        if dropped is None:
            assert connection.execute(statement).rowcount > 0
        for name, sql in triggers:
            if name != dropped:
                connection.execute(sql)
    problems = verify(path)
    assert any(ALTERATIONS[statement] in problem for problem in problems), problems


def test_bytes_that_changed_on_the_disk_are_found(tmp_path, whole):
    with Trace.create(tmp_path, experiment()) as trace:
        noise = np.random.default_rng(0).integers(0, 2**62, 3000)
        trace.put_arrays({"noise": noise})
    content = bytearray(trace.path.read_bytes())
    content[len(content) - 9000] ^= 1
    trace.path.write_bytes(content)
    assert any("array 1" in problem for problem in verify(tmp_path))


def test_an_earlier_scalarizer_need_not_have_what_came_after_it(tmp_path):
    with record(tmp_path / "trace.sqlite") as trace:
        row = trace.put_arrays({"counts": np.ones(3)})
        added = trace.add(measurement(5, spectrum=row, problem=""))
        assert [problem.split(": ")[1] for problem in verify(tmp_path)] == [
            "measurement 5 has no 'width' of scalarizer 2"
        ]
        trace.add(ScalarRecord(measurement=added, scalarizer=2, output="width", value=1.0))
        assert verify(tmp_path) == []
        scalarizer(trace, "height")
        missing = [problem for problem in verify(tmp_path) if "scalarizer 3" in problem]
        assert len(missing) == 5
        assert not any(f"measurement {FAILED} " in problem for problem in missing)


def test_a_decision_before_the_first_measurement_is_fine(tmp_path):
    with Trace.create(tmp_path, experiment()) as trace:
        trace.add(Decision(step=0, chosen=[0, 1], origin="seed"))
    assert verify(tmp_path) == []


def test_what_cannot_be_opened_is_an_error(tmp_path):
    with pytest.raises(TraceError, match="no such trace"):
        verify(tmp_path)
