"""What a trace holds: one frozen model for each table, from which the tables and the published schema are made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from nescio.configuration import Settings

__all__ = [
    "RECORDS",
    "Act",
    "ActOutcome",
    "DatasetRecord",
    "Decision",
    "Event",
    "Experiment",
    "Measurement",
    "OutputRecord",
    "Record",
    "ScalarRecord",
    "ScalarizerRecord",
    "Seal",
    "StoredArray",
    "Variable",
    "json_value",
    "now",
]

_DEEPEST = 64
_UNBOUNDED = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def now() -> str:
    """Return the present time as a trace writes it: UTC, ISO 8601, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def json_value(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON knows it; a number that is not finite becomes "NaN", "Infinity" or "-Infinity".

    Raises:
        ValueError: It holds something that JSON cannot express, or is nested more than 64 deep.
    """
    if depth > _DEEPEST:
        raise ValueError(f"is nested more than {_DEEPEST} deep")
    value = _python_value(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"has the key {key!r}, where JSON needs a text")
        return {_text(key): json_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [json_value(item, depth + 1) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else _UNBOUNDED[str(value)]
    if value is None or isinstance(value, bool | int | str):
        return value
    raise ValueError(f"holds {type(value).__name__}, which cannot be written as JSON")


def _python_value(value: Any) -> Any:
    """Return numbers and arrays of NumPy, tuples, named tuples, models and times as plain Python."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, list | tuple):
        return [_python_value(item) for item in value]
    return value


def _text(value: str) -> str:
    """Return text that UTF-8 can express: a name of a file may hold bytes that it cannot."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and value in _UNBOUNDED.values() else value


def _none_if_missing(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def _utc(value: str) -> str:
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError("needs a time zone, as in 2026-01-31T12:00:00+00:00")
    try:
        return time.astimezone(UTC).isoformat(timespec="microseconds")
    except OverflowError:
        raise ValueError("is no time of this era") from None


Count = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]
Json = Annotated[dict[str, Any], BeforeValidator(json_value)]
Number = Annotated[float, BeforeValidator(_number)]
Origin = Literal["seed", "policy", "person"]
Time = Annotated[str, AfterValidator(_utc)]


def _row(table: str, *, optional: bool = False) -> Any:
    """Return a field that holds the row id of something else in the trace."""
    default = None if optional else ...
    return Field(default=default, strict=True, ge=1, le=2**63 - 1, json_schema_extra={"references": table})


class Record(BaseModel):
    """Base of all records: frozen, complete, and of values that a file can hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    table: ClassVar[str]
    unique: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Columns that together occur once."""
    numbered: ClassVar[bool] = False
    """Whether `number` counts 0, 1, 2, ... without a gap."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, document: Any) -> Any:
        if not isinstance(document, Mapping):
            return document
        return {key: _python_value(value) for key, value in document.items()}


class Experiment(Record):
    """What the whole is; one row."""

    table: ClassVar[str] = "experiment"

    title: str
    created: Time = Field(default_factory=now)
    nescio_version: str
    configuration: Json = Field(default_factory=dict)
    """As validated; enough to start the experiment again."""
    seed: Count = 0


class StoredArray(Record):
    """An array, compressed; equal arrays are stored once."""

    table: ClassVar[str] = "array"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("sha256", "dtype", "shape"),)

    dtype: str
    """NumPy's name with the byte order: bool, integers, floats, complex numbers, text of fixed length."""
    shape: list[Count]
    data: bytes
    """The elements in C order, little-endian, compressed by zlib."""
    sha256: str
    """Of the elements before compression."""


class DatasetRecord(Record):
    """A dataset, a data array or a set of named arrays: survey images, recipes of patches, spectra, maps, weights."""

    table: ClassVar[str] = "dataset"

    kind: Literal["dataset", "dataarray", "arrays"]
    name: str
    """Empty, or what it is found by; the latest of a name counts."""
    attributes: Json = Field(default_factory=dict)


class Variable(Record):
    """A variable or coordinate of a dataset."""

    table: ClassVar[str] = "variable"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("dataset", "role", "name"),)

    dataset: int = _row("dataset")
    role: Literal["data", "coordinate"]
    name: str | None
    """None for a data array without a name."""
    dimensions: list[str]
    array: int = _row("array")
    attributes: Json = Field(default_factory=dict)


class Act(Record):
    """What a person asked for while the experiment ran."""

    table: ClassVar[str] = "act"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("number",),)
    numbered: ClassVar[bool] = True

    number: Count
    time: Time = Field(default_factory=now)
    who: str
    kind: str
    parameters: Json = Field(default_factory=dict)


class ActOutcome(Record):
    """What became of an act; an act without one is still to be applied."""

    table: ClassVar[str] = "act_outcome"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("act",),)

    act: int = _row("act")
    step: Count
    """How many measurements there were when it was applied."""
    accepted: bool
    message: str = ""


class OutputRecord(Settings):
    """What one number of a scalarizer is."""

    name: str
    unit: str
    long_name: str


class ScalarizerRecord(Record):
    """A definition of the numbers that the experiment cares about; the latest one holds."""

    table: ClassVar[str] = "scalarizer"

    definition: Json
    outputs: list[OutputRecord]
    act: int | None = _row("act", optional=True)
    """The act that asked for it; None for the one of the configuration."""
    time: Time = Field(default_factory=now)


class Measurement(Record):
    """A place that was measured, or tried."""

    table: ClassVar[str] = "measurement"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("number",),)
    numbered: ClassVar[bool] = True

    number: Count
    candidate: Count
    """Index among the candidates."""
    position: list[Annotated[float, Field(allow_inf_nan=False)]]
    """What the instrument was told, in the coordinates and units of the candidates."""
    origin: Origin
    attempts: Count = 1
    """How often the instrument was asked."""
    started: Time
    finished: Time
    spectrum: int | None = _row("dataset", optional=True)
    problem: str = ""
    """Why there is no spectrum."""

    @model_validator(mode="after")
    def _spectrum_or_problem(self) -> Measurement:
        if self.spectrum is None and not self.problem:
            raise ValueError("a measurement without a spectrum needs a problem that says why")
        return self


class ScalarRecord(Record):
    """What a scalarizer made of a measurement."""

    table: ClassVar[str] = "scalar"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("scalarizer", "measurement", "output"),)

    measurement: int = _row("measurement")
    scalarizer: int = _row("scalarizer")
    output: str
    """One of the scalarizer's."""
    value: Annotated[float | None, AfterValidator(_none_if_missing)]
    """None where it could not be computed."""
    uncertainty: Annotated[float | None, AfterValidator(_none_if_missing)] = None
    """One standard deviation; None where it is not known."""
    reason: str = ""
    """Why there is no value."""


class Decision(Record):
    """Which candidates to measure next, and from what that was concluded."""

    table: ClassVar[str] = "decision"

    step: Count
    """How many measurements it saw."""
    time: Time = Field(default_factory=now)
    chosen: list[Count]
    origin: Origin
    policy: Json = Field(default_factory=dict)
    scalarizer: int | None = _row("scalarizer", optional=True)
    goal: Json = Field(default_factory=dict)
    acquisition: list[Number] = Field(default_factory=list)
    """Of each chosen candidate."""
    model: Json = Field(default_factory=dict)
    """Summary of the surrogate: kind, noise, figures of leaving one out."""
    timing: Json = Field(default_factory=dict)
    """Seconds that each part took."""
    maps: int | None = _row("dataset", optional=True)
    """Mean, standard deviation and acquisition over the candidates."""
    state: int | None = _row("dataset", optional=True)
    """Named arrays from which the surrogate goes on exactly."""


class Event(Record):
    """Something that happened to the experiment."""

    table: ClassVar[str] = "event"

    time: Time = Field(default_factory=now)
    kind: Literal["fault", "pause", "resume", "interrupt", "finish", "warning", "stop"]
    message: str = ""
    details: Json = Field(default_factory=dict)


class Seal(Record):
    """The end of a transaction; bears witness to what the trace held then."""

    table: ClassVar[str] = "seal"

    token: str
    """Drawn at random by each connection that writes."""
    measurements: Count
    """How many there were."""


RECORDS: tuple[type[Record], ...] = (
    Experiment,
    StoredArray,
    DatasetRecord,
    Variable,
    Act,
    ActOutcome,
    ScalarizerRecord,
    Measurement,
    ScalarRecord,
    Decision,
    Event,
    Seal,
)
"""Each after those that it refers to."""
