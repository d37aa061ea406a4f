"""How often known patterns are flagged after a measurement that the prior does not describe in every detail.

    python benchmarks/false_alarms.py AGENT --json false_alarms.json

Patterns are drawn from the agent's own prior on grids of other steps, put on a background, and prepared as measured
ones are. At alpha = 0.01 one in a hundred should be flagged; what exceeds this is the price of rebinning and background
subtraction where the prior says nothing of them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import jax
import numpy as np

from nescio.learn import flagged_fraction, load_agent
from nescio.xrd import Prior, prepare
from nescio.xrd.read.measured import measured_dataset

COUNTS = 1000.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("agent", type=Path)
    parser.add_argument("--patterns", type=int, default=2000, help="patterns for each figure")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()

    agent = load_agent(arguments.agent)
    prior = agent.prior
    kind, axis = str(prior.axis.name), prior.axis.values
    figures: dict[str, dict[str, float]] = {}
    for factor in (0.6, 1.0, 1.5, 2.5):
        points = int((axis.size - 1) / factor) + 1
        document = prior.to_document()
        document["settings"]["axis"]["points"] = points
        patterns = jax.jit(Prior.from_document(document).sample, static_argnums=1)(
            jax.random.key(5), arguments.patterns
        )
        grid = np.linspace(axis[0], axis[-1], points)
        under = 50.0 + 100.0 * np.exp(-4.0 * np.linspace(0.0, 1.0, points))
        for background, added in (("none", 0.0), ("arpls", under)):
            measured = measured_dataset(
                Path("drawn"),
                kind,
                grid,
                COUNTS * np.asarray(patterns.signals) + added,
                wavelength=prior.wavelength,
            )
            prepared = prepare(measured, axis=prior.axis, wavelength=prior.wavelength, background=background)
            p_values = agent.assess(prepared)["p_value"]
            name = f"step {factor:g} of the grid's, background {background}"
            figures[name] = {f"{alpha:g}": flagged_fraction(p_values, alpha) for alpha in (0.01, 0.05)}
            print(
                f"{name:44} flagged at 0.01 {figures[name]['0.01']:.4f}  at 0.05 {figures[name]['0.05']:.4f}"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
