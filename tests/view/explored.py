"""Made-up explorations: hysteresis loops over an image, compositions, diffraction patterns, one coordinate, many."""

from __future__ import annotations

import numpy as np
import xarray as xr

BIAS = np.concatenate([np.linspace(0, 8, 16), np.linspace(8, -8, 32), np.linspace(-8, 0, 16)])
ACTS = (
    "policy: expected-improvement instead of maximum-variance",
    "measure y 4.2, x 3.0 nm next",
    "rejects 12",
)


def _bump(positions: np.ndarray, centre: tuple[float, ...], width: float) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * (((positions - np.asarray(centre)) / width) ** 2).sum(axis=1)))


def _field(positions: np.ndarray) -> np.ndarray:
    """Return a landscape with one high peak and one lower, positions from 0 to 1."""
    d = positions.shape[1]
    high, low = (0.72, 0.35, 0.6, 0.2)[:d], (0.25, 0.75, 0.3, 0.7)[:d]
    return 8 + 14 * _bump(positions, high, 0.13 * np.sqrt(d)) + 8 * _bump(positions, low, 0.17 * np.sqrt(d))


def _loops(area: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return loops of 3 sweeps, shape (n, sweep, step), that open with their area."""
    rising = np.concatenate([np.ones(16, bool), np.zeros(32, bool), np.ones(16, bool)])
    coercive = np.where(rising, 1.0, -1.0) * (0.4 + area[:, None] / 8)
    clean = 3 * np.tanh((BIAS - coercive) / 1.1) + 0.4
    return np.asarray(clean[:, None] + 0.25 * rng.normal(size=(len(area), 3, 64)))


def make_explored(
    measured: int = 60,
    *,
    coordinates: tuple[str, ...] = ("y", "x"),
    grid: int = 24,
    image: bool = True,
    spectra: str = "loops",
    scattered: bool = False,
    outputs: int = 1,
    directions: tuple[str, ...] = ("maximise", "maximise"),
    seed: int = 4,
) -> xr.Dataset:
    """Return an exploration with everything that figures can show; 5 seeds, then mostly the policy.

    Args:
        measured: How many measurements.
        coordinates: Names; the candidates fill a grid of so many dimensions.
        grid: Candidates along each coordinate.
        image: Whether there is a survey image, 0 to 12 nm.
        spectra: "loops", "lines", "patterns" or "none".
        scattered: Candidates at random places instead.
        outputs: One (area), or two (area, coercive bias).
        directions: Of each output.
        seed: Of everything random.
    """
    rng = np.random.default_rng(seed)
    d = len(coordinates)
    unit = np.stack(
        [v.ravel() for v in np.meshgrid(*[np.linspace(0.04, 0.96, grid)] * d, indexing="ij")], axis=1
    )
    if scattered:
        unit = rng.uniform(0.03, 0.97, (len(unit), d))
    truth = _field(unit)
    # A path such as a policy takes: wide at first, then about the highest places.
    appeal = (
        truth / truth.std() + rng.gumbel(size=(measured, len(unit))) * np.linspace(3, 0.25, measured)[:, None]
    )
    chosen: list[int] = []
    for row in appeal:
        row[chosen] = -np.inf
        chosen.append(int(row.argmax()))
    candidate = np.asarray(chosen, dtype=int)
    noise = 0.5
    value = truth[candidate] + noise * rng.normal(size=measured)
    near = (
        np.exp(-3 * np.sqrt(((unit[:, None] - unit[candidate][None]) ** 2).sum(axis=2)))
        if measured
        else np.zeros((len(unit), 1))
    )
    sd = 3.0 * (1 - near.max(axis=1)) + 0.2
    mean = truth + 0.5 * sd * rng.normal(size=len(unit))
    acquisition = (mean - value.max(initial=0)) / sd
    acquisition[candidate] = np.nan
    decisions = np.arange(5, max(measured, 5))
    predicted_sd = 0.6 + 3 / np.sqrt(1 + np.arange(measured))
    predicted = truth[candidate] + predicted_sd * rng.normal(size=measured)
    predicted[:5] = predicted_sd[:5] = np.nan
    origin = np.array(["seed"] * 5 + ["policy"] * max(measured - 5, 0))[:measured].astype(object)
    origin[[i for i in (20, 21, 33) if i < measured]] = "person"
    names = ("area", "coercive bias")[:outputs]

    def each(values: np.ndarray, factor: float = 0.12) -> np.ndarray:
        return np.stack([values, factor * values + 0.4][:outputs], axis=-1)

    value = each(value)
    uncertainty = np.full((measured, outputs), noise)
    reason, rejected = np.full(measured, "", dtype=object), np.zeros(measured, bool)
    if measured > 30:
        value[12], uncertainty[12], reason[12] = np.nan, np.nan, "the loop does not close"
        rejected[30] = True
    position = 12 * unit if image else unit
    data = xr.Dataset(
        {
            "position": (("candidate", "coordinate"), position, {"units": "nm" if image else ""}),
            "features": (
                ("candidate", "feature"),
                np.column_stack([truth, unit, rng.normal(size=(len(unit), 5))]) * np.arange(1, 7 + d),
            ),
            "mean": (("candidate", "output"), each(mean)),
            "sd": (("candidate", "output"), each(sd)),
            "acquisition": ("candidate", acquisition),
            "candidate": ("measurement", candidate),
            "origin": ("measurement", origin),
            "value": (("measurement", "output"), value),
            "uncertainty": (("measurement", "output"), uncertainty),
            "predicted": (("measurement", "output"), each(predicted)),
            "predicted_sd": (
                ("measurement", "output"),
                np.stack([predicted_sd, 0.12 * predicted_sd][:outputs], -1),
            ),
            "reason": ("measurement", reason),
            "rejected": ("measurement", rejected),
            "seconds": ("measurement", 4 + rng.uniform(size=measured)),
            "step": ("decision", decisions),
            "best_so_far": ("decision", np.maximum.accumulate(np.full(len(decisions), 20.0))),
            "largest_improvement": (
                "decision",
                4 * np.exp(-decisions / 12) * rng.lognormal(0, 0.3, len(decisions)),
            ),
            "noise_sd": ("decision", 0.5 + rng.normal(size=len(decisions)) / (3 + decisions)),
            "scale": ("decision", 1 + 3 * np.exp(-decisions / 15)),
            "loo_coverage": (
                "decision",
                np.clip(0.95 - rng.exponential(0.5, len(decisions)) / decisions, 0, 1),
            ),
            "map_change": ("decision", np.exp(-decisions / 20) * rng.lognormal(-1, 0.4, len(decisions))),
            "fit_seconds": ("decision", 0.05 + 0.002 * decisions),
            "policy": (
                "decision",
                np.where(decisions < 20, "maximum-variance", "expected-improvement").astype(object),
            ),
            "act_time": ("act", np.array([90.0, 95.0, 150.0])),
            "act_step": ("act", np.array([19, 20, 31])),
            "act_who": ("act", np.array(["lena", "lena", "tomas"], dtype=object)),
            "act_text": ("act", np.array(ACTS, dtype=object)),
        },
        coords={
            "coordinate": list(coordinates),
            "output": list(names),
            "output_unit": ("output", ["pm V", "V"][:outputs]),
            "output_long_name": ("output", ["area within the loop", "coercive bias"][:outputs]),
            "output_direction": ("output", list(directions[:outputs])),
        },
        attrs={
            "title": "Where a ferroelectric film switches",
            "goal": "; ".join(f"{way} {name}" for way, name in zip(directions, names, strict=False)),
            "stopped": "the largest expected improvement was below 0.01 of the values' standard deviation",
            "budget": 100,
            "model": "Gaussian process on features and position, Matérn 5/2, calibrated by leave-one-out",
            "configuration": {"policy": 'kind = "expected-improvement"', "model": "cycles = 200"},
        },
    )
    if image:
        data = _with_image(data, rng)
    return _with_spectra(data, spectra, value[:, 0] if measured else np.empty(0), rng)


def _with_image(data: xr.Dataset, rng: np.random.Generator) -> xr.Dataset:
    axis = np.linspace(0, 12, 97)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    field = _field(np.stack([y.ravel(), x.ravel()], axis=1) / 12).reshape(y.shape)
    stripes = np.sign(np.sin(1.5 * x + np.sin(0.9 * y)))
    channels = [
        field * (1 + 0.05 * rng.normal(size=y.shape)),
        90 * stripes + 5 * rng.normal(size=y.shape),
        np.cos(y),
    ]
    data["image"] = (("channel", "y", "x"), np.stack(channels))
    return data.assign_coords(
        channel=["amplitude", "phase", "topography"],
        channel_units=("channel", ["pm", "degree", "nm"]),
        y=("y", axis, {"units": "nm"}),
        x=("x", axis, {"units": "nm"}),
    )


def _with_spectra(data: xr.Dataset, kind: str, value: np.ndarray, rng: np.random.Generator) -> xr.Dataset:
    value = np.nan_to_num(value, nan=8.0)
    if kind == "loops":
        told = {"units": "pm", "long_name": "piezoresponse"}
        data["spectrum"] = (("measurement", "sweep", "bias"), _loops(value, rng), told)
        return data.assign_coords(bias=("bias", BIAS, {"units": "V", "long_name": "tip bias"}))
    if kind == "lines":
        energy = np.linspace(0.1, 2.0, 150)
        peak = 100 * value[:, None] * np.exp(-(((energy - 0.7) / 0.1) ** 2))
        counts = rng.poisson(peak + 400 / (1 + 20 * energy)).astype(float)
        data["spectrum"] = (("measurement", "energy_loss"), counts, {"long_name": "electrons"})
        return data.assign_coords(
            energy_loss=("energy_loss", energy, {"units": "eV", "long_name": "energy loss"})
        )
    if kind == "patterns":
        q = np.linspace(-20, 20, 48)
        qy, qx = np.meshgrid(q, q, indexing="ij")
        shift = value[:, None, None] / 5
        disc = 1 / (1 + np.exp(2 * (np.hypot(qy - shift, qx) - 7)))
        data["spectrum"] = (
            ("measurement", "qy", "qx"),
            rng.poisson(40 * disc).astype(float),
            {"units": "electrons"},
        )
        return data.assign_coords(qy=("qy", q, {"units": "mrad"}), qx=("qx", q, {"units": "mrad"}))
    return data


def without(data: xr.Dataset) -> xr.Dataset:
    """Return what must be there, and nothing else."""
    return xr.Dataset(
        {name: (data[name].dims, data[name].values) for name in ("position", "value", "candidate")}
    )


def field_on_image(data: xr.Dataset) -> np.ndarray:
    """Return what the amplitude shows, without its noise, shape (y, x)."""
    y, x = np.meshgrid(data["y"].values, data["x"].values, indexing="ij")
    return _field(np.stack([y.ravel(), x.ravel()], axis=1) / 12).reshape(y.shape)
