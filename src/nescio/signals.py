"""The form in which measurements and findings cross module boundaries: xarray datasets with units.

Measured (what a reader returns), one dataset a file:

====================  =========================  ==========================================================
name                  dimensions                 meaning
====================  =========================  ==========================================================
``intensity``         measurement, AXIS          as measured; float64; NaN only where padded
``uncertainty``       measurement, AXIS          one standard deviation; optional
AXIS (coordinate)     AXIS                       ``two_theta`` (units "degree") or ``q`` (units "1/angstrom")
``measurement``       measurement                a name unique in the dataset (file stem, or stem#number)
``x_mm``, ``y_mm``    measurement                position on the sample; optional
``composition``       measurement, element       fractions that sum to 1; optional
attribute ``wavelength_angstrom``                float; absent where the file does not say
attribute ``source``                             path of the file as it was given
====================  =========================  ==========================================================

Prepared (what `Technique.prepare` returns): the same, on the prior's grid, with ``intensity`` scaled to 0-1, a boolean
``covered`` (measurement, AXIS) that is False where nothing was measured, ``background`` as subtracted (as measured units),
and ``problem`` (measurement): an empty string, or why that measurement cannot be assessed.

Findings (what `Agent.assess` returns): the prepared dataset with, for every measurement,

======================  ==========================  =====================================================
``latent``              measurement, latent         position on the map
``knn_probability``     measurement, label          from neighbours on the map
``probability``         measurement, label          from the calibrated classifier ensemble
``label``               measurement                 most probable class
``reconstruction``      measurement, AXIS           what the agent makes of it
``reconstruction_error``  measurement               mean squared difference over the covered range
``novelty``             measurement                 novelty score, larger is stranger
``p_value``             measurement                 share of known measurements at least as strange
``verdict``             measurement                 "known", "novel" or "unreadable"
``reason``              measurement                 one sentence
======================  ==========================  =====================================================
"""

from __future__ import annotations

__all__ = ["KNOWN", "NOVEL", "UNREADABLE"]

KNOWN = "known"
NOVEL = "novel"
UNREADABLE = "unreadable"
