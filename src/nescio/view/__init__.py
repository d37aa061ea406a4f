"""Figures, tables and reports of findings and of explorations; it knows of no technique, only of `nescio.signals`."""

from nescio.view.assessment import assessment_report
from nescio.view.calibration import p_value_uniformity, reliability_diagram, training_history
from nescio.view.comparison import comparison_curves
from nescio.view.composition import composition_map
from nescio.view.errors import by_group, error_against_fraction, error_violins, score_histogram
from nescio.view.exploration import (
    LiveView,
    RunStatus,
    best_and_typical_spectra,
    exploration_latent_map,
    learning_curve,
    measured_places,
    model_history,
    place_text,
    predicted_maps,
    predicted_share,
    prediction_against_measurement,
    survey_image,
    time_spent,
    write_exploration_report,
)
from nescio.view.latent import (
    decision_regions,
    error_over_latent_map,
    latent_map,
    latent_map_by_strongest,
    signals_on_map,
)
from nescio.view.numbers import (
    numbers_against_truth,
    numbers_of_measurements,
    saliency_curves,
    signals_among_known,
    structures_in_space,
    training_space,
)
from nescio.view.numbers_assessment import numbers_report
from nescio.view.patterns import measured_against_reconstructed, most_novel
from nescio.view.report import Cards, Details, Picture, Section, Table, Text, write_report
from nescio.view.style import MEASURED, MODEL, figure_png, new_figure, plain, styled
from nescio.view.tables import findings_table, print_summary, write_findings
from nescio.view.wafer import wafer_map

__all__ = [
    "MEASURED",
    "MODEL",
    "Cards",
    "Details",
    "LiveView",
    "Picture",
    "RunStatus",
    "Section",
    "Table",
    "Text",
    "assessment_report",
    "best_and_typical_spectra",
    "by_group",
    "comparison_curves",
    "composition_map",
    "decision_regions",
    "error_against_fraction",
    "error_over_latent_map",
    "error_violins",
    "exploration_latent_map",
    "figure_png",
    "findings_table",
    "latent_map",
    "latent_map_by_strongest",
    "learning_curve",
    "measured_against_reconstructed",
    "measured_places",
    "model_history",
    "most_novel",
    "new_figure",
    "numbers_against_truth",
    "numbers_of_measurements",
    "numbers_report",
    "p_value_uniformity",
    "place_text",
    "plain",
    "predicted_maps",
    "predicted_share",
    "prediction_against_measurement",
    "print_summary",
    "reliability_diagram",
    "saliency_curves",
    "score_histogram",
    "signals_among_known",
    "signals_on_map",
    "structures_in_space",
    "styled",
    "survey_image",
    "time_spent",
    "training_history",
    "training_space",
    "wafer_map",
    "write_exploration_report",
    "write_findings",
    "write_report",
]
