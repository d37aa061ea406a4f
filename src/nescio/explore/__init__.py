"""Experiments that choose their own measurements: candidates, surrogates, policies, instruments, and the loop.

Names are loaded when they are first used: a microscope's own Python, which needs nothing but
:mod:`nescio.explore.instruments`, never loads the code that fits models.
"""

from typing import TYPE_CHECKING

from nescio.lazy import attach

if TYPE_CHECKING:
    from nescio.explore.candidates import Candidates
    from nescio.explore.experiment import (
        Experiment,
        Measured,
        Next,
        Observer,
        build_act,
        drive,
        open_experiment,
        resumable,
        resume_command,
        run_status,
    )
    from nescio.explore.settings import ExploreSettings, read_settings

__all__ = [
    "Candidates",
    "Experiment",
    "ExploreSettings",
    "Measured",
    "Next",
    "Observer",
    "build_act",
    "drive",
    "open_experiment",
    "read_settings",
    "resumable",
    "resume_command",
    "run_status",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "candidates": ["Candidates"],
        "experiment": [
            "Experiment",
            "Measured",
            "Next",
            "Observer",
            "build_act",
            "drive",
            "open_experiment",
            "resumable",
            "resume_command",
            "run_status",
        ],
        "settings": ["ExploreSettings", "read_settings"],
    },
)
