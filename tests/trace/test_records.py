"""Records are read back unchanged, and the published schema is up to date."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.trace.toy import experiment, measurement

from nescio.trace import Act, Decision, Event, Measurement, ScalarRecord, Trace, schema_document

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "trace-schema.json"
TEXT = st.text(st.characters(exclude_categories=()), max_size=6)
JSON = st.dictionaries(
    TEXT,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    with Trace.create(tmp_path_factory.mktemp("records"), experiment()) as trace:
        trace.database.rows("PRAGMA synchronous = OFF")
        yield trace


@settings(max_examples=60)
@given(
    message=TEXT, details=JSON, steps=st.integers(0, 2**63 - 1), acquisition=st.lists(st.floats(), max_size=3)
)
def test_a_record_is_read_back_as_it_was_written(trace, message, details, steps, acquisition):
    event = Event(kind="warning", message=message, details=details)
    assert trace.get(Event, trace.add(event)) == event
    decision = Decision(step=steps, chosen=[steps], origin="person", acquisition=acquisition, model=details)
    found = trace.get(Decision, trace.add(decision))
    assert found.model_dump(exclude={"acquisition"}) == decision.model_dump(exclude={"acquisition"})
    assert np.array_equal(found.acquisition, acquisition, equal_nan=True)


def test_numbers_of_numpy_are_taken_as_numbers():
    made = measurement(np.int64(3), position=np.array([1.0, 2.0], np.float32), candidate=np.uint8(4))
    assert (made.number, made.candidate, made.position) == (3, 4, [1.0, 2.0])
    event = Event(kind="stop", details={"best": np.float32(0.5), "map": np.eye(2), "at": (1, 2)})
    assert event.details == {"best": 0.5, "map": [[1.0, 0.0], [0.0, 1.0]], "at": [1, 2]}


def test_a_missing_number_is_none():
    scalar = ScalarRecord(measurement=1, scalarizer=1, output="a", value=float("nan"), uncertainty=np.inf)
    assert (scalar.value, scalar.uncertainty) == (None, None)


def test_times_are_kept_in_utc():
    act = Act(number=0, who="a", kind="stop", time="2026-05-04T13:00:00+02:00")
    assert act.time == "2026-05-04T11:00:00.000000+00:00"


@pytest.mark.parametrize(
    ("model", "fields", "reason"),
    [
        (Event, {"kind": "stop", "details": {"what": object()}}, "cannot be written as JSON"),
        (Event, {"kind": "stop", "details": {1: "a"}}, "has the key 1; keys in JSON must be text"),
        (Event, {"kind": "stop", "time": "2026-05-04T13:00:00"}, "needs a time zone"),
        (Event, {"kind": "stop", "time": "0001-01-01T00:00:00+09:00"}, "is outside the range of valid times"),
        (Event, {"kind": "explosion"}, "Input should be"),
        (Event, {"kind": "stop", "mood": "bad"}, "Extra inputs"),
        (
            Measurement,
            {**measurement(0).model_dump(), "problem": ""},
            "needs a problem that gives the reason",
        ),
        (Measurement, {**measurement(0).model_dump(), "position": [np.nan]}, "finite"),
        (Measurement, {**measurement(0).model_dump(), "number": -1}, "greater than or equal to 0"),
    ],
)
def test_what_makes_no_sense_is_refused(model, fields, reason):
    with pytest.raises(ValidationError, match=reason):
        model(**fields)


def test_documents_nested_without_end_are_refused():
    deep: dict[str, object] = {}
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(ValidationError, match="nested more than 64 levels deep"):
        Event(kind="stop", details=deep)


def test_the_published_schema_is_current():
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema_document(), (
        "the models have changed: append a migration, and write json.dumps(schema_document(), indent=1) to "
        + SCHEMA.name
    )
