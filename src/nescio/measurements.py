"""From files on a command line to one prepared dataset, whatever the technique."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nescio.errors import ConfigurationError, FileError, NescioError
from nescio.progress import track
from nescio.signals import notes_of, with_notes

if TYPE_CHECKING:
    import xarray as xr

    from nescio.techniques import Prior, Technique

__all__ = ["Expanded", "combine", "expand", "read_and_prepare"]

# Kinds of files that a note names.
_NAMED = 4


class Expanded(NamedTuple):
    """The files that paths on a command line stand for."""

    files: list[Path]
    errors: list[FileError]
    """For each folder without a file that can be read."""
    notes: list[str]
    """For each folder of which files are left out."""


def expand(paths: Sequence[Path], patterns: Sequence[str]) -> Expanded:
    """Return the files that are meant, each once.

    A folder stands for the files in it that match a pattern, sorted by name; a path that does not exist and holds
    ``*``, ``?`` or ``[`` for the files that match it. Upper and lower case are the same in both.

    Args:
        paths: Files, folders and patterns.
        patterns: Of files that can be read, such as ``*.xy``.

    Raises:
        FileError: There is no file at all.
    """
    files: dict[Path, Path] = {}
    errors: list[FileError] = []
    notes: list[str] = []
    for path in paths:
        found = [path]
        if path.is_dir():
            found, left_out = _in_folder(path, patterns)
            if not found:
                errors.append(FileError(f"{path}: no file in this folder matches {', '.join(patterns)}"))
            elif left_out:
                notes.append(_left_out(path, left_out, len(left_out) + len(found)))
        elif not path.exists() and any(mark in path.name for mark in "*?["):
            found = _matching(path)
            if not found:
                errors.append(FileError(f"{path}: no file matches"))
        for file in found:
            files.setdefault(file.resolve(), file)
    if errors and not files:
        raise errors[0]
    return Expanded(list(files.values()), errors, notes)


def _in_folder(folder: Path, patterns: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Return the files of a folder that match a pattern, and those that do not; hidden ones are neither."""
    matching: list[Path] = []
    others: list[Path] = []
    for entry in sorted(folder.iterdir()):
        name = entry.name.lower()
        if name.startswith(".") or not entry.is_file():
            continue
        (matching if any(fnmatchcase(name, p.lower()) for p in patterns) else others).append(entry)
    return matching, others


def _matching(path: Path) -> list[Path]:
    folder, pattern = path.parent, path.name.lower()
    if not folder.is_dir():
        return []
    return [
        entry
        for entry in sorted(folder.iterdir())
        if fnmatchcase(entry.name.lower(), pattern)
        and entry.is_file()
        and entry.name.startswith(".") == pattern.startswith(".")
    ]


def _left_out(folder: Path, files: Sequence[Path], total: int) -> str:
    counts = Counter(file.suffix.lower() or "without suffix" for file in files)
    kinds = [f"{count} {kind}" for kind, count in counts.most_common(_NAMED)]
    more = len(counts) - len(kinds)
    return (
        f"{folder}: {len(files)} of {total} files are left out, since the technique does not read their kinds "
        f"({', '.join(kinds)}{f', and {more} more kinds' if more else ''})"
    )


def read_and_prepare(
    files: Sequence[Path],
    technique: Technique,
    prior: Prior,
    *,
    reading: Mapping[str, Any],
    preparing: Mapping[str, Any],
) -> tuple[xr.Dataset, list[NescioError]]:
    """Read and prepare files one by one.

    Args:
        files: What to read.
        technique: What reads and prepares them.
        prior: Whose grid they are brought onto.
        reading: Options of the technique's `read`.
        preparing: Options of the technique's `prepare`.

    Returns:
        All measurements that could be prepared, with the notes on all of them, and the errors of the files that could
        not be.

    Raises:
        ConfigurationError: An option is wrong, whatever the file.
        NescioError: No file at all could be used; the error of the first.
    """
    prepared: list[tuple[Path, xr.Dataset]] = []
    errors: list[NescioError] = []
    notes: list[str] = []
    with track("reading", len(files)) as advance:
        for file in files:
            try:
                measured = technique.read(file, **reading)
                ready = technique.prepare(measured, prior, **preparing)
                prepared.append((file, _with_origin(ready, file, measured.attrs)))
                notes += [*notes_of(measured), *notes_of(ready)]
                if left_out := measured.attrs.get("left_out"):
                    errors.append(FileError(f"{file}: left out: {left_out}"))
            except ConfigurationError as error:
                options = " ".join(_as_written(name, one) for name, one in {**reading, **preparing}.items())
                raise ConfigurationError(f"{options}: {error}" if options else str(error)) from None
            except NescioError as error:
                errors.append(error if file.name in str(error) else type(error)(f"{file}: {error}"))
            advance(1, file.name)
    if not prepared:
        if len(errors) > 1:
            raise FileError(f"none of the {len(errors)} files can be used; the first: {errors[0]}")
        raise errors[0]
    return with_notes(combine(prepared), notes), errors


def _as_written(name: str, value: object) -> str:
    """Return an option as on the command line."""
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, tuple):
        value = ",".join(f"{one:g}" for one in value)
    return flag if value is True else f"{flag} {value}"


def _with_origin(prepared: xr.Dataset, file: Path, measured: Mapping[Any, Any]) -> xr.Dataset:
    """Note with every measurement the file it came from, and the wavelength where that is known."""
    n = prepared.sizes["measurement"]
    prepared = prepared.assign_coords(source=("measurement", [str(file)] * n))
    if (wavelength := measured.get("wavelength_angstrom")) is not None:
        attributes = {"long_name": "wavelength of the measurement", "units": "angstrom"}
        values = [float(wavelength)] * n
        prepared = prepared.assign_coords(wavelength_angstrom=("measurement", values, attributes))
    prepared.attrs.pop("source", None)
    return prepared


def _shared(attributes: Sequence[dict[Any, Any]], context: object) -> dict[Any, Any]:  # noqa: ARG001 - xarray gives it
    """Return the attributes that all have alike."""
    import numpy as np

    first, *others = attributes
    return {
        name: value
        for name, value in first.items()
        if all(name in other and np.array_equal(other[name], value) for other in others)
    }


def combine(prepared: Sequence[tuple[Path, xr.Dataset]]) -> xr.Dataset:
    """Join prepared datasets along `measurement`.

    What only some of them have (positions, compositions) is not-a-number for the others, and attributes that not
    all of them share are left out; names that occur in several files are told apart by the files' paths.
    """
    import xarray as xr

    occurrences = Counter(str(name) for _, one in prepared for name in one["measurement"].values)
    parts = []
    for file, one in prepared:
        names = [str(name) for name in one["measurement"].values]
        if any(occurrences[name] > 1 for name in names):
            names = [f"{file}: {name}" for name in names] if len(names) > 1 else [str(file)]
        # Coordinates travel as variables, since only variables may be absent from some of the parts.
        extra = [str(name) for name in one.coords if name not in one.indexes and name != "measurement"]
        parts.append(one.reset_coords(extra).assign_coords(measurement=names))
    coordinates = {str(name) for _, one in prepared for name in one.coords} - set(parts[0].indexes)
    joined = xr.concat(
        parts, dim="measurement", data_vars="all", coords="minimal", compat="override", join="outer",
        combine_attrs=_shared,
    )  # fmt: skip
    if "composition" in joined:
        fractions = joined["composition"]
        some = fractions.notnull().any("element")
        joined["composition"] = fractions.where(~(some & fractions.isnull()), 0.0)
    return joined.set_coords(sorted(coordinates & set(joined.data_vars)))
