"""A separate program that reads the main file of a SQLite database without its write-ahead log.

SQLite's locks belong to a process. The process loses them when it closes the file in another way, so this must not
happen in a process that may have the database open.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from nescio.files.apart import serve_apart
from nescio.files.source import opened_regular

_HEADER = 100
_MOST_ROWS = 1_000_000
# In the header (https://www.sqlite.org/fileformat.html): whether a write-ahead log is used, and the user's version.
_MODE, _VERSION = slice(18, 20), slice(60, 64)
_AHEAD = b"\x02\x02"


def _read(request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
    path = Path(request["path"])
    with opened_regular(path) as file:
        header = file.read(_HEADER)
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            rows = connection.execute(request["query"]).fetchmany(_MOST_ROWS)
    except sqlite3.Error:
        # The table is missing or damaged; reading the file with its log reports this.
        rows = []
    version = int.from_bytes(header[_VERSION], "big")
    return {"ahead": header[_MODE] == _AHEAD, "version": version, "rows": rows}, b""


if __name__ == "__main__":
    serve_apart(_read)
