"""Figures, report and live view of an exploration (data layout: `nescio.signals`, explored)."""

from nescio.view.exploration.curve import learning_curve, model_history, time_spent
from nescio.view.exploration.front import best_compromises, front_figure
from nescio.view.exploration.latent import exploration_latent_map
from nescio.view.exploration.live import LiveView, RunStatus
from nescio.view.exploration.maps import predicted_maps
from nescio.view.exploration.path import measured_places, survey_image
from nescio.view.exploration.reading import place_text
from nescio.view.exploration.report import write_exploration_report
from nescio.view.exploration.spectra import best_and_typical_spectra
from nescio.view.exploration.trust import predicted_share, prediction_against_measurement

__all__ = [
    "LiveView",
    "RunStatus",
    "best_and_typical_spectra",
    "best_compromises",
    "exploration_latent_map",
    "front_figure",
    "learning_curve",
    "measured_places",
    "model_history",
    "place_text",
    "predicted_maps",
    "predicted_share",
    "prediction_against_measurement",
    "survey_image",
    "time_spent",
    "write_exploration_report",
]
