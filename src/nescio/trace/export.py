"""Export a trace as one dataset, for programs that read NetCDF, Zarr or HyperSpy files."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from nescio.errors import TraceError
from nescio.trace.records import DatasetRecord, Decision, Measurement, ScalarizerRecord

if TYPE_CHECKING:
    import xarray as xr

    from nescio.trace.trace import Trace

__all__ = ["to_xarray"]

_SHARED = ("candidate", "coordinate", "output")
_OURS = {
    *(
        "measurement",
        "candidate",
        "candidate_index",
        "position",
        "coordinate",
        "origin",
        "attempts",
        "problem",
    ),
    *("started", "finished", "spectrum", "has_spectrum", "scalar", "scalar_uncertainty", "scalar_reason"),
    *("output", "unit", "long_name"),
}


def to_xarray(trace: Trace) -> xr.Dataset:
    """Return measurements and scalars as one dataset over the dimension ``measurement``.

    =============================================  ==============================  ====================================
    name                                           dimensions                      meaning
    =============================================  ==============================  ====================================
    ``measurement`` (coordinate)                   measurement                     0, 1, 2, ...
    ``candidate_index``                            measurement                     index of the candidate
    ``position``                                   measurement, coordinate         position sent to the instrument
    ``origin``                                     measurement                     "seed", "policy" or "person"
    ``attempts``, ``problem``                      measurement                     requests; why there is no spectrum
    ``started``, ``finished``                      measurement                     UTC
    ``spectrum``                                   measurement, those of a         NaN (or 0, see ``has_spectrum``)
                                                   spectrum                        if there is none
    ``has_spectrum``                               measurement                     whether ``spectrum`` has it
    ``scalar``, ``scalar_uncertainty``             measurement, output             from the latest scalarizer
    ``scalar_reason``                              measurement, output             why a scalar is missing
    ``output``, ``unit``, ``long_name``            output                          names and units of scalars
    ``survey_...``, ``candidates_...``             as recorded                     variables of these datasets
    ``maps_...``                                   as recorded                     of the last decision with maps
    =============================================  ==============================  ====================================

    Spectra whose shape or axes differ from most are omitted. The dimensions candidate, coordinate and output are the
    same in all datasets. Other dimensions and coordinates of the survey, the candidates and the maps are prefixed with
    the dataset's name. A dimension of a spectrum with a name from the table is prefixed with ``spectrum_``. The
    attributes contain the configuration, the scalarizer, and the attributes of these datasets.

    Raises:
        TraceError: The trace is damaged, or the total size of the spectra exceeds 4 GiB.
    """
    import xarray as xr

    with trace.snapshot():
        experiment = trace.experiment
        measurements = trace.all(Measurement)
        scalarizer = trace.last(ScalarizerRecord)
        exported = xr.Dataset(
            {
                **_places(trace, measurements),
                **_spectra(trace, measurements),
                **_scalars(trace, measurements),
            },
            {"measurement": [measurement.number for _, measurement in measurements]},
            {
                "title": experiment.title,
                "created": experiment.created,
                "nescio_version": experiment.nescio_version,
                "seed": experiment.seed,
                "configuration": experiment.configuration,
                "scalarizer": scalarizer[1].definition if scalarizer else {},
            },
        )
        names = {record.name for _, record in trace.all(DatasetRecord) if record.kind == "dataset"}
        for name in ("survey", "candidates"):
            if name in names:
                exported = _joined(exported, trace.get_dataset(name), name)
        if "units" in (attributes := getattr(exported.get("candidates_position"), "attrs", {})):
            exported["position"].attrs["units"] = attributes["units"]
        maps = [decision.maps for _, decision in trace.all(Decision) if decision.maps is not None]
        if maps:
            exported = _joined(exported, trace.get_dataset(maps[-1]), "maps")
    return exported.set_coords([name for name in ("unit", "long_name") if name in exported])


def _places(trace: Trace, measurements: list[tuple[int, Measurement]]) -> dict[str, Any]:
    items = [measurement for _, measurement in measurements]
    lengths = {len(item.position) for item in items}
    if len(lengths) > 1:
        raise TraceError(
            f"{trace.path}: damaged (positions with {' and '.join(map(str, sorted(lengths)))} coordinates)"
        )

    def texts(values: list[str]) -> tuple[str, Any]:
        return "measurement", np.array(values, dtype=np.str_)

    def times(values: list[str]) -> tuple[str, Any]:
        naive = [value.removesuffix("+00:00") for value in values]
        return "measurement", np.array(naive, dtype="datetime64[us]").astype("datetime64[ns]")

    positions = np.array([item.position for item in items], dtype=float)
    return {
        "candidate_index": ("measurement", np.array([item.candidate for item in items], dtype=np.int64)),
        "position": (("measurement", "coordinate"), positions.reshape(len(items), max(lengths, default=0))),
        "origin": texts([item.origin for item in items]),
        "attempts": ("measurement", np.array([item.attempts for item in items], dtype=np.int64)),
        "problem": texts([item.problem for item in items]),
        "started": times([item.started for item in items]),
        "finished": times([item.finished for item in items]),
    }


def _spectra(trace: Trace, measurements: list[tuple[int, Measurement]]) -> dict[str, Any]:
    """Return the spectra with the most common layout, stacked."""
    spectra = {
        place: trace.get_dataarray(item.spectrum)
        for place, (_, item) in enumerate(measurements)
        if item.spectrum is not None
    }
    there = np.zeros(len(measurements), bool)
    if not spectra:
        return {"has_spectrum": ("measurement", there)}
    layouts = {place: _layout(spectrum) for place, spectrum in spectra.items()}
    layout, _ = Counter(layouts.values()).most_common(1)[0]
    places = [place for place in spectra if layouts[place] == layout]
    like = spectra[places[0]]
    clashing = {str(name) for name in (*like.dims, *like.coords)} & _OURS
    like = like.rename({name: f"spectrum_{name}" for name in clashing})
    dtype = np.result_type(*(spectra[place].dtype for place in places))
    if (size := len(measurements) * like.size * dtype.itemsize) > 2**32:
        raise TraceError(f"{trace.path}: {size / 1e9:.1f} GB of spectra, too large for one dataset")
    if dtype.kind in "iu" and len(places) < len(measurements):
        dtype = np.result_type(dtype, np.float32)
    blank = np.nan if dtype.kind in "fc" else np.zeros((), dtype)
    values = np.full((len(measurements), *like.shape), blank, dtype)
    for place in places:
        values[place] = spectra[place].values
        there[place] = True
    stacked: dict[str, Any] = {
        "spectrum": (("measurement", *like.dims), values, like.attrs),
        "has_spectrum": ("measurement", there),
    }
    for name, coordinate in like.coords.items():
        if coordinate.dims:
            stacked[str(name)] = coordinate.variable
    return stacked


def _layout(spectrum: xr.DataArray) -> tuple[Any, ...]:
    axes = tuple(
        (str(name), spectrum.coords[name].values.tobytes())
        for name in spectrum.dims
        if name in spectrum.coords
    )
    return spectrum.dims, spectrum.shape, axes


def _scalars(trace: Trace, measurements: list[tuple[int, Measurement]]) -> dict[str, Any]:
    latest = trace.last(ScalarizerRecord)
    if latest is None:
        return {}
    outputs = latest[1].outputs
    rows = {row: place for place, (row, _) in enumerate(measurements)}
    columns = {output.name: place for place, output in enumerate(outputs)}
    value, uncertainty = np.full((2, len(rows), len(columns)), np.nan)
    reason = np.full((len(rows), len(columns)), "", dtype=object)
    for _, scalar in trace.scalars(latest[0]):
        if scalar.measurement in rows and scalar.output in columns:
            place = rows[scalar.measurement], columns[scalar.output]
            value[place] = np.nan if scalar.value is None else scalar.value
            uncertainty[place] = np.nan if scalar.uncertainty is None else scalar.uncertainty
            reason[place] = scalar.reason
    dimensions = ("measurement", "output")
    return {
        "scalar": (dimensions, value),
        "scalar_uncertainty": (dimensions, uncertainty, {"long_name": "one standard deviation"}),
        "scalar_reason": (dimensions, reason.astype(np.str_)),
        "output": ("output", np.array(list(columns), dtype=np.str_)),
        "unit": ("output", np.array([output.unit for output in outputs], dtype=np.str_)),
        "long_name": ("output", np.array([output.long_name for output in outputs], dtype=np.str_)),
    }


def _joined(exported: xr.Dataset, dataset: xr.Dataset, prefix: str) -> xr.Dataset:
    """Return the export with a dataset's variables added, under unique names."""
    names = {}
    for name in {*dataset.dims, *dataset.variables}:
        here = exported.sizes.get(name)
        same = name not in dataset.variables or name not in exported.variables
        same = same or _equal(dataset.variables[name], exported.variables[name])
        if not (name in _SHARED and name in dataset.dims and here in (None, dataset.sizes[name]) and same):
            names[name] = f"{prefix}_{name}"
    merged = exported.merge(dataset.rename(names), join="exact", combine_attrs="override")
    return merged.assign_attrs({f"{prefix}_attributes": dataset.attrs} if dataset.attrs else {})


def _equal(one: xr.Variable, other: xr.Variable) -> bool:
    return one.dims == other.dims and one.shape == other.shape and bool((one.values == other.values).all())
