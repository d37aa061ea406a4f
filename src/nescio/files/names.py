"""Names of files as text that can be shown and kept."""

from __future__ import annotations

from pathlib import Path

from nescio.errors import printable

__all__ = ["display_name", "short_name", "suffix_of"]

_LONGEST = 200


def display_name(path: str | Path) -> str:
    r"""Return a path as text that can be shown and kept: ``caf\xe9`` for a name whose bytes are not UTF-8."""
    return printable(str(path))


def short_name(text: str) -> str:
    """Return a name that a file gives to something as text that can be shown and kept, of 200 characters at most.

    NumPy keeps names in arrays in which each takes the memory of the longest.
    """
    return printable(text[:_LONGEST])


def suffix_of(path: str | Path) -> str:
    """Return the suffix in lower case, that below a compression's where there is one: ``.xy`` of ``A.XY.GZ``."""
    name = Path(path).name.lower()
    for compression in (".gz", ".bz2", ".xz"):
        name = name.removesuffix(compression)
    return Path(name).suffix
