"""Experiments that choose their own measurements: candidates, surrogates, policies, instruments, and the loop.

Names are loaded when they are first used: a microscope's own Python, which needs nothing but
:mod:`nescio.explore.instruments`, never loads what fits models.
"""

from typing import TYPE_CHECKING

from nescio.lazy import attach

if TYPE_CHECKING:
    from nescio.explore.acts import build_act
    from nescio.explore.candidates import Candidates
    from nescio.explore.choosing import choose
    from nescio.explore.driving import Observer, drive, remind, resume_command
    from nescio.explore.experiment import Experiment, Next
    from nescio.explore.known import Measured
    from nescio.explore.nesting import build_one_of
    from nescio.explore.policies import (
        Coverage,
        ExpectedImprovement,
        Policy,
        Random,
        UpperConfidenceBound,
        View,
    )
    from nescio.explore.scalarizers import (
        BandIntegral,
        CurveScalarizer,
        Output,
        Scalar,
        Scalarizer,
        integral_weights,
        noise_sd,
        product,
        scalarize,
        selected,
        stated_unit,
        value_weights,
    )
    from nescio.explore.settings import ExploreSettings, read_settings
    from nescio.explore.surrogates import Fit, Surrogate, SurrogateSettings
    from nescio.explore.viewing import with_model
    from nescio.explore.watching import Terminal

__all__ = [
    "BandIntegral",
    "Candidates",
    "Coverage",
    "CurveScalarizer",
    "ExpectedImprovement",
    "Experiment",
    "ExploreSettings",
    "Fit",
    "Measured",
    "Next",
    "Observer",
    "Output",
    "Policy",
    "Random",
    "Scalar",
    "Scalarizer",
    "Surrogate",
    "SurrogateSettings",
    "Terminal",
    "UpperConfidenceBound",
    "View",
    "build_act",
    "build_one_of",
    "choose",
    "drive",
    "integral_weights",
    "noise_sd",
    "product",
    "read_settings",
    "remind",
    "resume_command",
    "scalarize",
    "selected",
    "stated_unit",
    "value_weights",
    "with_model",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "acts": ["build_act"],
        "candidates": ["Candidates"],
        "choosing": ["choose"],
        "driving": ["Observer", "drive", "remind", "resume_command"],
        "experiment": ["Experiment", "Next"],
        "known": ["Measured"],
        "nesting": ["build_one_of"],
        "policies": ["Coverage", "ExpectedImprovement", "Policy", "Random", "UpperConfidenceBound", "View"],
        "scalarizers": [
            "BandIntegral",
            "CurveScalarizer",
            "Output",
            "Scalar",
            "Scalarizer",
            "integral_weights",
            "noise_sd",
            "product",
            "scalarize",
            "selected",
            "stated_unit",
            "value_weights",
        ],
        "settings": ["ExploreSettings", "read_settings"],
        "surrogates": ["Fit", "Surrogate", "SurrogateSettings"],
        "viewing": ["with_model"],
        "watching": ["Terminal"],
    },
)
