"""Which phases a measured pattern holds, how much of each, and what is left over."""

from nescio.xrd.identify.answer import Answer, PhaseAnswer, SetAnswer
from nescio.xrd.identify.figure import identification_figure
from nescio.xrd.identify.patterns import Identifier, identify_patterns, phase_table
from nescio.xrd.identify.remainder import Line
from nescio.xrd.identify.settings import FitPriors, IdentifySettings
from nescio.xrd.identify.writing import MOST_FIGURES, write_phases

__all__ = [
    "MOST_FIGURES",
    "Answer",
    "FitPriors",
    "Identifier",
    "IdentifySettings",
    "Line",
    "PhaseAnswer",
    "SetAnswer",
    "identification_figure",
    "identify_patterns",
    "phase_table",
    "write_phases",
]
