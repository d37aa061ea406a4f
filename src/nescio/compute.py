"""Settings of the numerical engine that hold for a whole process."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["cache_directory", "enable_compilation_cache", "return_freed_memory"]


def cache_directory() -> Path:
    """Return where Nescio keeps what it can compute again: `NESCIO_CACHE`, else the user's cache folder."""
    if given := os.environ.get("NESCIO_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nescio"


def enable_compilation_cache() -> None:
    """Keep compiled programs on disk, so that a second run of any command compiles nothing.

    The command line calls this; a library user who wants the same calls it before the first computation.
    """
    import jax

    folder = cache_directory() / "jax"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": 0,
    }
    update: Callable[[str, object], None] = jax.config.update
    for name, value in settings.items():
        update(name, value)


def return_freed_memory() -> None:
    """Give what the compiler used and freed back to the system: hundreds of megabytes that glibc keeps otherwise.

    To be called after a large program has been compiled. Does nothing where the C library has no `malloc_trim`.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
