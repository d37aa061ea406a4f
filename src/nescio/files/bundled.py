"""Files shipped with the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

__all__ = ["bundled_file", "bundled_names"]


def bundled_names(package: str) -> list[str]:
    """Return the names of the files in the folder ``data`` of a package, sorted."""
    return sorted(one.name for one in (files(package) / "data").iterdir())


@contextmanager
def bundled_file(package: str, name: str) -> Iterator[Path]:
    """Provide the path of a file in the folder ``data`` of a package, valid while the block runs.

    Args:
        package: Dotted name of the package.
        name: Name of the file.
    """
    with as_file(files(package) / "data" / name) as path:
        yield path
