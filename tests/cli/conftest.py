"""A technique, an agent and a view that do as little as the command line can tell from real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import nescio.learn
import nescio.learn.folders
import nescio.options
import nescio.techniques
import nescio.view
from nescio.cli.application import application
from nescio.errors import ConfigurationError, FileError, MeasurementError
from nescio.learn import LearnSettings
from nescio.options import TechniqueOptions

AXIS = xr.DataArray(np.linspace(20.0, 90.0, 8), dims="two_theta", name="two_theta", attrs={"units": "degree"})


OPTIONS = TechniqueOptions.model_validate(
    {
        "title": "Numbers (fake)",
        "read": {"axis": {"help": "The axis."}, "wavelength": {"help": "The wavelength.", "type": "number"}},
        "prepare": {
            "background": {"help": "The background."},
            "inverted": {"help": "Upside down.", "type": "flag"},
            "range": {"help": "The range.", "type": "numbers"},
            "smooth": {"help": "Points.", "type": "whole"},
        },
    }
)


class Prior:
    technique = "fake"
    kind = "fakes"
    labels = ("fcc", "bcc")
    axis = AXIS
    condition_names = ()


class Technique:
    """Reads files that hold one number; the number is the pattern."""

    name = "fake"

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []

    def load_prior(self, path: Path) -> Prior:
        return Prior()

    def file_patterns(self) -> tuple[str, ...]:
        return ("*.xy", "*.csv")

    def read(self, path: Path, **options: Any) -> xr.Dataset:
        self.options.append({"read": options})
        try:
            value = float(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileError(f"{path}: no such file") from None
        except ValueError:
            raise FileError(f"{path}: line 1: not a number") from None
        data = xr.Dataset(
            {"intensity": (("measurement", "two_theta"), np.full((1, 8), value))},
            {"measurement": [path.stem], "two_theta": AXIS},
            {"source": str(path)},
        )
        return data.assign_coords(x_mm=("measurement", [value])) if value > 5 else data

    def prepare(self, measured: xr.Dataset, prior: Prior, **options: Any) -> xr.Dataset:
        self.options.append({"prepare": options})
        if float(measured["intensity"].max()) < 0:
            raise MeasurementError("the pattern is negative")
        return measured.assign(
            covered=(("measurement", "two_theta"), np.ones(measured["intensity"].shape, bool)),
            problem=("measurement", [""] * measured.sizes["measurement"]),
        )


class Agent:
    kind = "fakes"
    settings_model = LearnSettings
    seed_setting = "training.seed"
    prior = Prior()
    known = Prior.labels

    def assess(self, prepared: xr.Dataset, *, alpha: float) -> xr.Dataset:
        n = prepared.sizes["measurement"]
        if not 0 < alpha < 1:
            raise ConfigurationError(f"alpha must lie between 0 and 1, not {alpha:g}")
        return prepared.assign(p_value=("measurement", np.full(n, alpha)), label=("measurement", ["fcc"] * n))

    def performance(self) -> tuple[str, ...]:
        return ("all of them are classified correctly",)

    def report_parts(self, findings: xr.Dataset) -> dict[str, Any]:
        return {"history": ({"step": 1.0, "map": 0.5},)}


@dataclass
class Stage:
    """What the fakes were asked to do, and the command line that asks them."""

    technique: Technique = field(default_factory=Technique)
    learned: list[dict[str, Any]] = field(default_factory=list)
    saved: list[Path] = field(default_factory=list)
    findings: list[xr.Dataset] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    train: Callable[[], Agent] = Agent

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error of a command."""
        result = CliRunner().invoke(application, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    stage = Stage()

    class Trained(Agent):
        @classmethod
        def train(cls, prior: Prior, settings: Any, *, checkpoint: Path, resume: bool) -> Agent:
            stage.learned.append({"settings": settings, "checkpoint": checkpoint, "resume": resume})
            (checkpoint / "checkpoint.json").write_text("{}", encoding="utf-8")
            return stage.train()

    def save(agent: Agent, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "agent.json").write_text("{}", encoding="utf-8")
        stage.saved.append(folder)

    def report(findings: xr.Dataset, path: Path, **options: Any) -> None:
        stage.reports.append({"findings": findings, "path": path, **options})

    replacements = {
        (nescio.techniques, "find_technique"): lambda name: stage.technique,
        (nescio.techniques, "available_techniques"): lambda: ("fake",),
        (nescio.options, "options_of"): lambda name: OPTIONS,
        (nescio.learn, "find_agent"): lambda kind, source: Trained,
        (nescio.learn.folders, "save_agent"): save,
        (nescio.learn, "load_agent"): lambda folder: Agent(),
        (nescio.view, "write_findings"): lambda findings, folder: stage.findings.append(findings),
        (nescio.view, "findings_report"): report,
        (nescio.view, "print_summary"): lambda findings: None,
    }
    for (module, name), replacement in replacements.items():
        monkeypatch.setattr(module, name, replacement)
    monkeypatch.chdir(tmp_path)
    return stage
