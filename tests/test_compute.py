"""Compiled programs are kept where the user says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nescio.compute import cache_directory, enable_compilation_cache, engine_problem, usable_cache
from nescio.errors import NescioWarning

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


@pytest.mark.parametrize("place", ["/proc/none", "file", "file/below", "nul\0l"])
def test_a_cache_that_cannot_be_made_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr("nescio.compute.cache_directory", lambda: tmp_path / place)
    with pytest.warns(NescioWarning, match="the cache cannot be saved"):
        assert usable_cache("jax") is None
    with pytest.warns(NescioWarning, match="the cache cannot be saved"):
        enable_compilation_cache()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("JAX_PLATFORMS", "bogus", "bogus"),
        ("JAX_PLATFORMS", "cuda", "JAX_PLATFORMS=cuda"),
        ("JAX_ENABLE_X64", "maybe", "maybe"),
    ],
)
def test_a_wrong_setting_of_jax_is_one_line(tmp_path: Path, name: str, value: str, why: str) -> None:
    (tmp_path / "prior.toml").write_text('technique = "xrd"\n', encoding="utf-8")
    program = (
        "import typer\nfrom nescio.cli.outcome import guarded\n"
        "def verb():\n    import jax\n    jax.numpy.ones(3)\ntyper.run(guarded(verb))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: JAX cannot start: ")
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_engine_that_starts_has_no_problem() -> None:
    assert engine_problem() == ""
