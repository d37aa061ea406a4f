"""The form in which measurements and findings cross module boundaries: xarray datasets with units.

Measured (what a reader returns), one dataset a file:

====================  ===========================  =============================  ==================================================
``latent``                measurement, latent_dimension  position on the map
``knn_probability``       measurement, candidate         from neighbours on the map
``probability``           measurement, candidate         from the calibrated classifier ensemble
``label``                 measurement                    most probable candidate; empty if unreadable
``reconstruction``        measurement, AXIS              what the agent makes of it
``reconstruction_error``  measurement                    mean squared difference over the covered range
``novelty``               measurement                    novelty score, larger is stranger
``view_novelty``          measurement, view              the same, for each of the agent's views
``p_value``               measurement                    share of known measurements at least as strange
``verdict``               measurement                    "known", "novel" or "unreadable"
``reason``                measurement                    one sentence
``candidate``             candidate (coordinate)         names of the known classes
========================  =============================  ==================================================

Numbers of an unreadable measurement are NaN. Findings on reference signals (`Agent.reference`) also have ``truth``
(measurement), the class that each was drawn from. The level alpha is an attribute.
"""

from __future__ import annotations

__all__ = ["KNOWN", "NOVEL", "UNREADABLE"]

KNOWN = "known"
NOVEL = "novel"
UNREADABLE = "unreadable"
