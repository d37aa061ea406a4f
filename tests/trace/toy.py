"""A small recorded experiment: candidates, one failed measurement, a changed scalarizer."""

from pathlib import Path

import numpy as np
import xarray as xr

from nescio.trace import (
    ActOutcome,
    Decision,
    Event,
    Experiment,
    Measurement,
    ScalarizerRecord,
    ScalarRecord,
    Trace,
    now,
)

ENERGY = xr.DataArray(np.linspace(1.0, 4.0, 16), dims="energy", attrs={"units": "eV"})
FAILED = 2


def experiment() -> Experiment:
    return Experiment(
        title="film", nescio_version="0.1.0", configuration={"goal": {"kind": "maximise"}}, seed=7
    )


def spectrum(number: int) -> xr.DataArray:
    values = np.random.default_rng(number).normal(size=16)
    return xr.DataArray(
        values,
        {"energy": ENERGY},
        dims="energy",
        name="intensity",
        attrs={"units": "counts", "long_name": "I"},
    )


def candidates(n: int = 12) -> xr.Dataset:
    draw = np.random.default_rng(0)
    return xr.Dataset(
        {
            "positions": (("candidate", "coordinate"), draw.uniform(size=(n, 2))),
            "features": (("candidate", "feature"), draw.normal(size=(n, 3)).astype(np.float32)),
        },
        {"coordinate": ["y", "x"]},
        {"unit": "pixel", "recipe": {"kind": "patches", "size": [8, 8]}},
    )


def survey() -> xr.Dataset:
    return xr.Dataset(
        {"image": (("channel", "y", "x"), np.random.default_rng(1).normal(size=(1, 6, 5)))},
        {
            "channel": ["haadf"],
            "y": ("y", np.arange(6.0), {"units": "nm"}),
            "x": ("x", np.arange(5.0), {"units": "nm"}),
        },
    )


def scalarizer(trace: Trace, kind: str, act: int | None = None) -> int:
    outputs = [{"name": kind, "unit": "eV", "long_name": f"{kind} of the peak"}]
    return trace.add(ScalarizerRecord(definition={"kind": kind}, outputs=outputs, act=act))


def measurement(number: int, **given: object) -> Measurement:
    fields = {
        "number": number,
        "candidate": number,
        "position": [0.5, 0.25 * number],
        "origin": "seed" if number < 2 else "policy",
        "started": now(),
        "finished": now(),
        "problem": "the stage did not answer",
    }
    return Measurement.model_validate({**fields, **given})


def record(path: Path, measurements: int = 5) -> Trace:
    """Return an open trace of an experiment."""
    trace = Trace.create(path, experiment())
    trace.put_dataset("survey", survey())
    trace.put_dataset("candidates", candidates())
    first = scalarizer(trace, "centre")
    rows = []
    for number in range(measurements):
        with trace.step():
            if number == FAILED:
                trace.add(measurement(number))
                trace.add(
                    Event(kind="fault", message="the stage did not answer", details={"candidate": number})
                )
                continue
            row = trace.put_dataarray(spectrum(number))
            rows.append(trace.add(measurement(number, spectrum=row, problem="")))
            trace.add(
                ScalarRecord(measurement=rows[-1], scalarizer=first, output="centre", value=2.0 + number)
            )
            maps = xr.Dataset(
                {"mean": (("candidate", "output"), np.full((12, 1), number))}, {"output": ["centre"]}
            )
            trace.add(
                Decision(
                    step=number + 1,
                    chosen=[number + 1],
                    origin="policy",
                    policy={"kind": "upper-confidence-bound"},
                    scalarizer=first,
                    acquisition=[-np.inf],
                    model={"loo": {"rmse": np.float32(np.nan)}},
                    timing={"fit": 0.1},
                    maps=trace.put_dataset("maps", maps),
                    state=trace.put_arrays({"lengthscale": np.array([number + 0.1], np.float32)}),
                )
            )
    act = trace.add_act("scalarizer", {"kind": "width"}, who="operator")
    with trace.step():
        second = scalarizer(trace, "width", act)
        for row in rows:
            trace.add(
                ScalarRecord(
                    measurement=row, scalarizer=second, output="width", value=np.nan, reason="no peak"
                )
            )
        trace.add(ActOutcome(act=act, step=measurements, accepted=True))
    return trace
