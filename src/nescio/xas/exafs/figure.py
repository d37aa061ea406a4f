"""Figure of EXAFS: chi(k), magnitude and real part of chi(R), and a wavelet map of both."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from nescio.view import MEASURED, MODEL, new_figure, plain, styled
from nescio.xas.exafs.background import K_STEP, Extracted
from nescio.xas.exafs.transform import fourier, fourier_distances
from nescio.xas.exafs.wavelets import cauchy_distances, cauchy_wavelet
from nescio.xas.exafs.windows import window

__all__ = ["exafs_figure"]


@styled
def exafs_figure(
    extracted: Extracted,
    *,
    k_weight: int = 2,
    k_range: tuple[float, float] = (3.0, 12.0),
    taper: float = 1.0,
    largest: float = 6.0,
) -> Figure:
    """Draw a spectrum with its background, k-weighted chi(k) with its window, chi(R), and a wavelet map.

    Distances are not corrected for the phase shift: neighbours are 0.3 to 0.5 angstrom further away.

    Args:
        extracted: From :func:`nescio.xas.extract_exafs`.
        k_weight: Power of k.
        k_range: Range of the transform, in 1/angstrom.
        taper: Width of the window's tapers in 1/angstrom.
        largest: Largest distance in angstrom.

    Raises:
        ConfigurationError: The range is not ascending.
    """
    high = min(k_range[1], float(extracted.k[-1]))
    shape = window(extracted.k, k_range[0], high, taper, "hanning")
    weighted = extracted.k**k_weight * extracted.chi
    transformed = np.asarray(
        fourier(extracted.chi, K_STEP, extracted.k**k_weight * shape, largest=largest), np.complex128
    )
    distance = fourier_distances(K_STEP, largest)
    units = f"$k^{{{k_weight}}}\\chi(k)$ (Å$^{{-{k_weight}}}$)"
    figure = new_figure(6.2)
    (first, second), (third, fourth) = figure.subplots(2, 2)
    spectrum = extracted.normalised
    x = spectrum.spectrum.energy - spectrum.e0
    first.plot(x, spectrum.mu, color=MEASURED, lw=1.0, label=plain(spectrum.spectrum.name, 24))
    first.plot(
        extracted.energy - spectrum.e0,
        extracted.background,
        color=MODEL,
        lw=1.2,
        ls="--",
        label="background",
    )
    first.set(xlabel="energy from the edge (eV)", ylabel="normalised absorption")
    first.legend(loc="lower right")
    second.plot(extracted.k, weighted, color=MEASURED, lw=1.0)
    second.plot(extracted.k, shape * np.abs(weighted).max(), color="#777777", lw=0.9, ls=":", label="window")
    second.set(xlabel="wavenumber k (1/Å)", ylabel=units)
    second.legend(loc="lower left")
    third.plot(distance, np.abs(transformed), color=MEASURED, lw=1.2, label=r"$|\chi(R)|$")
    third.plot(distance, transformed.real, color=MODEL, lw=1.0, ls="--", label=r"Re $\chi(R)$")
    third.set(xlabel="distance R, not corrected for phase (Å)", ylabel=f"Å$^{{-{k_weight + 1}}}$")
    third.legend()
    chosen = extracted.k <= high + 1e-9
    rows = cauchy_distances(K_STEP, largest)
    seen = rows >= 0.5
    map_ = np.abs(np.asarray(cauchy_wavelet(weighted[chosen], K_STEP, rows)))
    drawn = fourth.pcolormesh(
        extracted.k[chosen], rows[seen], map_[seen], cmap="cividis", shading="auto", rasterized=True
    )
    fourth.set(xlabel="wavenumber k (1/Å)", ylabel="distance R (Å)")
    figure.colorbar(drawn, ax=fourth, label="Cauchy wavelet, magnitude")
    return figure
