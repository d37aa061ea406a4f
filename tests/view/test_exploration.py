"""Figures of an exploration show what was measured where it was measured, and say what they lack."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from nescio import view
from nescio.errors import MeasurementError
from nescio.view.exploration.front import best_compromises, front_figure
from nescio.view.exploration.reading import (
    best_measurements,
    measured_of,
    minimised,
    number_text,
    typical_measurements,
)

_SPEC = importlib.util.spec_from_file_location("explored", Path(__file__).with_name("explored.py"))
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

FIGURES = {
    "survey": view.survey_image,
    "places": view.measured_places,
    "maps": view.predicted_maps,
    "spectra": view.best_and_typical_spectra,
    "learning": view.learning_curve,
    "model": view.model_history,
    "time": view.time_spent,
    "trust": view.prediction_against_measurement,
    "latent": view.exploration_latent_map,
}

GEOMETRIES = ("no image", "one coordinate", "four coordinates", "scattered in an image")


@pytest.fixture(scope="module")
def whole():
    return made.make_explored()


@pytest.fixture(scope="module")
def kinds(whole):
    return {
        "whole": whole,
        "bare": made.without(whole),
        "nothing measured": made.make_explored(0),
        "one measurement": made.make_explored(1),
        "no image": made.make_explored(12, image=False, coordinates=("Pt", "Au"), scattered=True),
        "one coordinate": made.make_explored(12, image=False, coordinates=("voltage",)),
        "four coordinates": made.make_explored(12, image=False, coordinates=("T", "p", "t", "flow"), grid=4),
        "scattered in an image": made.make_explored(12, scattered=True),
        "no value": whole.assign(value=np.nan * whole["value"]),
        "another place": whole.assign(candidate=("measurement", np.full(60, -1))),
    }


def said(figure):
    """Return all words in a figure."""
    texts = [t.get_text() for a in figure.axes for t in [*a.texts, a.title]]
    texts += [a.get_title(loc="left") for a in figure.axes]
    texts += [t.get_text() for legend in figure.legends for t in legend.get_texts()]
    return " | ".join(texts)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_names_its_axes_whatever_was_explored(kinds, name):
    for kind, explored in kinds.items():
        if kind in GEOMETRIES and name not in ("places", "maps"):
            continue
        figure = FIGURES[name](explored)
        for axes in figure.axes:
            spec = axes.get_subplotspec()
            if not axes.axison or spec is None:
                continue
            assert axes.get_xlabel() or not spec.is_last_row(), kind
            assert axes.get_ylabel() or not spec.is_first_col(), kind
        for axes in figure.axes:
            if axes.get_label() == "<colorbar>":
                assert axes.get_xlabel() or axes.get_ylabel(), kind


def test_figures_of_nothing_can_be_drawn(kinds):
    for name in ("places", "learning"):
        assert view.figure_png(FIGURES[name](kinds["nothing measured"]), dpi=20).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("survey", "no survey image"),
        ("maps", "no model was fitted"),
        ("maps", "no policy ranked"),
        ("spectra", "no spectra were recorded"),
        ("learning", "no changes of the map were recorded"),
        ("model", "not recorded"),
        ("time", "no times were recorded"),
        ("trust", "no predictions were recorded"),
        ("latent", "neither features nor an embedding"),
    ],
)
def test_a_figure_says_what_it_lacks(kinds, name, words):
    assert words in said(FIGURES[name](kinds["bare"]))


@pytest.mark.parametrize("missing", ["position", "candidate", "value"])
def test_what_must_be_there_is_named(whole, missing):
    with pytest.raises(MeasurementError, match=missing):
        view.measured_places(whole.drop_vars(missing))


def test_an_unknown_output_or_channel_is_refused_with_those_there_are(whole):
    with pytest.raises(MeasurementError, match="'height'; the exploration has area"):
        view.predicted_maps(whole, "height")
    with pytest.raises(MeasurementError, match="'strain'; the image has amplitude, phase, topography"):
        view.measured_places(whole, channel="strain")


def test_marks_lie_on_the_features_of_the_image_they_were_measured_on(whole):
    # The brightest pixel of the amplitude and the best measured place are the same peak.
    axes = view.measured_places(whole).axes[1]
    image = axes.images[0]
    left, right, bottom, top = image.get_extent()
    row, column = np.unravel_index(np.argmax(made.field_on_image(whole)), whole["image"].shape[1:])
    x = left + (column + 0.5) / whole.sizes["x"] * (right - left)
    y = top + (row + 0.5) / whole.sizes["y"] * (bottom - top)
    best = measured_of(whole, whole["position"].values)[best_measurements(whole, 0, 1)[0]]
    assert np.hypot(best[1] - x, best[0] - y) < 1.5
    rings = [line.get_xydata()[0] for line in axes.lines]
    np.testing.assert_allclose(rings[0], best[::-1])


def test_rows_of_image_and_map_run_the_same_way(whole):
    places, maps = view.measured_places(whole).axes[0], view.predicted_maps(whole).axes[0]
    assert places.yaxis_inverted()
    assert maps.yaxis_inverted()
    upward = whole.assign_coords(y=("y", whole["y"].values[::-1], {"units": "nm"}))
    assert not view.measured_places(upward).axes[0].yaxis_inverted()
    assert not view.predicted_maps(upward).axes[0].yaxis_inverted()


def test_a_map_of_a_grid_holds_each_expectation_at_its_place(whole):
    mesh = view.predicted_maps(whole).axes[0].collections[0]
    corners = mesh.get_coordinates()
    centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    shown = {
        (round(x, 9), round(y, 9)): v
        for (x, y), v in zip(centres.reshape(-1, 2), np.ravel(mesh.get_array()), strict=True)
    }
    for (y, x), mean in zip(whole["position"].values, whole["mean"].values[:, 0], strict=True):
        assert shown[round(x, 9), round(y, 9)] == mean


def test_grids_with_rounded_positions_and_holes_are_still_grids(whole):
    # A grid of 60 over 256 pixels has steps of 4 and 5; some of its places may be excluded.
    rounded = whole.isel(candidate=np.arange(0, 576) % 7 != 0)
    rounded["position"] = rounded["position"].round()
    rounded = rounded.assign(candidate=("measurement", np.zeros(60, int)))
    distinct = np.unique(rounded["position"].values, axis=0).shape[0]
    mesh = view.predicted_maps(rounded).axes[0].collections[0]
    assert np.ma.count(mesh.get_array()) == distinct


def test_places_that_may_not_be_measured_have_no_colour(whole):
    acquisition = view.predicted_maps(whole).axes[2].collections[0].get_array()
    assert np.ma.count_masked(acquisition) == np.isnan(whole["acquisition"].values).sum() == 60


def test_the_next_place_is_where_the_acquisition_is_largest(whole):
    star = next(line for line in view.predicted_maps(whole).axes[0].lines if line.get_marker() == "*")
    expected = whole["position"].values[np.nanargmax(whole["acquisition"].values)]
    np.testing.assert_allclose(star.get_xydata()[0], expected[::-1])


def test_an_acquisition_that_falls_without_end_leaves_contrast_for_the_promising(whole):
    falling = whole.copy(deep=True)
    falling["acquisition"].values[:100] = -1e6
    norm = view.predicted_maps(falling).axes[2].collections[0].norm
    assert norm.vmin > -100
    assert norm.vmax == np.nanmax(falling["acquisition"].values)


def test_who_chose_a_measurement_shows_in_its_shape(whole):
    drawn = view.measured_places(whole).axes[0].collections
    counts = {}
    for marks in drawn:
        if marks.get_offsets().shape[0] in (5, 52, 3):
            counts[len(marks.get_paths()[0].vertices)] = len(marks.get_offsets())
    assert sorted(counts.values()) == [3, 5, 52]
    assert len(counts) == 3


def test_the_path_joins_measurements_in_their_order(whole):
    pieces = view.measured_places(whole).axes[0].collections[1].get_segments()
    points = measured_of(whole, whole["position"].values)[:, ::-1]
    np.testing.assert_allclose(np.array(pieces)[:, 0], points[:-1])
    np.testing.assert_allclose(np.array(pieces)[:, 1], points[1:])


def test_best_places_are_distinct_and_leave_out_what_a_person_rejected(whole):
    again = whole.copy(deep=True)
    first, second = best_measurements(whole, 0, 2)
    again["candidate"].values[second] = again["candidate"].values[first]
    assert best_measurements(again, 0, 2) == [first, best_measurements(whole, 0, 3)[2]]
    again["rejected"].values[first] = True
    assert best_measurements(again, 0, 1) == [second]


@pytest.mark.parametrize("area", ["maximise", "minimise"])
@pytest.mark.parametrize("bias", ["maximise", "minimise"])
def test_each_output_has_a_direction_of_its_own(area, bias):
    explored = made.make_explored(8, outputs=2, directions=(area, bias), spectra="none", image=False)
    assert (minimised(explored, 0), minimised(explored, 1)) == (area == "minimise", bias == "minimise")
    for k, direction in enumerate((area, bias)):
        value = explored["value"].values[:, k]
        best = np.argmin(value) if direction == "minimise" else np.argmax(value)
        assert best_measurements(explored, k, 1)[0] == best


def test_a_direction_is_never_read_out_of_names_or_of_the_goal():
    explored = made.make_explored(8, outputs=2, directions=("maximise", "minimise"), spectra="none")
    # Two outputs of one scalarizer, named by a joker.
    named = explored.assign_coords(
        output=["minimise", "minimise#2"], output_long_name=("output", ["area"] * 2)
    )
    named.attrs["goal"] = "minimise area; maximise area"
    assert (minimised(named, 0), minimised(named, 1)) == (False, True)
    assert not minimised(named.drop_vars("output_direction"), 1)


def test_typical_measurements_are_nearest_to_the_median_and_none_of_the_best(whole):
    typical = typical_measurements(whole, 0)
    value = whole["value"].values[:, 0]
    good = np.isfinite(value) & ~whole["rejected"].values
    distance = np.abs(value - np.median(value[good]))
    assert set(typical) == set(np.flatnonzero(good)[np.argsort(distance[good])[:3]])
    few = made.make_explored(4, spectra="none", image=False)
    assert set(typical_measurements(few, 0)).isdisjoint(best_measurements(few, 0))


def test_hysteresis_is_drawn_as_loops_with_every_sweep_and_their_mean(whole):
    figure = view.best_and_typical_spectra(whole)
    best = best_measurements(whole, 0)[0]
    lines = figure.axes[0].lines
    assert len(lines) == 4
    np.testing.assert_array_equal(lines[3].get_xdata(), made.BIAS)
    np.testing.assert_allclose(lines[3].get_ydata(), whole["spectrum"].values[best].mean(axis=0))
    assert figure.axes[3].get_xlabel() == "tip bias (V)"
    assert figure.axes[0].get_ylabel() == "piezoresponse (pm)"


def test_a_bias_that_is_its_own_for_each_sweep_is_the_axis(whole):
    # As band-excitation files have it: response (cycle, sweep), bias (sweep, cycle).
    steps = whole.drop_vars("bias").rename(bias="cycle")
    steps["spectrum"] = steps["spectrum"].transpose("measurement", "cycle", "sweep")
    shifted = made.BIAS + np.array([[0.0], [0.1], [0.2]])
    steps = steps.assign_coords(bias=(("sweep", "cycle"), shifted, {"units": "V"}))
    lines = view.best_and_typical_spectra(steps).axes[0].lines
    assert len(lines) == 3
    for line, bias in zip(lines, shifted, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), bias)


def test_diffraction_patterns_are_images_on_one_scale():
    explored = made.make_explored(20, spectra="patterns")
    figure = view.best_and_typical_spectra(explored)
    meshes = [a.collections[0] for a in figure.axes[:6]]
    assert len({id(mesh.norm) for mesh in meshes}) == 1
    best = best_measurements(explored, 0)[0]
    np.testing.assert_array_equal(meshes[0].get_array(), explored["spectrum"].values[best])


def test_the_best_so_far_never_gets_worse_and_passes_through_values_that_count(whole):
    for explored, better in (
        (whole, np.maximum),
        (whole.assign_coords(output_direction=("output", ["minimise"])), np.minimum),
    ):
        axes = view.learning_curve(explored).axes[0]
        steps = next(line for line in axes.lines if line.get_drawstyle() == "steps-post").get_ydata()
        value = whole["value"].values[:, 0]
        good = np.isfinite(value) & ~whole["rejected"].values
        worst = -np.inf if better is np.maximum else np.inf
        np.testing.assert_allclose(steps, better.accumulate(np.where(good, value, worst)))


def test_acts_stand_where_they_happened_and_are_told(whole):
    figure = view.learning_curve(whole)
    dotted = [line.get_xdata()[0] for line in figure.axes[2].lines if line.get_linestyle() == ":"]
    assert dotted == [19.5, 20.5, 31.5]
    assert "tomas: rejects 12" in said(figure)
    # Without the record of the step, from the times: some 4.5 s a measurement, and 0.1 s for each decision.
    guessed = view.learning_curve(whole.drop_vars("act_step"))
    dotted = [line.get_xdata()[0] for line in guessed.axes[2].lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(dotted, [19.5, 20.5, 32.5], atol=1.1)


def test_what_is_foretold_with_the_right_uncertainty_lies_on_the_diagonal(whole):
    rng = np.random.default_rng(1)
    many = made.make_explored(5, image=False, spectra="none").isel(measurement=np.zeros(4000, int))
    sd = rng.uniform(0.5, 2, 4000)
    many["predicted"] = (
        ("measurement", "output"),
        (many["value"].values[:, 0] + sd * rng.normal(size=4000))[:, None],
    )
    many["predicted_sd"] = (("measurement", "output"), sd[:, None])
    share, among = view.predicted_share(many)
    assert among == 4000
    assert share == pytest.approx(0.95, abs=0.012)
    curve = view.prediction_against_measurement(many).axes[1].lines[1].get_xydata()
    assert np.abs(curve[:, 0] - curve[:, 1]).max() < 0.03
    many["predicted_sd"] = many["predicted_sd"] / 3
    assert view.predicted_share(many)[0] < 0.6


def test_the_models_own_space_comes_before_the_features(whole):
    own = np.random.default_rng(0).normal(size=(576, 2))
    drawn = view.exploration_latent_map(
        whole.assign(embedding=(("candidate", "embedding_dimension"), own))
    ).axes[0]
    assert "learned space" in drawn.get_xlabel()
    np.testing.assert_array_equal(drawn.collections[1].get_offsets(), own)


def test_principal_components_of_features_do_not_depend_on_their_units(whole):
    scaled = whole.assign(features=whole["features"] * (10.0 ** np.arange(-3, 5)))
    a, b = (view.exploration_latent_map(e).axes[0].collections[1].get_offsets() for e in (whole, scaled))
    np.testing.assert_allclose(np.abs(a), np.abs(b), atol=1e-6)


@pytest.mark.parametrize(
    ("value", "uncertainty", "text"),
    [
        (12.3456, 0.0512, "12.346 ± 0.051"),
        (12.3456, 3.2, "12.3 ± 3.2"),
        (12.3456, np.nan, "12.35"),
        (1.234e-12, 3e-14, "1.234e-12 ± 3e-14"),
        (4567.0, 120.0, "4567 ± 1.2e+02"),
        (np.nan, 1.0, "–"),
        (-0.4, 30.0, "0 ± 30"),
    ],
)
def test_numbers_have_the_digits_that_mean_something(value, uncertainty, text):
    assert number_text(value, uncertainty) == text


@pytest.mark.parametrize(
    ("directions", "front"),
    [
        (("maximise", "maximise"), [3, 1]),
        (("maximise", "minimise"), [0, 1]),
        (("minimise", "minimise"), [0]),
        (("minimise", "maximise"), [3]),
    ],
)
def test_nothing_measured_is_better_in_both_numbers_than_a_compromise(directions, front):
    explored = made.make_explored(8, outputs=2, directions=directions, spectra="none", image=False)
    value = np.full((8, 2), np.nan)
    # The last is as good as the second, and came later; a rejected one and one without both numbers do not count.
    value[:7] = [[1, 1], [4, 2], [9, 9], [1, 5], [2, 2], [4, 2], [7, np.nan]]
    explored["value"] = explored["value"].copy(data=value)
    explored["rejected"] = ("measurement", np.arange(8) == 2)
    assert best_compromises(explored).tolist() == front
    figure = front_figure(explored)
    assert f"{len(front)} best compromises" in figure.axes[0].get_title(loc="left")


def test_hostile_text_is_drawn_as_it_stands(whole):
    hostile = made.make_explored(34, outputs=2)
    nasty = "_$\\frac{$ \n<b>"
    hostile = hostile.assign_coords(
        output=[nasty, nasty + "2"],
        output_unit=("output", [nasty] * 2),
        output_long_name=("output", [nasty] * 2),
        coordinate=["y", "x"],
        channel=[nasty] * 3,
        channel_units=("channel", [nasty] * 3),
    )
    hostile["origin"] = ("measurement", np.full(34, nasty, dtype=object))
    hostile["act_text"] = ("act", np.full(3, nasty * 30, dtype=object))
    hostile["spectrum"].attrs = {"long_name": nasty, "units": nasty}
    for name in ("places", "spectra", "learning"):
        assert view.figure_png(FIGURES[name](hostile), dpi=20)
