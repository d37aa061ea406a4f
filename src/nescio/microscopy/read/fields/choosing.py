"""Choice of the image or the spectra among the arrays of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from nescio.errors import FileError
from nescio.microscopy.read.fields.arrays import Field

__all__ = ["chosen", "listed", "unique_names"]


def unique_names(names: Iterable[str], other: str) -> list[str]:
    """Return unique names, numbered if necessary; empty names become `other`."""
    found: list[str] = []
    for name in names:
        name = name.strip() or other
        alike = sum(before == name or before.startswith(f"{name} #") for before in found)
        found.append(f"{name} #{alike + 1}" if alike else name)
    return found


def chosen(
    path: Path,
    fields: Sequence[Field],
    name: str,
    suitable: Callable[[Field], bool],
    what: str,
    usual: Sequence[str],
) -> Field:
    """Return the field with a given name, or the only suitable field.

    Args:
        path: The file, for messages.
        fields: The fields of the file.
        name: Full name, or its last part; if empty, a suitable field is chosen.
        suitable: Function that tells whether a field is suitable.
        what: "image" or "spectra", for messages; also the name of the option that chooses.
        usual: Usual names, which decide between several suitable fields.

    Raises:
        FileError: There is no suitable field, or there are several; the message lists them.
    """
    if name:
        asked = name.strip("/")
        found = [field for field in fields if field.name == asked]
        found = found or [field for field in fields if field.short_name == asked]
        if len(found) == 1:
            return found[0]
        if found:
            raise FileError(f"{path}: {name[:40]!r} is ambiguous: {listed(found)}; give the full name")
        raise FileError(f"{path}: there is no array {name[:40]!r}; the file contains {listed(fields)}")
    found = [field for field in fields if suitable(field)]
    preferred = [field for field in found if field.preferred]
    named = [field for field in found if field.short_name.lower() in usual]
    for best in (preferred, named):
        if len(best) == 1:
            return best[0]
    if len(found) == 1:
        return found[0]
    if not found:
        raise FileError(f"{path}: contains no {what}; it contains {listed(fields)}")
    raise FileError(f"{path}: several arrays may be the {what}: {listed(found)}; choose one with {what}=NAME")


def listed(fields: Sequence[Field]) -> str:
    """Return the names and shapes of fields, for a message."""
    names = [f"{field.name} ({' x '.join(map(str, field.shape))})" for field in fields[:8]]
    more = f" and {len(fields) - 8} more" if len(fields) > 8 else ""
    return (", ".join(names)[:400] + more) or "nothing"
