"""Nescio starts at once: nothing heavy is loaded before it is used."""

import json
import subprocess
import sys

import pytest

HEAVY = {"jax", "matplotlib", "xarray", "scipy", "sklearn", "h5py", "gemmi", "pandas", "numpy", "spglib"}


HELP = "import sys\nsys.argv = {}\ntry:\n    nescio()\nexcept SystemExit:\n    pass"


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import nescio",
        "import nescio.cli",
        "import nescio.techniques, nescio.signals, nescio.progress, nescio.errors, nescio.compute",
        "import nescio.studies, nescio.studies.demos, nescio.explore",
        "from nescio.cli import main as nescio\n" + HELP.format("['nescio', '--help']"),
        "from nescio.cli import main as nescio\n" + HELP.format("['nescio', 'assess', '--help']"),
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_used(code: str) -> None:
    loaded = loaded_by(code)
    assert "nescio" in loaded
    assert not HEAVY & loaded


def test_absorption_is_loaded_without_what_draws() -> None:
    assert "matplotlib" not in loaded_by("import nescio.xas")


def test_the_check_sees_heavy_packages() -> None:
    assert {"numpy", "jax"} <= loaded_by("import jax")
