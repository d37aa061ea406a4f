"""Migrations from older versions of the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

__all__ = ["MIGRATIONS", "current_version"]


def _add_seals(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE "seal" (
  id INTEGER PRIMARY KEY,
  "token" TEXT NOT NULL CHECK (typeof("token") IN ('text')),
  "measurements" INTEGER NOT NULL CHECK (typeof("measurements") IN ('integer'))
)"""
    )


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_add_seals,)
"""The first migrates from version 1 to 2, and so on. Each runs in a transaction, without triggers.

When a table changes, append a migration that changes existing files in the same way.
"""


def current_version() -> int:
    """Return the version of the file that this version of Nescio writes."""
    return 1 + len(MIGRATIONS)
