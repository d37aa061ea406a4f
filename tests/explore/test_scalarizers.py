"""Scalarizers find the values of analytic spectra with correct uncertainties, and give reasons for missing values."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nescio.errors import ConfigurationError
from nescio.explore.scalarizers import (
    BandIntegral,
    BandRatio,
    MeanMagnitude,
    Polynomial,
    Similarity,
    integral_weights,
    noise_sd,
    scalarize,
)

X = np.linspace(0.0, 10.0, 101)


def spectrum(values, x=X, **attributes):
    return xr.DataArray(
        np.asarray(values),
        dims="energy",
        coords={"energy": ("energy", x, {"units": "eV"})},
        attrs={"units": "counts", **attributes},
    )


def reason(scalarizer, measured):
    scalars = scalarizer(measured)
    assert all(np.isnan(scalar.value) for scalar in scalars)
    return scalars[0].reason


def pull(scalarizer, clean, sd=0.1, repeats=200, x=X):
    """Scatter of values over the claimed uncertainty, and mean error over its standard error, for each output."""
    rng = np.random.default_rng(5)
    noisy = [spectrum(clean + sd * rng.standard_normal(x.size), x) for _ in range(repeats)]
    values, claimed, reasons = scalarize(scalarizer, noisy, progress=False)
    assert not any(reasons)
    return values.std(axis=0) / np.sqrt((claimed**2).mean(axis=0))


# 200 repeats tell a standard deviation to 5 %.
def agrees(ratio):
    np.testing.assert_allclose(ratio, 1.0, atol=0.2)


def test_integral_of_a_straight_line_is_exact_between_points():
    (scalar,) = BandIntegral(low=2.03, high=5.01)(spectrum(2 * X + 1))
    assert scalar.value == pytest.approx(5.01**2 - 2.03**2 + 2.98)


def test_a_linear_background_has_no_area():
    line = BandIntegral(low=2.03, high=5.01, background="linear")
    assert line(spectrum(7 * X - 3))[0].value == pytest.approx(0.0, abs=1e-10)
    triangle = np.maximum(1 - np.abs(X - 4), 0)
    assert line(spectrum(7 * X - 3 + triangle))[0].value == pytest.approx(1.0)


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 10))
def test_integrals_over_neighbouring_bands_add_up(a, b, c):
    a, b, c = sorted((a, b, c))
    y = np.sin(X) + X**2
    whole, parts = integral_weights(X, a, c), integral_weights(X, a, b) + integral_weights(X, b, c)
    assert whole @ y == pytest.approx(parts @ y, abs=1e-9)
    assert whole.sum() == pytest.approx(c - a, abs=1e-9)


def test_a_decreasing_axis_and_uneven_steps_change_nothing():
    band = BandIntegral(low=1.5, high=8.25)
    uneven = np.sort(np.concatenate([X, X[:-1] + 0.033]))
    for x in (X[::-1], uneven):
        assert band(spectrum(3 * x, x))[0].value == pytest.approx(1.5 * (8.25**2 - 1.5**2))


def test_ratio_of_bands():
    ratio = BandRatio(numerator={"low": 1, "high": 2}, denominator={"low": 4, "high": 8})
    assert ratio(spectrum(np.full(101, 3.0)))[0].value == pytest.approx(0.25)
    assert "is not distinguishable from zero" in reason(ratio, spectrum(np.where(X < 3, 1.0, 0.0)))


@pytest.mark.parametrize(
    "scalarizer",
    [
        BandIntegral(low=2.03, high=7.0),
        BandIntegral(low=2.03, high=7.0, background="linear"),
        BandRatio(numerator={"low": 1, "high": 5}, denominator={"low": 4, "high": 8}),
        MeanMagnitude(),
        Similarity(target=tuple(np.sin(X)), measure_by="correlation"),
        Similarity(target=tuple(np.cos(X)), measure_by="cosine"),
        Similarity(target=tuple(X), measure_by="negative-mse"),
    ],
    ids=lambda scalarizer: scalarizer.kind,
)
def test_uncertainty_is_the_scatter_of_repeated_measurements(scalarizer):
    agrees(pull(scalarizer, 5 + 2 * np.sin(X) + 0.5 * X))


def test_uncertainty_of_coefficients_and_their_ratio():
    square = Polynomial(degree=2, quantities=("A", "C", "A/C"), high=9.0)
    agrees(pull(square, 2 * X**2 - X + 5))


@pytest.mark.parametrize("measure_by", ["correlation", "cosine", "negative-mse"])
def test_uncertainty_of_similarity_holds_at_the_target_too(measure_by):
    target = np.sin(X)
    agrees(pull(Similarity(target=tuple(target), measure_by=measure_by), target))


def test_an_uncertainty_that_the_spectrum_states_is_used():
    measured = spectrum(np.full(101, 5.0)).assign_coords(uncertainty=("energy", np.full(101, 0.5)))
    assert MeanMagnitude()(measured)[0].uncertainty == pytest.approx(0.5 / 101**0.5)
    weights = integral_weights(X, 2, 3)
    expected = 0.5 * np.sqrt(np.sum(weights**2))
    assert BandIntegral(low=2, high=3)(measured)[0].uncertainty == pytest.approx(expected)
    (slope,) = Polynomial(degree=1)(measured)
    assert slope.uncertainty == pytest.approx(0.5 / np.sqrt(np.sum((X - X.mean()) ** 2)))


def test_noise_is_told_from_features_that_stand_out():
    rng = np.random.default_rng(1)
    noise = 0.2 * rng.standard_normal(400)
    assert noise_sd(noise) == pytest.approx(0.2, rel=0.12)
    noise[::40] += 10
    assert noise_sd(noise) == pytest.approx(0.2, rel=0.12)
    assert np.isnan(noise_sd(np.linspace(0, 1, 50)))


def test_magnitude_of_the_mean_over_chosen_sweeps():
    loops = xr.DataArray(
        np.stack([np.full(64, 100.0), np.full(64, -1.0), np.full(64, -4.0)]),
        dims=("sweep", "bias"),
        coords={"sweep": [1, 2, 3], "bias": np.linspace(-8, 8, 64)},
    )
    by_number = MeanMagnitude(select={"sweep": {"values": [2, 3]}})
    by_index = MeanMagnitude(select={"sweep": [1, 2]})
    by_range = MeanMagnitude(select={"sweep": {"low": 2}})
    for scalarizer in (by_number, by_index, by_range):
        assert scalarizer(loops)[0].value == pytest.approx(2.5)
    assert "no value 4.0 (known: 1, 2, 3)" in reason(MeanMagnitude(select={"sweep": {"values": [4]}}), loops)
    assert "index 3 is out of range: sweep has 3 entries" in reason(
        MeanMagnitude(select={"sweep": [3]}), loops
    )
    assert "no dimension 'swep'" in reason(MeanMagnitude(select={"swep": [0]}), loops)
    # Other dimensions are averaged.
    band = BandIntegral(axis="bias", low=-8, high=8, select={"sweep": [1, 2]})
    assert band(loops)[0].value == pytest.approx(-2.5 * 16)
    assert "has several dimensions; set axis to one of sweep, bias" in reason(
        BandIntegral(low=0, high=1), loops
    )


def test_mean_magnitude_of_the_real_film(data_folder):
    film = np.load(data_folder / "microscopy" / "vartbo_pto_beps.npz")
    loops = film["loops"][:2].reshape(-1, 64, 3)
    spectra = [xr.DataArray(loop, dims=("step", "sweep"), coords={"sweep": [1, 2, 3]}) for loop in loops]
    values, claimed, reasons = scalarize(MeanMagnitude(select={"sweep": {"values": [2, 3]}}), spectra)
    np.testing.assert_allclose(values[:, 0], np.abs(loops[..., 1:].mean(axis=(1, 2), dtype=float)), rtol=1e-6)
    assert (claimed > 0).all()
    assert not any(reasons)


def test_coefficients_of_a_response_to_a_driving_voltage():
    voltage = np.linspace(0.1, 2.0, 20)
    cubic = Polynomial(degree=3, constant=False, quantities=("A", "B", "C", "A/B"))
    found = cubic(spectrum(2 * voltage**3 - 0.5 * voltage**2 + 3 * voltage, voltage))
    np.testing.assert_allclose([scalar.value for scalar in found], [2, -0.5, 3, -4])
    named = {output.name: output.unit for output in cubic.outputs_for(spectrum(voltage, voltage))}
    assert named == {"A": "counts/eV^3", "B": "counts/eV^2", "C": "counts/eV", "A/B": "1/eV"}


def test_a_ratio_of_coefficients_whose_denominator_is_noise_is_missing_and_the_others_are_not():
    noise = 0.1 * np.random.default_rng(3).standard_normal(101)
    # What is odd about the middle has no even coefficient.
    measured = spectrum(2 * (X - 5) ** 3 + noise - noise[::-1], X - 5)
    cubic, square, ratio = Polynomial(degree=3, quantities=("A", "B", "A/B"))(measured)
    assert cubic.value == pytest.approx(2, rel=0.01)
    assert abs(square.value) < square.uncertainty
    assert np.isnan(ratio.value)
    assert "B = " in ratio.reason
    assert "is not distinguishable from zero" in ratio.reason
    assert "3 points" in reason(Polynomial(degree=5), spectrum(X[:3], X[:3]))


def test_similarity_is_largest_for_the_target_itself():
    target = np.exp(-((X - 4) ** 2))
    for measure_by, top in (("correlation", 1), ("cosine", 1), ("negative-mse", 0), ("ssim", 1)):
        like = Similarity(target=tuple(target), measure_by=measure_by)
        assert like(spectrum(target))[0].value == pytest.approx(top)
        assert like(spectrum(np.roll(target, 20)))[0].value < top - 1e-3
    scaled = spectrum(3 * target + 7)
    assert Similarity(target=tuple(target))(scaled)[0].value == pytest.approx(1)
    assert Similarity(target=tuple(target), measure_by="cosine")(scaled)[0].value < 0.9
    # The spectrum measured from high to low energy is compared in its own order.
    assert Similarity(target=tuple(target[::-1]))(spectrum(target[::-1], X[::-1]))[0].value == pytest.approx(
        1
    )


def test_structural_similarity_by_hand():
    # One window; means 3 and 4, variances 14/3 and 14/3, covariance 14/3; constants of a range of 6.
    c1, c2 = 0.06**2, 0.18**2
    by_hand = (2 * 3 * 4 + c1) * (2 * 14 / 3 + c2) / ((9 + 16 + c1) * (2 * 14 / 3 + c2))
    seven = np.arange(7.0)
    like = Similarity(target=tuple(seven + 1), measure_by="ssim")
    assert like(spectrum(seven, seven))[0].value == pytest.approx(by_hand)


def test_a_target_is_read_from_a_file_and_kept_as_numbers(tmp_path):
    target = np.sin(X)
    np.save(tmp_path / "target.npy", target)
    np.savetxt(tmp_path / "target.csv", target)
    for name in ("target.npy", "target.csv"):
        like = Similarity(target=str(tmp_path / name))
        np.testing.assert_allclose(like.target, target)
        assert like.model_dump(mode="json")["target"] == list(like.target)
    np.save(tmp_path / "two.npy", np.zeros((3, 3)))
    (tmp_path / "words.csv").write_text("a, b")
    np.save(tmp_path / "objects.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    for name, told in (
        ("two.npy", "shape"),
        ("words.csv", "row of numbers"),
        ("objects.npy", "row of numbers"),
        ("none.npy", "no such file"),
        ("target.xyz", "must be a .npy or .csv file"),
    ):
        with pytest.raises(ValidationError, match=told):
            Similarity(target=str(tmp_path / name))


@pytest.mark.parametrize(
    ("scalarizer", "measured", "told"),
    [
        (
            BandIntegral(low=5, high=12),
            spectrum(X),
            "energy 5 to 12 eV exceeds the measured range, 0 to 10 eV",
        ),
        (BandIntegral(axis="bias", low=1, high=2), spectrum(X), "no coordinate 'bias' \\(known: energy\\)"),
        (BandIntegral(low=1, high=2), spectrum(np.full(101, np.nan)), "has no finite value"),
        (
            BandIntegral(low=1, high=2),
            spectrum(np.where(X < 7, np.nan, 1)),
            "70 of the spectrum's 101 values",
        ),
        (BandIntegral(low=1, high=2), spectrum(X, np.abs(X - 5)), "not monotonic"),
        (BandIntegral(low=1, high=2), spectrum(X * 1j), "complex128; needs real numbers"),
        (BandIntegral(low=1, high=2), spectrum(np.array(["a"] * 101)), "needs real numbers"),
        (BandIntegral(low=1, high=2), spectrum([1.0], [1.5]), "exceeds the measured range"),
        (BandIntegral(low=1, high=2, axis_unit="keV"), spectrum(X), "axis 'energy' is in eV, .* expects keV"),
        (MeanMagnitude(unit="nA"), spectrum(X), "the spectrum is in counts, .* expects nA"),
        (MeanMagnitude(), spectrum(np.full(101, np.nan)), "has no finite value"),
        (Similarity(target=(1, 2, 3)), spectrum(X), "has 101 finite points, but the target has 3"),
        (Similarity(target=tuple(X)), spectrum(np.ones(101)), "is constant"),
        (Polynomial(degree=1), spectrum(np.full(101, np.nan)), "has no finite value"),
        (Polynomial(degree=2, low=9.95), spectrum(X), "1 points .* at least 3"),
    ],
)
def test_a_missing_value_says_why(scalarizer, measured, told):
    import re

    assert re.search(told, reason(scalarizer, measured))


@pytest.mark.parametrize(
    ("model", "fields", "told"),
    [
        (BandIntegral, {"low": 5, "high": 2}, r"low \(5\) must be below high \(2\)"),
        (BandIntegral, {"low": 5, "high": float("inf")}, "finite"),
        (BandIntegral, {"low": "5", "high": 6}, "valid number"),
        (BandRatio, {"numerator": {"low": 1, "high": 0}, "denominator": {"low": 0, "high": 1}}, "below"),
        (MeanMagnitude, {"select": {"sweep": {"values": [1], "low": 2}}}, "needs exactly one of"),
        (MeanMagnitude, {"select": {"sweep": []}}, "at least 1"),
        (MeanMagnitude, {"colour": "red"}, "Extra inputs"),
        (Polynomial, {"degree": 2, "constant": False, "quantities": ["C"]}, "'C' is not known"),
        (Polynomial, {"degree": 2, "quantities": ["A", "A"]}, "twice"),
        (Similarity, {"target": [1, 1, 1]}, "is constant"),
        (Similarity, {"target": [1, 2, 3], "measure_by": "ssim"}, "ssim needs 7"),
    ],
)
def test_an_impossible_definition_is_refused(model, fields, told):
    with pytest.raises(ValidationError, match=told):
        model(**fields)


def test_a_few_points_that_are_not_finite_are_left_out():
    y = 2 * X
    y[[30, 31]] = np.nan
    assert BandIntegral(low=2, high=5)(spectrum(y))[0].value == pytest.approx(21.0)


def test_units_are_those_given_else_those_of_the_spectrum():
    band = BandIntegral(low=1, high=2)
    assert band.outputs[0].unit == ""
    assert band.outputs_for(spectrum(X))[0].unit == "counts eV"
    given = BandIntegral(low=1, high=2, unit="counts", axis_unit="eV", name="plasmon")
    assert given.outputs[0][:2] == ("plasmon", "counts eV")
    # A spectrum without units is taken as it is.
    assert not given(xr.DataArray(X, dims="energy", coords={"energy": X}))[0].reason


def test_many_spectra_at_once_with_what_is_missing():
    values, claimed, reasons = scalarize(
        Polynomial(degree=1, quantities=("A", "B")), [spectrum(3 * X + 1), spectrum(np.full(101, np.nan))]
    )
    np.testing.assert_allclose(values, [[3, 1], [np.nan, np.nan]])
    assert claimed.shape == (2, 2)
    assert reasons == ["", "the spectrum has no finite value"]


def test_an_unknown_kind_names_those_that_there_are():
    from nescio.explore.scalarizers import build_scalarizer

    with pytest.raises(
        ConfigurationError, match=r"run.toml: kind 'bnad' is not known \(known: \"agent\", \"band-"
    ):
        build_scalarizer({"kind": "bnad"}, "run.toml")
