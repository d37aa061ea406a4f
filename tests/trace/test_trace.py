"""A trace only grows, in atomic steps, while others read it and add acts."""

import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.trace.toy import experiment, measurement, record, scalarizer

from nescio.errors import FileError, TraceError
from nescio.trace import (
    RECORDS,
    Act,
    ActOutcome,
    DatasetRecord,
    Decision,
    Event,
    Experiment,
    Measurement,
    ScalarRecord,
    Trace,
)


@pytest.fixture
def trace(tmp_path: Path):
    with Trace.create(tmp_path / "trace.sqlite", experiment()) as trace:
        yield trace


def test_what_was_recorded_is_read_back(tmp_path):
    record(tmp_path / "trace.sqlite").close()
    with Trace.open(tmp_path, read_only=True) as trace:
        assert trace.experiment.configuration == {"goal": {"kind": "maximise"}}
        assert [item.number for _, item in trace.all(Measurement)] == [0, 1, 2, 3, 4]
        row, decision = trace.last(Decision)
        assert (row, decision.step, decision.acquisition) == (4, 5, [-np.inf])
        assert decision.model == {"loo": {"rmse": "NaN"}}
        assert trace.get_arrays(decision.state)["lengthscale"] == np.float32(4.1)
        assert [item.value for _, item in trace.scalars(1)] == [2.0, 3.0, 5.0, 6.0]
        assert [(item.value, item.reason) for _, item in trace.scalars()] == [(None, "no peak")] * 4
        assert trace.since(Measurement, 3) == trace.all(Measurement)[3:]
        assert trace.count(Act) == trace.count(ActOutcome) == 1


def test_nothing_recorded_yet_is_nothing(trace):
    assert trace.last(Decision) is None
    assert trace.scalars() == trace.all(Event) == []
    with pytest.raises(TraceError, match="has no event 1"):
        trace.get(Event, 1)


def test_a_trace_is_never_begun_twice(tmp_path, trace):
    with pytest.raises(TraceError, match="exists already"):
        Trace.create(trace.path, experiment())
    with pytest.raises(TraceError, match="exists already"):
        Trace.create(tmp_path, experiment())
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(TraceError, match="exists already"):
        Trace.create(tmp_path / "notes.txt", experiment())
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
    with pytest.raises(TraceError, match="contains an experiment already"):
        trace.add(experiment())


def test_a_start_that_was_killed_may_be_begun_again(tmp_path):
    (tmp_path / "trace.sqlite").touch()
    with Trace.create(tmp_path, experiment()) as trace:
        assert trace.count(Experiment) == 1


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot be created"):
        Trace.create(tmp_path / "file" / "trace.sqlite", experiment())


def test_a_step_that_fails_leaves_nothing(trace):
    def write():
        with trace.step():
            trace.add(Event(kind="warning"))
            trace.put_arrays({"a": np.ones(3)})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert trace.count(Event) == trace.count(DatasetRecord) == 0


def test_a_part_that_fails_leaves_the_rest_of_its_step(trace):
    with trace.step():
        trace.add(Event(kind="pause"))
        with pytest.raises(TraceError, match="object"):
            trace.put_arrays({"fits": np.ones(3), "does not": np.array([object()])})
        trace.add(Event(kind="resume"))
    assert [event.kind for _, event in trace.all(Event)] == ["pause", "resume"]
    assert trace.count(DatasetRecord) == 0


def test_a_full_disk_loses_only_the_step_that_did_not_fit(trace):
    trace.add(Event(kind="pause"))
    (pages,) = trace.database.rows("PRAGMA page_count")[0]
    trace.database.rows(f"PRAGMA max_page_count = {pages + 2}")
    noise = np.random.default_rng(0).integers(0, 255, 100_000, dtype=np.uint8)

    def write():
        with trace.step():
            trace.add(Event(kind="resume"))
            trace.put_arrays({"noise": noise})

    with pytest.raises(TraceError, match="full"):
        write()
    assert [event.kind for _, event in trace.all(Event)] == ["pause"]
    trace.database.rows("PRAGMA max_page_count = 1000000")
    trace.put_arrays({"noise": noise}, "noise")
    assert (trace.get_arrays("noise")["noise"] == noise).all()


@pytest.mark.parametrize("model", RECORDS)
def test_no_row_is_ever_altered(tmp_path, model):
    record(tmp_path / "trace.sqlite").close()
    other = sqlite3.connect(tmp_path / "trace.sqlite")
    for statement in (f'DELETE FROM "{model.table}"', f'UPDATE "{model.table}" SET id = id + 100'):  # noqa: S608
        with pytest.raises(sqlite3.IntegrityError, match="only ever added to"):
            other.execute(statement)
    other.close()


def test_no_row_is_replaced(trace):
    row = trace.add(Event(kind="stop", message="true"))
    with pytest.raises(TraceError, match="only ever added to"):
        trace.database.rows("REPLACE INTO event SELECT id, time, kind, 'false', details FROM event")
    assert trace.get(Event, row).message == "true"


def test_numbers_have_no_gaps_and_names_must_exist(trace):
    with pytest.raises(TraceError, match="measurement: the number is not the next one"):
        trace.add(measurement(1))
    trace.add(measurement(0))
    with pytest.raises(TraceError, match="not the next one"):
        trace.add(measurement(0))
    with pytest.raises(TraceError, match="FOREIGN KEY"):
        trace.add(measurement(1, spectrum=99))
    row = scalarizer(trace, "centre")
    trace.add(ScalarRecord(measurement=1, scalarizer=row, output="centre", value=1))
    with pytest.raises(TraceError, match="UNIQUE"):
        trace.add(ScalarRecord(measurement=1, scalarizer=row, output="centre", value=2))


def test_reading_never_writes(tmp_path, trace):
    before = trace.path.read_bytes()
    with Trace.open(trace.path, read_only=True) as reader:
        for write in (lambda: reader.add(Event(kind="stop")), reader.claim_run):
            with pytest.raises(TraceError, match="opened for reading only"):
                write()
        with pytest.raises(TraceError, match="no permission to write"):
            reader.database.rows("DROP TABLE event")
    assert trace.path.read_bytes() == before


def test_a_reader_sees_each_step_when_it_is_whole(trace):
    with Trace.open(trace.path, read_only=True) as reader:
        with trace.step():
            trace.add(measurement(0))
            assert reader.count(Measurement) == 0
        assert reader.count(Measurement) == 1
        with reader.snapshot():
            assert reader.count(Measurement) == 1
            trace.add(measurement(1))
            assert reader.count(Measurement) == 1
        assert reader.count(Measurement) == 2


def test_several_threads_and_connections_may_ask_at_once(trace):
    def ask(who):
        with Trace.open(trace.path) as own:
            for _ in range(5):
                own.add_act("pause", who=who)
                trace.add_act("resume", who=who)

    threads = [threading.Thread(target=ask, args=(who,)) for who in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    acts = [act for _, act in trace.all(Act)]
    assert [act.number for act in acts] == list(range(30))
    assert sum(act.who == "b" and act.kind == "pause" for act in acts) == 5


def test_one_process_runs_an_experiment_at_a_time(trace):
    trace.claim_run()
    trace.claim_run()
    with Trace.open(trace.path) as other:
        with pytest.raises(TraceError, match="another process is running this experiment"):
            other.claim_run()
        other.add_act("stop", who="operator")
        trace.close()
        other.claim_run()


def test_content_is_not_added_by_hand(trace):
    with pytest.raises(TraceError, match="put_dataset"):
        trace.add(DatasetRecord(kind="dataset", name="survey"))


def test_a_closed_trace_says_so(trace):
    trace.close()
    with pytest.raises(TraceError, match="closed"):
        trace.count(Event)
