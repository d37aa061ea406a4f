"""Where the real measurements are that some tests compare with."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    folder = Path(os.environ.get("NESCIO_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no measured data at {folder} (set NESCIO_DATA)")
    return folder
