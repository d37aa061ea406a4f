"""Names of files as printable text."""

from __future__ import annotations

from pathlib import Path

from nescio.errors import printable

__all__ = ["display_name", "short_name", "suffix_of"]

_LONGEST = 200


def display_name(path: str | Path) -> str:
    r"""Return a path as printable text; bytes that are not UTF-8 are escaped, as in ``caf\xe9``."""
    return printable(str(path))


def short_name(text: str) -> str:
    """Return a name found in a file as printable text of at most 200 characters.

    In a NumPy array of names, each name takes the memory of the longest one.
    """
    return printable(text[:_LONGEST])


def suffix_of(path: str | Path) -> str:
    """Return the suffix in lower case, without that of a compression: ``.xy`` for ``A.XY.GZ``."""
    name = Path(path).name.lower()
    for compression in (".gz", ".bz2", ".xz"):
        name = name.removesuffix(compression)
    return Path(name).suffix
