"""One exploration of known scalars, with the surrogates and policies of an experiment."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import jax
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from nescio.configuration import Settings
from nescio.explore import Candidates, Fit, View, choose, with_model
from nescio.files import write_atomically
from nescio.studies.dkl.cases import Case
from nescio.studies.dkl.code import CODE, code_digest
from nescio.studies.dkl.methods import METHODS, Expected, Method

__all__ = ["Job", "Run", "checkpoints", "explore_known", "first_points"]

Floats = NDArray[np.float64]

_EVERY = 10
_WITHIN_95 = 1.959964


class Run(Settings):
    """The result of one exploration."""

    chosen: tuple[int, ...]
    """Candidates in the order of measurement."""
    points: tuple[int, ...]
    """Numbers of measurements at which the model was evaluated."""
    r2: tuple[float, ...] | None
    """Explained share of the variance of the true values at unmeasured candidates."""
    coverage95: tuple[float, ...] | None
    """Share of these true values inside the 95 % interval."""
    seconds: float


def checkpoints(first: int, points: int) -> tuple[int, ...]:
    """Return the numbers of measurements at which a model is evaluated: after the first points, then every ten."""
    return tuple(sorted({*range(first, points + 1, _EVERY), points}))


def first_points(n: int, first: int, seed: int) -> list[int]:
    """Return the candidates, of `n`, that are measured before the first model fit; the same for all methods."""
    order = np.asarray(jax.random.permutation(_key(seed, 0), n))[:first]
    return [int(candidate) for candidate in order]


def explore_known(case: Case, method: Method, *, seed: int, points: int, first: int = 20) -> Run:
    """Run one exploration of candidates with known scalars.

    Args:
        case: The data set.
        method: The exploration method.
        seed: Random seed of the first points and of all random draws.
        points: Number of measurements.
        first: Number of them at randomly chosen candidates.
    """
    start = time.perf_counter()
    candidates, model = method.prepare(case, seed)
    chosen = first_points(len(case), first, seed)
    marks = checkpoints(first, points)
    judged: list[tuple[float, float]] = []
    while True:
        expected = None if model is None else model.update(chosen, case.values[chosen, None])
        if expected is not None and len(chosen) in marks:
            judged.append(_judged(case, expected, chosen))
        if len(chosen) >= points:
            break
        view = _view(candidates, chosen, case.values[chosen, None], expected, seed, points)
        # Batches end at the checkpoints, so that the model can be evaluated there.
        ahead = min(mark for mark in marks if mark > len(chosen)) if model is not None else points
        n = min(method.batch, ahead - len(chosen))
        chosen = chosen + [choice.candidate for choice in choose(method.policy, view, n)]
    return Run(
        chosen=tuple(chosen),
        points=marks,
        r2=tuple(r2 for r2, _ in judged) if judged else None,
        coverage95=tuple(covered for _, covered in judged) if judged and method.calibrated else None,
        seconds=time.perf_counter() - start,
    )


def _judged(case: Case, expected: Expected, chosen: Sequence[int]) -> tuple[float, float]:
    """Return R² and the coverage at the unmeasured candidates."""
    rest = np.ones(len(case), bool)
    rest[list(chosen)] = False
    truth, mean, sd = case.truth[rest], expected.mean[rest, 0], expected.sd[rest, 0]
    error = truth - mean
    explained = 1.0 - float(np.sum(error**2) / np.sum((truth - truth.mean()) ** 2))
    noise = float(expected.noise_sd[0]) if case.noisy else 0.0
    covered = np.abs(error) <= _WITHIN_95 * np.sqrt(sd**2 + noise**2)
    return explained, float(covered.mean())


def _view(
    candidates: Candidates,
    chosen: Sequence[int],
    values: Floats,
    expected: Expected | None,
    seed: int,
    points: int,
) -> View:
    measured = np.zeros(len(candidates), bool)
    measured[list(chosen)] = True
    missing = np.full((len(candidates), 1), np.nan)
    view = View(
        mean=missing if expected is None else expected.mean,
        sd=missing if expected is None else expected.sd,
        noise_sd=np.full(1, np.nan) if expected is None else expected.noise_sd,
        measured=measured,
        values=values,
        features=candidates.features,
        positions=candidates.positions,
        allowed=~measured,
        step=len(chosen),
        key=_key(seed, len(chosen)),
        spent=len(chosen) / points,
        current=chosen[-1],
    )
    return with_model(view, expected, np.ones(1)) if isinstance(expected, Fit) else view


def _key(seed: int, step: int) -> jax.Array:
    """Return the random key that an experiment with this seed uses at a step."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), step), 0)


@dataclass(frozen=True)
class Job:
    """One exploration to run."""

    case: str
    case_file: Path
    method: str
    seed: int
    points: int
    first: int
    file: Path
    """File of the result; its name contains a digest of all inputs."""

    @classmethod
    def of(
        cls, case: Case, case_file: Path, method: str, *, seed: int, points: int, first: int, folder: Path
    ) -> Job:
        """Return a job whose result is stored in a folder."""
        document = {
            "data": case.digest,
            "method": METHODS[method].document(),
            "seed": seed,
            "points": points,
            "first": first,
            "code": code_digest(*CODE),
        }
        key = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:20]
        file = folder / f"{case.name}-{method}-{seed}-{key}.json"
        return cls(case.name, case_file, method, seed, points, first, file)

    def result(self) -> Run | None:
        """Return the stored result; None if there is none or the file is damaged."""
        try:
            return Run.model_validate_json(self.file.read_bytes())
        except (OSError, ValidationError):
            return None

    def perform(self) -> None:
        """Run the exploration and store the result; after a crash, the file is complete or missing."""
        method = METHODS[self.method]
        run = explore_known(
            _loaded(self.case_file), method, seed=self.seed, points=self.points, first=self.first
        )
        write_atomically(self.file, run.model_dump_json())


@lru_cache(maxsize=1)
def _loaded(path: Path) -> Case:
    return Case.load(path)
