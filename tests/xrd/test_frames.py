from pathlib import Path

import numpy as np
import pytest

from nescio.errors import MeasurementError
from nescio.xrd.frames import merge_frames
from nescio.xrd.read.measured import measured_dataset

AXIS = np.linspace(20.0, 100.0, 801)
PATTERNS = np.stack([50 + 500 * np.exp(-(((AXIS - c) / 2) ** 2)) for c in (39.0, 61.0)])


def frame(start, stop, factor=1.0, patterns=PATTERNS, wavelength=1.5406, kind="two_theta", sigma=None):
    part = (start <= AXIS) & (stop >= AXIS)
    return measured_dataset(
        Path(f"frame_{start}.xy"),
        kind,
        AXIS[part],
        patterns[:, part] * factor,
        wavelength=wavelength,
        uncertainty=None if sigma is None else np.full_like(patterns[:, part], sigma),
    )


def test_a_pattern_cut_into_four_scaled_frames_is_restored():
    pieces = [frame(60, 85, 0.4), frame(20, 42, 1.0), frame(80, 100, 3.0), frame(38, 64, 2.0)]
    merged = merge_frames(pieces)
    np.testing.assert_allclose(merged["two_theta"], AXIS)
    np.testing.assert_allclose(merged["intensity"], PATTERNS, rtol=1e-9)
    assert merged.attrs["frames"] == 4
    assert merged.attrs["wavelength_angstrom"] == 1.5406


def test_frames_that_only_touch_are_not_scaled():
    low = frame(20, 50)
    high = frame(50.05, 100, 2.0)
    merged = merge_frames([low, high])
    assert merged.sizes["two_theta"] == AXIS.size
    np.testing.assert_allclose(
        merged["intensity"].sel(two_theta=slice(51, 100)), 2 * PATTERNS[:, AXIS > 50.95]
    )


def test_a_gap_stays_a_gap():
    merged = merge_frames([frame(20, 40), frame(60, 100)])
    gap = merged["intensity"].sel(two_theta=slice(40.05, 59.95))
    assert gap.sizes["two_theta"] > 100
    assert np.isnan(gap).all()
    assert np.isfinite(merged["intensity"].sel(two_theta=slice(60, 100))).all()


def test_the_overlap_is_averaged_to_less_noise():
    rng = np.random.default_rng(0)
    flat = np.full((1, AXIS.size), 1e4)
    low, high = (
        frame(a, b, patterns=rng.poisson(flat).astype(float), sigma=100.0) for a, b in [(20, 80), (40, 100)]
    )
    merged = merge_frames([low, high])
    overlap = merged["intensity"].sel(two_theta=slice(40.5, 79.5))
    assert float(overlap.std()) == pytest.approx(100 / np.sqrt(2), rel=0.1)
    np.testing.assert_allclose(
        merged["uncertainty"].sel(two_theta=slice(40.5, 79.5)), 100 / np.sqrt(2), rtol=0.01
    )
    np.testing.assert_allclose(merged["uncertainty"].sel(two_theta=slice(20, 39.5)), 100)


def test_a_long_frame_weighs_more_than_a_short_one():
    rng = np.random.default_rng(0)
    flat = np.full((1, AXIS.size), 100.0)
    short, long = rng.poisson(flat).astype(float), rng.poisson(100 * flat).astype(float)
    merged = merge_frames([frame(20, 80, patterns=short), frame(40, 100, patterns=long)])
    overlap = merged["intensity"].sel(two_theta=slice(40.5, 79.5))
    assert float(overlap.std()) < 0.3 * short.std()


def test_frames_of_another_grid_are_brought_onto_the_first():
    shifted = frame(38, 100).assign_coords(two_theta=AXIS[(AXIS >= 38)] + 0.04)
    merged = merge_frames([frame(20, 42), shifted])
    assert (np.diff(merged["two_theta"]) > 0).all()
    assert not np.isnan(merged["intensity"]).any()


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frames"),
        ([frame(20, 50), frame(40, 60, wavelength=0.7093)], "wavelength 0.7093"),
        ([frame(20, 50), frame(40, 60, wavelength=None)], "wavelength None"),
        ([frame(20, 50), frame(20, 50, kind="q_nm")], "share one axis"),
        ([frame(20, 50), frame(40, 60, patterns=PATTERNS[:1])], "1 measurements; the first frame has 2"),
    ],
)
def test_frames_that_do_not_belong_together_are_refused(frames, message):
    with pytest.raises(MeasurementError, match=message):
        merge_frames(frames)
