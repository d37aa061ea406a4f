"""Candidates without an image come from the survey unchanged; unclear surveys are refused."""

import numpy as np
import pytest
import xarray as xr

from nescio.errors import ConfigurationError, ExplorationError
from nescio.explore.candidates import CandidateMaker, Candidates, FeatureSettings
from nescio.explore.settings import CANDIDATES

POSITIONS = np.array([[0.0, 300.0], [0.0, 400.0], [1.0, 300.0]])
COMPOSITIONS = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2]])


def survey(positions=POSITIONS, features=COMPOSITIONS, names=("Co", "Fe", "Zr")) -> xr.Dataset:
    data = {"position": (("candidate", "coordinate"), positions, {"units": "mm"})}
    coords = {"coordinate": ["x", "y"]}
    if features is not None:
        data["features"] = (("candidate", "feature"), features)
        if names:
            coords["feature"] = list(names)
    return xr.Dataset(data, coords)


def test_compositions_become_candidates():
    settings = CANDIDATES.build({"kind": "features"}, "run")
    assert isinstance(settings, FeatureSettings)
    assert isinstance(settings, CandidateMaker)
    candidates = settings.candidates(survey(), seed=3)
    np.testing.assert_array_equal(candidates.positions, POSITIONS)
    np.testing.assert_array_equal(candidates.features, COMPOSITIONS.astype(np.float32))
    assert candidates.features.dtype == np.float32
    assert candidates.coordinates == ("x", "y")
    assert candidates.unit == "mm"
    assert candidates.encoder == "features"
    assert candidates.survey_index.tolist() == [0, 1, 2]


def test_some_of_the_features_can_be_chosen_in_any_order():
    chosen = FeatureSettings(columns=("Zr", "Co")).candidates(survey())
    np.testing.assert_array_equal(chosen.features, COMPOSITIONS[:, [2, 0]].astype(np.float32))
    numbered = FeatureSettings(columns=("1",)).candidates(survey(names=()))
    np.testing.assert_array_equal(numbered.features, COMPOSITIONS[:, [1]].astype(np.float32))


def test_features_may_be_listed_across():
    turned = survey().transpose("feature", "coordinate", "candidate")
    np.testing.assert_array_equal(
        FeatureSettings().candidates(turned).features, FeatureSettings().candidates(survey()).features
    )


def test_the_position_may_be_all_there_is():
    candidates = FeatureSettings().candidates(survey(features=None))
    assert candidates.features.shape == (3, 0)
    assert candidates.encoder == ""


def changed(value):
    features = COMPOSITIONS.copy()
    features[1, 2] = value
    return features


@pytest.mark.parametrize(
    ("columns", "given", "message"),
    [
        ((), survey().drop_vars("position"), r"the survey has no position \(candidate, coordinate\)"),
        (
            (),
            survey(np.repeat(POSITIONS[:1], 3, 0)),
            r"position \(0, 300\) is listed twice: candidates 0 and 1",
        ),
        (
            (),
            survey(POSITIONS * [1, np.nan]),
            r"positions of candidate 0 are not finite \(3 such candidates\)",
        ),
        ((), survey(POSITIONS[:0], COMPOSITIONS[:0]), r"positions have shape \(0, 2\)"),
        (
            (),
            survey(features=changed(np.nan)),
            "feature 'Zr' of candidate 1 is nan; it must be a finite number",
        ),
        ((), survey(features=changed(1e39)), r"feature 'Zr' of candidate 1 is 1e\+39"),
        (
            (),
            survey(features=COMPOSITIONS.astype(str)),
            "features has dimensions candidate, feature and type <U",
        ),
        ((), survey().rename(feature="element"), "needs numbers over candidate, feature"),
        (("Ni",), survey(), r"feature 'Ni' is not one of the survey's features \(Co, Fe, Zr\)"),
        (("Co", "Co"), survey(), "feature 'Co' is ambiguous"),
        (("Co",), survey(names=("Co", "Co", "Zr")), "feature 'Co' is ambiguous"),
        (("Co",), survey(features=None), "the survey has no features; remove columns = Co"),
        (
            (),
            survey(features=None).assign(image=(("channel", "y", "x"), np.zeros((1, 2, 2)))),
            'the survey is an image without features; set kind = "patches"',
        ),
    ],
)
def test_a_survey_that_does_not_say_what_can_be_measured_is_refused(columns, given, message):
    with pytest.raises(ExplorationError, match=message):
        FeatureSettings(columns=columns).candidates(given)


def test_a_number_beside_the_columns_that_are_chosen_may_be_missing():
    assert FeatureSettings(columns=("Co", "Fe")).candidates(
        survey(features=changed(np.nan))
    ).features.shape == (3, 2)


def test_settings_name_what_is_unknown():
    with pytest.raises(ConfigurationError, match="run: unknown key 'column'; known here: columns, kind"):
        CANDIDATES.build({"kind": "features", "column": ["Co"]}, "run")


FEATURES = COMPOSITIONS.astype(np.float32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alternatives": {"pca": FEATURES[:2]}}, r"features 'pca' have shape \(2, 3\) for 3 positions"),
        ({"alternatives": {"pca": FEATURES[:, 0]}}, r"features 'pca' have shape \(3,\) for 3 positions"),
        ({"alternatives": {"pca": FEATURES * np.inf}}, "features 'pca' of candidate 0 are not finite"),
        ({"alternatives": {"raw": FEATURES}, "encoder": "raw"}, "alternative features are named 'raw'"),
        ({"alternatives": {"": FEATURES}}, "alternative features are named ''"),
        ({"survey_index": np.arange(2)}, r"survey_index has shape \(2,\) for 3 positions; needs \(n,\)"),
    ],
)
def test_other_features_are_of_the_same_candidates(options, message):
    with pytest.raises(ExplorationError, match=message):
        Candidates(positions=POSITIONS, features=FEATURES, **options)
