"""Phase shifts of the scatterers and matrix elements of the absorber, on a contour of energies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from nescio.display import Summarised
from nescio.errors import ConfigurationError
from nescio.files import bundled_file, bundled_names, load_fields, save_fields
from nescio.xas.feff import FeffPhases
from nescio.xas.scattering.contour import contour_energies
from nescio.xas.spectra import SQUARED_WAVENUMBER_PER_EV

__all__ = ["Scattering", "bulk_scattering", "load_scattering", "save_scattering", "scattering_from_feff"]

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

_PACKAGE = "nescio.xas.scattering"
# Final angular momenta of the dipole transitions of each edge, the higher first.
_CHANNELS = {"K": (1,), "L1": (1,), "L2": (2, 0), "L3": (2, 0), "M1": (1,), "M2": (2, 0), "M3": (2, 0)}


@dataclass(frozen=True, eq=False, repr=False)
class Scattering(Summarised):
    """Atoms and an absorber at n complex energies on a contour (:func:`nescio.xas.contour_energies`)."""

    edge: str
    elements: tuple[str, ...]
    """Element of each potential, the absorber's first."""
    edge_energy: float
    """Energy of the Fermi level above the core level, in eV."""
    energy: Complex
    """Energies from the Fermi level, in eV, shape (n,)."""
    horizontal: int
    """Number of energies at the height of the core hole's half width."""
    wavenumber: Complex
    """Wavenumber in the solid, in 1/angstrom, shape (n,)."""
    phase_shifts: Complex
    """Phase shifts in radian, shape (potentials, l, n)."""
    channels: tuple[int, ...]
    """Angular momenta of the emitted photoelectron."""
    weights: Complex
    """Factors of the absorber's Green function for each channel, shape (channels, n); exp(2 i delta) for real matrix
    elements."""
    atomic: Complex
    """Absorption without scattering, complex, shape (n,)."""
    scale: Floats
    """Scale of the scattering part, shape (n,)."""

    @property
    def half_width(self) -> float:
        """Half width of the core hole level, in eV."""
        return float(self.energy[0].imag)

    @property
    def largest_energy(self) -> float:
        """Largest energy, in eV from the Fermi level."""
        return float(self.energy[self.horizontal - 1].real)

    def on_contour(self, largest: float, *, k_step: float = 0.1, heights: int = 20) -> Scattering:
        """Return the scattering at other energies, interpolated by cubic splines.

        Args:
            largest: Largest energy of the spectrum, in eV from the Fermi level.
            k_step: Step of the horizontal part, in 1/angstrom.
            heights: Number of energies of the vertical part.

        Raises:
            ConfigurationError: The computed energies end before `largest`.
        """
        energy, horizontal = contour_energies(self.half_width, largest, k_step=k_step, heights=heights)
        if energy[horizontal - 1].real > self.largest_energy:
            raise ConfigurationError(
                f"largest energy {largest:g} eV: with steps of {k_step:g} 1/angstrom it needs scattering up to "
                f"{energy[horizontal - 1].real:.4g} eV, which was computed up to {self.largest_energy:.4g} eV"
            )

        def moved(values: NDArray[np.complexfloating] | Floats) -> Complex:
            own, height = self.energy[: self.horizontal].real, self.energy[self.horizontal :].imag
            along = CubicSpline(
                np.sqrt(own), values[..., : self.horizontal], axis=-1, bc_type=("clamped", "not-a-knot")
            )(np.sqrt(energy[:horizontal].real))
            up = np.clip(np.log(energy[horizontal:].imag), np.log(height[0]), np.log(height[-1]))
            across = CubicSpline(np.log(height), values[..., self.horizontal :], axis=-1)(up)
            return np.concatenate([along, across], axis=-1).astype(np.complex128)

        # Phases jump by multiples of pi; exp(2 i delta) does not.
        turned = moved(np.exp(2j * self.phase_shifts))
        kinetic = moved(self.wavenumber**2)
        return Scattering(
            self.edge,
            self.elements,
            self.edge_energy,
            energy,
            horizontal,
            np.sqrt(kinetic),
            np.log(turned) / 2j,
            self.channels,
            moved(self.weights),
            moved(self.atomic),
            moved(self.scale).real,
        )


def scattering_from_feff(phases: FeffPhases, *, largest_l: int = 3) -> Scattering:
    """Convert results of FEFF 8 for multiple scattering.

    FEFF's matrix elements R are those of the normalised final states at the absorber, with their phase. Averaged over
    directions, transitions to j = l + 1/2 and l - 1/2 add without interference; the weight of each channel is
    ``- sum over j of R_j^2 / 3``.

    Args:
        phases: From :func:`nescio.xas.read_feff_phases`.
        largest_l: Largest l of the scattered waves.

    Raises:
        ConfigurationError: The final states of the edge are not s, p or d, or FEFF computed fewer waves.
    """
    if phases.edge not in _CHANNELS:
        raise ConfigurationError(f"edge {phases.edge}: needs one of {', '.join(_CHANNELS)}")
    channels = _CHANNELS[phases.edge]
    known = min(len(shifts) for shifts in phases.phase_shifts) - 1
    if not max(channels) <= largest_l <= known:
        raise ConfigurationError(f"largest l {largest_l}: needs {max(channels)} to {known}")
    squares = -(phases.matrix_elements**2) / 3.0
    higher = squares[:2].sum(axis=0)
    kinetic = phases.energy - phases.reference
    return Scattering(
        edge=phases.edge,
        elements=phases.elements,
        edge_energy=phases.edge_energy,
        energy=phases.energy - phases.fermi_level,
        horizontal=phases.horizontal,
        wavenumber=np.sqrt(kinetic * SQUARED_WAVENUMBER_PER_EV),
        phase_shifts=np.stack([shifts[: largest_l + 1] for shifts in phases.phase_shifts]),
        channels=channels,
        weights=np.stack([higher, squares[2]][: len(channels)]),
        atomic=phases.atomic,
        scale=phases.scale,
    )


def bulk_scattering(formula: str, edge: str) -> Scattering:
    """Return the bundled scattering of a bulk solid: Cu and Cu2O at the Cu K edge, Pt at the L3 edge.

    It was computed by FEFF8L {cite:p}`Ankudinov1998` with potentials that are self-consistent within 4.5 angstrom; for
    Cu and Cu2O with a core hole, for Pt without. The benchmark ``xas_potentials.py`` computes it again.

    Raises:
        ConfigurationError: There is none for this solid and edge; compute it by :func:`nescio.xas.run_feff`.
    """
    known = [name.removesuffix(".npz") for name in bundled_names(_PACKAGE)]
    name = f"{formula}_{edge}"
    if name not in known:
        raise ConfigurationError(
            f"scattering of {formula} at the {edge} edge is not bundled (bundled: {', '.join(known)}); "
            "compute it by FEFF"
        )
    with bundled_file(_PACKAGE, f"{name}.npz") as file:
        return load_scattering(file)


def save_scattering(scattering: Scattering, path: str | Path) -> None:
    """Write a scattering to a file, .npz.

    Raises:
        FileError: The file cannot be written.
    """
    save_fields(scattering, path)


def load_scattering(path: str | Path) -> Scattering:
    """Read a file of :func:`save_scattering`.

    Raises:
        FileError: The file cannot be read, or holds no scattering.
    """
    arrays = load_fields(Scattering, path, "scattering")
    return Scattering(
        edge=str(arrays["edge"]),
        elements=tuple(str(one) for one in arrays["elements"]),
        edge_energy=float(arrays["edge_energy"]),
        energy=arrays["energy"],
        horizontal=int(arrays["horizontal"]),
        wavenumber=arrays["wavenumber"],
        phase_shifts=arrays["phase_shifts"],
        channels=tuple(int(one) for one in arrays["channels"]),
        weights=arrays["weights"],
        atomic=arrays["atomic"],
        scale=arrays["scale"],
    )
