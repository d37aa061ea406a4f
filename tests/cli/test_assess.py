"""`nescio assess`: all files that can be read are assessed together, the others are named."""

from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import xarray as xr

from nescio.errors import ConfigurationError
from nescio.measurements import combine
from nescio.signals import notes_of, with_notes


@pytest.fixture
def wafer(tmp_path: Path) -> Path:
    folder = tmp_path / "wafer"
    folder.mkdir()
    for name, value in {"b.xy": 2.0, "a.xy": 1.0, "c.csv": 9.0}.items():
        (folder / name).write_text(str(value), encoding="utf-8")
    return folder


def test_a_folder_stands_for_the_files_that_can_be_read(stage: Any, wafer: Path) -> None:
    code, _, err = stage.run("assess", "agent", wafer, wafer / "a.xy", "-o", "out", "--alpha", 0.05)
    assert (code, err) == (0, "")
    findings = stage.findings[0]
    assert list(findings["measurement"].values) == ["a", "b", "c"]
    assert findings["intensity"].values[:, 0].tolist() == [1.0, 2.0, 9.0]
    assert set(findings["p_value"].values) == {0.05}
    assert np.isnan(findings["x_mm"].values[:2]).all()
    assert findings["x_mm"].values[2] == 9.0
    assert not stage.reports


def test_a_bad_file_among_many_is_reported_and_the_rest_assessed(stage: Any, wafer: Path) -> None:
    (wafer / "bad.xy").write_text("", encoding="utf-8")
    (wafer / "negative.xy").write_text("-1", encoding="utf-8")
    code, _, err = stage.run("assess", "agent", wafer, wafer / "absent.xy", "-o", "out")
    assert code == 1
    assert err.splitlines() == [
        f"error: {wafer / 'bad.xy'}: line 1: not a number",
        f"error: {wafer / 'negative.xy'}: the pattern is negative",
        f"error: {wafer / 'absent.xy'}: no such file",
    ]
    assert stage.findings[0].sizes["measurement"] == 3


def test_no_usable_file_is_an_error(stage: Any, wafer: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (wafer / "notes.txt").write_text("not a measurement", encoding="utf-8")
    for paths, message in (
        ([wafer / "absent.xy"], "absent.xy: no such file"),
        ([wafer / "absent.xy", wafer / "notes.txt"], "none of the 2 files can be used; the first: "),
        ([tmp_path / "empty"], "no file in this folder matches *.xy, *.csv"),
    ):
        code, _, err = stage.run("assess", "agent", *paths, "-o", "out")
        assert code == 2
        assert message in err
        assert err.count("\n") == 1
    assert not stage.findings


def test_an_empty_folder_among_the_files_is_reported_and_the_rest_assessed(
    stage: Any, wafer: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = stage.run("assess", "agent", tmp_path / "empty", wafer, "-o", "out")
    assert code == 1
    assert err == f"error: {tmp_path / 'empty'}: no file in this folder matches *.xy, *.csv\n"
    assert stage.findings[0].sizes["measurement"] == 3


def test_a_wrong_option_is_not_blamed_on_a_file(
    stage: Any, wafer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **options: Any) -> NoReturn:
        raise ConfigurationError("axis 'foo' is unknown")

    monkeypatch.setattr(stage.technique, "read", refuse)
    code, _, err = stage.run("assess", "agent", wafer, "-o", "out", "--axis", "foo")
    assert (code, err) == (2, "error: --axis foo: axis 'foo' is unknown\n")


def test_an_output_that_is_a_file_is_told_before_anything_is_assessed(stage: Any, wafer: Path) -> None:
    Path("afile").write_text("", encoding="utf-8")
    code, _, err = stage.run("assess", "agent", wafer, "-o", "afile")
    assert (code, err) == (2, "error: afile: is a file, where a folder is needed\n")
    assert not stage.findings


def test_every_measurement_says_where_it_came_from_and_its_wavelength(
    stage: Any, wafer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = stage.technique.read

    def with_wavelength(path: Path, **options: Any) -> xr.Dataset:
        attributes = {"a.xy": {"wavelength_angstrom": 1.5406, "counting_time_seconds": 5.0}}
        return read(path, **options).assign_attrs(beamline="B1", **attributes.get(path.name, {}))

    monkeypatch.setattr(stage.technique, "read", with_wavelength)
    stage.run("assess", "agent", wafer, "-o", "out")
    findings = stage.findings[0]
    assert findings.coords["source"].values.tolist() == [str(wafer / n) for n in ("a.xy", "b.xy", "c.csv")]
    np.testing.assert_array_equal(findings.coords["wavelength_angstrom"], [1.5406, np.nan, np.nan])
    assert findings.attrs == {"beamline": "B1"}


def test_only_options_that_were_given_reach_the_technique(stage: Any, wafer: Path) -> None:
    stage.run("assess", "agent", wafer / "a.xy", "-o", "out")
    given = [
        "--wavelength",
        1.54,
        "--axis",
        "q",
        "--background",
        "snip",
        "--inverted",
        "--range",
        "-1,2.5",
        "--smooth",
        5,
    ]
    stage.run("assess", "agent", wafer / "a.xy", "-o", "out", *given)
    assert stage.technique.options == [
        {"read": {}},
        {"prepare": {}},
        {"read": {"wavelength": 1.54, "axis": "q"}},
        {"prepare": {"background": "snip", "inverted": True, "range": (-1.0, 2.5), "smooth": 5}},
    ]


def test_the_report_says_where_its_figures_come_from(stage: Any, wafer: Path) -> None:
    stage.run("assess", "agent", wafer, "-o", "out", "--report")
    (options,) = stage.reports
    assert options["path"] == Path("out/report.html")
    assert options["provenance"]["agent"] == "agent"
    assert options["provenance"]["alpha"] == "0.01"
    assert options["history"] == ({"step": 1.0, "map": 0.5},)


def test_notes_of_readers_are_printed_once_and_go_with_findings_and_report(
    stage: Any, wafer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = stage.technique.read
    monkeypatch.setattr(
        stage.technique,
        "read",
        lambda path, **options: with_notes(read(path, **options), ["all: alike", f"{path.name}: of its own"]),
    )
    prior = type(stage.technique.load_prior(wafer))
    monkeypatch.setattr(prior, "notes", ("phase.cif: of the prior",), raising=False)
    code, _, err = stage.run("assess", "agent", wafer, "-o", "out", "--report")
    files = ["a.xy", "b.xy", "c.csv"]
    assert code == 0
    assert err.splitlines() == ["note: all: alike", *(f"note: {name}: of its own" for name in files)]
    (wafer / "d.xy").write_text("3.0", encoding="utf-8")
    _, _, err = stage.run("assess", "agent", wafer, "-o", "out")
    assert err.splitlines() == ["note: all: alike", "note: a.xy and 3 more: of its own"]
    assert notes_of(stage.findings[0]) == ("all: alike", *(f"{name}: of its own" for name in files))
    assert notes_of(stage.reports[0]["findings"])[-1] == "phase.cif: of the prior"


def test_an_impossible_alpha_is_refused(stage: Any, wafer: Path) -> None:
    code, _, err = stage.run("assess", "agent", wafer, "-o", "out", "--alpha", 1.5)
    assert code == 2
    assert "alpha must lie between 0 and 1, not 1.5" in err


def test_upper_and_lower_case_are_the_same_and_what_is_left_out_is_said(stage: Any, wafer: Path) -> None:
    for name in ("D.XY", "e.Csv"):
        (wafer / name).write_text("4.0", encoding="utf-8")
    for name in ("photo.png", "other.PNG", "notes.docx", ".hidden"):
        (wafer / name).write_text("", encoding="utf-8")
    (wafer / "deeper").mkdir()
    code, _, err = stage.run("assess", "agent", wafer, "-o", "out")
    assert code == 0
    assert err == (
        f"note: {wafer}: 3 of 8 files are skipped, since the technique does not read their kinds "
        "(2 .png, 1 .docx)\n"
    )
    assert list(stage.findings[0]["measurement"].values) == ["D", "a", "b", "c", "e"]


@pytest.mark.parametrize(
    ("pattern", "names"), [("*.xy", ["D", "a", "b"]), ("?.CSV", ["c"]), ("[ab].XY", ["a", "b"])]
)
def test_a_pattern_that_the_shell_did_not_expand_is_expanded(
    stage: Any, wafer: Path, pattern: str, names: list[str]
) -> None:
    (wafer / "D.XY").write_text("4.0", encoding="utf-8")
    code, _, err = stage.run("assess", "agent", wafer / pattern, "-o", "out")
    assert (code, err) == (0, "")
    assert list(stage.findings[0]["measurement"].values) == names


def test_a_file_whose_name_looks_like_a_pattern_is_itself(stage: Any, wafer: Path) -> None:
    (wafer / "[ab].xy").write_text("4.0", encoding="utf-8")
    stage.run("assess", "agent", wafer / "[ab].xy", "-o", "out")
    assert list(stage.findings[0]["measurement"].values) == ["[ab]"]


def test_a_pattern_without_files_is_an_error(stage: Any, wafer: Path) -> None:
    code, _, err = stage.run("assess", "agent", wafer / "*.raw", "-o", "out")
    assert (code, err) == (2, f"error: {wafer / '*.raw'}: no file matches\n")


def test_a_value_of_the_wrong_type_is_one_line(stage: Any, wafer: Path) -> None:
    for given, message in (
        (("--wavelength", "CuKa"), "--wavelength CuKa: needs a number"),
        (("--wavelength", "nan"), "--wavelength nan: needs a number"),
        (("--smooth", "2.5"), "--smooth 2.5: needs a whole number"),
        (("--range", "1;2"), "--range 1;2: needs numbers, separated by commas"),
    ):
        code, _, err = stage.run("assess", "agent", wafer, "-o", "out", *given)
        assert code == 2
        assert err.startswith(f"error: {message}")
        assert err.count("\n") == 1
    assert stage.run("assess", "agent", wafer, "-o", "out", "--no-such-option", "1")[0] == 2


def _part(names: list[str], **composition: float) -> xr.Dataset:
    part = xr.Dataset(
        {"intensity": (("measurement", "q"), np.ones((len(names), 3)))},
        {"measurement": names, "q": [1.0, 2.0, 3.0]},
    )
    if not composition:
        return part
    fractions = np.tile(list(composition.values()), (len(names), 1))
    return part.assign_coords(
        composition=(("measurement", "element"), fractions), element=list(composition)
    )  # fmt: skip


def test_equal_names_are_told_apart_by_their_files() -> None:
    joined = combine(
        [
            (Path("a/p.xy"), _part(["p"])),
            (Path("b/p.xy"), _part(["p"])),
            (Path("c.npz"), _part(["c#0", "c#1"])),
            (Path("d1/m.csv"), _part(["left", "right"])),
            (Path("d2/m.csv"), _part(["left", "middle"])),
        ]
    )
    assert list(joined["measurement"].values) == [
        "a/p.xy", "b/p.xy", "c#0", "c#1",
        "d1/m.csv: left", "d1/m.csv: right", "d2/m.csv: left", "d2/m.csv: middle",
    ]  # fmt: skip


def test_compositions_of_different_elements_share_one_table() -> None:
    joined = combine(
        [
            (Path("a"), _part(["a"], Co=0.25, Ni=0.75)),
            (Path("b"), _part(["b"], Ni=0.5, Zr=0.5)),
            (Path("c"), _part(["c"])),
        ]
    )
    table = joined["composition"].transpose("measurement", "element").sel(element=["Co", "Ni", "Zr"]).values
    np.testing.assert_array_equal(table, [[0.25, 0.75, 0.0], [0.0, 0.5, 0.5], [np.nan] * 3])
    assert "composition" in joined.coords
