"""A technique small enough to learn in seconds: classes are pairs of peaks that shift a little, in noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from nescio.learn import LearnSettings
from nescio.techniques import Batch

POINTS = 128
_CENTRES = {"alpha": (20.0, 70.0), "beta": (35.0, 90.0), "gamma": (50.0, 110.0)}


def peaks(centres: jax.Array, key: jax.Array) -> jax.Array:
    """Signals (n, points) with two peaks at `centres` (n, 2), of random height."""
    shift_key, height_key = jax.random.split(key)
    n = centres.shape[0]
    shift = jax.random.uniform(shift_key, (n, 1), minval=-2.0, maxval=2.0)
    height = jax.random.uniform(height_key, (n, 2), minval=0.5, maxval=1.0)
    x = jnp.arange(POINTS)[None, :, None]
    signal = jnp.sum(height[:, None] * jnp.exp(-0.5 * ((x - (centres + shift)[:, None]) / 2.5) ** 2), axis=2)
    return signal / signal.max(axis=1, keepdims=True)


def in_noise(key: jax.Array, signals: jax.Array) -> jax.Array:
    """The same signals in noise, no lower than zero, scaled to 0-1."""
    noisy = jnp.clip(signals + 0.02 * jax.random.normal(key, signals.shape), 0.0, None)
    return noisy / noisy.max(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class ToyPrior:
    labels: tuple[str, ...] = ("alpha", "beta", "gamma")
    conditioned: bool = False
    technique = "toy"
    kind = "classes"

    @cached_property
    def axis(self) -> xr.DataArray:
        values = np.arange(POINTS, dtype=float)
        return xr.DataArray(
            values,
            dims="channel",
            coords={"channel": values},
            name="channel",
            attrs={"units": "1", "long_name": "channel"},
        )

    @property
    def condition_names(self) -> tuple[str, ...]:
        return ("Co", "Ni") if self.conditioned else ()

    def disturb(self, key: jax.Array, signals: jax.Array) -> jax.Array:
        return in_noise(key, signals)

    def sample_ideal(self, key: jax.Array, n: int) -> Batch:
        label_key, signal_key = jax.random.split(key)
        labels = jax.random.permutation(label_key, jnp.arange(n) % len(self.labels))
        centres = jnp.asarray([_CENTRES[name] for name in self.labels])[labels]
        share = (labels + 1.0)[:, None] / (len(self.labels) + 1.0)
        conditions = jnp.concatenate([share, 1.0 - share], axis=1) if self.conditioned else jnp.zeros((n, 0))
        return Batch(peaks(centres, signal_key), labels, conditions)

    def to_document(self) -> dict[str, Any]:
        return {"labels": list(self.labels), "conditioned": self.conditioned}


class Toy:
    name = "toy"

    def prior_from_document(self, document: Mapping[str, Any]) -> ToyPrior:
        return ToyPrior(tuple(document["labels"]), bool(document["conditioned"]))


def quick(**training: Any) -> LearnSettings:
    """Small networks, a few hundred steps."""
    return LearnSettings.model_validate(
        {
            "map": {"hidden": [48, 24], "guidance": 20.0},
            "detector": {"hidden": [48, 24], "latent": 4},
            "classifier": {"patch": 8, "channels": [8, 12], "dense": 24},
            "training": {"steps": 400, "batch": 64, "learning_rate": 4e-3, "warmup": 20, **training},
            "calibration": {"draws": 6000, "scale_draws": 1000, "map_draws": 600},
        }
    )


def novel_signals(n: int, seed: int = 0) -> np.ndarray:
    """Signals of a class that no prior here contains."""
    key, noise_key = jax.random.split(jax.random.key(seed))
    return np.asarray(in_noise(noise_key, peaks(jnp.tile(jnp.asarray([60.0, 80.0]), (n, 1)), key)))
