"""chi(k) of scattering paths and its transforms as larch computes them, for the tests of nescio.xas.

In an environment of its own:

    python -m venv larch && larch/bin/pip install "xraylarch==2026.3.1"
    larch/bin/python benchmarks/larch_values.py --json tests/xas/larch_values.json

The paths are those of FEFF6L for copper, a = 3.61 angstrom, RMAX 5.5: the first shell, and a triangle.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from larch import Group
from larch.xafs import cauchy_wavelet, feffpath, ftwindow, path2chi, xftf, xftr

FOLDER = Path(__file__).parents[1] / "tests" / "xas" / "data"
PARAMETERS = {
    "cu_single": {
        "s02": 0.9,
        "e0": 3.2,
        "deltar": 0.012,
        "sigma2": 0.0086,
        "third": 1.3e-4,
        "fourth": 1.1e-5,
    },
    "cu_triangle": {"s02": 0.95, "e0": -2.5, "deltar": -0.02, "sigma2": 0.012, "ei": 0.7},
}
WINDOWS = ("kaiser", "hanning", "parzen", "welch", "sine", "gaussian")
EVERY = 7
"""Of the distances and wavenumbers of a transform, which are kept."""


def parts(values: np.ndarray) -> dict[str, object]:
    """Return complex numbers as JSON can hold them."""
    return {"real": values.real.tolist(), "imag": values.imag.tolist()}


def main() -> None:
    """Compute and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True, help="write the values here")
    target = parser.parse_args().json
    k = 0.05 * np.arange(301)
    found: dict[str, object] = {"k": k.tolist(), "every": EVERY, "paths": {}, "windows": {}}
    total = np.zeros_like(k)
    for name, parameters in PARAMETERS.items():
        path = feffpath(str(FOLDER / f"{name}.dat"))
        path2chi(path, k=k, **parameters)
        total = total + path.chi
        found["paths"][name] = {"parameters": {**parameters, "degen": path.degen}, "chi": path.chi.tolist()}
    for kind in WINDOWS:
        values = ftwindow(k, xmin=3.0, xmax=12.5, dx=1.5, window=kind)
        # Limits that are no points of the grid.
        between = ftwindow(k, xmin=2.97, xmax=12.318, dx=0.83, window=kind)
        found["windows"][kind] = {"on the grid": values.tolist(), "between": between.tolist()}
    spectrum = Group()
    xftf(k, total, kmin=3.0, kmax=14.0, dk=1.0, kweight=2, window="hanning", group=spectrum)
    xftr(
        spectrum.r, spectrum.chir, rmin=1.4, rmax=3.0, dr=0.3, window="hanning", qmax_out=15.0, group=spectrum
    )
    cauchy_wavelet(k, total, kweight=2, rmax_out=6.0, group=spectrum)
    found["total"] = total.tolist()
    found["fourier"] = {"r": spectrum.r[::EVERY].tolist(), **parts(spectrum.chir[::EVERY])}
    found["inverse"] = {"q": spectrum.q[::EVERY].tolist(), **parts(spectrum.chiq[::EVERY])}
    found["cauchy"] = {
        "r": spectrum.wcauchy_r[::EVERY].tolist(),
        **parts(spectrum.wcauchy[::EVERY, :: 3 * EVERY]),
    }
    target.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
