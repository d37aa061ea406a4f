"""Coordination numbers from absorption near the edge, checked on held-out and on measured particles."""

from nescio.studies.xanes.multiple_scattering import METALS, compared_with_feff, compared_with_foil
from nescio.studies.xanes.reproduction import (
    XANES_WANTED,
    beyond_white_line,
    held_out_particles,
    measured_platinum,
    reproduce_xanes,
    told_c1,
)

__all__ = [
    "METALS",
    "XANES_WANTED",
    "beyond_white_line",
    "compared_with_feff",
    "compared_with_foil",
    "held_out_particles",
    "measured_platinum",
    "reproduce_xanes",
    "told_c1",
]
