"""What holds for all verbs: help with an example, versions, errors of the operating system."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import nescio
from nescio import studies
from nescio.learn import LearnSettings


@pytest.mark.parametrize("verb", ["learn", "assess", "explore", "reproduce", "feff", "demo"])
def test_help_shows_an_example(stage: Any, verb: str) -> None:
    code, out, _ = stage.run(verb, "--help")
    assert code == 0
    assert f"Example: nescio {verb}" in out


def test_version_and_exit_codes_are_told(stage: Any) -> None:
    assert stage.run("--version")[:2] == (0, f"nescio {nescio.__version__}\n")
    assert "Exit codes" in stage.run("--help")[1]


def test_an_unknown_verb_or_publication_is_a_usage_error(stage: Any) -> None:
    assert stage.run("lern")[0] == 2
    code, _, err = stage.run("reproduce", "banko2020")
    assert code == 2
    assert "banko2021" in err


def test_a_file_that_cannot_be_written_is_one_line(stage: Any, tmp_path: Path) -> None:
    (tmp_path / "prior.toml").write_text('technique = "fake"\n', encoding="utf-8")
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, _, err = stage.run("learn", tmp_path / "prior.toml", "-o", tmp_path / "file" / "agent")
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_reproduce_prints_and_writes_the_numbers(
    stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    numbers = {"knn_accuracy": 0.9953, "mixture_peak_fractions": {"fcc-bcc": 0.51}, "peak_memory_mb": 900}
    monkeypatch.setattr(studies, "reproduce_banko2021", lambda **options: asked.append(options) or numbers)
    file = tmp_path / "new" / "numbers.json"
    code, out, _ = stage.run(
        "reproduce", "banko2021", "--hard", "--seed", 3, "--set", "map.guidance=0", "--json", file
    )
    assert code == 0
    settings = LearnSettings.model_validate({"training": {"seed": 3}, "map": {"guidance": 0}})
    assert asked == [{"hard": True, "folder": None, "seed": 3, "settings": settings}]
    assert json.loads(file.read_text(encoding="utf-8")) == numbers
    assert "knn accuracy" in out
    assert "0.9953" in out
    assert "fcc-bcc 0.51" in out


def test_reproduce_xanes_prints_and_writes_the_numbers(
    stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = {"mae": [0.1, 0.2], "fms_correlation": {"cu": 0.97}, "spectra_per_second": 10000.0}
    asked: list[tuple[Path | None, Path | None]] = []

    def reproduce(data: Path | None, *, folder: Path | None) -> dict[str, Any]:
        asked.append((data, folder))
        return numbers

    monkeypatch.setattr(studies, "reproduce_xanes", reproduce)
    code, out, err = stage.run("reproduce", "xanes", "--json", tmp_path / "numbers.json")
    assert code == 0
    assert "measured spectra are skipped (--data FOLDER adds them)" in err
    assert json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8")) == numbers
    assert "5000 or more" in out
    code, _, err = stage.run("reproduce", "xanes", "-o", tmp_path / "out", "--data", tmp_path)
    assert (code, err) == (0, "")
    assert asked == [(None, None), (tmp_path, tmp_path / "out")]
    for options in (("--hard",), ("--seeds", 3), ("--seed", 3)):
        code, _, err = stage.run("reproduce", "xanes", *options)
        assert code == 2
        assert "to xanes" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "afile"), "afile: is a file, where a folder is needed"),
        (("--json", "afile/numbers.json"), "afile: is a file, where a folder is needed"),
        (("--json", "folder"), "folder: is a folder, where a file is needed"),
    ],
)
def test_reproduce_refuses_an_unusable_output_before_it_measures(
    stage: Any, monkeypatch: pytest.MonkeyPatch, options: tuple[str, str], message: str
) -> None:
    monkeypatch.setattr(studies, "reproduce_banko2021", lambda **_: pytest.fail("measured"))
    Path("afile").write_text("", encoding="utf-8")
    Path("folder").mkdir()
    code, _, err = stage.run("reproduce", "banko2021", *options)
    assert (code, err) == (2, f"error: {message}\n")


def test_the_demo_says_what_it_leaves_out_without_measured_data(
    stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path | None] = []

    def demonstrate(folder: Path, *, data: Path | None) -> SimpleNamespace:
        asked.append(data)
        return SimpleNamespace(summary=lambda: "counted", report=folder / "report.html", particles=None)

    monkeypatch.setattr(studies, "demonstrate_absorption", demonstrate)
    code, out, err = stage.run("demo", "xas", "-o", "out")
    assert (code, out.splitlines()[0]) == (0, "counted")
    assert err == "measured platinum particles are skipped (--data FOLDER adds them)\n"
    code, _, err = stage.run("demo", "-o", "out", "--data", tmp_path)
    assert (code, err.count("\n")) == (2, 1)
    assert "platinum-foil.xdi: no such file; demo xas needs it" in err
    for name in ("platinum-foil.xdi", "platinum-particles.prj"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert stage.run("demo", "xas", "-o", "out", "--data", tmp_path)[::2] == (0, "")
    assert asked == [None, tmp_path]
    assert stage.run("demo", "microscope", "--data", tmp_path)[::2] == (
        2,
        "error: --data: applies to xas only, not to microscope\n",
    )
