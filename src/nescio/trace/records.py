"""The records of a trace: one frozen model per table. Tables and published schema are generated from the models."""

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
    """Return the current time in the format of a trace: UTC, ISO 8601, with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def json_value(value: Any, depth: int = 0) -> Any:
    """Convert a value to JSON types; numbers that are not finite become "NaN", "Infinity" or "-Infinity".

    Raises:
        ValueError: The value cannot be expressed in JSON, or is nested more than 64 levels deep.
    """
    if depth > _DEEPEST:
        raise ValueError(f"is nested more than {_DEEPEST} levels deep")
    value = _python_value(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"has the key {key!r}; keys in JSON must be text")
        return {_text(key): json_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [json_value(item, depth + 1) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else _UNBOUNDED[str(value)]
    if value is None or isinstance(value, bool | int | str):
        return value
    raise ValueError(f"contains {type(value).__name__}, which cannot be written as JSON")


def _python_value(value: Any) -> Any:
    """Convert NumPy numbers and arrays, tuples, named tuples, models and times to plain Python."""
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
    """Return text that is valid in UTF-8; a file name may contain invalid bytes."""
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
        raise ValueError("is outside the range of valid times") from None


Count = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]
Json = Annotated[dict[str, Any], BeforeValidator(json_value)]
Number = Annotated[float, BeforeValidator(_number)]
Origin = Literal["seed", "policy", "person"]
Time = Annotated[str, AfterValidator(_utc)]


def _row(table: str, *, optional: bool = False) -> Any:
    """Return a field for the row id of another record."""
    default = None if optional else ...
    return Field(default=default, strict=True, ge=1, le=2**63 - 1, json_schema_extra={"references": table})


class Record(BaseModel):
    """Base class of records: frozen, without extra fields, with values that can be stored."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    table: ClassVar[str]
    unique: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Sets of columns whose combined values are unique."""
    numbered: ClassVar[bool] = False
    """Whether `number` counts 0, 1, 2, ... without gaps."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, document: Any) -> Any:
        if not isinstance(document, Mapping):
            return document
        return {key: _python_value(value) for key, value in document.items()}


class Experiment(Record):
    """The experiment; one row."""

    table: ClassVar[str] = "experiment"

    title: str
    created: Time = Field(default_factory=now)
    nescio_version: str
    configuration: Json = Field(default_factory=dict)
    """The validated configuration, sufficient to start the experiment again."""
    seed: Count = 0


class StoredArray(Record):
    """An array, compressed; equal arrays are stored once."""

    table: ClassVar[str] = "array"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("sha256", "dtype", "shape"),)

    dtype: str
    """NumPy's name with byte order: bool, integers, floats, complex numbers, text of fixed length."""
    shape: list[Count]
    data: bytes
    """Elements in C order, little-endian, compressed by zlib."""
    sha256: str
    """SHA-256 of the elements before compression."""


class DatasetRecord(Record):
    """A dataset, a data array or a set of named arrays: a survey, candidates, spectra, maps or weights."""

    table: ClassVar[str] = "dataset"

    kind: Literal["dataset", "dataarray", "arrays"]
    name: str
    """Name to find the dataset by, or empty; the latest dataset of a name counts."""
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
    """A person's act on the running experiment."""

    table: ClassVar[str] = "act"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("number",),)
    numbered: ClassVar[bool] = True

    number: Count
    time: Time = Field(default_factory=now)
    who: str
    kind: str
    parameters: Json = Field(default_factory=dict)


class ActOutcome(Record):
    """The outcome of an act; an act without an outcome is not applied yet."""

    table: ClassVar[str] = "act_outcome"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("act",),)

    act: int = _row("act")
    step: Count
    """Number of measurements when the act was applied."""
    accepted: bool
    message: str = ""


class OutputRecord(Settings):
    """Name and unit of one number of a scalarizer."""

    name: str
    unit: str
    long_name: str


class ScalarizerRecord(Record):
    """A scalarizer; the latest one is active."""

    table: ClassVar[str] = "scalarizer"

    definition: Json
    outputs: list[OutputRecord]
    act: int | None = _row("act", optional=True)
    """The act that set the scalarizer; None for the configured scalarizer."""
    time: Time = Field(default_factory=now)


class Measurement(Record):
    """A measurement, or an attempt that failed."""

    table: ClassVar[str] = "measurement"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("number",),)
    numbered: ClassVar[bool] = True

    number: Count
    candidate: Count
    """Index of the candidate."""
    position: list[Annotated[float, Field(allow_inf_nan=False)]]
    """Position sent to the instrument, in coordinates and units of the candidates."""
    origin: Origin
    attempts: Count = 1
    """Number of requests to the instrument."""
    started: Time
    finished: Time
    spectrum: int | None = _row("dataset", optional=True)
    problem: str = ""
    """Why there is no spectrum."""

    @model_validator(mode="after")
    def _spectrum_or_problem(self) -> Measurement:
        if self.spectrum is None and not self.problem:
            raise ValueError("a measurement without a spectrum needs a problem that gives the reason")
        return self


class ScalarRecord(Record):
    """One number of a scalarizer for one measurement."""

    table: ClassVar[str] = "scalar"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("scalarizer", "measurement", "output"),)

    measurement: int = _row("measurement")
    scalarizer: int = _row("scalarizer")
    output: str
    """Name of the scalarizer's output."""
    value: Annotated[float | None, AfterValidator(_none_if_missing)]
    """None if it could not be computed."""
    uncertainty: Annotated[float | None, AfterValidator(_none_if_missing)] = None
    """One standard deviation; None if unknown."""
    reason: str = ""
    """Why there is no value."""


class Decision(Record):
    """The choice of the next candidates, and its basis."""

    table: ClassVar[str] = "decision"

    step: Count
    """Number of measurements at the time of the decision."""
    time: Time = Field(default_factory=now)
    chosen: list[Count]
    origin: Origin
    policy: Json = Field(default_factory=dict)
    scalarizer: int | None = _row("scalarizer", optional=True)
    goal: Json = Field(default_factory=dict)
    acquisition: list[Number] = Field(default_factory=list)
    """Acquisition of each chosen candidate."""
    model: Json = Field(default_factory=dict)
    """Summary of the surrogate: kind, noise, leave-one-out figures."""
    timing: Json = Field(default_factory=dict)
    """Time of each part, in seconds."""
    maps: int | None = _row("dataset", optional=True)
    """Mean, standard deviation and acquisition over the candidates."""
    state: int | None = _row("dataset", optional=True)
    """Named arrays to restore the surrogate from."""


class Event(Record):
    """An event in the experiment."""

    table: ClassVar[str] = "event"

    time: Time = Field(default_factory=now)
    kind: Literal["fault", "pause", "resume", "interrupt", "finish", "warning", "stop"]
    message: str = ""
    details: Json = Field(default_factory=dict)


class Seal(Record):
    """The end of a transaction, with the number of measurements at that time."""

    table: ClassVar[str] = "seal"

    token: str
    """Random token of the writing connection."""
    measurements: Count
    """Number of measurements at that time."""


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
"""All record types; each comes after those that it refers to."""
