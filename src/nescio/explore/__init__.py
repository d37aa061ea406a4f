"""Experiments that choose their own measurements: candidates, surrogates, policies, instruments, and the loop.

Names are loaded when they are first used: a microscope's own Python, which needs nothing but
:mod:`nescio.explore.instruments`, never loads what fits models.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nescio.explore.acts import build_act
    from nescio.explore.candidates import Candidates
    from nescio.explore.driving import Observer, drive, remind, resume_command
    from nescio.explore.experiment import Experiment, Next
    from nescio.explore.known import Measured
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
    "read_settings",
    "remind",
    "resume_command",
]

_HOMES = {
    "Candidates": "candidates",
    "Experiment": "experiment",
    "ExploreSettings": "settings",
    "Measured": "known",
    "Next": "experiment",
    "Observer": "driving",
    "build_act": "acts",
    "drive": "driving",
    "read_settings": "settings",
    "remind": "driving",
    "resume_command": "driving",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"nescio.explore.{_HOMES[name]}"), name)
