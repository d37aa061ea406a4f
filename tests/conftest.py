"""What all tests share: fixed random draws, and where the real measurements are that some compare with."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from hypothesis import settings

# The first call of a property may compile; and a failure must be the same one on every machine.
settings.register_profile("nescio", deadline=None, derandomize=True)
settings.load_profile("nescio")


@pytest.fixture(scope="module", autouse=True)
def _few_programs() -> Iterator[None]:
    """Let go of a module's compiled programs: each takes some memory maps, of which a process may have 65,530."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session", autouse=True)
def _readers_fork() -> Iterator[None]:
    """Fork the processes in which files are read: to start Python and its libraries for each takes a second or more.

    The processes that users get are tested in tests/files and by what runs the command line in a process of its own.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    from benchmarks.fuzz_apart import fork_instead

    end = fork_instead()
    yield
    end()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of measured data; a test that asks for it is skipped where there is none."""
    folder = Path(os.environ.get("NESCIO_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no measured data at {folder} (set NESCIO_DATA)")
    return folder
