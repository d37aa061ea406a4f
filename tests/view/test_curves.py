"""Distributions, curves and calibration say what the numbers say."""

import numpy as np
import pytest

from nescio import view


def test_violins_tell_median_and_number_of_each_kind(synthetic):
    groups = view.by_group(synthetic.make_groups())
    assert list(groups) == ["pure", "mixed", "unknown"]
    axes = view.error_violins(groups).axes[0]
    medians = {t.get_text() for t in axes.texts}
    assert medians == {f"median {np.median(g['reconstruction_error']):.2g}" for g in groups.values()}
    assert [t.get_text() for t in axes.get_xticklabels()] == [f"{k}\nn = 300" for k in groups]


def test_errors_that_are_not_positive_are_left_out_of_violins(synthetic):
    data = synthetic.make_reference(30)
    data["reconstruction_error"].values[:5] = [0, -1, np.nan, np.inf, 0]
    axes = view.error_violins({"known": data}).axes[0]
    assert axes.get_xticklabels()[0].get_text() == "known\nn = 25"


def test_error_against_mixing_ratio_peaks_where_it_was_put(synthetic):
    axes = view.error_against_fraction(synthetic.make_groups()).axes[0]
    stars = sorted(float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "*")
    assert stars == pytest.approx([0.4, 0.6], abs=0.06)
    told = [t.get_text() for t in axes.get_legend().get_texts()]
    assert sorted(told) == ["Cr + CrB2", "Cr3C2_Pnma + MgO"]


def test_few_distinct_ratios_are_drawn_as_they_are(synthetic):
    data = synthetic.make_groups()
    mixed = data.isel(measurement=data["group"].values == "mixed")
    mixed["fraction"] = ("measurement", np.arange(300) % 5 / 4)
    line = view.error_against_fraction(mixed).axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [0, 0.25, 0.5, 0.75, 1])
    mine = (mixed["pair"] == mixed["pair"][0]) & (mixed["fraction"] == 0.25)
    assert line.get_ydata()[1] == pytest.approx(float(np.median(mixed["reconstruction_error"][mine])))


def test_histograms_are_shares_of_each_set(findings, reference):
    axes = view.score_histogram(reference, findings).axes[0]
    filled = axes.patches[0].get_path().get_extents()
    assert 0 < filled.y1 <= 1
    told = [t.get_text() for t in axes.get_legend().get_texts()]
    assert told == ["known draws (n = 600)", "measured (n = 220)"]


def test_scores_far_from_the_rest_do_not_hide_it(findings, reference):
    reference["novelty"] = ("measurement", np.linspace(0.1, 2, 600))
    findings["novelty"] = ("measurement", np.geomspace(0.5, 1000, 221))
    axes = view.score_histogram(reference, findings).axes[0]
    assert axes.get_xscale() == "log"
    assert np.ptp(np.unique(axes.patches[0].get_path().vertices[:, 0])) > 1


def test_calibrated_probabilities_lie_on_the_diagonal(synthetic):
    reference = synthetic.make_reference(4000)
    rng = np.random.default_rng(0)
    sure = reference["probability"].values.max(axis=1)
    wrong = rng.uniform(size=4000) > sure
    truth = reference["truth"].values.copy()
    truth[wrong] = "something else"
    axes = view.reliability_diagram(reference.assign(truth=("measurement", truth))).axes[0]
    points = axes.lines[1].get_xydata()
    counts = np.array([patch.get_height() for patch in axes.figure.axes[1].patches])
    assert counts.sum() == 4000
    np.testing.assert_allclose(points[counts > 100, 0], points[counts > 100, 1], atol=0.08)


def test_overconfidence_shows_below_the_diagonal(synthetic):
    reference = synthetic.make_reference(500)
    truth = np.where(np.arange(500) % 2, reference["truth"].values, "something else")
    figure = view.reliability_diagram(reference.assign(truth=("measurement", truth)))
    x, y = figure.axes[0].lines[1].get_data()
    assert np.all(np.asarray(y)[np.asarray(x) > 0.8] < 0.6)


def test_flagged_fraction_is_that_of_the_p_values(reference):
    reference["p_value"] = ("measurement", np.linspace(1 / 600, 1, 600))
    line = next(
        line for line in view.p_value_uniformity(reference).axes[0].lines if "held-out" in line.get_label()
    )
    alpha, flagged = line.get_data()
    np.testing.assert_allclose(flagged, np.floor(np.asarray(alpha) * 600 + 1e-9) / 600, atol=1e-12)


def test_training_history_marks_the_lowest_loss(synthetic):
    history = synthetic.make_history()
    figure = view.training_history(history)
    assert [a.lines[0].get_label() for a in figure.axes] == ["reconstruction", "divergence", "classification"]
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [h["reconstruction"] for h in history])
    assert float(figure.axes[1].lines[1].get_xdata()[0]) == 500


def test_no_history_is_said_to_be_none():
    assert view.training_history([]).axes[0].texts[0].get_text() == "no training history was recorded"


def test_difference_is_measured_less_reconstructed_and_gaps_are_shaded(findings):
    figure = view.measured_against_reconstructed(findings, [10])
    axes = figure.axes[0]
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines}
    covered = findings["covered"].values[10]
    np.testing.assert_array_equal(lines["measured"][covered], findings["intensity"].values[10][covered])
    assert np.isnan(lines["measured"][~covered]).all()
    offset = lines["difference"] - (lines["measured"] - lines["reconstructed"])
    assert np.ptp(offset[covered]) < 1e-12
    assert np.nanmax(lines["difference"]) < 0
    shaded = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert shaded.x0 == pytest.approx(25.0)
    assert shaded.x1 == pytest.approx(float(findings["two_theta"].values[covered][0]))
    p = float(findings["p_value"][10])
    assert f"{findings['verdict'].values[10]}, p = {p:.2g}" in axes.get_title(loc="left")


def test_the_strangest_come_first_and_unreadable_ones_never(findings):
    order = view.most_novel(findings, 1000)
    p = findings["p_value"].values
    assert 3 not in order
    assert len(order) == len(p) - 1
    assert np.all(np.diff(p[order]) >= 0)
