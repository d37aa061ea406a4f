"""Figures, tables and reports of findings; a view is registered for each kind of findings."""

from nescio.view.findings.assessment import assessment_report
from nescio.view.findings.calibration import p_value_uniformity, reliability_diagram, training_history
from nescio.view.findings.class_view import ClassView
from nescio.view.findings.composition import composition_map
from nescio.view.findings.errors import by_group, error_against_fraction, error_violins, score_histogram
from nescio.view.findings.kinds import FindingsView
from nescio.view.findings.latent import (
    decision_regions,
    error_over_latent_map,
    latent_map,
    latent_map_by_strongest,
    signals_on_map,
)
from nescio.view.findings.number_view import NumberView
from nescio.view.findings.numbers import (
    numbers_against_truth,
    numbers_of_measurements,
    saliency_curves,
    signals_among_known,
    structures_in_space,
    training_space,
)
from nescio.view.findings.numbers_assessment import numbers_report
from nescio.view.findings.patterns import measured_against_reconstructed, most_novel
from nescio.view.findings.tables import (
    findings_figure,
    findings_report,
    findings_table,
    harmless_table,
    print_summary,
    write_findings,
)
from nescio.view.findings.wafer import wafer_map

__all__ = [
    "ClassView",
    "FindingsView",
    "NumberView",
    "assessment_report",
    "by_group",
    "composition_map",
    "decision_regions",
    "error_against_fraction",
    "error_over_latent_map",
    "error_violins",
    "findings_figure",
    "findings_report",
    "findings_table",
    "harmless_table",
    "latent_map",
    "latent_map_by_strongest",
    "measured_against_reconstructed",
    "most_novel",
    "numbers_against_truth",
    "numbers_of_measurements",
    "numbers_report",
    "p_value_uniformity",
    "print_summary",
    "reliability_diagram",
    "saliency_curves",
    "score_histogram",
    "signals_among_known",
    "signals_on_map",
    "structures_in_space",
    "training_history",
    "training_space",
    "wafer_map",
    "write_findings",
]
