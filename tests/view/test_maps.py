"""Positions and colours on maps are those of the data."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from nescio import view
from nescio.errors import MeasurementError
from nescio.view.findings.reading import LatentPlane


def test_strongest_feature_colours_are_axis_positions_of_maxima(findings):
    readable = findings.isel(measurement=findings["verdict"].values != "unreadable")
    drawn = view.latent_map_by_strongest(findings).axes[0].collections[0]
    expected = readable["two_theta"].values[readable["intensity"].values.argmax(axis=1)]
    np.testing.assert_allclose(drawn.get_array(), expected)
    np.testing.assert_allclose(drawn.get_offsets(), readable["latent"].values)


def test_strongest_feature_is_sought_only_where_something_was_measured(findings):
    spiked = findings.copy(deep=True)
    spiked["intensity"].values[:, 0] = 5.0
    drawn = view.latent_map_by_strongest(spiked).axes[0].collections[0]
    assert np.min(drawn.get_array()) > 27.5


def test_a_plane_of_two_latent_dimensions_is_the_map_itself(findings):
    plane = LatentPlane.of(findings)
    points = np.random.default_rng(0).normal(size=(7, 2))
    np.testing.assert_array_equal(plane.place(points), points)
    np.testing.assert_array_equal(plane.lift(points), points)


def test_a_plane_of_more_holds_the_most_variance_and_says_how_much(synthetic):
    findings = synthetic.make_findings(latent=8)
    plane = LatentPlane.of(findings)
    latent = findings["latent"].values[findings["verdict"].values != "unreadable"]
    share = plane.place(latent).var(axis=0) / latent.var(axis=0).sum()
    assert share.sum() > 0.95
    assert [f"{100 * s:.0f} %" in label for s, label in zip(share, plane.labels, strict=True)] == [True, True]
    np.testing.assert_allclose(plane.place(plane.lift(plane.place(latent))), plane.place(latent), atol=1e-9)


def test_decision_regions_show_what_the_classifier_says(synthetic, reference):
    axes = view.decision_regions(reference, synthetic.nearest_centre, synthetic.LABELS).axes[0]
    mesh = axes.collections[0]
    corners = mesh.get_coordinates()
    centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    expected = synthetic.nearest_centre(centres.reshape(-1, 2))
    np.testing.assert_array_equal(np.ravel(mesh.get_array()), expected)


def test_a_classifier_of_other_classes_is_refused(reference):
    with pytest.raises(MeasurementError, match="there are 2 labels"):
        view.decision_regions(reference, lambda latent: np.full(len(latent), 2), ["a", "b"])


def test_error_maps_share_one_logarithmic_scale(findings, reference):
    figure = view.error_over_latent_map({"known": reference, "measured": findings})
    known, measured = (axes.collections[0] for axes in figure.axes[:2])
    assert known.norm is measured.norm
    both = np.concatenate([reference["reconstruction_error"], findings["reconstruction_error"]])
    assert known.norm.vmin == np.nanmin(both)
    assert known.norm.vmax == np.nanmax(both)
    np.testing.assert_array_equal(np.sort(known.get_array()), np.sort(reference["reconstruction_error"]))


def test_marked_signals_are_typical_of_different_parts_of_the_map(synthetic, findings):
    figure = view.signals_on_map(findings, count=5)
    marks = np.array([line.get_xydata()[0] for line in figure.axes[0].lines])
    nearest = np.linalg.norm(marks[:, None] - synthetic.CENTRES, axis=2)
    assert sorted(nearest.argmin(axis=1)) == [0, 1, 2, 3, 4]
    assert nearest.min(axis=1).max() < 0.3


def test_squares_of_a_wafer_tile_it(findings):
    axes = view.wafer_map(findings, "p_value").axes[0]
    squares = axes.collections[0]
    boxes = np.array([path.get_extents().bounds for path in squares.get_paths()])
    np.testing.assert_allclose(boxes[:, :2] + boxes[:, 2:] / 2, np.stack([findings.x_mm, findings.y_mm], 1))
    np.testing.assert_allclose(boxes[:, 2:], 5.0)
    np.testing.assert_array_equal(squares.get_array(), findings["p_value"].values)
    assert axes.get_aspect() == 1.0
    assert axes.get_xlabel() == "x (mm)"


def test_novel_squares_of_a_wafer_are_hatched(findings):
    hatched = next(c for c in view.wafer_map(findings, "label").axes[0].collections if c.get_hatch())
    assert len(hatched.get_paths()) == np.sum(findings["verdict"].values == "novel")


def test_wafer_verdicts_are_drawn_in_their_colours(findings):
    squares = view.wafer_map(findings, "verdict").axes[0].collections[0]
    colours = dict(zip(findings["verdict"].values, map(tuple, squares.get_facecolors()), strict=True))
    assert len(set(colours.values())) == 3
    assert colours["novel"] == to_rgba("#D55E00")


def test_scattered_positions_get_the_size_of_their_neighbourhood(findings):
    rng = np.random.default_rng(5)
    n = findings.sizes["measurement"]
    scattered = findings.assign_coords(
        x_mm=("measurement", rng.uniform(0, 50, n)), y_mm=("measurement", rng.uniform(0, 50, n))
    )
    width = view.wafer_map(scattered, "p_value").axes[0].collections[0].get_paths()[0].get_extents().width
    assert 0.3 < width / (50 / np.sqrt(n)) < 1


def test_pure_elements_lie_at_the_corners_of_a_ternary_diagram(findings):
    three = findings.isel(measurement=[0, 1, 2])
    three["composition"] = (("measurement", "element"), np.eye(3))
    points = view.composition_map(three, "p_value").axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(points, [[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]], atol=1e-12)


def test_ternary_ticks_stand_where_their_fraction_is(findings):
    # The middle of the three lines "fraction = tick" must cross at compositions that sum to one.
    axes = view.composition_map(findings, "p_value").axes[0]
    ticks = [t for t in axes.texts if t.get_text().replace(".", "").isdigit()]
    points = axes.collections[0].get_offsets()
    composition = findings["composition"].values
    along_bottom = {float(t.get_text()): t.get_position()[0] for t in ticks if t.get_position()[1] < 0}
    # At the bottom edge the third element is at its lowest; Cr runs from left to right.
    design = np.column_stack([points, np.ones(len(points))])
    to_fraction = np.linalg.lstsq(design, composition[:, 1], rcond=None)[0]
    for fraction, x in along_bottom.items():
        assert to_fraction @ [x, 0, 1] == pytest.approx(fraction, abs=1e-6)


def test_of_four_elements_the_one_that_varies_least_is_left_out(synthetic):
    findings = synthetic.make_findings(elements=("Al", "Cr", "O", "Ti"))
    least = findings["element"].values[np.ptp(findings["composition"].values, axis=0).argmin()]
    texts = [t.get_text() for t in view.composition_map(findings).axes[0].texts]
    assert any(text.endswith(f"omitted: {least}") for text in texts)


def test_one_element_makes_no_map_of_composition(findings):
    with pytest.raises(MeasurementError, match="two elements"):
        view.composition_map(findings.isel(element=[0]))


def test_a_binary_map_draws_the_quantity_against_the_second_element(findings):
    two = findings.isel(element=[0, 1])
    fraction = two["composition"].values / two["composition"].values.sum(axis=1, keepdims=True)
    axes = view.composition_map(two, "p_value").axes[0]
    drawn = axes.collections[0].get_offsets()
    np.testing.assert_allclose(drawn[:, 0], fraction[:, 1])
    assert axes.get_xlabel() == "fraction of Cr in Al–Cr"
