"""Demonstrations of each technique on simulated samples (`nescio demo`)."""

from typing import TYPE_CHECKING

from nescio.lazy import attach

if TYPE_CHECKING:
    from nescio.studies.demos.absorption import demonstrate_absorption
    from nescio.studies.demos.diffraction import demonstrate_diffraction
    from nescio.studies.demos.microscope import demonstrate_microscope

__all__ = ["demonstrate_absorption", "demonstrate_diffraction", "demonstrate_microscope"]

__getattr__, __dir__ = attach(
    __name__,
    {
        "absorption": ["demonstrate_absorption"],
        "diffraction": ["demonstrate_diffraction"],
        "microscope": ["demonstrate_microscope"],
    },
)
