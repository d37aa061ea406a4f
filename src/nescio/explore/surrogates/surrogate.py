"""The surrogate: a model of the scalars over all candidates, updated after each measurement."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nescio.errors import ExplorationError
from nescio.explore.candidates import Candidates
from nescio.explore.surrogates.calibration import LeftOut, Scale, fit_scale
from nescio.explore.surrogates.conditioned import Conditioned
from nescio.explore.surrogates.ensemble import halves, train
from nescio.explore.surrogates.fit import ROUNDING, Data, Fit, Model, OutputFit, given
from nescio.explore.surrogates.kernel import Inputs, noise_variance
from nescio.explore.surrogates.parameters import Parameters, initial_parameters, principal_head
from nescio.explore.surrogates.settings import SurrogateSettings

__all__ = ["Surrogate"]

Floats = NDArray[np.float64]

# With fewer measurements, the model's uncertainty cannot be calibrated.
_FEWEST_FOR_SCALE = 8
_MAIN = ""


@dataclass(frozen=True, eq=False)
class _State:
    """The state of one scalar's model between updates."""

    parameters: Parameters
    positioned: bool
    encoder: str
    refitted_at: int
    """Number of measurements when the model was last trained from scratch."""


class Surrogate:
    """A Gaussian process with a trained embedding, updated after each measurement.

    The model is deterministic: the same candidates, settings, seed and order of measurements give the same model, also
    after :meth:`restore`.
    """

    def __init__(
        self,
        candidates: Candidates,
        settings: SurrogateSettings | None = None,
        *,
        outputs: int = 1,
        seed: int = 0,
    ) -> None:
        """Create a model without measurements.

        Args:
            candidates: All candidates.
            settings: The settings; default: `SurrogateSettings()`.
            outputs: Number of scalars.
            seed: Seed for the division of measurements between members.

        Raises:
            ExplorationError: The kind needs features, but the candidates have none.
        """
        self.settings = settings or SurrogateSettings()
        self.candidates = candidates
        self._frozen = False
        self._seed = seed
        self._positions = jnp.asarray(_standardised(candidates.positions))
        self._features: dict[str, jax.Array] = {}
        self._heads: dict[str, jax.Array] = {}
        sets = {_MAIN: candidates.features, **candidates.alternatives}
        if self.settings.kind == "coordinates":
            sets = {_MAIN: candidates.features[:, :0]}
        elif candidates.features.shape[1] == 0:
            raise ExplorationError(
                f'surrogate kind "{self.settings.kind}" needs features, but the candidates have none; '
                'use kind "coordinates"'
            )
        for name, features in sets.items():
            values = _standardised(features)
            self._features[name] = jnp.asarray(values)
            self._heads[name] = jnp.asarray(principal_head(values, self.settings.embedding))
        self._states: list[_State | None] = [None] * outputs

    def freeze(self) -> None:
        """Stop training; from now on the models are only conditioned on new measurements."""
        self._frozen = True

    @property
    def frozen(self) -> bool:
        """Whether training has stopped."""
        return self._frozen

    def update(self, chosen: Sequence[int] | NDArray[np.intp], values: Floats) -> Fit:
        """Fit all measurements so far and predict all candidates.

        Args:
            chosen: Shape (m,), the candidate of each measurement; repeats are allowed.
            values: Shape (m, outputs), in units of the scalars; NaN if missing.

        Raises:
            ExplorationError: A scalar has no values.
        """
        start = time.perf_counter()
        index = np.asarray(chosen, np.intp)
        table = np.asarray(values, np.float64).reshape(len(index), len(self._states))
        fits = []
        for output in range(table.shape[1]):
            kept = np.isfinite(table[:, output])
            if not kept.any():
                raise ExplorationError(f"output {output} has no value in {len(index)} measurements")
            data = Data.of(index[kept], table[kept, output])
            state, model, scratch = self._trained(data, self._states[output])
            self._states[output] = state
            mean, sd = model.predicted()
            features = self._features[state.encoder]
            fits.append(
                OutputFit(
                    mean=mean,
                    sd=sd,
                    noise_sd=float(np.sqrt(model.scale.noise)) * data.spread,
                    scale=model.scale,
                    embedding=np.asarray(features @ model.parameters.head[0], np.float64)[
                        :, : features.shape[1]
                    ],
                    encoder=state.encoder,
                    positioned=state.positioned,
                    scratch=scratch,
                    model=model,
                )
            )
        return Fit(tuple(fits), time.perf_counter() - start)

    def _trained(self, data: Data, state: _State | None) -> tuple[_State, Model, bool]:
        due = state is None or data.n >= self.settings.refit_growth * state.refitted_at
        if state is None or (due and not self.frozen):
            return self._from_scratch(data, state)
        steps = 0 if self.frozen else self.settings.warm_steps
        trained = self._train(
            state.parameters,
            state.encoder,
            data,
            positioned=state.positioned,
            head=self.settings.kind == "deep-kernel",
            steps=steps,
            rate=self.settings.warm_learning_rate,
        )
        model = self._conditioned(trained, state.encoder, data, positioned=state.positioned)
        return replace(state, parameters=trained), model, False

    def _from_scratch(self, data: Data, before: _State | None) -> tuple[_State, Model, bool]:
        """Train each choice of inputs for half of the steps, then continue with the one of the highest likelihood."""
        settings = self.settings
        frozen_head = settings.kind == "static-deep-kernel" and before is not None
        trains_head = settings.kind == "deep-kernel" or (
            settings.kind == "static-deep-kernel" and before is None
        )
        if frozen_head and before is not None:
            ways = [(before.encoder, before.positioned)]
        elif settings.kind == "coordinates":
            ways = [(_MAIN, True)]
        else:
            seen = {"auto": (False, True), "always": (True,), "never": (False,)}[settings.position]
            ways = [(name, positioned) for name in self._features for positioned in seen]
        best: tuple[float, Parameters, str, bool] | None = None
        early = settings.steps // 2 if len(ways) > 1 else 0
        for encoder, positioned in ways:
            start = initial_parameters(self._heads[encoder], self._positions.shape[1], settings.members)
            if frozen_head and before is not None:
                start = start._replace(head=before.parameters.head, log_stretch=before.parameters.log_stretch)
            trained = self._train(
                start,
                encoder,
                data,
                positioned=positioned,
                head=trains_head,
                steps=early,
                rate=settings.learning_rate,
            )
            score = 0.0
            if len(ways) > 1:
                model = self._conditioned(trained, encoder, data, positioned=positioned)
                score = model.scale.log_likelihood
            if best is None or score > best[0]:
                best = (score, trained, encoder, positioned)
        if best is None:
            raise ExplorationError("the surrogate has no inputs to choose from")
        _, trained, encoder, positioned = best
        trained = self._train(
            trained,
            encoder,
            data,
            positioned=positioned,
            head=trains_head,
            steps=settings.steps - early,
            rate=settings.learning_rate,
        )
        model = self._conditioned(trained, encoder, data, positioned=positioned)
        return _State(trained, positioned, encoder, data.n), model, True

    def _train(
        self,
        start: Parameters,
        encoder: str,
        data: Data,
        *,
        positioned: bool,
        head: bool,
        steps: int,
        rate: float,
    ) -> Parameters:
        if steps == 0:
            return start
        parts = halves(data.n, self.settings.members, self._seed)
        which = data.index[parts.order]
        trained: Parameters = train(
            start,
            self._heads[encoder],
            Inputs(self._features[encoder][which], self._positions[which]),
            data.target[parts.order],
            parts.mask,
            positioned=jnp.full(self.settings.members, float(positioned)),
            trained_head=jnp.asarray(float(head)),
            freedom=jnp.asarray(self.settings.head_freedom),
            steps=jnp.asarray(steps),
            learning_rate=jnp.asarray(rate),
        )
        return trained

    def _conditioned(self, trained: Parameters, encoder: str, data: Data, *, positioned: bool) -> Model:
        points = Inputs(self._features[encoder], self._positions)
        flags = jnp.full(self.settings.members, float(positioned))
        conditioned, support = given(trained, points, data, flags)
        scale = self._scale(trained, conditioned, data)
        return Model(trained, conditioned, support, points, data, flags, scale)

    def _scale(self, trained: Parameters, conditioned: Conditioned, data: Data) -> Scale:
        noise = float(np.asarray(noise_variance(trained), np.float64).mean())
        seen = halves(data.n, self.settings.members, self._seed).seen
        unseen = ~seen / (~seen).sum(0)
        residuals = np.asarray(conditioned.residual, np.float64)[:, : data.n]
        residual = (unseen * residuals).sum(0)
        variances = np.asarray(conditioned.variance, np.float64)[:, : data.n]
        variance = (unseen * (variances + (residuals - residual) ** 2)).sum(0)
        scale = fit_scale(LeftOut(residual, variance, noise))
        return scale if data.n >= _FEWEST_FOR_SCALE else replace(scale, model=1.0, noise=noise)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the model's state as named arrays, for :meth:`restore`."""
        arrays: dict[str, NDArray[Any]] = {"frozen": np.array(self.frozen)}
        for output, state in enumerate(self._states):
            if state is None:
                continue
            for name, leaf in state.parameters._asdict().items():
                arrays[f"{output}/{name}"] = np.asarray(leaf)
            arrays[f"{output}/positioned"] = np.array(state.positioned)
            arrays[f"{output}/encoder"] = np.array(state.encoder, dtype=f"<U{max(len(state.encoder), 1)}")
            arrays[f"{output}/refitted_at"] = np.array(state.refitted_at)
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Restore the model from the result of :meth:`state`, for the same candidates and settings.

        Raises:
            ExplorationError: The arrays belong to other candidates or settings.
        """
        self._frozen = bool(arrays.get("frozen", False))
        members, coordinates = self.settings.members, self._positions.shape[1]
        for output in range(len(self._states)):
            if f"{output}/encoder" not in arrays:
                self._states[output] = None
                continue
            encoder = str(arrays[f"{output}/encoder"])
            if encoder not in self._heads:
                raise ExplorationError(
                    f"the stored model uses features {encoder!r}, which the candidates do not have"
                )
            like = initial_parameters(self._heads[encoder], coordinates, members)
            stored = {name: arrays.get(f"{output}/{name}") for name in Parameters._fields}
            for name, leaf in like._asdict().items():
                found = stored[name]
                if found is None or found.shape != leaf.shape:
                    raise ExplorationError(
                        f"the stored model does not fit: {name} has shape {None if found is None else found.shape}; "
                        f"needs {leaf.shape}"
                    )
            self._states[output] = _State(
                Parameters(**{name: jnp.asarray(value, jnp.float32) for name, value in stored.items()}),
                bool(arrays[f"{output}/positioned"]),
                encoder,
                int(arrays[f"{output}/refitted_at"]),
            )


def _standardised(values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return the columns with mean 0 and standard deviation 1; constant columns become zero."""
    table = np.asarray(values, np.float64)
    spread = table.std(axis=0)
    largest = np.abs(table).max(axis=0, initial=0.0)
    usable = spread > ROUNDING * np.maximum(largest, 1e-30)
    return np.asarray(
        np.where(usable, (table - table.mean(axis=0)) / np.where(usable, spread, 1.0), 0.0), np.float32
    )
