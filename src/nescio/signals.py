"""The form in which measurements and findings cross module boundaries: xarray datasets with units.

Measured (what a reader returns), one dataset a file:

===================================  ====================  ===================================================
name                                 dimensions            meaning
===================================  ====================  ===================================================
``intensity``                        measurement, AXIS     as measured; float64; NaN only where padded
``uncertainty``                      measurement, AXIS     one standard deviation; optional
AXIS (coordinate)                    AXIS                  ``two_theta`` ("degree") or ``q`` ("1/angstrom")
``measurement``                      measurement           a name unique in the dataset (stem or stem#number)
``x_mm``, ``y_mm``                   measurement           position on the sample; optional
``composition``                      measurement, element  fractions that sum to 1; optional
``source``                           measurement           its file, where those of several were put together
attribute ``wavelength_angstrom``                          float; absent where the file does not say
attribute ``source``                                       path of the file as it was given
attribute ``left_out``                                     what else the file holds, and why it is of no use
attribute ``notes``                                        what a user should know of how the file was read, a line each
===================================  ====================  ===================================================

Where each measurement has an axis of its own (energies of an absorption spectrum), ``intensity`` and the axis have the
dimensions (measurement, point), NaN where padded.

Prepared (what `Technique.prepare` returns): the same, on the prior's grid, with ``intensity`` scaled to 0-1;
boolean ``covered`` (measurement, AXIS), False where nothing was measured; ``background`` as subtracted, in
measured units; and ``problem`` (measurement): an empty string, or why that measurement cannot be assessed. The
attribute ``notes`` holds what was noted in reading and preparing (:func:`with_notes`, :func:`notes_of`).

Findings (what `Agent.assess` returns): the prepared dataset with, for every measurement,

========================  =============================  ==================================================
name                      dimensions                     meaning
========================  =============================  ==================================================
``latent``                measurement, latent_dimension  position on the map
``knn_probability``       measurement, candidate         from neighbours on the map
``probability``           measurement, candidate         from the calibrated classifier ensemble
``label``                 measurement                    most probable candidate; empty if unreadable
``reconstruction``        measurement, AXIS              by the agent's autoencoders
``reconstruction_error``  measurement                    mean squared difference over the covered range
``novelty``               measurement                    novelty score, larger is stranger
``view_novelty``          measurement, view              the same, for each of the agent's views
``p_value``               measurement                    share of known measurements at least as strange
``verdict``               measurement                    "known", "novel" or "unreadable"
``reason``                measurement                    one sentence
``candidate``             candidate (coordinate)         names of the known classes
========================  =============================  ==================================================

Numbers of an unreadable measurement are NaN. Findings on reference signals (`Agent.reference`) also have ``truth``
(measurement), the class that each was drawn from. Attributes are ``kind``, here "classes", and the level ``alpha``.

Findings of kind "numbers" (:class:`nescio.techniques.NumberPrior`): prepared signals are in units of their own, and
``disturbed`` (measurement, disturbance, AXIS) holds each signal as it would be with an error of measurement, each named
"cause: what". Findings have ``intensity``, ``latent``, ``reconstruction``, ``p_value``, ``verdict`` and ``reason`` as
above, and

==========================================  ======================  ===================================================
name                                        dimensions              meaning
==========================================  ======================  ===================================================
``value``                                   measurement, quantity   the estimate
``aleatoric``                               measurement, quantity   standard deviation that signals like this leave open
``epistemic``                               measurement, quantity   standard deviation among the networks
``systematic``                              measurement, quantity   change with the disturbances, the causes in squares
``low``, ``high``                           measurement, quantity   calibrated interval, of the first two
``structures``                              measurement             known structures that fit, with all errors
``truth``                                   measurement, quantity   what is true, where that is known
``quantity`` (coordinate)                   quantity                names
``quantity_units``, ``quantity_long_name``  quantity                their units, and what they are
attribute ``level``                                                 share of known numbers that the intervals hold
==========================================  ======================  ===================================================

Explored (what an exploration leaves for figures and reports): one entry along ``measurement`` for each measurement
that was made, in order, and one along ``decision`` for each time that the next was chosen. Only ``position``,
``candidate`` and ``value`` must be there; a figure that lacks something else says so.

===========================  =====================  ==============================================================
name                         dimensions             meaning
===========================  =====================  ==============================================================
``image``                    channel, y, x          the survey; coordinates ``y``, ``x`` (with units), ``channel``
``channel_units``            channel                units of each channel
``position``                 candidate, coordinate  where each candidate is; attribute ``units``
``coordinate`` (coordinate)  coordinate             names; ``y`` and ``x`` lie in the image
``features``                 candidate, feature     what the kernel sees
``embedding``                candidate, DIMENSION   the surrogate's own learned space, ``embedding_dimension``
``mean``, ``sd``             candidate, output      the last model's expectation and its own uncertainty
``acquisition``              candidate              the last; NaN where nothing may be measured
``output`` (coordinate)      output                 names of the scalars
``output_unit``              output                 their units
``output_long_name``         output                 what they are, in words
``output_direction``         output                 "maximise" or "minimise"; maximise where it is absent
``candidate``                measurement            index of the candidate; -1 for a place that is none
``origin``                   measurement            who chose it: "seed", "policy" or "person"
``value``, ``uncertainty``   measurement, output    the scalars, one standard deviation; NaN where missing
``predicted``                measurement, output    what was expected just before measuring
``predicted_sd``             measurement, output    one standard deviation of that, noise included
``reason``                   measurement            why a value is missing, or a note; else empty
``rejected``                 measurement            True where a person took it out of the model
``seconds``                  measurement            how long the measurement took
``spectrum``                 measurement, AXES      as measured; axes and values with ``units``
``step``                     decision               measurements seen by the model that decided
``best_so_far``              decision               of the first output, in its units
``largest_improvement``      decision               the largest expected, in units of the first output
``noise_sd``                 decision, output       of a repeated measurement, as the model finds it
``scale``                    decision, output       factor on the model's variance that calibrates it
``loo_coverage``             decision, output       share of leave-one-out residuals in the 95 % interval
``map_change``               decision, output       of the expected map, over its standard deviation
``fit_seconds``              decision               how long fitting and choosing took
``policy``                   decision               what chose, in words
``act_time``                 act                    seconds since the beginning
``act_step``                 act                    measurements finished when it happened
``act_who``, ``act_text``    act                    who intervened, and what was done
attribute ``title``                                 of the experiment
attribute ``goal``                                  in words, for people: "maximise area; minimise coercive bias"
attribute ``stopped``                               why it ended; absent or empty while it runs
attribute ``budget``                                measurements that there are to spend
attribute ``model``                                 what the surrogate is: text, or texts by name
attribute ``configuration``                         text, or texts by name
===========================  =====================  ==============================================================

A variable along ``decision`` may also have the dimension ``output``; a figure of one output shows its own. A dimension
or coordinate of spectra whose name is used above gets another name, such as ``spectrum_y``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike

__all__ = [
    "CLASSES",
    "KNOWN",
    "NOVEL",
    "NUMBERS",
    "UNREADABLE",
    "notes_of",
    "simulated_measurements",
    "with_notes",
]

CLASSES = "classes"
NUMBERS = "numbers"
"""Kinds of priors, of the agents that learn them, and of their findings."""

KNOWN = "known"
NOVEL = "novel"
UNREADABLE = "unreadable"


def notes_of(source: object) -> tuple[str, ...]:
    """Return the notes of a dataset (its attribute ``notes``, a line each), or of anything with `notes`.

    A note is a plain sentence with the file's name and the place in it, about something that was assumed, changed or
    left out in reading. It stops nothing; the command line prints each once, as ``note: ...``.
    """
    attributes = getattr(source, "attrs", None)
    found = attributes.get("notes", "") if attributes is not None else getattr(source, "notes", ())
    lines = found.splitlines() if isinstance(found, str) else [str(note) for note in found]
    return tuple(line for line in lines if line)


def with_notes(dataset: xr.Dataset, notes: Iterable[str]) -> xr.Dataset:
    """Return a dataset with further notes, each once; without any it stays as it is."""
    together = dict.fromkeys([*notes_of(dataset), *(" ".join(note.split()) for note in notes)])
    # One text, since attributes of a file can hold no list of texts everywhere.
    return dataset.assign_attrs(notes="\n".join(together)) if together else dataset


def simulated_measurements(
    axis: xr.DataArray,
    signals: ArrayLike,
    names: Sequence[str],
    *,
    composition: ArrayLike | None = None,
    elements: Sequence[str] = (),
) -> xr.Dataset:
    """Return simulated signals in the prepared form, covered everywhere.

    Args:
        axis: Grid of the signals, shape (points,).
        signals: Shape (n, points), 0 to 1.
        names: Shape (n,), unique.
        composition: Shape (n, elements), or none.
        elements: What the columns of `composition` are.
    """
    import numpy as np
    import xarray as xr

    values = np.asarray(signals)
    name = str(axis.name)
    prepared = xr.Dataset(
        {
            "intensity": (("measurement", name), values),
            "covered": (("measurement", name), np.ones(values.shape, bool)),
            "problem": ("measurement", np.full(len(values), "", dtype="<U1")),
        },
        {"measurement": list(names), name: axis},
    )
    if composition is None or not elements:
        return prepared
    return prepared.assign_coords(
        composition=(("measurement", "element"), np.asarray(composition)), element=list(elements)
    )
