from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from nescio.errors import ConfigurationError, MeasurementError
from nescio.xrd.preparation import prepare, q_from_two_theta, rebin, two_theta_from_q
from nescio.xrd.read import read_many, read_patterns
from nescio.xrd.read.measured import measured_dataset

CU, MO = 1.5405929, 0.7093172


def grid(start=20.0, stop=90.0, points=1024, name="two_theta"):
    values = np.linspace(start, stop, points)
    return xr.DataArray(values, dims=name, coords={name: values}, name=name, attrs={"units": "degree"})


def peaks(axis, centres=(35.0, 50.0, 75.0), width=0.3):
    return sum(np.exp(-(((np.asarray(axis) - c) / width) ** 2)) for c in centres)


def measured(axis, intensity, kind="two_theta", wavelength=CU, **more):
    return measured_dataset(Path("sample.xy"), kind, axis, intensity, wavelength=wavelength, **more)


FINE = np.linspace(10.0, 100.0, 9001)


def noisy(seed=0, factor=5000.0, axis=FINE):
    return np.random.default_rng(seed).poisson(200 + factor * peaks(axis)).astype(float)


@given(st.floats(0.01, 179.0), st.floats(0.1, 3.0))
def test_angle_and_q_are_two_names_of_the_same_place(angle, wavelength):
    q = q_from_two_theta(angle, wavelength)
    d = wavelength / (2 * np.sin(np.radians(angle / 2)))
    assert q == pytest.approx(2 * np.pi / d)
    assert two_theta_from_q(q, wavelength) == pytest.approx(angle, rel=1e-6)


def test_no_angle_reaches_beyond_four_pi_over_the_wavelength():
    assert np.isnan(two_theta_from_q(4 * np.pi / CU * 1.0001, CU))


@given(st.integers(40, 400), st.integers(5, 19))
def test_rebinning_conserves_the_area(fine, coarse):
    points, target = np.linspace(0.0, 1.0, fine), np.linspace(0.1, 0.9, coarse)
    values = np.random.default_rng(fine).random((2, fine))
    edges = np.concatenate([[0], (points[1:] + points[:-1]) / 2, [1]])
    step = target[1] - target[0]
    inside = np.clip(np.minimum(edges[1:], 0.9 + step / 2) - np.maximum(edges[:-1], 0.1 - step / 2), 0, None)
    result, share = rebin(values, points, target)
    widths = share * step
    np.testing.assert_allclose((result * widths).sum(axis=1), (values * inside).sum(axis=1), rtol=1e-9)


def test_a_coarser_pattern_is_interpolated_and_never_extrapolated():
    points, target = np.array([1.0, 2.0, 3.0]), np.linspace(0.0, 4.0, 41)
    result, share = rebin(np.array([[1.0, 3.0, np.nan]]), points, target)
    np.testing.assert_allclose(result[0, 10:21], 2 * target[10:21] - 1)
    assert np.array_equal(share[0] > 0, (target >= 1) & (target <= 2))
    assert not result[0, share[0] == 0].any()


def test_a_laboratory_pattern_arrives_on_the_grid_scaled_and_without_background():
    prepared = prepare(measured(FINE, noisy()), axis=grid(), wavelength=CU)
    assert prepared["intensity"].dims == ("measurement", "two_theta")
    assert prepared["intensity"].max() == 1
    assert prepared["intensity"].min() == 0
    assert prepared["covered"].all()
    assert prepared["problem"].item() == ""
    np.testing.assert_allclose(prepared["background"], 200, atol=15)
    np.testing.assert_allclose(prepared["intensity"][0], peaks(grid()) / peaks(grid()).max(), atol=0.05)
    assert prepared["scale"].item() == pytest.approx(5000, rel=0.05)
    assert prepared.attrs["wavelength_angstrom"] == CU


@pytest.mark.parametrize("wanted", ["two_theta", "q"])
@pytest.mark.parametrize("given_as", ["same", "other wavelength", "q", "q_nm"])
def test_peaks_stand_where_the_prior_expects_them_whatever_the_axis_was(given_as, wanted):
    q = q_from_two_theta(FINE, CU)
    data = {
        "same": lambda: measured(FINE, noisy()),
        "other wavelength": lambda: measured(two_theta_from_q(q, MO), noisy(), wavelength=MO),
        "q": lambda: measured(q, noisy(), "q", wavelength=None),
        "q_nm": lambda: measured(10 * q, noisy(), "q_nm", wavelength=None),
    }[given_as]()
    axis = grid() if wanted == "two_theta" else grid(1.5, 5.5, 1024, "q")
    prepared = prepare(data, axis=axis, wavelength=CU)
    angle = axis.values if wanted == "two_theta" else two_theta_from_q(axis.values, CU)
    for centre in (35.0, 50.0, 75.0):
        near = np.abs(angle - centre) < 2
        assert angle[near][prepared["intensity"].values[0, near].argmax()] == pytest.approx(centre, abs=0.15)


def test_angles_without_a_wavelength_are_refused():
    for axis in (grid(), grid(1.5, 5.5, 100, "q")):
        with pytest.raises(
            MeasurementError, match=r"sample\.xy: two-theta without a wavelength.*--wavelength"
        ):
            prepare(measured(FINE, noisy(), wavelength=None), axis=axis, wavelength=CU)


def test_the_mean_of_both_lines_is_the_same_line():
    here = prepare(measured(FINE, noisy(), wavelength=1.5418), axis=grid(), wavelength=CU)
    there = prepare(measured(FINE, noisy()), axis=grid(), wavelength=CU)
    np.testing.assert_array_equal(here["intensity"], there["intensity"])


def test_what_was_not_measured_is_not_covered_and_zero():
    part = (FINE > 30) & (FINE < 80)
    prepared = prepare(measured(FINE[part], noisy()[part]), axis=grid(), wavelength=CU)
    axis = prepared["two_theta"]
    np.testing.assert_array_equal(prepared["covered"][0], (axis > 30) & (axis < 80))
    assert not prepared["intensity"].values[~prepared["covered"].values].any()
    assert prepared["problem"].item() == ""


def test_zeros_at_the_ends_are_padding_but_zero_counts_are_not():
    padded, sparse = noisy(), noisy()
    padded[-2000:] = padded[:1500] = 0
    sparse[-2000:] = sparse[3000] = 0
    prepared = prepare(measured(FINE, [padded, sparse]), axis=grid(), wavelength=CU, background="none")
    axis = prepared["two_theta"].values
    np.testing.assert_array_equal(prepared["covered"][0], (axis > 24.995) & (axis < 80.005))
    assert prepared["covered"][1].all()


def test_positions_compositions_and_names_stay():
    data = measured(
        FINE,
        [noisy(0), noisy(1)],
        position_mm=np.array([[1.0, 2.0], [3.0, 4.0]]),
        composition=np.array([[1.0, 3.0], [1.0, 1.0]]),
        elements=["Ni", "Co"],
        uncertainty=np.sqrt([noisy(0), noisy(1)]),
    )
    prepared = prepare(data, axis=grid(), wavelength=CU)
    assert prepared["y_mm"].values.tolist() == [2, 4]
    assert prepared["composition"].sel(element="Ni").values.tolist() == [0.25, 0.5]
    assert prepared["measurement"].values.tolist() == ["sample#1", "sample#2"]
    # Some seven points of 200 counts fall in a bin.
    expected = np.sqrt(200 / 6.84) / prepared["scale"].values
    np.testing.assert_allclose(prepared["uncertainty"].median("two_theta"), expected, rtol=0.1)


PROBLEMS = {
    "all intensities are zero": np.zeros(FINE.size),
    "all intensities are the same": np.full(FINE.size, 7.0),
    "nothing was measured": np.full(FINE.size, np.nan),
    "only 14 %": np.where(FINE < 30, noisy(), np.nan),
    "no peak is": np.random.default_rng(3).normal(1000, 30, FINE.size),
    "saturated": np.minimum(noisy(), 4000.0),
}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("background", ["arpls", "polynomial"])
def test_what_cannot_be_assessed_says_why_and_leaves_its_neighbours_alone(problem, background):
    data = measured(FINE, [noisy(), PROBLEMS[problem]])
    prepared = prepare(data, axis=grid(), wavelength=CU, background=background)
    assert prepared["problem"][0].item() == ""
    assert prepared["problem"][1].item().find(problem) >= 0
    assert np.isfinite(prepared["intensity"]).all()
    assert np.isfinite(prepared["background"]).all()


def test_a_weak_peak_in_noise_is_still_a_peak():
    weak = np.random.default_rng(0).normal(1000, 30, FINE.size) + 150 * peaks(FINE, (50.0,))
    assert prepare(measured(FINE, weak), axis=grid(), wavelength=CU)["problem"].item() == ""


@pytest.mark.parametrize("counts", [1.0, 5.0])
def test_few_counts_that_are_equal_are_no_saturation(counts):
    few = np.random.default_rng(0).poisson(counts * (0.05 + peaks(FINE))).astype(float)
    assert "saturated" not in prepare(measured(FINE, few), axis=grid(), wavelength=CU)["problem"].item()


def test_smoothing_takes_noise_away():
    rough, smooth = (
        prepare(measured(FINE, noisy(factor=500.0)), axis=grid(), wavelength=CU, smooth=width)
        for width in (None, 9)
    )
    flat = slice(55, 70)
    assert smooth["intensity"].sel(two_theta=flat).std() < 0.7 * rough["intensity"].sel(two_theta=flat).std()


def test_a_range_without_anything_in_common_is_refused():
    with pytest.raises(
        MeasurementError, match=r"sample.xy: was measured over 91 to 100 degree.*does not overlap"
    ):
        prepare(measured(FINE[FINE >= 91], noisy()[FINE >= 91]), axis=grid(), wavelength=CU)


@pytest.mark.parametrize(
    "options", [{"smooth": 4}, {"smooth": 1}, {"smooth": 2.5}, {"background": "rolling"}]
)
def test_impossible_options_are_told(options):
    with pytest.raises(ConfigurationError):
        prepare(measured(FINE, noisy()), axis=grid(), wavelength=CU, **options)


@pytest.mark.parametrize("step", [0.01, 0.05, 0.2])
def test_a_hole_in_the_axis_is_not_covered(step):
    two_theta = np.concatenate([np.arange(15.0, 40.0, step), np.arange(60.0, 95.0, step)])
    prepared = prepare(measured(two_theta, noisy(axis=two_theta)), axis=grid(), wavelength=CU)
    covered = prepared["covered"].isel(measurement=0)
    assert not covered.sel(two_theta=slice(40.2, 59.8)).any()
    assert covered.sel(two_theta=slice(20.0, 39.5)).all()
    assert covered.sel(two_theta=slice(60.3, 90.0)).all()


def test_steps_that_widen_along_the_axis_are_no_holes():
    q = np.linspace(1.0, 7.9, 700)
    prepared = prepare(
        measured(q, noisy(axis=two_theta_from_q(q, CU)), kind="q"), axis=grid(20.0, 150.0), wavelength=CU
    )
    assert prepared["covered"].all()


def test_a_lone_point_left_out_is_bridged():
    two_theta = np.delete(np.arange(15.0, 95.0, 0.05), 700)
    assert prepare(measured(two_theta, noisy(axis=two_theta)), axis=grid(), wavelength=CU)["covered"].all()


def test_a_line_called_by_its_mean_stays_where_it_is_on_a_q_axis_too():
    q = grid(1.5, 5.5, 2048, "q")
    two_theta = np.linspace(20.0, 90.0, 7001)
    pattern = peaks(two_theta, centres=(80.0,))
    places = []
    for line in (CU, 1.5418):
        prepared = prepare(measured(two_theta, pattern, wavelength=line), axis=q, wavelength=CU)
        places.append(q.values[prepared["intensity"].values[0].argmax()])
    assert places[0] == places[1] == pytest.approx(q_from_two_theta(80.0, CU), abs=2e-3)


def test_a_range_that_no_angle_reaches_is_told_in_its_own_unit():
    q = np.linspace(10.0, 45.0, 500)
    with pytest.raises(MeasurementError, match=r"over 10 to 45 1/angstrom.*check the units"):
        prepare(measured(q, np.ones(500), kind="q"), axis=grid(), wavelength=CU)


def test_the_real_wafers_are_covered_but_for_their_padding(data_folder):
    wafer = read_patterns(data_folder / "xrd/CoVZr_Sample8.npz").isel(measurement=slice(0, 20))
    prepared = prepare(wafer, axis=grid(1.0, 6.25, 1000, "q"), wavelength=CU)
    end = float(wafer["q"][-57])
    assert prepared["covered"].sel(q=slice(1.0, end)).all()
    assert not prepared["covered"].sel(q=slice(end + 0.02, 6.25)).any()
    assert (prepared["problem"] == "").all()


def test_every_real_mixture_can_be_assessed(data_folder):
    patterns, _ = read_many(data_folder / "xrd/a-lab")
    for pattern in patterns:
        prepared = prepare(pattern, axis=grid(), wavelength=CU)
        assert prepared["problem"].item() == ""
        assert prepared["covered"].all()


def test_patterns_with_axes_of_their_own_are_prepared_one_by_one(tmp_path):
    axis = grid(20.0, 80.0)
    path = tmp_path / "scans.csv"
    first, second = np.linspace(15, 85, 800), np.linspace(25, 75, 500)
    rows = [
        f"{first[i]};{100 + 50 * np.exp(-((first[i] - 44) ** 2))};"
        + (f"{second[i]};{10 + 5 * np.exp(-((second[i] - 60) ** 2))};" if i < 500 else ";;")
        + (f"{1 + i / 100};5" if i < 100 else ";")
        for i in range(800)
    ]
    path.write_text("2theta;I;2theta;I;2theta;I\n" + "\n".join(rows) + "\n")
    together = read_patterns(path, wavelength=CU)
    assert together["intensity"].dims == ("measurement", "point")
    prepared = prepare(together, axis=axis, wavelength=CU, background="polynomial")
    assert prepared["intensity"].dims == ("measurement", "two_theta")
    peaks = axis.values[prepared["intensity"].values[:2].argmax(axis=1)]
    np.testing.assert_allclose(peaks, [44, 60], atol=0.2)
    # Each is covered where it was measured itself; the third does not overlap the grid.
    covered = [axis.values[row] for row in prepared["covered"].values]
    np.testing.assert_allclose(covered[0][[0, -1]], [20, 80])
    np.testing.assert_allclose(covered[1][[0, -1]], [25, 75], atol=0.2)
    assert covered[2].size == 0
    assert prepared["problem"].values[:2].tolist() == ["", ""]
    assert "does not overlap the prior's" in prepared["problem"].values[2]
    assert prepared["measurement"].values.tolist() == together["measurement"].values.tolist()


def test_patterns_with_axes_of_their_own_none_of_which_can_be_used_are_an_error(tmp_path):
    path = tmp_path / "scans.csv"
    path.write_text("2theta;I;2theta;I\n1;1;3;1\n2;2;4;2\n")
    with pytest.raises(MeasurementError, match="does not overlap"):
        prepare(read_patterns(path, wavelength=CU), axis=grid(20.0, 80.0), wavelength=CU)
