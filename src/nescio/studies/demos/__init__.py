"""Demonstrations of each technique on simulated samples (`nescio demo`)."""

from typing import TYPE_CHECKING

from nescio.lazy import attach

if TYPE_CHECKING:
    from nescio.studies.demos.absorption import demonstrate_absorption
    from nescio.studies.demos.diffraction import demonstrate_diffraction
    from nescio.studies.demos.index import write_demo_index
    from nescio.studies.demos.microscope import demonstrate_microscope

__all__ = ["demonstrate_absorption", "demonstrate_diffraction", "demonstrate_microscope", "write_demo_index"]

__getattr__, __dir__ = attach(
    __name__,
    {
        "absorption": ["demonstrate_absorption"],
        "diffraction": ["demonstrate_diffraction"],
        "index": ["write_demo_index"],
        "microscope": ["demonstrate_microscope"],
    },
)
