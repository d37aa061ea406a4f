"""Rings of a known powder on a detector at a known place."""

import numpy as np
import pytest
from tests.xrd.area.detector import DISTANCE, PIXEL, SHAPE, WAVELENGTH, directions

from nescio.signals import notes_of

pytest.importorskip("pyFAI", reason="needs the extra area")

LATTICE = 4.1569  # angstrom; lanthanum hexaboride
RINGS = [
    2.0 * np.arcsin(WAVELENGTH * 1e10 / 2.0 * np.sqrt(squares) / LATTICE) for squares in (1, 2, 3, 4, 5, 6, 8)
]
TILTED = (0.05, -0.08, 0.3)
PIXEL_DEGREE = np.degrees(PIXEL / DISTANCE)


def powder(rotations=(0.0, 0.0, 0.0), texture=0.0):
    """An image of rings whose intensity along the azimuth is 1 + texture * cos(2 azimuth)."""
    two_theta, azimuth = directions(rotations)
    rings = sum(np.exp(-0.5 * ((two_theta - ring) / 0.002) ** 2) for ring in RINGS)
    return (1000.0 * rings * (1.0 + texture * np.cos(2.0 * azimuth)) + 10.0).astype(np.float32)


def centre(pattern, ring, row=0):
    x, y = pattern["two_theta"].values, pattern["intensity"].values[row] - 10.0
    near = (np.abs(x - np.degrees(ring)) < 0.6) & np.isfinite(y)
    return np.sum(x[near] * y[near]) / np.sum(y[near])


@pytest.mark.parametrize("rotations", [(0.0, 0.0, 0.0), TILTED])
def test_rings_are_within_a_pixel_of_where_they_should_be(integrate, rotations):
    pattern = integrate(powder(rotations), rotations=rotations)
    seen = [ring for ring in RINGS if np.degrees(ring) < pattern["two_theta"].values[-1] - 1.0]
    assert len(seen) >= 5
    for ring in seen:
        assert abs(centre(pattern, ring) - np.degrees(ring)) < 0.1 * PIXEL_DEGREE
    assert pattern.attrs["wavelength_angstrom"] == pytest.approx(0.7)
    assert np.median(np.diff(pattern["two_theta"])) == pytest.approx(PIXEL_DEGREE, rel=0.1)


@pytest.mark.parametrize("name", ["image.tif", "image.cbf", "image.edf"])
def test_every_kind_of_image_gives_the_same_pattern(integrate, name):
    counts = np.rint(powder()).astype(np.int32)
    expected = integrate(counts)
    np.testing.assert_array_equal(integrate(counts, name=name)["intensity"], expected["intensity"])


def test_sectors_show_texture(integrate):
    whole = integrate(powder(texture=0.6))
    sectors = integrate(powder(texture=0.6), sectors=8)
    assert sectors.sizes["measurement"] == 8
    assert sectors["measurement"].values[0] == "image azimuth -180 to -135"
    azimuth = sectors["azimuth_degree"].values
    assert azimuth.tolist() == [-157.5, -112.5, -67.5, -22.5, 22.5, 67.5, 112.5, 157.5]
    at = int(np.argmin(np.abs(sectors["two_theta"].values - np.degrees(RINGS[0]))))
    heights = sectors["intensity"].values[:, at] / whole["intensity"].values[0, at]
    # The mean of 1 + 0.6 cos(2 azimuth) over an eighth of the circle.
    expected = 1.0 + 0.6 * np.cos(2.0 * np.radians(azimuth)) * np.sin(np.pi / 4.0) / (np.pi / 4.0)
    np.testing.assert_allclose(heights, expected, rtol=0.05)
    without = integrate(powder(), sectors=8)["intensity"].values[:, at]
    np.testing.assert_allclose(without, without.mean(), rtol=0.03)


def test_a_masked_pixel_does_not_count(integrate):
    image = powder()
    image[100:110, 100:160] = 1e6
    mask = np.zeros(SHAPE, np.uint8)
    mask[100:110, 100:160] = 1
    masked = integrate(image, mask=mask)["intensity"].values
    clean = integrate(powder(), mask=mask)["intensity"].values
    np.testing.assert_array_equal(masked, clean)
    assert np.nanmax(integrate(image)["intensity"].values) > 10.0 * np.nanmax(clean)


@pytest.mark.parametrize(("kind", "gap"), [(np.int32, -1), (np.uint32, 2**32 - 1), (np.float32, np.nan)])
def test_the_gaps_that_a_detector_marks_do_not_count(integrate, kind, gap):
    image = np.rint(powder()).astype(kind)
    image[100:110, :] = gap
    mask = np.zeros(SHAPE, np.uint8)
    mask[100:110, :] = 1
    clean = integrate(np.rint(powder()).astype(kind), mask=mask, name="clean.npy")
    np.testing.assert_array_equal(integrate(image, name="a.npy")["intensity"], clean["intensity"])


def test_the_flat_field_divides(integrate):
    flat = np.ones(SHAPE, np.float32)
    flat[::2] = 0.5
    flat[0, 0] = 0.0
    even = np.full(SHAPE, 100.0, np.float32)
    corrected = integrate(even * flat, flat_field=flat)["intensity"].values
    np.testing.assert_allclose(corrected, integrate(even)["intensity"].values, rtol=2e-3)
    assert np.nanmedian(integrate(even * flat)["intensity"].values) < 0.8 * np.nanmedian(corrected)


def test_what_is_wholly_masked_is_left_out(integrate):
    mask = np.zeros(SHAPE, np.uint8)
    mask[:120] = 1
    pattern = integrate(powder(), mask=mask, sectors=4)
    # The upper half of the image is at negative azimuths.
    assert pattern["azimuth_degree"].values.tolist() == [45, 135]
    assert [note.split(": ")[1] for note in notes_of(pattern)] == [
        "sector 1 has no pixels and is left out",
        "sector 2 has no pixels and is left out",
    ]


def test_the_images_of_a_file_are_measurements(integrate):
    patterns = integrate(np.stack([powder(), 2.0 * powder()]), name="a.npy")
    assert patterns["measurement"].values.tolist() == ["a#1", "a#2"]
    np.testing.assert_allclose(patterns["intensity"][1], 2.0 * patterns["intensity"][0], rtol=1e-6)
