"""Policies rank the candidates for the next measurement from a surrogate's predictions.

Larger is always better: an output to be minimised is passed to the policy with its sign reversed.
"""

from nescio.explore.policies.base import POLICIES, AnyPolicy, Policy, View, build_policy
from nescio.explore.policies.choosing import Choice, choose
from nescio.explore.policies.combined import CostAware, EpsilonGreedy, Schedule, Stage
from nescio.explore.policies.confidence import MaximumVariance, Thompson, UpperConfidenceBound
from nescio.explore.policies.goal import best_so_far, spread_of
from nescio.explore.policies.improvement import (
    ExpectedImprovement,
    ProbabilityOfImprovement,
    log_expected_improvement,
)
from nescio.explore.policies.pareto import (
    HypervolumeImprovement,
    default_reference,
    hypervolume,
    log_expected_hypervolume_improvement,
    pareto_front,
)
from nescio.explore.policies.spreading import Coverage, Random

__all__ = [
    "POLICIES",
    "AnyPolicy",
    "Choice",
    "CostAware",
    "Coverage",
    "EpsilonGreedy",
    "ExpectedImprovement",
    "HypervolumeImprovement",
    "MaximumVariance",
    "Policy",
    "ProbabilityOfImprovement",
    "Random",
    "Schedule",
    "Stage",
    "Thompson",
    "UpperConfidenceBound",
    "View",
    "best_so_far",
    "build_policy",
    "choose",
    "default_reference",
    "hypervolume",
    "log_expected_hypervolume_improvement",
    "log_expected_improvement",
    "pareto_front",
    "spread_of",
]
