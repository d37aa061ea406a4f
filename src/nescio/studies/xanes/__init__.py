"""Study of coordination numbers from XANES, tested on held-out and on measured particles."""

from nescio.studies.xanes.multiple_scattering import METALS, compared_with_feff, compared_with_foil
from nescio.studies.xanes.reproduction import (
    XANES_TARGETS,
    beyond_white_line,
    first_shell,
    held_out_particles,
    measured_platinum,
    reproduce_xanes,
)

__all__ = [
    "METALS",
    "XANES_TARGETS",
    "beyond_white_line",
    "compared_with_feff",
    "compared_with_foil",
    "first_shell",
    "held_out_particles",
    "measured_platinum",
    "reproduce_xanes",
]
