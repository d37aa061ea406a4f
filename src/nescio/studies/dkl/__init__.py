"""Comparison of exploration methods on a measured film and on simulated instruments."""

from nescio.studies.dkl.cases import CASES, Case, available_cases
from nescio.studies.dkl.comparison import Comparison, Outcome, compare, plan_comparison
from nescio.studies.dkl.methods import METHODS
from nescio.studies.dkl.summary import comparison_table, summarise

__all__ = [
    "CASES",
    "METHODS",
    "Case",
    "Comparison",
    "Outcome",
    "available_cases",
    "compare",
    "comparison_table",
    "plan_comparison",
    "summarise",
]
