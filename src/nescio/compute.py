"""Process-wide settings of the numerical engine."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from nescio.errors import NescioWarning

__all__ = [
    "cache_directory",
    "enable_compilation_cache",
    "engine_problem",
    "return_freed_memory",
    "usable_cache",
]


def cache_directory() -> Path:
    """Return the cache folder of Nescio: `NESCIO_CACHE` if set, else ``nescio`` in the user's cache folder."""
    if given := os.environ.get("NESCIO_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nescio"


def usable_cache(name: str) -> Path | None:
    """Return a folder inside the cache, made if missing; warn and return None if it is not writable.

    Args:
        name: Name of the folder.
    """
    folder = cache_directory() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        warnings.warn(
            f"{folder}: the cache cannot be saved ({why}); set NESCIO_CACHE to another folder",
            NescioWarning,
            stacklevel=2,
        )
        return None
    return folder


def enable_compilation_cache() -> None:
    """Keep compiled programs on disk, so that later runs need not compile them again.

    The command line calls this function. In a script, call it before the first computation. Warns if the cache folder
    is not writable.
    """
    import jax

    folder = usable_cache("jax")
    if folder is None:
        return
    settings = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": 0,
    }
    update: Callable[[str, object], None] = jax.config.update
    for name, value in settings.items():
        update(name, value)


def engine_problem() -> str:
    """Return the reason why JAX cannot start (such as a wrong JAX_PLATFORMS) in one line; empty if it can."""
    try:
        import jax

        jax.devices()
    except Exception as error:  # whatever JAX and its plugins fail with
        given = [f"{key}={value}" for key, value in os.environ.items() if key.startswith(("JAX_", "XLA_"))]
        where = f"; the environment sets {', '.join(sorted(given))}" if given else ""
        why = " ".join(str(error).split()) or type(error).__name__
        return f"JAX cannot start: {why}{where}"
    return ""


def return_freed_memory() -> None:
    """Return memory freed by the compiler to the system; otherwise glibc keeps hundreds of megabytes.

    Call this after compiling a large program. Does nothing if the C library has no `malloc_trim`.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
