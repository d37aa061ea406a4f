"""Scalarizers for microscopy: hysteresis loops and diffraction patterns."""

from nescio.microscopy.scalarizers.centre_of_mass import CentreOfMass
from nescio.microscopy.scalarizers.hysteresis import Hysteresis
from nescio.microscopy.scalarizers.loop import Branch, Loop, loop_from

__all__ = ["Branch", "CentreOfMass", "Hysteresis", "Loop", "loop_from"]
