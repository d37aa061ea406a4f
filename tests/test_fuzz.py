"""The fuzzer runs, and finds what there is to find; `benchmarks/fuzz.py` by itself tries thousands of mutants."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = Path(__file__).parent.parent / "benchmarks" / "fuzz.py"
CARELESS = """
class Careless:
    name = "careless"

    def file_patterns(self):
        return ("*.careless",)

    def read(self, path):
        return [float(line) for line in path.read_text().splitlines()]
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def fuzz(
    figures: Path, *arguments: object, **environment: str
) -> tuple[int, dict[str, dict[str, float]], str]:
    command = [sys.executable, FUZZER, *map(str, arguments), "--json", figures]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    return done.returncode, json.loads(figures.read_text()), done.stdout + done.stderr


def test_no_mutant_of_a_pattern_escapes(tmp_path):
    code, figures, output = fuzz(tmp_path / "a.json", "xrd-text", "xrd-npz", "-n", 40)
    assert code == 0, output
    for one in figures.values():
        assert one["read"] + one["refused"] == 40
    assert figures["xrd-text"]["read"] > 0


def test_a_technique_of_somebody_else_that_fails_on_damage_is_found(tmp_path):
    site = tmp_path / "site"
    about = site / "careless-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: careless\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[nescio.techniques]\ncareless = careless:Careless\n")
    (site / "careless.py").write_text(CARELESS)
    (tmp_path / "a.careless").write_text("1.0\n2.0\n3.0\n")
    code, figures, output = fuzz(
        tmp_path / "a.json", "own-careless", "-n", 20, "--files", tmp_path, PYTHONPATH=str(site)
    )
    assert code == 1
    assert figures["own-careless"]["escape"] > 0
    assert "escape a.careless:" in output


@pytest.mark.slow
def test_no_mutant_of_any_kind_escapes(tmp_path):
    code, _, output = fuzz(tmp_path / "a.json", "-n", 200)
    assert code == 0, output
