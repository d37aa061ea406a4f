"""Scalarizers built from scalarizers, and the stored definitions of all kinds."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from nescio.errors import ConfigurationError
from nescio.explore.scalarizers import (
    SCALARIZERS,
    BandIntegral,
    Ratio,
    Scalar,
    Several,
    WeightedSum,
    build_scalarizer,
    scalarize,
)

X = np.linspace(0.0, 10.0, 101)
LOW, HIGH = {"kind": "band-integral", "low": 0, "high": 2}, {"kind": "band-integral", "low": 5, "high": 9}
BAND = {"low": 1.0, "high": 2.0}
DEFINITIONS = {
    "band-integral": {"low": 1.0, "high": 2.0, "background": "linear", "select": {"sweep": [0, 1]}},
    "band-ratio": {"numerator": BAND, "denominator": {"low": 3, "high": 4}},
    "mean-magnitude": {"select": {"sweep": {"values": [2, 3]}, "bias": {"low": -1.5}}, "unit": "pm"},
    "peak": {"shape": "voigt", "quantities": ["position", "area"], "low": 1.0},
    "peak-ratio": {"numerator": BAND, "denominator": {"low": 3, "high": 4}, "of": "area"},
    "polynomial": {"degree": 3, "constant": False, "quantities": ["A", "A/B"]},
    "similarity": {"target": [1.0, 2.0, 4.0], "measure_by": "cosine"},
    "ratio": {"numerator": LOW, "denominator": {"kind": "sum", "weights": [1, 2], "parts": [LOW, HIGH]}},
    "sum": {"weights": [0.5, -1], "parts": [LOW, {"kind": "polynomial", "degree": 2}], "unit": "nm"},
    "several": {"parts": [LOW, {"kind": "peak", "quantities": ["height", "width"]}, {"kind": "hysteresis"}]},
    "agent": {"agent": "no/longer/there", "digest": "ab12", "reading": "p-value"},
    "hysteresis": {"axis": "bias", "quantities": ["area", "imprint"], "nucleation_share": 0.2},
    "centre-of-mass": {"centre": [0.0, 0.5], "radius": 3.0, "counts": 1.0, "quantities": ["direction"]},
}


def spectrum(values):
    coords = {"energy": ("energy", X, {"units": "eV"})}
    return xr.DataArray(values, dims="energy", coords=coords, attrs={"units": "counts"})


def test_every_registered_kind_is_tested_here():
    assert set(DEFINITIONS) == set(SCALARIZERS.names())


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_a_definition_survives_the_record(kind):
    built = build_scalarizer({"kind": kind, **DEFINITIONS[kind]}, "run.toml")
    assert type(built) is SCALARIZERS.find(kind, "test")
    document = json.loads(json.dumps(built.model_dump(mode="json"), allow_nan=False))
    again = build_scalarizer(document, "record")
    assert again == built
    assert again.model_dump(mode="json") == document
    assert again.outputs == built.outputs


def test_ratio_of_two_integrals_and_its_uncertainty():
    both = Ratio(numerator=LOW, denominator=HIGH)
    rng = np.random.default_rng(2)
    clean = 3 + 0.2 * X
    values, claimed, _ = scalarize(
        both, [spectrum(clean + 0.3 * rng.standard_normal(101)) for _ in range(200)], progress=False
    )
    assert values.mean() == pytest.approx((6 + 0.4) / (12 + 0.1 * 56), rel=0.01)
    assert values.std() / np.sqrt((claimed**2).mean()) == pytest.approx(1, abs=0.2)


def test_weighted_sum():
    total = WeightedSum(weights=(2, -1), parts=(BandIntegral(low=0, high=2), HIGH))
    (scalar,) = total(spectrum(np.full(101, 3.0)))
    assert scalar.value == pytest.approx(2 * 6 - 12)
    assert total.outputs_for(spectrum(X))[0].unit == "counts eV"


def test_several_numbers_have_names_of_their_own_and_one_missing_leaves_the_rest():
    several = Several(parts=(LOW, {**HIGH, "high": 99}, {**HIGH, "name": "upper"}))
    assert [output.name for output in several.outputs] == ["integral", "integral#2", "upper"]
    scalars = several(spectrum(np.ones(101)))
    assert scalars[0].value == pytest.approx(2)
    assert np.isnan(scalars[1].value)
    assert scalars[2].value == pytest.approx(4)
    _, _, (reason,) = scalarize(several, [spectrum(np.ones(101))])
    assert reason.startswith("integral#2: energy 5 to 99 eV exceeds")
    _, _, (reason,) = scalarize(several, [spectrum(np.full(101, np.nan))])
    assert reason == "the spectrum has no finite value"


def test_the_part_that_is_missing_is_named():
    (scalar,) = Ratio(numerator=LOW, denominator={**HIGH, "high": 99})(spectrum(X))
    assert scalar.reason.startswith("denominator: energy 5 to 99 eV")
    (scalar,) = Ratio(numerator=LOW, denominator=HIGH)(spectrum(np.where(X < 4, 1.0, 0.0)))
    assert "is not distinguishable from zero" in scalar.reason


def test_mistakes_in_a_nested_table_are_told_with_their_place():
    with pytest.raises(
        ConfigurationError, match=r"run.toml: numerator: band-integral: low: Input should be a valid number"
    ):
        build_scalarizer({"kind": "ratio", "numerator": {**LOW, "low": "x"}, "denominator": HIGH}, "run.toml")
    with pytest.raises(ConfigurationError, match=r"parts.1: non: kind 'non' is not known"):
        build_scalarizer({"kind": "several", "parts": [LOW, {"kind": "non"}]}, "run.toml")
    with pytest.raises(
        ConfigurationError, match=r"numerator: band-integral: unknown key 'hgih'; known here: axis"
    ):
        build_scalarizer({"kind": "ratio", "numerator": {**LOW, "hgih": 1}, "denominator": HIGH}, "run.toml")
    with pytest.raises(ValidationError, match="denominator gives 2 numbers"):
        Ratio(numerator=LOW, denominator={"kind": "peak", "quantities": ["height", "area"]})
    with pytest.raises(ValidationError, match="1 weights for 2 parts"):
        WeightedSum(weights=(1,), parts=(LOW, HIGH))


def test_an_error_inside_a_scalarizer_of_ones_own_is_a_missing_value():
    class Broken(BandIntegral):
        def measure(self, spectrum):
            return (Scalar(1.0 / 0.0),)

    (scalar,) = Broken(low=0, high=1)(spectrum(X))
    assert scalar.reason.startswith("ZeroDivisionError")


def test_every_table_of_the_guide_can_be_built(tmp_path, monkeypatch):
    guide = Path(__file__).parents[2] / "docs" / "howto" / "scalarizer.md"
    tables = [
        tomllib.loads(block)["scalarizer"]
        for block in re.findall(r"```toml\n(.*?)```", guide.read_text(), re.S)
    ]
    monkeypatch.chdir(tmp_path)
    np.save("target.npy", X)
    shown = set()
    for table in tables:
        parts = {part["kind"] for part in table.get("parts", ())}
        shown |= {table["kind"], *parts}
        # There is no agent here; as in a record, its digest stands for it.
        build_scalarizer(table | {"digest": "ab12"} if table["kind"] == "agent" else table, "guide")
    assert shown == set(DEFINITIONS)


def test_two_outputs_of_one_scalarizer_have_names_and_long_names_of_their_own():
    twice = build_scalarizer({"kind": "several", "parts": [{"kind": "mean-magnitude"}] * 3}, "run.toml")
    assert [output.name for output in twice.outputs] == [
        "mean magnitude",
        "mean magnitude#2",
        "mean magnitude#3",
    ]
    assert len({output.long_name for output in twice.outputs}) == 3
