"""What all tests share: fixed random draws, and where the real measurements are that some compare with."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The first call of a property may compile; and a failure must be the same one on every machine.
settings.register_profile("nescio", deadline=None, derandomize=True)
settings.load_profile("nescio")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    folder = Path(os.environ.get("NESCIO_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no measured data at {folder} (set NESCIO_DATA)")
    return folder
