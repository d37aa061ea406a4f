"""The program FEFF: its input, runs and results."""

from nescio.xas.feff.input import feff_input
from nescio.xas.feff.paths import FeffPath, Leg, read_feff_path
from nescio.xas.feff.phases import FeffPhases, read_feff_phases
from nescio.xas.feff.run import FeffProgram, find_feff6l, find_feff8l, own_feff, run_feff
from nescio.xas.feff.sweep import Sweep, executor_at, sweep_feff

__all__ = [
    "FeffPath",
    "FeffPhases",
    "FeffProgram",
    "Leg",
    "Sweep",
    "executor_at",
    "feff_input",
    "find_feff6l",
    "find_feff8l",
    "own_feff",
    "read_feff_path",
    "read_feff_phases",
    "run_feff",
    "sweep_feff",
]
