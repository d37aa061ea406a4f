"""A technique from outside the package works as docs/howto/technique.md says, and so does another kind of answer."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

HOWTO = Path(__file__).parents[1] / "docs" / "howto" / "technique.md"

ENTRY_POINTS = """
[project.entry-points."nescio.agents"]
areas = "nescio_lines.areas:AreaAgent"

[project.entry-points."nescio.findings"]
areas = "nescio_lines.areas:AreaView"
"""

SECOND_TECHNIQUE = """
areas = "nescio_lines.areas:Areas"
broken = "nescio_lines.no_such_module:Broken"
"""

AREAS = '''
"""A third kind of answer: the area under a signal, and how far it may be off."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import jax
from matplotlib.figure import Figure

from nescio.configuration import Settings, Whole, validated
from nescio.signals import simulated_measurements
from nescio_lines.technique import Lines, TwoLines


class AreaSettings(Settings):
    draws: Whole = 100
    seed: Whole = 0


class AreaPrior(TwoLines):
    technique = "areas"
    kind = "areas"


class Areas(Lines):
    name = "areas"

    def load_prior(self, path):
        return AreaPrior()

    def prior_from_document(self, document):
        return AreaPrior()


@dataclass(frozen=True, eq=False)
class AreaAgent:
    prior: AreaPrior
    settings: AreaSettings
    spread: float

    kind = "areas"
    settings_model = AreaSettings
    seed_setting = "seed"
    known = ("area",)
    identity = "an area"

    @classmethod
    def train(cls, prior, settings=None, *, checkpoint=None, resume=False, progress=None):
        settings = settings or AreaSettings()
        key, noise = jax.random.split(jax.random.key(settings.seed))
        ideal = prior.sample_ideal(key, settings.draws).signals
        off = prior.disturb(noise, ideal).mean(axis=1) - ideal.mean(axis=1)
        return cls(prior, settings, float(off.std()))

    def assess(self, prepared, *, alpha=0.01, progress=None):
        area = prepared["intensity"].mean("x")
        verdict = np.full(len(area), "known")
        return prepared.assign(area=area, verdict=("measurement", verdict)).assign_attrs(kind="areas")

    def reference(self, n=1000, *, seed=0):
        signals = np.asarray(self.prior.sample_ideal(jax.random.key(seed), n).signals)
        return self.assess(simulated_measurements(self.prior.axis, signals, [f"known#{i}" for i in range(n)]))

    def performance(self):
        return (f"the area is off by {self.spread:.2g}",)

    def report_parts(self, findings):
        return {"spread": self.spread}

    def document(self):
        return {"settings": self.settings.model_dump()}

    def arrays(self):
        return {"spread": np.array([self.spread])}

    @classmethod
    def restored(cls, prior, document, arrays, folder):
        return cls(prior, validated(AreaSettings, document["settings"], "settings"), float(arrays["spread"][0]))


class AreaView:
    def columns(self, findings):
        return {"area": findings["area"].values, "verdict": findings["verdict"].values}

    def summary(self, findings, table, count):
        return [f"mean area {table['area'].mean():.4f}"]

    def figure(self, findings):
        figure = Figure()
        figure.add_subplot(ylabel="area").plot(findings["area"].values)
        return figure

    def report(self, findings, *, path, provenance, spread):
        Path(path).write_text(f"spread {spread}", encoding="utf-8")
        return Path(path)
'''


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the package of the how-to, with a further kind beside it; return the environment of a process with it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    blocks = re.findall(
        r"```(?:toml|python)\n# (\S+)\n(.*?)```", HOWTO.read_text(encoding="utf-8"), re.DOTALL
    )
    files = dict(blocks)
    assert set(files) == {
        "pyproject.toml",
        "nescio_lines/technique.py",
        "nescio_lines/options.toml",
        "lines.toml",
    }
    files["pyproject.toml"] = (
        files["pyproject.toml"].replace("\n[tool.hatch", f"{SECOND_TECHNIQUE}\n[tool.hatch") + ENTRY_POINTS
    )
    files |= {"nescio_lines/areas.py": AREAS, "nescio_lines/__init__.py": ""}
    for name, content in files.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(content, encoding="utf-8")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)], check=True
    )
    return {**os.environ, "PYTHONPATH": str(target), "LINES": str(source / "lines.toml"), "COLUMNS": "100"}


SEVERAL = """
import contextlib, io, json, sys
from nescio.cli import main

answers = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["nescio", *arguments]
    code, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    answers.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(answers))
"""


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run(environment: dict[str, str], *commands: Sequence[object]) -> list[Done]:
    """Run commands one after the other in a process that has the package: to start JAX for each would take longer."""
    arguments = json.dumps([[str(one) for one in command] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Done(*one) for one in json.loads(done.stdout)]


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "findings.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    folder = tmp_path / "measured"
    folder.mkdir()
    x = np.linspace(-0.1, 0.9, 300)
    for name, centre in {"low": 0.2, "high": 0.6, "odd": 0.4}.items():
        y = 5.0 + 20.0 * np.exp(-(((x - centre) / 0.05) ** 2))
        np.savetxt(folder / f"{name}.LINE", np.column_stack([x, y]))
    return folder


def test_a_technique_from_outside_learns_and_assesses(
    installed: dict[str, str], measured: Path, tmp_path: Path
) -> None:
    agent, out = tmp_path / "agent", tmp_path / "out"
    learned, found, wrong_option, wrong_number = run(
        installed,
        ("learn", installed["LINES"], "-o", agent),
        ("assess", agent, measured, "-o", out, "--offset", 0.1, "--flat", "--report"),
        ("assess", agent, measured, "-o", tmp_path / "no", "--wavelength", "CuKa"),
        ("assess", agent, measured, "-o", tmp_path / "no", "--offset", "far"),
    )
    assert learned.returncode == 0, learned.stderr
    assert "learned low, high in" in learned.stdout
    assert found.returncode == 0, found.stderr
    rows = {row["name"]: row for row in table(tmp_path / "out")}
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "low": "known",
        "high": "known",
        "odd": "novel",
    }
    assert [rows[name]["label"] for name in ("low", "high")] == ["low", "high"]
    assert "<html" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")

    assert (wrong_option.returncode, wrong_option.stderr) == (
        2,
        "error: --wavelength: technique 'lines' has no such option (its options: --offset, --flat)\n",
    )
    assert (wrong_number.returncode, wrong_number.stderr) == (2, "error: --offset far: needs a number\n")


def test_help_lists_options_by_technique_and_imports_none(installed: dict[str, str]) -> None:
    code = (
        "import sys\nfrom nescio.cli import main\ntry: main()\nexcept SystemExit: print(sorted(sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, "assess", "--help"],
        env=installed,
        capture_output=True,
        text=True,
        check=True,
    )
    for text in (
        "Lines (lines)",
        "--offset",
        "NUMBER",
        "--flat",
        "Diffraction patterns (xrd)",
        "--wavelength",
    ):
        assert text in shown.stdout
    assert "'nescio_lines'" not in shown.stdout.splitlines()[-1]


def test_another_kind_of_answer_needs_no_change(
    installed: dict[str, str], measured: Path, tmp_path: Path
) -> None:
    prior = tmp_path / "areas.toml"
    prior.write_text('technique = "areas"\n[learn]\ndraws = 50\n', encoding="utf-8")
    learned, found = run(
        installed,
        ("learn", prior, "-o", tmp_path / "agent", "--seed", 3),
        ("assess", tmp_path / "agent", measured, "-o", tmp_path / "out", "--flat", "--report"),
    )
    assert learned.returncode == 0, learned.stderr
    assert "learned area in" in learned.stdout
    assert "the area is off by" in learned.stdout
    assert found.returncode == 0, found.stderr
    assert "mean area" in found.stdout
    area = np.mean(np.exp(-(((np.linspace(0.0, 1.0, 128) - 0.4) / 0.05) ** 2)))
    values = {row["name"]: float(row["area"]) for row in table(tmp_path / "out")}
    assert values["odd"] == pytest.approx(area, rel=1e-2)
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").startswith("spread ")
    script = (
        "import sys, nescio\n"
        "findings = nescio.assess(nescio.load_agent(sys.argv[1]), sys.argv[2])\n"
        "print(nescio.plot(findings).axes[0].get_ylabel(), len(nescio.table(findings)))\n"
    )
    face = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "agent"), str(measured)],
        env=installed,
        capture_output=True,
        text=True,
        check=True,
    )
    assert face.stdout == "area 3\n"


def test_a_technique_that_cannot_be_imported_is_one_line(installed: dict[str, str], tmp_path: Path) -> None:
    prior = tmp_path / "broken.toml"
    prior.write_text('technique = "broken"\n', encoding="utf-8")
    (done,) = run(installed, ("learn", prior, "-o", tmp_path / "agent"))
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: nescio.techniques: 'broken' (nescio_lines.no_such_module:Broken) cannot"
    )
    assert done.stderr.count("\n") == 1
