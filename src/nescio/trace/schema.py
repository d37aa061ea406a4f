"""Tables from models: SQL, conversion of rows, and the published schema."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, NoReturn, TypeVar

from pydantic.fields import FieldInfo

from nescio.configuration import validated
from nescio.errors import ConfigurationError, TraceError
from nescio.trace.migrations import current_version
from nescio.trace.records import RECORDS, Record, json_value

__all__ = [
    "APPLICATION_ID",
    "Column",
    "columns",
    "from_row",
    "schema_document",
    "table_sql",
    "to_row",
    "trigger_sql",
]

APPLICATION_ID = 0x4E53434F
"""Application id in the file's header: the letters NSCO."""

_LARGEST_JSON = 2**26
_MOST_ITEMS = 2_000_000
_SQL_TYPES: dict[type, tuple[str, str]] = {
    int: ("INTEGER", "integer"),
    bool: ("INTEGER", "integer"),
    float: ("REAL", "real"),
    str: ("TEXT", "text"),
    bytes: ("BLOB", "blob"),
}
_Model = TypeVar("_Model", bound=Record)


class Column(NamedTuple):
    """The storage of a field."""

    name: str
    sql_type: str
    stored_as: str
    """Type name according to SQLite's `typeof`."""
    json: bool
    optional: bool
    references: str | None

    @property
    def sql(self) -> str:
        """The column's part of CREATE TABLE."""
        kinds = f"'{self.stored_as}', 'null'" if self.optional else f"'{self.stored_as}'"
        parts = [f'"{self.name}"', self.sql_type]
        if not self.optional:
            parts.append("NOT NULL")
        parts.append(f'CHECK (typeof("{self.name}") IN ({kinds}))')
        if self.references:
            parts.append(f'REFERENCES "{self.references}" (id)')
        return " ".join(parts)


@cache
def columns(model: type[Record]) -> tuple[Column, ...]:
    """Return the columns of a model's table, except ``id``."""
    return tuple(_column(name, field) for name, field in model.model_fields.items())


def _column(name: str, field: FieldInfo) -> Column:
    kind: Any = field.annotation
    optional = False
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(kind) if member is not type(None)]
        optional = len(members) < len(typing.get_args(kind))
        (kind,) = members
    origin = typing.get_origin(kind)
    extra = field.json_schema_extra
    references = str(extra["references"]) if isinstance(extra, dict) and "references" in extra else None
    if origin in (list, dict):
        return Column(name, "TEXT", "text", True, optional, references)
    sql_type, stored_as = _SQL_TYPES[str if origin is typing.Literal else kind]
    return Column(name, sql_type, stored_as, False, optional, references)


def table_sql(model: type[Record]) -> str:
    """Return the CREATE TABLE statement of a model."""
    lines = ["id INTEGER PRIMARY KEY", *(column.sql for column in columns(model))]
    lines += ["UNIQUE (" + ", ".join(f'"{name}"' for name in names) + ")" for names in model.unique]
    return f'CREATE TABLE "{model.table}" (\n  ' + ",\n  ".join(lines) + "\n)"


def trigger_sql(model: type[Record]) -> dict[str, str]:
    """Return the triggers that make a table append-only, by name."""
    name = model.table
    triggers = {
        f"{name}_{verb.lower()}": (
            f'CREATE TRIGGER "{name}_{verb.lower()}" BEFORE {verb} ON "{name}" '
            f"BEGIN SELECT RAISE(ABORT, 'a trace is only ever added to'); END"
        )
        for verb in ("UPDATE", "DELETE")
    }
    if model.numbered:
        following = f'(SELECT coalesce(max("number") + 1, 0) FROM "{name}")'  # noqa: S608
        triggers[f"{name}_number"] = (
            f'CREATE TRIGGER "{name}_number" BEFORE INSERT ON "{name}" WHEN NEW."number" IS NOT {following} '
            f"BEGIN SELECT RAISE(ABORT, '{name}: the number is not the next one'); END"
        )
    return triggers


def to_row(record: Record) -> list[Any]:
    """Return the values of a record in the order of its columns.

    Raises:
        TraceError: A document is too large.
    """
    values = []
    document = record.model_dump()
    for column in columns(type(record)):
        value = document[column.name]
        if column.json and value is not None:
            value = json.dumps(json_value(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            if len(value) > _LARGEST_JSON:
                raise TraceError(
                    f"{column.name} of {type(record).__name__}: {len(value) / 1e6:.0f} MB of JSON; the limit is "
                    f"{_LARGEST_JSON / 1e6:.0f} MB"
                )
        values.append(value)
    return values


def from_row(model: type[_Model], row: tuple[Any, ...], source: str) -> _Model:
    """Return the record of a row.

    Args:
        model: The record's type.
        row: The values in the order of the columns.
        source: Place of the row, for messages.

    Raises:
        TraceError: The row is not a valid record.
    """
    document: dict[str, Any] = {}
    for column, value in zip(columns(model), row, strict=True):
        if column.json and value is not None:
            # Each item follows one of these characters, and needs a hundred times its text in memory.
            if (
                not isinstance(value, str)
                or len(value) > _LARGEST_JSON
                or sum(value.count(mark) for mark in ",:[{") > _MOST_ITEMS
            ):
                raise TraceError(f"{source}: {column.name} is not JSON, or is too large")
            try:
                value = json.loads(value, parse_constant=_refuse_constant)
            except (ValueError, RecursionError) as error:
                raise TraceError(f"{source}: {column.name} is not JSON ({error})") from None
        document[column.name] = value
    try:
        return validated(model, document, source)
    except ConfigurationError as error:
        raise TraceError(str(error)) from None


def schema_document() -> Mapping[str, Any]:
    """Return the published schema: the header, and for each table its SQL and the JSON schema of its rows.

    ``docs/reference/trace-schema.json`` is written by ``json.dumps(schema_document(), indent=1)``.
    """
    return {
        "application_id": APPLICATION_ID,
        "user_version": current_version(),
        "tables": {
            model.table: {
                "sql": table_sql(model).splitlines(),
                "triggers": list(trigger_sql(model).values()),
                "row": model.model_json_schema(),
            }
            for model in RECORDS
        },
    }


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")
