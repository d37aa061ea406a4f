"""An image has one form, says what is wrong with it, and loses tilt and scale without losing anything else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nescio.errors import MeasurementError
from nescio.microscopy import (
    check_image,
    flatten_image,
    image_dataset,
    normalise_image,
    pixels_at,
    positions_of,
    select_channels,
)
from nescio.microscopy.images import length_unit

RANDOM = np.random.default_rng(0)
TWO = {"amplitude": RANDOM.normal(5.0, 2.0, (12, 17)), "phase": RANDOM.normal(-1.0, 0.1, (12, 17))}


def test_channels_axes_and_units_are_named():
    image = image_dataset(TWO, pixel_size=(0.5, 0.25), unit="µm", origin=(10.0, 0.0), source="a.npz")
    assert image["image"].dims == ("channel", "y", "x")
    assert image["image"].dtype == np.float32
    assert image["channel"].values.tolist() == ["amplitude", "phase"]
    assert image["y"].attrs["units"] == image["x"].attrs["units"] == "um"
    assert image["y"].values[[0, -1]].tolist() == [10.0, 15.5]
    assert image["x"].values[1] == 0.25
    assert "valid" not in image


@pytest.mark.parametrize(
    ("text", "unit"),
    [("px", "pixel"), ("", "pixel"), ("Å", "angstrom"), ("Nanometers", "nm"), ("1/nm", None), ("eV", None)],
)
def test_lengths_are_understood_however_they_are_written(text, unit):
    assert length_unit(text) == unit


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        (np.zeros(5), {}, r"shape.*\(5,\)"),
        (np.zeros((3, 1)), {}, "at least 2 x 2"),
        (np.zeros((3, 3), complex), {}, "amplitude or phase"),
        (np.zeros((2, 4, 4)), {"channels": ["a", "a"]}, "different names"),
        (np.zeros((2, 4, 4)), {"channels": ["a"]}, "2 channels need 2 different names"),
        (np.zeros((4, 4)), {"unit": "eV"}, r"'eV' is not a length \(known units: pixel"),
        (np.zeros((4, 4)), {"pixel_size": 0.0}, "must not be 0"),
        ({"a": np.zeros((4, 4)), "b": np.zeros((4, 5))}, {}, r"same shape.*b \(4, 5\)"),
        ({}, {}, "at least one channel"),
        (np.zeros((4, 4)), {"valid": np.zeros((4, 4), bool)}, "no pixel"),
        (np.zeros((4, 4)), {"valid": np.ones((4, 5), bool)}, "valid has shape"),
    ],
)
def test_what_is_no_image_is_told(arrays, options, message):
    with pytest.raises(MeasurementError, match=message):
        image_dataset(arrays, **options)


def test_a_pixel_that_is_not_finite_is_named():
    values = np.ones((2, 5, 6))
    values[1, 3, 2] = np.nan
    with pytest.raises(MeasurementError, match=r"'b': pixel \(row 3, column 2\) is nan \(one of 1 "):
        image_dataset(values, channels=["a", "b"])


def test_what_was_not_measured_takes_no_part():
    values = TWO["amplitude"].copy()
    values[2:4, 5] = np.nan
    values[7, 7] = np.inf
    image = image_dataset(values, valid=np.isfinite(values))
    assert (~image["valid"]).sum() == 3
    known = values[np.isfinite(values)]
    assert image["image"].values[0, 7, 7] == pytest.approx(np.median(known))
    scaled = normalise_image(image, "standard")["image"].values[0]
    np.testing.assert_allclose(
        scaled[np.isfinite(values)], (known - known.mean()) / known.std(), rtol=1e-4, atol=1e-5
    )


def test_the_form_survives_being_checked():
    image = image_dataset(TWO, pixel_size=(0.5, -0.25), unit="nm", valid=TWO["phase"] > -1.2, source="a.npz")
    assert check_image(image).identical(image)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda image: image.drop_vars("image"), "no variable 'image', only nothing"),
        (lambda image: image.transpose("y", "x", "channel"), "needs channel, y, x"),
        (lambda image: image.drop_vars("y"), "no coordinate y"),
        (lambda image: image.assign_coords(x=np.arange(17.0) ** 2), "x is not evenly spaced"),
        (
            lambda image: image.assign_coords(x=("x", np.arange(17.0), {"units": "nm"})),
            "y is in pixel, x in nm",
        ),
    ],
)
def test_a_survey_of_another_form_is_refused(spoil, message):
    with pytest.raises(MeasurementError, match=message):
        check_image(spoil(image_dataset(TWO)))


def test_channels_are_chosen_by_name_and_the_absent_one_is_told():
    image = image_dataset(TWO)
    chosen = select_channels(image, ["phase", "amplitude"])
    np.testing.assert_array_equal(chosen["image"][0], image["image"][1])
    with pytest.raises(MeasurementError, match="no channel 'height'; the image has amplitude, phase"):
        select_channels(image, ["phase", "height"])


def test_a_plane_is_subtracted_and_only_a_plane():
    y, x = np.mgrid[:40, :30]
    bumps = np.sin(x / 3.0) * np.cos(y / 4.0)
    terms = np.stack([np.ones(x.size), y.ravel(), x.ravel()], axis=1)
    bumps -= (terms @ np.linalg.lstsq(terms, bumps.ravel(), rcond=None)[0]).reshape(bumps.shape)
    valid = np.ones(x.shape, bool)
    tilted = bumps + 3.0 + 0.2 * y - 0.7 * x
    flat = flatten_image(image_dataset(tilted, valid=valid), "plane")["image"].values[0]
    np.testing.assert_allclose(flat, bumps, atol=1e-4)


def test_pixels_that_are_not_valid_do_not_tilt_the_plane():
    y, x = np.mgrid[:40, :30]
    tilted = 3.0 + 0.2 * y - 0.7 * x
    valid = x < 25
    flat = flatten_image(image_dataset(np.where(valid, tilted, np.nan), valid=valid), "plane")[
        "image"
    ].values[0]
    np.testing.assert_allclose(flat[valid], 0.0, atol=1e-4)


def test_jumps_between_lines_are_subtracted():
    lines = RANDOM.normal(0.0, 10.0, (12, 1))
    image = flatten_image(image_dataset(TWO["phase"] + lines), "rows")["image"].values[0]
    np.testing.assert_allclose(
        image, TWO["phase"] - np.median(TWO["phase"], axis=1, keepdims=True), atol=1e-4
    )


def test_each_channel_has_the_scale_that_was_asked_for():
    image = image_dataset(TWO)
    standard = normalise_image(image, "standard")["image"].values
    np.testing.assert_allclose(standard.mean(axis=(1, 2)), 0.0, atol=1e-5)
    np.testing.assert_allclose(standard.std(axis=(1, 2)), 1.0, rtol=1e-4)
    robust = normalise_image(image, "robust")["image"].values
    np.testing.assert_allclose(np.median(robust, axis=(1, 2)), 0.0, atol=1e-5)
    np.testing.assert_allclose(np.ptp(np.percentile(robust, (25, 75), axis=(1, 2)), axis=0), 1.0, rtol=1e-4)
    percentile = normalise_image(image, "percentile")["image"].values
    np.testing.assert_allclose(np.percentile(percentile, (1, 99), axis=(1, 2)), [[0, 0], [1, 1]], atol=1e-5)
    np.testing.assert_array_equal(normalise_image(image, "none")["image"], image["image"])


@pytest.mark.parametrize("how", ["robust", "percentile"])
def test_an_image_of_few_bright_spots_is_scaled_by_what_varies(how):
    values = np.zeros((30, 30))
    values[3, 4] = 9.0
    assert np.isfinite(normalise_image(image_dataset(values), how)["image"]).all()


def test_a_constant_channel_is_told_rather_than_divided_by_zero():
    image = image_dataset({**TWO, "dead": np.full((12, 17), 3.0)})
    with pytest.raises(MeasurementError, match="'dead' has zero variance: every pixel is 3"):
        normalise_image(image, "standard")
    normalise_image(select_channels(image, ["phase"]), "standard")


@given(
    step=st.tuples(st.floats(0.01, 100.0), st.floats(-100.0, -0.01)),
    origin=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
    pixel=st.tuples(st.floats(0, 11), st.floats(0, 16)),
)
def test_pixels_and_positions_are_each_others_inverse(step, origin, pixel):
    image = image_dataset(TWO["phase"], pixel_size=step, unit="nm", origin=origin)
    position = positions_of(image, [pixel])
    np.testing.assert_allclose(position[0], np.array(origin) + np.array(step) * pixel, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(pixels_at(image, position)[0], pixel, atol=1e-6)
