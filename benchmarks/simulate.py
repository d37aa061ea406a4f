"""Patterns simulated per second, beside pymatgen's calculator with a NumPy profile, in one run on one machine.

Run in an environment that has both (``pip install -r benchmarks/requirements.txt`` on top of nescio):

    python benchmarks/simulate.py --data FOLDER --json simulate.json

Both draw strain and crystallite size at random for every pattern and write 2048 points from 20 to 90 degree, Cu Ka1.
Nescio also draws texture over all symmetry equivalents, shift, profile mixing and noise, which the peer has not.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from nescio.xrd import Prior

CIFS = {"Ni": "Ni-Cubic-225.cif", "Co4Al13": "Co4Al13-Orthorhombic-31.cif"}
START, STOP, POINTS = 20.0, 90.0, 2048


def nescio_batch(cif: Path, batch: int) -> Callable[[int], int]:
    """Return a function that simulates one batch with Nescio and returns its size."""
    prior = Prior.from_cifs([cif], radiation={"source": "CuKa1"})
    draw = jax.jit(lambda key: prior.sample(key, batch).signals)

    def run(seed: int) -> int:
        draw(jax.random.key(seed)).block_until_ready()
        return batch

    return run


def pymatgen_pattern(cif: Path) -> Callable[[int], int]:
    """Return a function that simulates one pattern with pymatgen and a NumPy pseudo-Voigt profile."""
    from pymatgen.analysis.diffraction.xrd import XRDCalculator
    from pymatgen.core import Structure

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        structure = Structure.from_file(cif)
    calculator = XRDCalculator(wavelength="CuKa1")
    grid = np.linspace(START, STOP, POINTS)

    def run(seed: int) -> int:
        rng = np.random.default_rng(seed)
        strained = structure.copy()
        strained.apply_strain(rng.uniform(-0.01, 0.01))
        peaks = calculator.get_pattern(strained, scaled=False, two_theta_range=(START, STOP + 4.0))
        size, mixing = np.exp(rng.uniform(np.log(50.0), np.log(400.0))), rng.uniform()
        fwhm = np.degrees(0.9 * calculator.wavelength / (size * np.cos(np.radians(peaks.x / 2.0))))[:, None]
        u = ((grid - peaks.x[:, None]) / fwhm) ** 2
        shape = mixing * 2.0 / np.pi / (1.0 + 4.0 * u)
        shape += (1.0 - mixing) * 2.0 * np.sqrt(np.log(2.0) / np.pi) * np.exp(-4.0 * np.log(2.0) * u)
        pattern = (peaks.y[:, None] / fwhm * shape).sum(axis=0)
        _ = pattern / pattern.max()
        return 1

    return run


def rate(run: Callable[[int], int], seconds: float) -> float:
    """Return patterns per second: the median of five stretches after one unmeasured call."""
    run(0)
    rates, seed = [], 1
    for _ in range(5):
        begin, done = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds / 5.0:
            done += run(seed)
            seed += 1
        rates.append(done / (time.perf_counter() - begin))
    return float(np.median(rates))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("NESCIO_DATA", "../shared/data")))
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each figure")
    parser.add_argument("--batch", type=int, default=256, help="patterns per call of Nescio")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()

    figures: dict[str, dict[str, float]] = {"nescio": {}, "pymatgen": {}}
    for phase, name in CIFS.items():
        cif = arguments.data / "xrd" / "reference_cifs" / name
        if not cif.exists():
            parser.error(f"{cif} is not there; give --data or set NESCIO_DATA")
        figures["nescio"][phase] = rate(nescio_batch(cif, arguments.batch), arguments.seconds)
        figures["pymatgen"][phase] = rate(pymatgen_pattern(cif), arguments.seconds)
        ratio = figures["nescio"][phase] / figures["pymatgen"][phase]
        print(
            f"{phase:8} nescio {figures['nescio'][phase]:9.0f}/s"
            f"  pymatgen {figures['pymatgen'][phase]:7.1f}/s  ratio {ratio:.0f}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
