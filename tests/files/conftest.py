"""Here files are read in the processes that users get."""

import subprocess

import pytest


@pytest.fixture(autouse=True)
def _own_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nescio.files.apart.subprocess", subprocess)
