"""Datasets of measurements and findings: their variables, dimensions and units.

Measured (returned by a reader), one dataset per file:

===================================  ====================  ===================================================
name                                 dimensions            meaning
===================================  ====================  ===================================================
``intensity``                        measurement, AXIS     as measured; float64; NaN only where padded
``uncertainty``                      measurement, AXIS     one standard deviation; optional
AXIS (coordinate)                    AXIS                  ``two_theta`` ("degree") or ``q`` ("1/angstrom")
``measurement``                      measurement           a name unique in the dataset (stem or stem#number)
``x_mm``, ``y_mm``                   measurement           position on the sample; optional
``composition``                      measurement, element  fractions that sum to 1; optional
``source``                           measurement           its file, if several files were joined
attribute ``wavelength_angstrom``                          float; absent where the file does not say
attribute ``source``                                       path of the file as it was given
attribute ``left_out``                                     skipped parts of the file, and why they were skipped
attribute ``notes``                                        notes on how the file was read, one per line
===================================  ====================  ===================================================

If each measurement has its own axis (energies of an absorption spectrum), ``intensity`` and the axis have the
dimensions (measurement, point), padded with NaN.

Prepared (returned by `Technique.prepare`): the same on the prior's grid, with ``intensity`` scaled to 0-1; boolean
``covered`` (measurement, AXIS), False for points that were not measured; the subtracted ``background`` in measured
units; and ``problem`` (measurement), the reason why a measurement cannot be assessed, or an empty string. The attribute
``notes`` has the notes of reading and preparing (:func:`with_notes`, :func:`notes_of`).

Findings (returned by `Agent.assess`): the prepared dataset and, for every measurement,

========================  =============================  ==================================================
name                      dimensions                     meaning
========================  =============================  ==================================================
``latent``                measurement, latent_dimension  position on the map
``knn_probability``       measurement, candidate         from neighbours on the map
``probability``           measurement, candidate         from the calibrated classifier ensemble
``label``                 measurement                    most probable candidate; empty if unreadable
``reconstruction``        measurement, AXIS              by the agent's autoencoders
``reconstruction_error``  measurement                    mean squared difference over the covered range
``novelty``               measurement                    novelty score; larger is more novel
``view_novelty``          measurement, view              novelty score of each of the agent's views
``p_value``               measurement                    share of known measurements at least as novel
``verdict``               measurement                    "known", "novel" or "unreadable"
``reason``                measurement                    reason of the verdict, one sentence
``candidate``             candidate (coordinate)         names of the known classes
========================  =============================  ==================================================

Numbers of an unreadable measurement are NaN. Findings on reference signals (`Agent.reference`) also have ``truth``
(measurement), the true class. The attributes are ``kind``, here "classes", and the level ``alpha``.

Findings of kind "numbers" (:class:`nescio.techniques.NumberPrior`): prepared signals keep their units, and
``disturbed`` (measurement, disturbance, AXIS) has each signal with a possible measurement error; a disturbance is named
"cause: description". Findings have ``intensity``, ``latent``, ``reconstruction``, ``p_value``, ``verdict`` and
``reason`` as above, and

==========================================  ======================  ===================================================
name                                        dimensions              meaning
==========================================  ======================  ===================================================
``value``                                   measurement, quantity   the estimate
``aleatoric``                               measurement, quantity   standard deviation not explained by the signal
``epistemic``                               measurement, quantity   standard deviation among the networks
``systematic``                              measurement, quantity   change with the disturbances, squared sum of causes
``low``, ``high``                           measurement, quantity   calibrated interval from the first two errors
``structures``                              measurement             known structures that fit within all errors
``truth``                                   measurement, quantity   true value, if known
``quantity`` (coordinate)                   quantity                names
``quantity_units``, ``quantity_long_name``  quantity                their units and long names
attribute ``level``                                                 share of true values inside the intervals
==========================================  ======================  ===================================================

Explored (an experiment, for figures and reports): one entry along ``measurement`` for each measurement in order, and
one along ``decision`` for each choice of the next measurement. Only ``position``, ``candidate`` and ``value`` are
required; a figure raises an error if it needs another variable that is missing.

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
"""Kinds of priors, of the agents trained on them, and of their findings."""

KNOWN = "known"
NOVEL = "novel"
UNREADABLE = "unreadable"


def notes_of(source: object) -> tuple[str, ...]:
    """Return the notes of a dataset (lines of its attribute ``notes``) or of an object with `notes`.

    A note is a sentence with file name and location about an assumption, a change or a skipped part. Notes stop
    nothing; the command line prints each once, as ``note: ...``.
    """
    attributes = getattr(source, "attrs", None)
    found = attributes.get("notes", "") if attributes is not None else getattr(source, "notes", ())
    lines = found.splitlines() if isinstance(found, str) else [str(note) for note in found]
    return tuple(line for line in lines if line)


def with_notes(dataset: xr.Dataset, notes: Iterable[str]) -> xr.Dataset:
    """Return a dataset with added notes, each once; return it unchanged if there are none."""
    together = dict.fromkeys([*notes_of(dataset), *(" ".join(note.split()) for note in notes)])
    # One text, since not every file format can store a list of texts as attribute.
    return dataset.assign_attrs(notes="\n".join(together)) if together else dataset


def simulated_measurements(
    axis: xr.DataArray,
    signals: ArrayLike,
    names: Sequence[str],
    *,
    composition: ArrayLike | None = None,
    elements: Sequence[str] = (),
) -> xr.Dataset:
    """Return simulated signals as a prepared dataset without missing points.

    Args:
        axis: Grid of the signals, shape (points,).
        signals: Shape (n, points), 0 to 1.
        names: Shape (n,), unique.
        composition: Shape (n, elements), or none.
        elements: Element symbols of the columns of `composition`.
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
