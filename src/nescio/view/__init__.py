"""Figures, tables and reports of findings; it knows nothing of any technique, only of `nescio.signals`."""

from nescio.view.assessment import assessment_report
from nescio.view.calibration import p_value_uniformity, reliability_diagram, training_history
from nescio.view.composition import composition_map
from nescio.view.errors import by_group, error_against_fraction, error_violins, score_histogram
from nescio.view.latent import (
    decision_regions,
    error_over_latent_map,
    latent_map,
    latent_map_by_strongest,
    signals_on_map,
)
from nescio.view.patterns import measured_against_reconstructed, most_novel
from nescio.view.report import Cards, Details, Picture, Section, Table, Text, write_report
from nescio.view.style import figure_png
from nescio.view.tables import findings_table, print_summary, write_findings
from nescio.view.wafer import wafer_map

__all__ = [
    "Cards",
    "Details",
    "Picture",
    "Section",
    "Table",
    "Text",
    "assessment_report",
    "by_group",
    "composition_map",
    "decision_regions",
    "error_against_fraction",
    "error_over_latent_map",
    "error_violins",
    "figure_png",
    "findings_table",
    "latent_map",
    "latent_map_by_strongest",
    "measured_against_reconstructed",
    "most_novel",
    "p_value_uniformity",
    "print_summary",
    "reliability_diagram",
    "score_histogram",
    "signals_on_map",
    "training_history",
    "wafer_map",
    "write_findings",
    "write_report",
]
