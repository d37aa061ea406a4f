"""What scatters a photoelectron, and what sends it out: phase shifts and matrix elements over a contour of energies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from nescio.display import Summarised
from nescio.errors import ConfigurationError
from nescio.files import bundled_file, bundled_names, load_fields, save_fields
from nescio.xas.edges import SQUARED_WAVENUMBER_PER_EV
from nescio.xas.feff import FeffPhases
from nescio.xas.scattering.contour import contour_energies

__all__ = ["Scattering", "bulk_scattering", "load_scattering", "save_scattering", "scattering_from_feff"]

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

_PACKAGE = "nescio.xas.scattering"
# Of the edge: the angular momenta that a dipole transition leads to, the higher first.
_CHANNELS = {"K": (1,), "L1": (1,), "L2": (2, 0), "L3": (2, 0), "M1": (1,), "M2": (2, 0), "M3": (2, 0)}


@dataclass(frozen=True, eq=False, repr=False)
class Scattering(Summarised):
    """Atoms and an absorber at n complex energies along a contour (:func:`nescio.xas.contour_energies`)."""

    edge: str
    elements: tuple[str, ...]
    """Of each potential, the absorber's first."""
    edge_energy: float
    """Of the Fermi level above the core level, in eV."""
    energy: Complex
    """From the Fermi level, in eV, shape (n,)."""
    horizontal: int
    """How many of them are at the height of the core hole's half width."""
    wavenumber: Complex
    """Within the solid, in 1/angstrom, shape (n,)."""
    phase_shifts: Complex
    """In radian, shape (potentials, l, n)."""
    channels: tuple[int, ...]
    """Angular momenta that the photoelectron is sent out with."""
    weights: Complex
    """What the absorber's Green function of each channel is multiplied by, shape (channels, n). With matrix elements
    that were real it would be exp(2 i delta)."""
    atomic: Complex
    """Absorption without scattering, complex, shape (n,)."""
    scale: Floats
    """What the scattering part is a fraction of, shape (n,)."""

    @property
    def half_width(self) -> float:
        """Of the core hole's level, in eV."""
        return float(self.energy[0].imag)

    @property
    def largest_energy(self) -> float:
        """Up to which it reaches, in eV from the Fermi level."""
        return float(self.energy[self.horizontal - 1].real)

    def on_contour(self, largest: float, *, k_step: float = 0.1, heights: int = 20) -> Scattering:
        """Return it at other energies, interpolated by cubic splines.

        Args:
            largest: Energy up to which a spectrum is wanted, in eV from the Fermi level.
            k_step: Of the horizontal part, in 1/angstrom.
            heights: Energies of the vertical part.

        Raises:
            ConfigurationError: It does not reach so far.
        """
        energy, horizontal = contour_energies(self.half_width, largest, k_step=k_step, heights=heights)
        if energy[horizontal - 1].real > self.largest_energy:
            raise ConfigurationError(
                f"largest energy {largest:g} eV: with steps of {k_step:g} 1/angstrom it takes scattering up to "
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

        # Phases jump by multiples of pi; what they stand for does not.
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
    """Return what multiple scattering needs of a run of FEFF 8.

    FEFF's matrix elements R are those of the normalised final states at the absorber, with their phase; averaged over
    directions, transitions to j = l + 1/2 and l - 1/2 add up without interference, and each channel weighs
    ``- sum over j of R_j^2 / 3``.

    Args:
        phases: As :func:`nescio.xas.read_feff_phases` returns them.
        largest_l: Of the scattered waves.

    Raises:
        ConfigurationError: An edge whose final states are not s, p or d; or fewer waves than `largest_l`.
    """
    if phases.edge not in _CHANNELS:
        raise ConfigurationError(f"edge {phases.edge}: can be one of {', '.join(_CHANNELS)}")
    channels = _CHANNELS[phases.edge]
    known = min(len(shifts) for shifts in phases.phase_shifts) - 1
    if not max(channels) <= largest_l <= known:
        raise ConfigurationError(f"largest l {largest_l}: can be {max(channels)} to {known} here")
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
    """Return that of a bulk solid, which comes with the package: Cu and Cu2O at the K edge of Cu, Pt at its L3 edge.

    Computed by FEFF8L {cite:p}`Ankudinov1998`, with potentials that are self-consistent within 4.5 angstrom; those of
    Cu and Cu2O with a core hole, Pt without. The project's benchmark ``xas_potentials.py``
    computes them again.

    Raises:
        ConfigurationError: There is none; :func:`nescio.xas.run_feff` computes it.
    """
    known = [name.removesuffix(".npz") for name in bundled_names(_PACKAGE)]
    name = f"{formula}_{edge}"
    if name not in known:
        raise ConfigurationError(
            f"scattering of {formula} at the {edge} edge does not come along (there are {', '.join(known)}); "
            "compute it by FEFF"
        )
    with bundled_file(_PACKAGE, f"{name}.npz") as file:
        return load_scattering(file)


def save_scattering(scattering: Scattering, path: str | Path) -> None:
    """Write it to a new or existing file, .npz.

    Raises:
        FileError: It cannot be written.
    """
    save_fields(scattering, path)


def load_scattering(path: str | Path) -> Scattering:
    """Read what :func:`save_scattering` wrote.

    Raises:
        FileError: It cannot be read, or is no such file.
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
