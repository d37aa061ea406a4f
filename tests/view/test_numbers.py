"""Figures and the report of numbers: what is drawn is what was told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nescio.errors import MeasurementError
from nescio.view import (
    figure_png,
    findings_table,
    numbers_against_truth,
    numbers_of_measurements,
    numbers_report,
    print_summary,
    saliency_curves,
    signals_among_known,
    structures_in_space,
    training_space,
    write_findings,
)
from nescio.view.findings.cells import concise

X = np.linspace(0.0, 1.0, 30)


def told(n: int = 6, *, truth: bool = False, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    true = rng.uniform(0.0, 10.0, (n, 2))
    value = true + rng.normal(0.0, 0.2, true.shape)
    verdict = np.array(["novel" if i == 1 else "known" for i in range(n)])
    both = ("measurement", "quantity")
    found = xr.Dataset(
        {
            "intensity": (
                ("measurement", "energy"), np.sin(X * true[:, :1]), {"long_name": "difference", "units": "1"},
            ),
            "reconstruction": (("measurement", "energy"), np.sin(X * value[:, :1])),
            "latent": (("measurement", "latent_dimension"), rng.normal(size=(n, 3))),
            "value": (both, value),
            "low": (both, value - 0.4),
            "high": (both, value + 0.4),
            "aleatoric": (both, np.full_like(value, 0.2)),
            "epistemic": (both, np.full_like(value, 0.1)),
            "systematic": (both, np.full_like(value, 0.3)),
            "p_value": ("measurement", np.where(verdict == "novel", 0.001, 0.5)),
            "verdict": ("measurement", verdict),
            "reason": ("measurement", [f"reason <{i}>" for i in range(n)]),
            "structures": ("measurement", ["octahedron; sphere"] * n),
        },
        {
            "measurement": [f"s{i}" for i in range(n)],
            "energy": ("energy", X, {"units": "eV", "long_name": "energy"}),
            "quantity": ["C1", "R"],
            "quantity_units": ("quantity", ["1", "angstrom"]),
            "quantity_long_name": ("quantity", ["neighbours", "distance"]),
            "time": ("measurement", np.arange(n) * 2.0, {"units": "min", "long_name": "time"}),
        },
        {"kind": "numbers", "alpha": 0.01, "level": 0.9},
    )  # fmt: skip
    return found.assign(truth=(both, true)) if truth else found


def with_one_that_cannot_be_read() -> xr.Dataset:
    found = told()
    for name in ("value", "low", "high", "intensity", "p_value", "latent", "reconstruction"):
        found[name][2] = np.nan
    found["verdict"] = (
        "measurement",
        ["unreadable" if i == 2 else v for i, v in enumerate(found["verdict"].values)],
    )
    return found


def test_every_number_is_drawn_with_its_interval_and_novel_ones_hollow() -> None:
    figure = numbers_of_measurements(told(), "time")
    c1, r, p = figure.axes
    known, novel = (next(line for line in c1.lines if line.get_marker() == marker) for marker in ("o", "s"))
    np.testing.assert_allclose(known.get_ydata(), told()["value"].values[[0, 2, 3, 4, 5], 0])
    assert list(known.get_xdata()) == [0.0, 4.0, 6.0, 8.0, 10.0]
    np.testing.assert_allclose(novel.get_ydata(), told()["value"].values[[1], 0])
    assert novel.get_markerfacecolor() == "white"
    assert (c1.get_ylabel(), r.get_ylabel(), p.get_ylabel(), p.get_xlabel()) == (
        "C1",
        "R (angstrom)",
        "p-value",
        "time (min)",
    )
    further, interval = (np.array(lines.get_segments())[0, :, 1] for lines in c1.collections[:2])
    assert np.diff(interval) == pytest.approx(0.8)
    assert np.diff(further) == pytest.approx(1.0)


def test_what_is_far_outside_of_all_known_is_an_arrow_at_the_edge() -> None:
    findings = told()
    findings["value"][3, 0] = 500.0
    findings["value"][4, 0] = -90.0
    axes = numbers_of_measurements(findings, reference=told(50, truth=True, seed=1)).axes[0]
    low, high = axes.get_ylim()
    assert -5.0 < low < high < 15.0
    arrows = {line.get_marker(): line for line in axes.lines if line.get_marker() in ("v", "^")}
    assert list(arrows["^"].get_xdata()) == [3.0]
    assert list(arrows["v"].get_xdata()) == [4.0]
    assert low < arrows["v"].get_ydata()[0] < arrows["^"].get_ydata()[0] < high


def test_figures_of_numbers_are_drawn_whatever_is_missing() -> None:
    reference = told(80, truth=True, seed=1)
    truth = numbers_against_truth(reference)
    held = np.mean(np.abs(reference["value"] - reference["truth"]).values[:, 0] <= 0.4)
    assert f"{held:.0%} in interval" in truth.axes[0].get_title()
    assert truth.axes[1].get_xlabel() == "true R (angstrom)"
    findings = with_one_that_cannot_be_read()
    curves = signals_among_known(findings, reference).axes[0]
    assert len([line for line in curves.lines if len(line.get_xdata()) == len(X)]) == 5
    assert sum(line.get_linestyle() == "--" for line in curves.lines) == 1
    assert (curves.get_xlabel(), curves.get_ylabel()) == ("energy (eV)", "difference")
    places = training_space(findings, reference).axes[0].collections
    assert [len(one.get_offsets()) for one in places] == [80, 4, 1]
    for figure in (
        numbers_of_measurements(findings),
        numbers_of_measurements(findings.isel(measurement=[2])),
        signals_among_known(findings.isel(measurement=[2])),
        structures_in_space([]),
    ):
        assert figure_png(figure).startswith(b"\x89PNG")
    with pytest.raises(MeasurementError, match="no variable 'value'"):
        numbers_of_measurements(findings.drop_vars("value"))


def test_saliency_and_atoms_are_drawn() -> None:
    saliency = xr.DataArray(
        np.array([np.ones(30), np.linspace(0.0, 4.0, 30)]),
        dims=("quantity", "energy"),
        coords={"quantity": ["C1", "R"], "energy": told()["energy"]},
    )
    axes = saliency_curves(saliency).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 1.0)
    np.testing.assert_allclose(axes.lines[1].get_ydata(), np.linspace(0.0, 2.0, 30))
    assert axes.lines[0].get_linestyle() != axes.lines[1].get_linestyle()
    atoms = np.array([[0.0, 0, 0], [2.5, 0, 0], [0, 2.5, 0]])
    first, *others = structures_in_space([("three atoms of a long name indeed", atoms)]).axes
    assert [round(one.radius, 6) for one in first.patches] == [1.25] * 3
    assert "\n" in first.get_title()
    assert not any(axes.axison for axes in others)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (2.5561, 0.0031, "2.556(3)"),
        (11.72, 0.41, "11.7(4)"),
        (24.51, 1.4, "24.5(14)"),
        (26.3, 3.6, "26(4)"),
        (-14.3, 14.6, "-14(15)"),
        (0.5, 0.0, "0.5"),
        (np.nan, 1.0, "–"),
        (9.97, 0.96, "10.0(10)"),
    ],
)
def test_a_number_is_written_with_its_error_in_brackets(value: float, error: float, text: str) -> None:
    assert concise(value, error) == text


def test_tables_hold_the_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    findings = with_one_that_cannot_be_read()
    table = findings_table(findings)
    assert list(table.columns[:4]) == ["name", "verdict", "value[C1]", "low[C1]"]
    np.testing.assert_array_equal(table["value[R]"], findings["value"].values[:, 1])
    write_findings(findings, tmp_path)
    with xr.open_dataset(tmp_path / "findings.nc", engine="h5netcdf") as stored:
        np.testing.assert_array_equal(stored["value"], findings["value"])
    print_summary(findings)
    out = capsys.readouterr().out
    assert "in brackets: half the 90% interval, in units of the last digits" in " ".join(out.split())
    assert concise(float(findings["value"][0, 0]), 0.4) in out
    assert "reason <2>" in out


def test_the_report_holds_every_section_and_escapes_what_came_from_files(tmp_path: Path) -> None:
    path = numbers_report(
        with_one_that_cannot_be_read().assign_attrs(notes="mind the <gap>"),
        told(80, truth=True, seed=1),
        path=tmp_path / "report.html",
        provenance={"agent": "an <agent>"},
        along="time",
        structures=[("s0", [("three", np.eye(3))]), ("s<1>", [])],
        progress=False,
    )
    page = path.read_text(encoding="utf-8")
    for part in (
        "Estimated numbers",
        "Signals compared with known draws",
        "Fitting structures",
        "Calibration of the agent",
        "All measurements",
        "reason &lt;0&gt;",
    ):
        assert part in page
    assert "<agent>" not in page
    assert "s&lt;1&gt;" in page
    assert "mind the &lt;gap&gt;" in page
    assert "no known structure fits" in page
    alone = numbers_report(told(), None, path=tmp_path / "alone.html", provenance={}, progress=False)
    assert "Calibration of the agent" not in alone.read_text(encoding="utf-8")
    assert "Note" not in alone.read_text(encoding="utf-8")
