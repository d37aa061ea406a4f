"""Made-up findings: four known phases with one Bragg-like comb each, a fifth that nobody was told of, a wafer."""

from __future__ import annotations

import numpy as np
import xarray as xr

LABELS = ("Cr", "CrB2", "Cr3C2_Pnma", "MgO")
COMBS = ((31.0, 44.4, 64.6), (29.5, 46.1, 56.0), (33.0, 39.0, 49.2), (36.9, 42.9, 62.3), (40.7, 47.6, 58.1))
CENTRES = np.array([[-2.0, -1.5], [2.2, -1.0], [0.4, 2.4], [-2.2, 1.6], [0.1, 0.1]])


def _signal(two_theta: np.ndarray, phase: int, rng: np.random.Generator, noise: float) -> np.ndarray:
    heights = rng.uniform(0.2, 1.0, len(COMBS[phase]))
    shift = rng.normal(0, 0.15)
    clean = sum(
        h * np.exp(-(((two_theta - p - shift) / 0.35) ** 2))
        for h, p in zip(heights, COMBS[phase], strict=True)
    )
    return np.asarray(clean / np.max(clean) + noise * rng.normal(size=two_theta.size))


def _dataset(
    phases: np.ndarray, rng: np.random.Generator, *, names: list[str], latent: int, noise: float
) -> xr.Dataset:
    n, classes = len(phases), len(LABELS)
    two_theta = np.linspace(25.0, 70.0, 226)
    intensity = np.stack([_signal(two_theta, int(phase), rng, noise) for phase in phases])
    novel = phases == classes
    reconstruction = np.stack(
        [_signal(two_theta, 0, rng, 0) if new else row for new, row in zip(novel, intensity, strict=True)]
    )
    reconstruction = np.clip(reconstruction + 0.01 * rng.normal(size=reconstruction.shape), 0, 1.05)
    covered = np.ones(intensity.shape, dtype=bool)
    covered[:, two_theta < 27.5] = False
    error = np.mean((intensity - reconstruction) ** 2, axis=1)
    positions = np.zeros((n, latent))
    positions[:, : min(latent, 2)] = (CENTRES[phases] + 0.35 * rng.normal(size=(n, 2)))[:, : min(latent, 2)]
    if latent > 2:
        positions[:, 2:] = 0.1 * rng.normal(size=(n, latent - 2))
    certainty = rng.beta(8, 1, n)
    nearest = np.where(novel, 0, phases)
    probability = np.repeat(((1 - certainty) / (classes - 1))[:, None], classes, axis=1)
    probability[np.arange(n), nearest] = certainty
    p_value = np.where(novel, rng.uniform(0.0005, 0.004, n), rng.uniform(0.011, 1, n))
    verdict = np.where(novel, "novel", "known")
    reason = np.where(novel, "stranger than 99 % of known patterns", "looks like the patterns of the prior")
    return xr.Dataset(
        {
            "intensity": (("measurement", "two_theta"), np.where(covered, intensity, 0.0)),
            "covered": (("measurement", "two_theta"), covered),
            "background": (("measurement", "two_theta"), np.full_like(intensity, 12.0)),
            "problem": ("measurement", np.full(n, "", dtype=object)),
            "latent": (("measurement", "latent_dimension"), positions),
            "knn_probability": (("measurement", "candidate"), probability),
            "probability": (("measurement", "candidate"), probability),
            "label": ("measurement", np.asarray(LABELS, dtype=object)[probability.argmax(axis=1)]),
            "reconstruction": (("measurement", "two_theta"), reconstruction),
            "reconstruction_error": ("measurement", error),
            "novelty": ("measurement", np.log10(error)),
            "p_value": ("measurement", p_value),
            "verdict": ("measurement", verdict.astype(object)),
            "reason": ("measurement", reason.astype(object)),
        },
        coords={
            "measurement": np.asarray(names, dtype=object),
            "two_theta": ("two_theta", two_theta, {"units": "degree", "long_name": "2θ"}),
            "candidate": np.asarray(LABELS, dtype=object),
        },
    )


def make_findings(
    *, latent: int = 2, elements: tuple[str, ...] = ("Al", "Cr", "O"), seed: int = 1
) -> xr.Dataset:
    """Return a round wafer on a 5 mm grid, novel towards its middle, one measurement of it unreadable."""
    rng = np.random.default_rng(seed)
    x, y = (v.ravel() for v in np.meshgrid(np.arange(-40, 41, 5.0), np.arange(-40, 41, 5.0)))
    x, y = x[(inside := np.hypot(x, y) < 42)], y[inside]
    phases = np.select([np.hypot(x - 5, y) < 12, x < -y - 20, x < y - 20, x > 15], [4, 0, 1, 2], 3)
    names = [f"wafer/scan_{i:04d}.xy" for i in range(len(x))]
    findings = _dataset(phases, rng, names=names, latent=latent, noise=0.01)
    raw = np.stack([1 + x / 60, 1 + y / 60, np.full_like(x, 2.0), np.full_like(x, 0.4) + x**2 / 9000], axis=1)
    raw = raw[:, : len(elements)]
    findings = findings.assign_coords(
        x_mm=("measurement", x, {"units": "mm"}),
        y_mm=("measurement", y, {"units": "mm"}),
        element=list(elements),
    )
    findings["composition"] = (("measurement", "element"), raw / raw.sum(axis=1, keepdims=True))
    return make_unreadable(findings, [3])


def make_reference(n: int = 600, *, latent: int = 2, seed: int = 2) -> xr.Dataset:
    """Return held-out known draws with their true class and uniform p-values."""
    rng = np.random.default_rng(seed)
    phases = rng.integers(0, len(LABELS), n)
    reference = _dataset(phases, rng, names=[f"draw {i}" for i in range(n)], latent=latent, noise=0.005)
    reference["p_value"] = ("measurement", rng.uniform(0, 1, n))
    reference["truth"] = ("measurement", np.asarray(LABELS, dtype=object)[phases])
    return reference


def make_groups(n: int = 300, seed: int = 3) -> xr.Dataset:
    """Return pure, mixed and unknown draws; errors of the two pairs peak at ratios of 0.6 and 0.4."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.array(["pure", "mixed", "unknown"], dtype=object), n)
    phases = np.where(group == "unknown", len(LABELS), rng.integers(0, 2, 3 * n))
    data = _dataset(phases, rng, names=[f"draw {i}" for i in range(3 * n)], latent=2, noise=0.005)
    fraction = np.where(group == "mixed", rng.uniform(0, 1, 3 * n), np.nan)
    pair = np.where(rng.uniform(size=3 * n) < 0.5, "Cr + CrB2", "Cr3C2_Pnma + MgO")
    peak = np.where(pair == "Cr + CrB2", 0.6, 0.4)
    level = np.select(
        [group == "pure", group == "mixed"],
        [-4.0, -3.6 + 1.2 * np.exp(-(((fraction - peak) / 0.2) ** 2))],
        -1.8,
    )
    data["reconstruction_error"] = ("measurement", 10 ** (level + 0.15 * rng.normal(size=3 * n)))
    data["group"] = ("measurement", group)
    data["fraction"] = ("measurement", fraction)
    data["pair"] = ("measurement", np.where(group == "mixed", pair, "").astype(object))
    return data


def make_unreadable(findings: xr.Dataset, which: list[int]) -> xr.Dataset:
    """Return findings in which some measurements could not be read."""
    spoilt = findings.copy(deep=True)
    for name in (
        "latent",
        "knn_probability",
        "probability",
        "reconstruction",
        "reconstruction_error",
        "novelty",
        "p_value",
    ):
        spoilt[name].values[which] = np.nan
    for name, text in (
        ("label", ""),
        ("verdict", "unreadable"),
        ("reason", "no overlap with the prior's range"),
    ):
        spoilt[name].values[which] = text
    spoilt["covered"].values[which] = False
    return spoilt


def nearest_centre(latent: np.ndarray) -> np.ndarray:
    """Return the known class whose centre on the map is nearest."""
    known = CENTRES[: len(LABELS)]
    return np.asarray(np.argmin(np.linalg.norm(latent[:, None, :2] - known, axis=2), axis=1))


def make_history() -> list[dict[str, float]]:
    steps = np.arange(500, 10001, 500)
    return [
        {
            "step": float(s),
            "reconstruction": float(20 + 300 * np.exp(-s / 1500)),
            "divergence": float(6 - 3 * np.exp(-s / 1500)),
            "classification": float(0.02 + 0.8 * np.exp(-s / 1000)),
        }
        for s in steps
    ]
