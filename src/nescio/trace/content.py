"""Store and read datasets, data arrays and sets of arrays in a trace; equal arrays are stored once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError

from nescio.errors import TraceError
from nescio.files import Budget
from nescio.trace.arrays import decode_array, encode_array, stored_size
from nescio.trace.database import Database
from nescio.trace.records import DatasetRecord, StoredArray, Variable, json_value
from nescio.trace.schema import from_row

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "find_dataset",
    "read_array",
    "read_arrays",
    "read_dataarray",
    "read_dataset",
    "stored_shape",
    "write_arrays",
    "write_dataarray",
    "write_dataset",
]

_Kind = Literal["dataset", "dataarray", "arrays"]
_Role = Literal["data", "coordinate"]


def write_dataset(database: Database, name: str, dataset: xr.Dataset) -> int:
    """Append a dataset and return its row id."""
    with database.step():
        row = _insert_header(database, "dataset", name, dataset.attrs)
        for key, variable in dataset.variables.items():
            role: _Role = "coordinate" if key in dataset.coords else "data"
            _insert_variable(database, row, role, key, variable)
    return row


def write_dataarray(database: Database, array: xr.DataArray, name: str) -> int:
    """Append a data array and return its row id."""
    with database.step():
        row = _insert_header(database, "dataarray", name, {})
        _insert_variable(database, row, "data", array.name, array.variable)
        for key, coordinate in array.coords.items():
            _insert_variable(database, row, "coordinate", key, coordinate.variable)
    return row


def write_arrays(database: Database, arrays: Mapping[str, ArrayLike], name: str) -> int:
    """Append a set of named arrays and return its row id."""
    with database.step():
        row = _insert_header(database, "arrays", name, {})
        for key, values in arrays.items():
            array = _insert_array(database, values, f"array {key!r}")
            _insert(database, Variable, dataset=row, role="data", name=key, dimensions=[], array=array)
    return row


def read_dataset(database: Database, which: int | str) -> xr.Dataset:
    """Return a dataset by its row id, or the latest one with a name."""
    import xarray as xr

    row, header = find_dataset(database, which, "dataset")
    data: dict[str, xr.Variable] = {}
    coordinates: dict[str, xr.Variable] = {}
    for variable, values in _variables(database, row):
        to = coordinates if variable.role == "coordinate" else data
        to[variable.name or ""] = _as_variable(database, row, variable, values)
    try:
        return xr.Dataset(data, coordinates, header.attributes)
    except (ValueError, TypeError, KeyError) as error:
        raise TraceError(f"{database.source(DatasetRecord, row)}: damaged ({error})") from None


def read_dataarray(database: Database, which: int | str) -> xr.DataArray:
    """Return a data array by its row id, or the latest one with a name."""
    import xarray as xr

    row, _ = find_dataset(database, which, "dataarray")
    data: list[tuple[str | None, xr.Variable]] = []
    coordinates: dict[str, xr.Variable] = {}
    for variable, values in _variables(database, row):
        made = _as_variable(database, row, variable, values)
        if variable.role == "coordinate":
            coordinates[variable.name or ""] = made
        else:
            data.append((variable.name, made))
    if len(data) != 1:
        raise TraceError(
            f"{database.source(DatasetRecord, row)}: damaged (a data array with {len(data)} arrays)"
        )
    ((name, content),) = data
    try:
        return xr.DataArray(content, coordinates, name=name)
    except (ValueError, TypeError, KeyError) as error:
        raise TraceError(f"{database.source(DatasetRecord, row)}: damaged ({error})") from None


def read_arrays(database: Database, which: int | str) -> dict[str, NDArray[Any]]:
    """Return a set of named arrays by its row id, or the latest one with a name."""
    row, _ = find_dataset(database, which, "arrays")
    return {variable.name or "": values for variable, values in _variables(database, row)}


def find_dataset(database: Database, which: int | str, kind: _Kind) -> tuple[int, DatasetRecord]:
    """Return row id and record of a dataset, given its row id or name.

    Raises:
        TraceError: The dataset does not exist, or is of another kind.
    """
    if isinstance(which, str):
        found = database.read(DatasetRecord, "WHERE name = ? ORDER BY id DESC LIMIT 1", (which,))
    else:
        found = database.read(DatasetRecord, "WHERE id = ?", (int(which),))
    if not found:
        raise TraceError(f"{database.path}: has no dataset {which!r}")
    if found[0][1].kind != kind:
        raise TraceError(f"{database.path}: dataset {which!r} is of kind {found[0][1].kind!r}, not {kind!r}")
    return found[0]


def _insert_header(database: Database, kind: _Kind, name: str, attributes: Mapping[Any, Any]) -> int:
    document = _attributes(attributes, f"{kind} {name!r}")
    return _insert(database, DatasetRecord, kind=kind, name=name, attributes=document)


def _insert_variable(database: Database, dataset: int, role: _Role, name: Any, variable: xr.Variable) -> None:
    what = f"variable {name!r}"
    _insert(
        database,
        Variable,
        dataset=dataset,
        role=role,
        name=name,
        dimensions=list(variable.dims),
        array=_insert_array(database, variable.values, what),
        attributes=_attributes(variable.attrs, what),
    )


def _insert(database: Database, model: type[DatasetRecord | Variable], **fields: Any) -> int:
    try:
        return database.insert(model(**fields))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise TraceError(f"{model.table} {fields['name']!r}: {key}: {first['msg']}") from None


def _insert_array(database: Database, values: ArrayLike, what: str) -> int:
    array = encode_array(values, what)
    shape = "[" + ",".join(map(str, array.shape)) + "]"
    found = database.rows(
        'SELECT id FROM "array" WHERE sha256 = ? AND dtype = ? AND shape = ?',
        (array.sha256, array.dtype, shape),
    )
    return int(found[0][0]) if found else database.insert(array)


def _attributes(attributes: Mapping[Any, Any], what: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json_value(dict(attributes))
    except ValueError as error:
        raise TraceError(f"the attributes of {what}: {error}") from None
    return document


def _variables(database: Database, row: int) -> list[tuple[Variable, NDArray[Any]]]:
    budget = database.budget()
    return [
        (variable, read_array(database, variable.array, budget))
        for _, variable in database.read(Variable, "WHERE dataset = ? ORDER BY id", (row,))
    ]


def read_array(database: Database, row: int, budget: Budget, *, check_digest: bool = False) -> NDArray[Any]:
    """Return an array by its row id.

    Args:
        database: The database.
        row: Row id of the array.
        budget: Memory budget.
        check_digest: Also check the digest.

    Raises:
        TraceError: The array is missing or damaged, or exceeds the memory budget.
    """
    source = database.source(StoredArray, row)
    described = stored_shape(database, row)
    size = stored_size(described, source)
    ((kind, length),) = database.rows('SELECT typeof(data), length(data) FROM "array" WHERE id = ?', (row,))
    if kind != "blob":
        raise TraceError(f"{source}: damaged (the column data holds {kind} instead of bytes)")
    # zlib makes incompressible data longer by less than this.
    if length > 1.01 * size + 1000:
        raise TraceError(f"{source}: damaged ({length:,} bytes are too many for the shape {described.shape})")
    budget.spend(size + length, f"array of shape {described.shape}")
    ((data,),) = database.rows('SELECT data FROM "array" WHERE id = ?', (row,))
    return decode_array(described.model_copy(update={"data": data}), source, check_digest=check_digest)


def stored_shape(database: Database, row: int) -> StoredArray:
    """Return an array's record without its data, which may be large.

    Raises:
        TraceError: The array is missing or damaged.
    """
    source = database.source(StoredArray, row)
    found = database.rows('SELECT dtype, shape, zeroblob(0), sha256 FROM "array" WHERE id = ?', (row,))
    if not found:
        raise TraceError(f"{source}: is missing")
    return from_row(StoredArray, found[0], source)


def _as_variable(database: Database, row: int, variable: Variable, values: NDArray[Any]) -> xr.Variable:
    import xarray as xr

    try:
        return xr.Variable(variable.dimensions, np.asarray(values), variable.attributes)
    except (ValueError, TypeError) as error:
        source = database.source(DatasetRecord, row)
        raise TraceError(f"{source}: {variable.name!r} is damaged ({error})") from None
