"""The dataset of an experiment, the input of figures and reports."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from nescio.explore import Experiment, build_act, drive
from nescio.view.exploration.reading import best_measurements

_SPEC = importlib.util.spec_from_file_location("instruments", Path(__file__).with_name("instruments.py"))
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Steered a little: a scalarizer was changed, a measurement rejected, and one has no value."""
    folder = tmp_path_factory.mktemp("run")
    sample = made.Sample(
        lambda candidate, spectrum: spectrum * np.nan if len(sample.asked) == 2 else spectrum
    )
    with made.begin(folder, title="A hill", budget={"points": 7}) as experiment:
        drive(experiment, sample, wait=False)
        for kind, parameters in (
            ("reject", {"measurement": 0}),
            ("measure", {"candidate": 1000}),
            ("scalarizer", {"scalarizer": {"kind": "mean-magnitude", "select": {"energy": {"low": 3.0}}}}),
            ("budget", {"budget": {"points": 9}}),
        ):
            experiment.act(build_act(kind, parameters), who="me")
        drive(experiment, sample, wait=False)
        experiment.act(build_act("goal", {"goal": {"direction": "minimise"}}), who="me")
    return folder, sample


@pytest.fixture
def table(run):
    with Experiment.open(run[0], read_only=True) as experiment:
        yield experiment.to_dataset()


def test_it_holds_all_measurements_in_order(run, table):
    _, sample = run
    np.testing.assert_array_equal(table["candidate"], sample.asked)
    np.testing.assert_array_equal(table["origin"], ["seed"] * 4 + ["policy"] * 5)
    np.testing.assert_array_equal(np.flatnonzero(table["rejected"]), [0])
    assert np.isnan(table["value"].values[1, 0])
    assert "only 0 of 8 points" in str(table["reason"].values[1])
    np.testing.assert_allclose(table["spectrum"].values[3], sample.spectra[sample.asked[3]])
    assert np.isnan(table["spectrum"].values[1]).all()
    assert table["spectrum"].attrs["units"] == "counts"
    assert (table["output_unit"].values == "counts").all()


def test_values_are_those_of_the_scalarizer_that_holds(run, table):
    _, sample = run
    expected = sample.spectra[sample.asked][:, made.ENERGY >= 3.0].mean(1)
    np.testing.assert_allclose(table["value"].values[2:, 0], expected[2:])


def test_the_best_so_far_is_of_what_counts(table):
    values = np.where(table["rejected"], np.nan, table["value"].values[:, 0])
    for decision, step in enumerate(table["step"].values):
        assert table["best_so_far"].values[decision] == np.nanmax(values[:step])


def test_a_map_is_compared_only_with_one_of_the_same_numbers(table):
    # Decisions after 4, 5, 6 measurements; then, of other numbers, after 7 and 8.
    np.testing.assert_array_equal(table["step"], [4, 5, 6, 7, 8])
    changed = np.isfinite(table["map_change"].values[:, 0])
    np.testing.assert_array_equal(changed, [False, True, True, False, True])
    np.testing.assert_array_equal(np.isfinite(table["predicted"].values[:, 0]), [False] * 7 + [True] * 2)
    assert (table["predicted_sd"].values[7:] > 0).all()


def test_acts_are_told_with_what_became_of_them(table):
    assert list(table["act_who"].values) == ["me"] * 5
    assert list(table["act_step"].values) == [7, 7, 7, 7, 9]
    first, refused, scalarizer, budget, last = (str(text) for text in table["act_text"].values)
    assert first == "reject: measurement 1"
    assert "refused: candidate 1000" in refused
    assert scalarizer.startswith("scalarizer")
    assert "points" in budget
    assert last.endswith("(not applied yet)")


def test_it_says_what_was_wanted_and_how_it_ended(table):
    assert table.attrs["title"] == "A hill"
    assert table.attrs["goal"] == "maximise magnitude of the mean"
    assert table.attrs["stopped"] == "9 of 9 points are measured"
    assert table.attrs["budget"] == 9
    assert table.attrs["model"].splitlines()[1:] == ["coordinates", "mean magnitude: inputs are the position"]
    assert json.loads(table.attrs["configuration"])["title"] == "A hill"


def test_an_experiment_that_has_hardly_begun_is_a_table_too(tmp_path):
    with made.begin(tmp_path) as experiment:
        assert experiment.to_dataset().sizes["measurement"] == 0
        experiment.tell(0, None, "nothing")
        assert np.isnan(experiment.to_dataset()["value"].values).all()


def test_every_number_has_a_model_of_its_own(tmp_path):
    both = {
        "kind": "several",
        "parts": [
            {"kind": "mean-magnitude"},
            {"kind": "mean-magnitude", "select": {"energy": {"low": 3.0}}},
        ],
    }
    changes = {"scalarizer": both, "policy": {"kind": "hypervolume-improvement"}, "budget": {"points": 8}}
    with made.begin(tmp_path, **changes) as experiment:
        drive(experiment, made.Sample(), wait=False)
        table = experiment.to_dataset()
    for name in ("noise_sd", "scale", "loo_coverage", "map_change"):
        assert table[name].dims == ("decision", "output")
    for name in ("noise_sd", "map_change"):
        assert not np.array_equal(table[name].values[1:, 0], table[name].values[1:, 1])


def test_what_was_just_measured_is_not_said_to_be_next(tmp_path):
    with made.begin(tmp_path, budget={"points": 8}) as experiment:
        drive(experiment, made.Sample(), wait=False)
        table = experiment.to_dataset()
        assert np.isnan(table["acquisition"].values[table["candidate"].values]).all()
        assert np.isfinite(table["acquisition"].values).any()
        experiment.act(build_act("goal", {"goal": {"direction": "minimise"}}), who="me")
        experiment.apply_acts()
        assert np.isnan(experiment.to_dataset()["acquisition"].values).all()


def test_with_one_scalarizer_up_and_down_the_best_of_each_is_the_right_end(tmp_path):
    both = {"kind": "several", "parts": [{"kind": "mean-magnitude"}] * 2}
    changes = {"goal": {"direction": ["maximise", "minimise"]}, "policy": {"kind": "random"}}
    with made.begin(tmp_path, scalarizer=both, budget={"points": 8}, **changes) as experiment:
        drive(experiment, made.Sample(), wait=False)
        table = experiment.to_dataset()
    assert table["output_direction"].values.tolist() == ["maximise", "minimise"]
    value = table["value"].values
    assert best_measurements(table, 0, 1) == [int(value[:, 0].argmax())]
    assert best_measurements(table, 1, 1) == [int(value[:, 1].argmin())]
