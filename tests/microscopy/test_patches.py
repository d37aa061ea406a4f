"""A patch is exactly the part of the image that its place says, whatever its size, and wherever the image ends."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from nescio.configuration import validated
from nescio.errors import ConfigurationError, MeasurementError
from nescio.microscopy import (
    PatchSettings,
    candidate_positions,
    extract_patches,
    image_dataset,
    image_patches,
)

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.normal(size=(3, 20, 31)).astype(np.float32)


def survey(positions=None, units="nm", **options) -> xr.Dataset:
    image = image_dataset(
        IMAGE, pixel_size=2.0, unit="nm", origin=(100.0, 0.0), channels=["a", "b", "c"], **options
    )
    if positions is None:
        return image
    position = (("candidate", "coordinate"), np.array(positions, float), {"units": units})
    return image.assign(position=position).assign_coords(coordinate=["y", "x"])


def by_hand(image, row, column, height, width, edge, fill):
    """One pixel at a time."""
    patch = np.empty((len(image), height, width), np.float32)
    for i in range(height):
        for j in range(width):
            place = []
            for index, points in (
                (row - height // 2 + i, image.shape[1]),
                (column - width // 2 + j, image.shape[2]),
            ):
                if edge == "reflect":
                    index = abs(index)
                    index = 2 * (points - 1) - index if index >= points else index
                place.append(index)
            inside = 0 <= place[0] < image.shape[1] and 0 <= place[1] < image.shape[2]
            patch[:, i, j] = image[:, place[0], place[1]] if inside else fill
    return patch


@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    pixel=st.tuples(st.integers(0, 19), st.integers(0, 30)),
    edge=st.sampled_from(["reflect", "constant"]),
)
def test_patches_are_exact(size, pixel, edge):
    found = extract_patches(IMAGE, [pixel, pixel], size, edge, fill=7.0)
    assert found.dtype == np.float32
    assert found.shape == (2, 3, *size)
    np.testing.assert_array_equal(found[0], by_hand(IMAGE, *pixel, *size, edge, 7.0))
    np.testing.assert_array_equal(found[0], found[1])


def test_the_pixel_is_the_centre_of_an_odd_patch_and_the_first_after_the_middle_of_an_even_one():
    for size in (5, 6):
        patch = extract_patches(IMAGE, [(10, 12)], size)[0]
        np.testing.assert_array_equal(patch[:, size // 2, size // 2], IMAGE[:, 10, 12])
        np.testing.assert_array_equal(
            patch, IMAGE[:, 8 if size == 5 else 7 : 13, 10 if size == 5 else 9 : 15]
        )


def test_between_pixels_the_nearest_is_taken_and_halves_go_up():
    found = extract_patches(IMAGE, [(9.6, 12.4), (9.5, 11.5), (10, 12)], 4)
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[2])


def test_patches_are_a_copy_of_the_image():
    image = IMAGE.copy()
    found = extract_patches(image, [(5, 5)], 20, "constant")
    found[:] = 0.0
    np.testing.assert_array_equal(image, IMAGE)
    assert found.flags.c_contiguous


def test_as_many_as_an_experiment_needs_are_cut_at_once():
    image = RANDOM.normal(size=(3, 200, 200)).astype(np.float32)
    pixels = RANDOM.integers(16, 184, (10_000, 2))
    found = extract_patches(image, pixels, 32)
    for index in (0, 4711, 9999):
        row, column = pixels[index] - 16
        np.testing.assert_array_equal(found[index], image[:, row : row + 32, column : column + 32])


@pytest.mark.parametrize(
    ("pixels", "size", "edge", "message"),
    [
        (
            [(5, 5), (20, 3), (25, 3)],
            3,
            "reflect",
            r"pixel 1 \(row 20, column 3; of 2\) lies outside.*20 x 31",
        ),
        ([(5, 5), (0, 3)], 3, "error", r"patch of 3 x 3 around pixel 1 \(row 0, column 3; of 1\) extends"),
        ([(5, 5), (0, 3)], 3, "exclude", "extends beyond the image"),
        ([(5, np.nan)], 3, "error", r"pixel 0 \(of 1\) is \(5, nan\)"),
        ([(5, 5)], (21, 3), "reflect", "21 x 3 pixels does not fit into the image of 20 x 31"),
        (np.full((800_000, 2), 9), 16, "error", "GiB, more than 2 GiB; choose a larger stride"),
    ],
)
def test_what_cannot_be_cut_is_named(pixels, size, edge, message):
    with pytest.raises(MeasurementError, match=message):
        extract_patches(IMAGE, pixels, size, edge)


def test_nothing_asked_for_is_nothing_cut():
    assert extract_patches(IMAGE, np.empty((0, 2)), 4).shape == (0, 3, 4, 4)


@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 31)),
    stride=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    edge=st.sampled_from(["exclude", "reflect", "constant", "error"]),
)
def test_every_place_of_a_grid_can_be_cut_and_no_further_one_would_fit(size, stride, edge):
    pixels = candidate_positions((20, 31), stride, size, edge)
    assert len(extract_patches(IMAGE, pixels, size, edge)) == len(pixels) == len(np.unique(pixels, axis=0))
    for axis, points in enumerate((20, 31)):
        places = np.unique(pixels[:, axis])
        assert set(np.diff(places)) <= {stride[axis]}
        room = points if edge in ("reflect", "constant") else points - size[axis] + 1
        assert len(places) == -(-room // stride[axis])
        margins = places[0], points - 1 - places[-1]
        assert min(margins) >= 0


def test_a_patch_as_large_as_the_image_has_one_place():
    assert candidate_positions((20, 31), 1, (20, 31)).tolist() == [[10, 15]]
    with pytest.raises(MeasurementError, match="does not fit"):
        candidate_positions((20, 31), 1, (20, 32))


def test_a_survey_without_positions_gives_a_grid_in_its_unit():
    found = PatchSettings(size=8, stride=4, normalisation="none").extract(survey())
    assert found.unit == "nm"
    assert found.channels == ("a", "b", "c")
    assert len(found) == len(found.pixels) == 4 * 6
    np.testing.assert_array_equal(found.positions, found.pixels * 2.0 + [100.0, 0.0])
    np.testing.assert_array_equal(found.patches, extract_patches(IMAGE, found.pixels, 8))
    np.testing.assert_array_equal(found.survey_index, np.arange(24))


def test_listed_positions_are_kept_as_they_are_and_those_at_the_edge_are_left_out():
    listed = [(100.0, 0.0), (120.4, 20.0), (138.0, 60.0), (119.9, 21.0)]
    found = image_patches(survey(listed), PatchSettings(size=5, channels=("c",), normalisation="none"))
    assert found.survey_index.tolist() == [1, 3]
    np.testing.assert_array_equal(found.positions, [listed[1], listed[3]])
    assert found.pixels.tolist() == [[10, 10], [10, 11]]
    np.testing.assert_array_equal(found.patches[0, 0], IMAGE[2, 8:13, 8:13])
    kept = image_patches(survey(listed), PatchSettings(size=5, edge="reflect"))
    assert len(kept) == 4


def test_columns_of_positions_are_told_by_their_names():
    listed = survey([(120.0, 20.0), (122.0, 30.0)])
    swapped = listed.isel(coordinate=[1, 0])
    settings = PatchSettings(size=3)
    np.testing.assert_array_equal(settings.extract(swapped).positions, settings.extract(listed).positions)


@pytest.mark.parametrize(
    ("positions", "options", "message"),
    [
        (
            [(120.0, 20.0), (90.0, 0.0)],
            {},
            r"position \(90, 0\) of candidate 1 \(of 1\).*pixel \(row -5, column 0\)",
        ),
        (
            [(120.0, 20.0), (122.0, 20.0), (120.0, 20.0)],
            {},
            r"\(120, 20\) is listed twice: candidates 0 and 2",
        ),
        ([(120.0, np.inf)], {}, "candidate 0 .* not finite"),
        ([(100.0, 0.0)], {}, "none of 1 places remains"),
        ([(120.0, 20.0), (100.0, 0.0)], {"edge": "error"}, "around pixel 1"),
        (None, {"places": "survey"}, 'has no "position"'),
        (None, {"channels": ("z",)}, "no channel 'z'; the image has a, b, c"),
    ],
)
def test_a_survey_that_cannot_be_used_says_why(positions, options, message):
    with pytest.raises(MeasurementError, match=message):
        image_patches(survey(positions), PatchSettings.model_validate({"size": 5, **options}))


def test_positions_in_another_unit_are_refused():
    with pytest.raises(MeasurementError, match="positions are in um, the image in nm"):
        image_patches(survey([(120.0, 20.0)], units="um"), PatchSettings(size=5))


def test_a_grid_leaves_out_what_was_not_measured():
    valid = np.ones(IMAGE.shape[1:], bool)
    valid[:, 15:] = False
    found = image_patches(survey(valid=valid), PatchSettings(size=3, stride=1))
    assert found.pixels[:, 1].max() == 14


def test_the_whole_image_is_normalised_before_it_is_cut_and_patches_only_on_request():
    whole = PatchSettings(size=7, stride=3).extract(survey())
    np.testing.assert_allclose(
        whole.patches[:, 1],
        (extract_patches(IMAGE, whole.pixels, 7)[:, 1] - IMAGE[1].mean()) / IMAGE[1].std(),
        atol=1e-5,
    )
    each = PatchSettings(size=7, stride=3, patch_normalisation="standard").extract(survey()).patches
    np.testing.assert_allclose(each.mean(axis=(2, 3)), 0.0, atol=1e-5)
    np.testing.assert_allclose(each.std(axis=(2, 3)), 1.0, atol=1e-4)


def test_a_patch_without_contrast_stays_finite():
    values = np.zeros((20, 20))
    values[15:, 15:] = 1.0
    found = PatchSettings(size=4, patch_normalisation="standard").extract(image_dataset(values))
    assert np.isfinite(found.patches).all()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"size": 0}, "size"),
        ({"size": [16, 2000]}, "size"),
        ({"size": True}, "size"),
        ({"stride": 0}, "stride"),
        ({"edge": "wrap"}, "edge"),
        ({"fill": float("nan")}, "fill"),
        ({"sise": 3}, "unknown key 'sise'"),
    ],
)
def test_impossible_settings_are_told(document, message):
    with pytest.raises(ConfigurationError, match=message):
        validated(PatchSettings, document, "run.toml")


def test_the_encoder_is_passed_through():
    settings = validated(
        PatchSettings, {"size": [8, 9], "encoder": {"kind": "pca", "components": 5}}, "run.toml"
    )
    assert settings.size == (8, 9)
    assert settings.encoder == {"kind": "pca", "components": 5}


def test_the_places_of_a_real_benchmark_have_the_patches_that_came_with_it(data_folder):
    with np.load(data_folder / "microscopy" / "synthetic_bench.npz") as file:
        image, pixels, expected = file["image"], file["pos"], file["X"].reshape(-1, 16, 16)
    found = extract_patches(image[None], pixels, 16)[:, 0]
    # They were scaled from 0 to 1 as a whole.
    slope, offset = np.polyfit(found[:50].ravel(), expected[:50].ravel(), 1)
    np.testing.assert_allclose(slope * found + offset, expected, atol=1e-4)
