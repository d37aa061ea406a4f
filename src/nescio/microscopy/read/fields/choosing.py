"""Which of the arrays in a file is the image, or the spectra."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from nescio.errors import FileError
from nescio.microscopy.read.fields.arrays import Field

__all__ = ["chosen", "listed", "unique_names"]


def unique_names(names: Iterable[str], other: str) -> list[str]:
    """Return names that are each there only once, numbered where need be; `other` for an empty one."""
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
    """Return the field asked for by name, or else the one that it must be.

    Args:
        path: The file, for messages.
        fields: What it holds.
        name: Full, or its last part; empty to find it.
        suitable: Whether a field has the form of what is looked for.
        what: Is looked for: "image" or "spectra", also the name of the option that chooses.
        usual: Names that decide between several suitable ones.

    Raises:
        FileError: There is none, or several and nothing decides; the message names them.
    """
    if name:
        asked = name.strip("/")
        found = [field for field in fields if field.name == asked]
        found = found or [field for field in fields if field.short_name == asked]
        if len(found) == 1:
            return found[0]
        if found:
            raise FileError(f"{path}: {name[:40]!r} may be {listed(found)}; give one of them in full")
        raise FileError(f"{path}: there is no {name[:40]!r}; it holds {listed(fields)}")
    found = [field for field in fields if suitable(field)]
    preferred = [field for field in found if field.preferred]
    named = [field for field in found if field.short_name.lower() in usual]
    for best in (preferred, named):
        if len(best) == 1:
            return best[0]
    if len(found) == 1:
        return found[0]
    if not found:
        raise FileError(f"{path}: holds no {what}; it holds {listed(fields)}")
    raise FileError(f"{path}: {listed(found)} may all be the {what}; choose with {what} = a name")


def listed(fields: Sequence[Field]) -> str:
    """Return the names and shapes of fields, for a message."""
    names = [f"{field.name} ({' x '.join(map(str, field.shape))})" for field in fields[:8]]
    more = f" and {len(fields) - 8} more" if len(fields) > 8 else ""
    return (", ".join(names)[:400] + more) or "nothing"
