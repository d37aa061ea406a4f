"""Nescio: agents for materials characterisation that know what they do not know.

These names do the main jobs; each is loaded when it is first used::

    import nescio

    prior = nescio.load_prior("cifs/")             # or a TOML file
    agent = nescio.train(prior, "agent")           # or nescio.load_agent("agent")
    findings = nescio.assess(agent, "wafer/", alpha=0.01)
    nescio.plot(findings)

The packages offer the parts: :mod:`nescio.xrd` (diffraction), :mod:`nescio.xas` (absorption), :mod:`nescio.microscopy`,
:mod:`nescio.learn` (agents), :mod:`nescio.explore` (experiments), :mod:`nescio.trace` (records), :mod:`nescio.view`
(figures and reports).
"""

from typing import TYPE_CHECKING

from nescio.errors import NescioError, NescioWarning
from nescio.lazy import attach
from nescio.version import __version__

if TYPE_CHECKING:
    from nescio.explore import Experiment, open_experiment
    from nescio.face import assess, load_prior, plot, read_measurements, report, run, table, train
    from nescio.learn import load_agent

__all__ = [
    "Experiment",
    "NescioError",
    "NescioWarning",
    "__version__",
    "assess",
    "load_agent",
    "load_prior",
    "open_experiment",
    "plot",
    "read_measurements",
    "report",
    "run",
    "table",
    "train",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "explore": ["Experiment", "open_experiment"],
        "face": ["assess", "load_prior", "plot", "read_measurements", "report", "run", "table", "train"],
        "learn": ["load_agent"],
    },
)
