"""From an older version of the file to the present one."""

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
"""The first leads from version 1 to 2, and so on; each is given a connection in a transaction, without triggers.

A version of Nescio that changes a table appends what changes an existing one alike.
"""


def current_version() -> int:
    """Return the version that this version of Nescio writes."""
    return 1 + len(MIGRATIONS)
