"""Compiled programs are kept where the user says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nescio.compute import cache_directory

COMPILE = """
from nescio.compute import enable_compilation_cache
enable_compilation_cache()
import jax
jax.jit(lambda x: x * 2.0)(3.0).block_until_ready()
"""


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NESCIO_CACHE", str(tmp_path))
    assert cache_directory() == tmp_path
    monkeypatch.delenv("NESCIO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg" / "nescio"


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "NESCIO_CACHE": str(tmp_path)}
    kept = []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COMPILE], env=environment, check=True, capture_output=True)
        kept.append(
            sorted(file.name for file in (tmp_path / "jax").iterdir() if file.name.endswith("-cache"))
        )
    assert kept[0]
    assert kept[1] == kept[0]
