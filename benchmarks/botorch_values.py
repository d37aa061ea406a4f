"""Acquisition values of BoTorch (and of mpmath to 50 digits) on hand-made posteriors, for the tests of the policies.

In an environment of its own (for PyTorch's index of wheels for CPUs, see its installation page):

    python -m venv botorch && botorch/bin/pip install "torch==2.13.0" "botorch==0.18.1"
    botorch/bin/python benchmarks/botorch_values.py --json tests/explore/botorch_values.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import botorch
import mpmath
import torch
from botorch.acquisition.analytic import (
    LogExpectedImprovement,
    LogProbabilityOfImprovement,
    PosteriorStandardDeviation,
    UpperConfidenceBound,
)
from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
from botorch.posteriors import GPyTorchPosterior
from botorch.utils.multi_objective.box_decompositions.non_dominated import NondominatedPartitioning
from botorch.utils.multi_objective.hypervolume import Hypervolume
from botorch.utils.multi_objective.pareto import is_non_dominated
from botorch.utils.testing import MockModel, MockPosterior
from gpytorch.distributions import MultivariateNormal

BEST, BETA = 1.25, 2.89
REFERENCE = (-1.0, -0.5)
DRAWS = 4_000_000


def log_excess(z: float) -> float:
    """Return ln(phi(z) + z Phi(z)) to double precision."""
    mpmath.mp.dps = 60 + int(0.45 * z**2 if abs(z) < 60 else 0)
    value = mpmath.mpf(z)
    if z < -50:
        # Phi(z) = phi(z) M(-z): the ratio of Mills as a continued fraction of the incomplete gamma function.
        ratio = mpmath.sqrt(mpmath.pi / 2) * mpmath.exp(value**2 / 2) * mpmath.erfc(-value / mpmath.sqrt(2))
        logarithm = mpmath.log(1 + value * ratio)
        return float(-(value**2) / 2 - mpmath.log(2 * mpmath.pi) / 2 + logarithm)
    return float(mpmath.log(mpmath.npdf(value) + value * mpmath.ncdf(value)))


def one_output() -> dict[str, object]:
    """Return posteriors of one output, from certain improvement to far in the tail, and their acquisitions."""
    torch.manual_seed(1)
    mean = torch.cat([torch.randn(20), torch.linspace(-30.0, 4.0, 20)]).double()
    sd = torch.cat([torch.rand(20) + 0.05, torch.logspace(-2, 1, 20)]).double()
    model = MockModel(MockPosterior(mean=mean.view(-1, 1, 1), variance=(sd**2).view(-1, 1, 1)))
    places = torch.zeros(len(mean), 1, 1).double()
    # A plain number would be kept in single precision.
    beta = torch.tensor(BETA, dtype=torch.double)
    return {
        "best": BEST,
        "beta": BETA,
        "mean": mean.tolist(),
        "sd": sd.tolist(),
        "log_expected_improvement": LogExpectedImprovement(model, best_f=BEST)(places).tolist(),
        "log_probability_of_improvement": LogProbabilityOfImprovement(model, best_f=BEST)(places).tolist(),
        "upper_confidence_bound": UpperConfidenceBound(model, beta=beta)(places).tolist(),
        "standard_deviation": PosteriorStandardDeviation(model)(places).tolist(),
    }


def two_outputs() -> dict[str, object]:
    """Return posteriors of two outputs, a front, and the expected hypervolume improvement."""
    torch.manual_seed(2)
    values = torch.randn(30, 2).double()
    mean, sd = 1.5 * torch.randn(40, 2).double(), torch.rand(40, 2).double() + 0.1
    reference = torch.tensor(REFERENCE).double()
    front = values[is_non_dominated(values)]
    above = front[(front > reference).all(dim=1)]
    model = MockModel(MockPosterior(mean=mean.unsqueeze(1), variance=(sd**2).unsqueeze(1)))
    partitioning = NondominatedPartitioning(ref_point=reference, Y=values)
    policy = ExpectedHypervolumeImprovement(model, ref_point=list(REFERENCE), partitioning=partitioning)
    return {
        "values": values.tolist(),
        "reference": list(REFERENCE),
        "front": sorted(front.tolist()),
        "hypervolume": Hypervolume(ref_point=reference).compute(above),
        "mean": mean.tolist(),
        "sd": sd.tolist(),
        "expected_hypervolume_improvement": policy(torch.zeros(40, 1, 1).double()).tolist(),
    }


def joint() -> dict[str, object]:
    """Return a correlated posterior and how probably each place is the best."""
    torch.manual_seed(3)
    root = 0.6 * torch.randn(6, 6).double()
    covariance = root @ root.T + 0.05 * torch.eye(6).double()
    mean = torch.tensor([0.0, 0.3, 0.6, 0.2, -0.5, 0.4]).double()
    draws = GPyTorchPosterior(MultivariateNormal(mean, covariance)).rsample(torch.Size([DRAWS]))[..., 0]
    counts = torch.bincount(draws.argmax(dim=1), minlength=6)
    return {
        "mean": mean.tolist(),
        "covariance": covariance.tolist(),
        "probability_of_being_best": (counts.double() / DRAWS).tolist(),
    }


def main() -> None:
    """Compute and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True, help="write the values here")
    arguments = parser.parse_args()
    tail = [-1e5, -1e3, -101.0, -99.0, -40.0, -20.0, -5.0, -1.5, -1.0, -0.999, 0.0, 0.5, 3.0, 30.0]
    document = {
        "versions": {"botorch": botorch.__version__, "torch": torch.__version__.partition("+")[0]},
        "one_output": one_output(),
        "two_outputs": two_outputs(),
        "joint": joint(),
        "log_excess": {"z": tail, "exact": [log_excess(z) for z in tail]},
    }
    arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{arguments.json}: {len(tail)} values of mpmath, the rest of BoTorch {botorch.__version__}")


if __name__ == "__main__":
    main()
