"""A loop is read alike however it was swept; what does not switch has no switching bias."""

import re

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from nescio.explore.scalarizers import scalarize
from nescio.microscopy.scalarizers import Hysteresis

ALL = (
    "work",
    "area",
    "height",
    "coercive_positive",
    "coercive_negative",
    "coercive",
    "imprint",
    "nucleation_positive",
    "nucleation_negative",
)
UP, DOWN, WIDTH, OFFSET = 5.0, -3.0, 1.0, 0.4
# tanh goes 10 % of the way at atanh(-0.8).
NUCLEATION = float(np.arctanh(0.8)) * WIDTH
EXPECTED = (16, 16, 2 * np.tanh(4) - 0.0, UP, DOWN, 4, 1, UP - NUCLEATION, DOWN + NUCLEATION)


def triangle(points=256, start=0.0, top=14.0):
    """One cycle, from `start` of a cycle on: 0 is at zero bias and rising."""
    phase = (np.arange(points) / points + start) % 1.0
    return top * np.interp(phase, [0, 0.25, 0.75, 1], [0, 1, -1, 0])


def response(bias, clockwise=False):
    rising = np.roll(bias, -1) > bias
    values = np.where(rising, np.tanh((bias - UP) / WIDTH), np.tanh((bias - DOWN) / WIDTH)) + OFFSET
    return -values if clockwise else values


def spectrum(bias, values, dim="bias"):
    return xr.DataArray(values, dims=dim, coords={"bias": (dim, bias, {"units": "V"})}, attrs={"units": "pm"})


def values(measured, quantities=ALL, **fields):
    scalars = Hysteresis(quantities=quantities, **fields)(measured)
    assert not any(scalar.reason for scalar in scalars), scalars
    return [scalar.value for scalar in scalars]


# A loop of two tanh is open at zero bias by tanh(5) + tanh(3).
EXPECTED = (*EXPECTED[:2], float(np.tanh(5) + np.tanh(3)), *EXPECTED[3:])


@pytest.mark.parametrize("start", [0.0, 0.1, 0.25, 0.6, 0.75])
def test_a_loop_is_the_same_wherever_the_sweep_starts(start):
    bias = triangle(start=start)
    np.testing.assert_allclose(values(spectrum(bias, response(bias))), EXPECTED, rtol=0.01, atol=0.01)


def test_uneven_steps_change_nothing():
    phase = np.sort(np.random.default_rng(0).uniform(0, 1, 600))
    bias = 14 * np.interp(phase, [0, 0.5, 1], [-1, 1, -1])
    found = values(spectrum(bias, response(bias)))
    np.testing.assert_allclose(found, EXPECTED, rtol=0.02, atol=0.03)


def test_a_loop_that_runs_the_other_way_has_negative_work():
    bias = triangle()
    turned = values(spectrum(bias, response(bias, clockwise=True)))
    np.testing.assert_allclose(turned[:3], [-16, 16, -EXPECTED[2]], rtol=0.01)
    np.testing.assert_allclose(turned[3:], EXPECTED[3:], atol=0.02)


def test_a_response_without_hysteresis_has_no_area():
    bias = triangle()
    found = values(spectrum(bias, np.tanh(bias)), ("area", "height", "imprint", "coercive"))
    np.testing.assert_allclose(found, 0, atol=1e-9)


def test_an_offset_moves_the_crossing_of_zero_and_not_of_the_middle():
    bias = triangle()
    measured = spectrum(bias, response(bias))
    shift = float(np.arctanh(OFFSET))
    at_zero = values(measured, ("coercive_positive", "coercive_negative"), level="zero")
    np.testing.assert_allclose(at_zero, [UP - shift, DOWN - shift], atol=0.01)


def test_sweeps_are_chosen_and_averaged():
    bias = triangle(64)
    rows = np.stack([7 * bias, response(bias) - 1, response(bias) + 1])
    coords = {"bias": (("sweep", "step"), np.tile(bias, (3, 1))), "sweep": [1, 2, 3]}
    measured = xr.DataArray(rows, dims=("sweep", "step"), coords=coords)
    chosen = {"axis": "bias", "select": {"sweep": {"values": [2, 3]}}}
    expected = values(spectrum(bias, response(bias)))
    np.testing.assert_allclose(values(measured, **chosen), expected)
    np.testing.assert_allclose(values(measured.transpose("step", "sweep"), **chosen), expected)
    # The bias along one dimension, or several cycles one after the other.
    one = xr.DataArray(rows, dims=("sweep", "step"), coords={"bias": ("step", bias)})
    np.testing.assert_allclose(values(one, axis="bias", select={"sweep": [1, 2]}), expected)
    cycles = spectrum(np.tile(bias, 2), np.tile(response(bias), 2))
    np.testing.assert_allclose(values(cycles), expected)


def test_uncertainty_is_the_scatter_of_repeated_measurements():
    bias = triangle(128)
    clean = response(bias)
    rng = np.random.default_rng(4)
    noisy = [spectrum(bias, clean + 0.05 * rng.standard_normal(128)) for _ in range(200)]
    found, claimed, reasons = scalarize(Hysteresis(quantities=ALL), noisy, progress=False)
    assert not any(reasons)
    ratio = found.std(axis=0) / np.sqrt((claimed**2).mean(axis=0))
    # Areas and openings are linear in the noise. Crossings hang on a local slope, itself uncertain.
    np.testing.assert_allclose(ratio[:3], 1, atol=0.2)
    assert ((ratio[3:] > 0.6) & (ratio[3:] < 1.35)).all(), ratio
    np.testing.assert_allclose(found.mean(axis=0), EXPECTED, atol=0.15)


@pytest.mark.parametrize(
    ("measured", "told"),
    [
        (spectrum(triangle(), np.full(256, np.nan)), "no finite value"),
        (spectrum(np.linspace(-5, 5, 50), np.ones(50)), "the bias falls over 0 points"),
        (spectrum(triangle(), np.random.default_rng(0).standard_normal(256)), "does not switch"),
        (spectrum(triangle(), np.ones(256)), "does not switch"),
        (spectrum(triangle(), response(triangle())).rename(bias="field"), "no coordinate 'bias'"),
    ],
)
def test_a_missing_coercive_bias_says_why(measured, told):
    (scalar,) = Hysteresis(axis="bias", quantities=("coercive",))(measured)
    assert np.isnan(scalar.value)
    assert re.search(told, scalar.reason), scalar.reason


def test_what_does_not_switch_still_has_an_area():
    bias = triangle()
    area, coercive = Hysteresis(quantities=("area", "coercive"))(spectrum(bias, np.zeros(256) + 3))
    assert area.value == pytest.approx(0)
    assert "does not switch" in coercive.reason
    (height,) = Hysteresis(quantities=("height",))(spectrum(bias + 20, response(bias)))
    assert "ranges from 6 to 34, which does not include 0" in height.reason


def test_units_and_refusals():
    measured = spectrum(triangle(), response(triangle()))
    named = Hysteresis(quantities=("area", "height", "imprint")).outputs_for(measured)
    assert [output.unit for output in named] == ["pm V", "pm", "V"]
    assert "expects mV" in Hysteresis(axis_unit="mV")(measured)[0].reason
    with pytest.raises(ValidationError, match=r"less than 0\.5"):
        Hysteresis(nucleation_share=0.6)


def test_loops_of_the_real_film(data_folder):
    film = np.load(data_folder / "microscopy" / "vartbo_pto_beps.npz")
    coords = {"bias": (("sweep", "step"), film["voltage"], {"units": "V"}), "sweep": [1, 2, 3]}
    loops = [
        xr.DataArray(loop.T, dims=("sweep", "step"), coords=coords)
        for loop in film["loops"][::6, ::6].reshape(-1, 64, 3)
    ]
    scalarizer = Hysteresis(
        axis="bias",
        select={"sweep": {"values": [2, 3]}},
        quantities=("area", "coercive", "nucleation_positive"),
    )
    found, _, reasons = scalarize(scalarizer, loops, progress=False)
    # Area by hand: the shoelace formula of the mean of both sweeps.
    mean = film["loops"][::6, ::6].reshape(-1, 64, 3)[..., 1:].astype(float).mean(axis=2)
    bias = film["voltage"][1].astype(float)
    shoelace = 0.5 * np.abs((bias * np.roll(mean, -1, 1) - np.roll(bias, -1) * mean).sum(axis=1))
    np.testing.assert_allclose(found[:, 0], shoelace, rtol=0.02, atol=2e-6)
    assert np.mean([not reason for reason in reasons]) > 0.95
    assert 2 < np.nanmedian(found[:, 1]) < 14
    assert np.nanmedian(found[:, 2]) < np.nanmedian(found[:, 1])
