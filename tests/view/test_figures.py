"""What holds for every figure, on every kind of findings."""

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest

from nescio import view
from nescio.errors import MeasurementError

FIGURES: dict[str, Callable] = {
    "latent_map": lambda s, f, r: view.latent_map(f, r),
    "latent_map alone": lambda s, f, r: view.latent_map(f),
    "by strongest": lambda s, f, r: view.latent_map_by_strongest(f),
    "regions": lambda s, f, r: view.decision_regions(f, s.nearest_centre, s.LABELS),
    "signals": lambda s, f, r: view.signals_on_map(f),
    "error map": lambda s, f, r: view.error_over_latent_map({"known": r, "measured": f}),
    "violins": lambda s, f, r: view.error_violins({"known": r, "measured": f}),
    "histogram": lambda s, f, r: view.score_histogram(r, f),
    "measured": lambda s, f, r: view.measured_against_reconstructed(f),
    "uniformity": lambda s, f, r: view.p_value_uniformity(f),
    "reliability": lambda s, f, r: view.reliability_diagram(f.assign(truth=f["label"])),
    "wafer label": lambda s, f, r: view.wafer_map(f, "label"),
    "wafer verdict": lambda s, f, r: view.wafer_map(f, "verdict"),
    "wafer p": lambda s, f, r: view.wafer_map(f, "p_value"),
    "binary p": lambda s, f, r: view.composition_map(f.isel(element=[0, 1]), "p_value"),
    "binary label": lambda s, f, r: view.composition_map(f.isel(element=[0, 1]), "label"),
    "ternary label": lambda s, f, r: view.composition_map(f, "label"),
    "ternary error": lambda s, f, r: view.composition_map(f, "reconstruction_error"),
}


def kinds(synthetic):
    whole = synthetic.make_findings()
    n = whole.sizes["measurement"]
    one_class = np.flatnonzero(whole["label"].values == "MgO")
    return {
        "whole": whole,
        "none": whole.isel(measurement=slice(0, 0)),
        "one": whole.isel(measurement=[5]),
        "one unreadable": whole.isel(measurement=[3]),
        "one class": whole.isel(measurement=one_class),
        "all unreadable": synthetic.make_unreadable(whole, list(range(n))),
        "eight latent dimensions": synthetic.make_findings(latent=8),
        "one latent dimension": synthetic.make_findings(latent=1),
    }


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_names_its_axes_whatever_was_found(synthetic, name):
    for kind, findings in kinds(synthetic).items():
        latent = findings.sizes["latent_dimension"]
        figure = FIGURES[name](synthetic, findings, synthetic.make_reference(60, latent=latent))
        if kind in ("whole", "all unreadable"):
            assert view.figure_png(figure, dpi=40).startswith(b"\x89PNG")
        axes = [a for a in figure.axes if a.axison and a.get_label() != "<colorbar>"]
        grid = {a.get_subplotspec().get_topmost_subplotspec() for a in axes if a.get_subplotspec()}
        assert grid or name.startswith("ternary")
        for a in axes:
            spec = a.get_subplotspec()
            # Of panels that share an axis only the outer ones carry its name.
            assert a.get_xlabel() or not spec.is_last_row()
            assert a.get_ylabel() or not spec.is_first_col()
        for a in figure.axes:
            if a.get_label() == "<colorbar>":
                assert a.get_ylabel()


@pytest.mark.parametrize("name", ["latent_map", "wafer label", "ternary label"])
def test_a_legend_names_every_class_and_the_novel(synthetic, findings, reference, name):
    figure = FIGURES[name](synthetic, findings, reference)
    told = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert set(synthetic.LABELS) <= set(told)
    assert any("novel" in text for text in told)


def test_figures_do_not_depend_on_the_users_own_style_and_leave_it_alone(findings):
    plain = view.figure_png(view.wafer_map(findings, "p_value"), dpi=40)
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "image.cmap": "jet"}):
        before = dict(mpl.rcParams)
        figure = view.wafer_map(findings, "p_value")
        assert dict(mpl.rcParams) == before
    assert view.figure_png(figure, dpi=40) == plain


def test_names_are_drawn_as_they_stand_not_as_formulas(findings):
    hostile = findings.isel(measurement=slice(0, 12)).copy()
    hostile["measurement"] = [f"_$\\frac{{{i}$ \n<b>" for i in range(12)]
    hostile["label"] = ("measurement", np.full(12, "$_x^", dtype=object))
    for figure in (
        view.measured_against_reconstructed(hostile),
        view.signals_on_map(hostile),
        view.latent_map(hostile),
        view.wafer_map(hostile),
    ):
        assert view.figure_png(figure, dpi=40)


@pytest.mark.parametrize(
    ("draw", "missing"),
    [
        (lambda f: view.latent_map(f), "latent"),
        (lambda f: view.wafer_map(f), "x_mm"),
        (lambda f: view.wafer_map(f, "p_value"), "p_value"),
        (lambda f: view.composition_map(f), "composition"),
        (lambda f: view.measured_against_reconstructed(f), "reconstruction"),
        (lambda f: view.findings_table(f), "verdict"),
    ],
)
def test_what_a_figure_lacks_is_named(findings, draw, missing):
    with pytest.raises(MeasurementError, match=missing):
        draw(findings.drop_vars(missing))


def test_a_quantity_that_is_no_number_is_refused(findings):
    with pytest.raises(MeasurementError, match="'reason'"):
        view.wafer_map(findings, "reason")


def test_maps_of_many_points_are_rasterised(synthetic):
    many = synthetic.make_reference(20).isel(measurement=np.arange(6000) % 20)
    few = synthetic.make_reference(20)
    assert not view.latent_map_by_strongest(few).axes[0].collections[0].get_rasterized()
    assert view.latent_map_by_strongest(many).axes[0].collections[0].get_rasterized()


def test_thirty_classes_are_all_named_and_leave_room_for_the_map(findings):
    names = [f"phase {i}" for i in range(30)]
    n = findings.sizes["measurement"]
    many = findings.drop_dims("candidate").assign(
        label=("measurement", np.array(names, dtype=object)[np.arange(n) % 30])
    )
    figure = view.latent_map(many)
    view.figure_png(figure, dpi=40)
    told = {text.get_text() for text in figure.legends[0].get_texts()}
    assert set(names) <= told
    assert figure.axes[0].get_position().width > 0.8
    styles = {
        (c.get_facecolor().tobytes(), c.get_paths()[0].vertices.tobytes())
        for c in figure.axes[0].collections[:30]
    }
    assert len(styles) == 30
