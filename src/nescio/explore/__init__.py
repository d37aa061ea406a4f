"""Experiments that choose their own measurements: candidates, surrogates, policies, instruments, and the loop.

Each name is loaded at its first use. A microscope's own Python only needs :mod:`nescio.explore.instruments` and
never loads the code that fits models.
"""

from typing import TYPE_CHECKING

from nescio.lazy import attach

if TYPE_CHECKING:
    from nescio.explore.candidates import (
        Candidates,
        FeatureSettings,
    )
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
        with_model,
    )
    from nescio.explore.policies import (
        Coverage,
        ExpectedImprovement,
        Policy,
        Random,
        UpperConfidenceBound,
        View,
        choose,
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
    from nescio.explore.settings import (
        ExploreSettings,
        read_settings,
    )
    from nescio.explore.surrogates import (
        Fit,
        Surrogate,
        SurrogateSettings,
    )

__all__ = [
    "BandIntegral",
    "Candidates",
    "Coverage",
    "CurveScalarizer",
    "ExpectedImprovement",
    "Experiment",
    "ExploreSettings",
    "FeatureSettings",
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
    "UpperConfidenceBound",
    "View",
    "build_act",
    "choose",
    "drive",
    "integral_weights",
    "noise_sd",
    "open_experiment",
    "product",
    "read_settings",
    "resumable",
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
        "candidates": [
            "Candidates",
            "FeatureSettings",
        ],
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
            "with_model",
        ],
        "policies": [
            "Coverage",
            "ExpectedImprovement",
            "Policy",
            "Random",
            "UpperConfidenceBound",
            "View",
            "choose",
        ],
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
        "settings": [
            "ExploreSettings",
            "read_settings",
        ],
        "surrogates": [
            "Fit",
            "Surrogate",
            "SurrogateSettings",
        ],
    },
)
