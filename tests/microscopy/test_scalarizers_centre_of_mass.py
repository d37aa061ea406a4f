"""The centre of mass of a diffraction pattern is where it was put, as surely as its counts say."""

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from nescio.explore.scalarizers import scalarize
from nescio.microscopy.scalarizers import CentreOfMass

Q = np.linspace(-3, 3, 61)
ALL = ("first", "second", "magnitude", "direction")


def pattern(values):
    coords = {"qy": ("qy", Q, {"units": "1/nm"}), "qx": ("qx", Q, {"units": "1/nm"})}
    return xr.DataArray(values, dims=("qy", "qx"), coords=coords, attrs={"units": "electrons"})


def spot(y, x, width=0.5, electrons=2000.0):
    values = np.exp(-0.5 * ((Q[:, None] - y) ** 2 + (Q[None, :] - x) ** 2) / width**2)
    return electrons * values / values.sum()


def values(measured, **fields):
    return [scalar.value for scalar in CentreOfMass(quantities=ALL, **fields)(measured)]


def test_shift_of_a_spot():
    np.testing.assert_allclose(
        values(pattern(spot(0.3, 0.4))), [0.3, 0.4, 0.5, np.degrees(np.arctan2(3, 4))], rtol=1e-4
    )
    np.testing.assert_allclose(
        values(pattern(spot(0.3, 0.4)), centre=(0.3, 0.0)), [0, 0.4, 0.4, 0], atol=1e-4
    )


def test_a_second_spot_outside_the_disc_does_not_count():
    both = pattern(spot(0.1, 0, 0.2) + spot(2.4, 2.4, 0.2))
    assert values(both)[2] > 1
    assert values(both, radius=1.5)[2] == pytest.approx(0.1, rel=1e-3)


def test_uncertainty_is_the_scatter_of_counts():
    rng = np.random.default_rng(0)
    patterns = [pattern(rng.poisson(spot(0.3, -0.4)).astype(float)) for _ in range(300)]
    found, claimed, _ = scalarize(CentreOfMass(quantities=ALL, counts=1.0), patterns, progress=False)
    np.testing.assert_allclose(found.std(axis=0) / claimed.mean(axis=0), 1, atol=0.15)
    np.testing.assert_allclose(found.mean(axis=0)[:3], [0.3, -0.4, 0.5], atol=4 * 0.5 / (2000 * 300) ** 0.5)
    # A detector that gives ten units for each electron.
    (scaled,) = CentreOfMass(counts=0.1)(patterns[0] * 10)
    assert scaled.uncertainty == pytest.approx(claimed[0, 2])
    assert np.isnan(CentreOfMass()(patterns[0])[0].uncertainty)


def test_a_spot_that_has_not_moved_has_no_direction():
    magnitude, direction = CentreOfMass(quantities=("magnitude", "direction"))(pattern(np.ones((61, 61))))
    assert magnitude.value == pytest.approx(0, abs=1e-12)
    still = np.zeros((61, 61))
    still[30, 30] = 1
    assert (
        "no direction"
        in CentreOfMass(quantities=("direction",), centre=(Q[30], Q[30]))(pattern(still))[0].reason
    )
    del direction


@pytest.mark.parametrize(
    ("measured", "fields", "told"),
    [
        (pattern(np.zeros((61, 61))), {}, "sums to 0; it must be positive"),
        (pattern(np.full((61, 61), np.nan)), {}, "3721 pixels of the pattern are not finite"),
        (
            pattern(np.ones((61, 61))),
            {"centre": (9.0, 9.0), "radius": 1.0},
            "no points within 1 of 9, 9",
        ),
        (pattern(np.ones((61, 61))), {"axes": ("ky", "kx")}, "no axis 'ky'"),
        (pattern(np.ones((61, 61))), {"axis_unit": "mrad"}, "expects mrad"),
    ],
)
def test_a_missing_shift_says_why(measured, fields, told):
    (scalar,) = CentreOfMass(**fields)(measured)
    assert told in scalar.reason


def test_units_and_refusals():
    named = CentreOfMass(quantities=ALL).outputs_for(pattern(np.ones((61, 61))))
    assert [(output.name, output.unit) for output in named] == [
        ("qy", "1/nm"),
        ("qx", "1/nm"),
        ("magnitude", "1/nm"),
        ("direction", "degree"),
    ]
    with pytest.raises(ValidationError, match="two different axes"):
        CentreOfMass(axes=("q", "q"))
    with pytest.raises(ValidationError, match="set axes, not axis"):
        CentreOfMass(axis="qx")
