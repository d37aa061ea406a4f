"""Reading and preparation of files for any technique."""

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

# Largest count of file kinds listed in a note.
_NAMED = 4


class Expanded(NamedTuple):
    """Files found for the paths on a command line."""

    files: list[Path]
    errors: list[FileError]
    """One error for each folder without readable files."""
    notes: list[str]
    """One note for each folder with skipped files."""


def expand(paths: Sequence[Path], patterns: Sequence[str]) -> Expanded:
    """Return the files for the given paths, each once.

    A folder gives its files that match a pattern, sorted by name. A path that does not exist and contains ``*``, ``?``
    or ``[`` gives the files that match it. Case is ignored.

    Args:
        paths: Files, folders and patterns.
        patterns: Patterns of readable files, such as ``*.xy``.

    Raises:
        FileError: No file was found.
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
    """Return the matching and the other files of a folder; hidden files are ignored."""
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
        f"{folder}: {len(files)} of {total} files are skipped, since the technique does not read their kinds "
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
        files: The files.
        technique: Technique that reads and prepares them.
        prior: Prior with the grid for the measurements.
        reading: Options of the technique's `read`.
        preparing: Options of the technique's `prepare`.

    Returns:
        All prepared measurements with their notes, and the errors of unusable files.

    Raises:
        ConfigurationError: An option is wrong for every file.
        NescioError: No file can be used; the message includes the first error.
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
                    errors.append(FileError(f"{file}: skipped: {left_out}"))
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
    """Return an option in command-line form."""
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, tuple):
        value = ",".join(f"{one:g}" for one in value)
    return flag if value is True else f"{flag} {value}"


def _with_origin(prepared: xr.Dataset, file: Path, measured: Mapping[Any, Any]) -> xr.Dataset:
    """Store the source file and, if known, the wavelength of every measurement."""
    n = prepared.sizes["measurement"]
    prepared = prepared.assign_coords(source=("measurement", [str(file)] * n))
    if (wavelength := measured.get("wavelength_angstrom")) is not None:
        attributes = {"long_name": "wavelength of the measurement", "units": "angstrom"}
        values = [float(wavelength)] * n
        prepared = prepared.assign_coords(wavelength_angstrom=("measurement", values, attributes))
    prepared.attrs.pop("source", None)
    return prepared


def _shared(attributes: Sequence[dict[Any, Any]], context: object) -> dict[Any, Any]:  # noqa: ARG001 - xarray gives it
    """Return the attributes that are equal in all parts."""
    import numpy as np

    first, *others = attributes
    return {
        name: value
        for name, value in first.items()
        if all(name in other and np.array_equal(other[name], value) for other in others)
    }


def combine(prepared: Sequence[tuple[Path, xr.Dataset]]) -> xr.Dataset:
    """Join prepared datasets along `measurement`.

    Variables that only some datasets have (positions, compositions) are NaN for the others. Attributes that differ are
    dropped. Names that occur in several files get the path of their file.
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
