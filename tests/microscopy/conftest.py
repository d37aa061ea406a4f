"""What the tests of readers share."""

import pytest


@pytest.fixture
def unprobed(monkeypatch):
    """Open HDF5 files that are known to be sound without the helper process, which takes half a second each."""
    monkeypatch.setattr("nescio.files.hdf5._walked", lambda _: ({}, 0))
