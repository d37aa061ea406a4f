"""The demonstration from end to end, with networks too small to be any good."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nescio.errors import CheckpointError, InterruptedTrainingError
from nescio.learn import LearnSettings, load_agent
from nescio.studies.demos import diffraction as demo
from nescio.studies.demos.diffraction import demonstrate_diffraction, print_outcome


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, tiny: LearnSettings) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nescio.view.report.figure_png", lambda figure: b"png")
        return folder, demonstrate_diffraction(folder, settings=tiny, progress=False)


def test_it_leaves_an_agent_findings_and_a_report(outcome: tuple[Path, Path]) -> None:
    folder, report = outcome
    assert report == folder / "report.html"
    assert sorted(p.name for p in folder.iterdir()) == [
        "agent",
        "findings.csv",
        "findings.nc",
        "map.png",
        "report.html",
    ]
    assert load_agent(folder / "agent").labels == ("Fm-3m", "Im-3m", "P6_3/mmc")
    with xr.open_dataset(folder / "findings.nc", engine="h5netcdf") as findings:
        assert set(findings["group"].values) == {"pure", "mixed", "unknown"}
        assert set(findings["verdict"].values) <= {"known", "novel"}
        assert np.isfinite(findings["p_value"].values).all()
        rows = findings.sizes["measurement"]
    assert (folder / "findings.csv").read_text(encoding="utf-8").count("\n") == rows + 1


def test_the_report_holds_all_sections_and_asks_nothing_of_the_outside(outcome: tuple[Path, Path]) -> None:
    text = outcome[1].read_text(encoding="utf-8")
    for section in (
        "Summary",
        "Verdict, class and novelty by position",
        "Verdict, class and novelty by composition",
        "Tests on simulated pure, mixed and unknown signals",
        "Calibration of the agent",
        "Provenance",
    ):
        assert section in text
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)""", text)
    assert not re.search(r"@import|url\(|https?://", text)


def wafer_findings() -> xr.Dataset:
    """Ten places: six pure of which one is misnamed and one flagged, two mixed, two of the unknown phase."""
    phases = ["Fm-3m", "Im-3m", "P4_2/mnm"]
    fraction = np.array([[1, 0, 0]] * 4 + [[0, 1, 0]] * 2 + [[0.5, 0.5, 0], [0, 0.4, 0.6]] + [[0, 0, 1]] * 2)
    label = ["Fm-3m"] * 4 + ["Im-3m", "Fm-3m"] + ["Im-3m", "Fm-3m"] + ["Fm-3m"] * 2
    verdict = ["novel"] + ["known"] * 5 + ["novel", "known"] + ["novel"] * 2
    return xr.Dataset(
        {
            "label": ("measurement", label),
            "verdict": ("measurement", verdict),
            "phase_fraction": (("measurement", "phase"), fraction),
            "group": ("measurement", ["pure"] * 6 + ["mixed"] * 2 + ["unknown"] * 2),
        },
        {"phase": phases},
        {"alpha": 0.01},
    )


def test_the_table_counts_what_was_flagged_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    print_outcome(wafer_findings())
    lines = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()
    ]
    rows = {line[0]: line[1:] for line in lines if line}
    assert rows == {
        "one known phase": ["6", "1 (17%)", "5 (83%)"],
        "mixture of phases": ["2", "1 (50%)", "1 (50%)"],
        "sigma (not in the training)": ["2", "2 (100%)", "–"],
    }


def test_an_interrupted_demo_goes_on_and_a_foreign_state_is_no_obstacle(
    outcome: tuple[Path, Path], tiny: LearnSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = load_agent(outcome[0] / "agent")
    asked: list[bool] = []

    def learn(
        prior: object, settings: object, *, checkpoint: Path, resume: bool = False, progress: object
    ) -> object:
        asked.append(resume)
        (checkpoint / "checkpoint.json").write_text("{}", encoding="utf-8")
        if len(asked) == 1:
            raise InterruptedTrainingError("run the same command with --resume to go on")
        if len(asked) == 2:
            raise CheckpointError("of another prior")
        return agent

    monkeypatch.setattr(demo.ClassAgent, "train", learn)
    with pytest.raises(InterruptedTrainingError, match="run the same command again"):
        demo._learned(agent.prior, tiny, tmp_path, False)
    assert (tmp_path / "agent.checkpoint").is_dir()
    assert demo._learned(agent.prior, tiny, tmp_path, False) is agent
    assert asked == [True, True, False]
    assert [p.name for p in tmp_path.iterdir()] == ["agent"]
