"""A fitted surrogate: predictions for all candidates, and the trained members behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np
from numpy.typing import NDArray

from nescio.display import Summarised
from nescio.explore.surrogates.calibration import Scale
from nescio.explore.surrogates.conditioned import Conditioned, condition, predict
from nescio.explore.surrogates.ensemble import EXACT, capacity
from nescio.explore.surrogates.kernel import Inputs
from nescio.explore.surrogates.parameters import Parameters
from nescio.explore.surrogates.sampling import draw_functions
from nescio.explore.surrogates.sparse import choose_inducing, condition_sparse

__all__ = ["ROUNDING", "Data", "Fit", "Model", "OutputFit", "Support", "given", "rows_of"]

Floats = NDArray[np.float64]

INDUCING = EXACT
"""Number of inducing points of a sparse model, equal to the limit of the exact model."""

# Values with a smaller relative spread are treated as constant.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class OutputFit(Summarised):
    """Predictions of one scalar for all candidates."""

    mean: Floats
    """Shape (n,), in units of the scalar."""
    sd: Floats
    """Shape (n,), standard deviation of the function, without noise."""
    noise_sd: float
    """Standard deviation of the measurement noise."""
    scale: Scale
    """Calibration, in standardised units."""
    embedding: Floats
    """Shape (n, embedding), from the first member; no columns if the model only uses positions."""
    encoder: str
    """Name of the features that the model uses; empty for the main features."""
    positioned: bool
    """Whether the model also uses the position."""
    scratch: bool
    """Whether the model was trained from scratch."""
    model: Model


@dataclass(frozen=True, eq=False)
class Fit:
    """Predictions of all scalars for all candidates."""

    outputs: tuple[OutputFit, ...]
    seconds: float
    """Time for fitting and predicting, in seconds."""

    @property
    def mean(self) -> Floats:
        """Shape (n, outputs)."""
        return np.stack([output.mean for output in self.outputs], 1)

    @property
    def sd(self) -> Floats:
        """Shape (n, outputs)."""
        return np.stack([output.sd for output in self.outputs], 1)

    @property
    def noise_sd(self) -> Floats:
        """Shape (outputs,)."""
        return np.array([output.noise_sd for output in self.outputs])

    def sample(self, key: jax.Array, draws: int) -> Floats:
        """Return joint draws over the candidates, shape (draws, n, outputs)."""
        keys = jax.random.split(key, len(self.outputs))
        return np.stack([o.model.sample(k, draws) for o, k in zip(self.outputs, keys, strict=True)], 2)

    def fantasize(self, chosen: Sequence[int]) -> Fit:
        """Return the fit as if some candidates had been measured with their mean as result."""
        return replace(
            self, outputs=tuple(output.model.fantasized(output, chosen) for output in self.outputs)
        )


@dataclass(frozen=True, eq=False)
class Data:
    """Measurements of one scalar, standardised and padded."""

    index: NDArray[np.intp]
    target: NDArray[np.float32]
    mask: NDArray[np.float32]
    centre: float
    spread: float
    n: int

    @staticmethod
    def of(index: NDArray[np.intp], values: Floats) -> Data:
        """Return the data for candidates (m,) and their values (m,), none of them missing."""
        n, size = len(values), capacity(len(values))
        centre = float(values.mean())
        spread = float(values.std())
        if spread <= ROUNDING * float(np.abs(values).max()):
            spread = 1.0
        padded_index = np.zeros(size, np.intp)
        target, mask = np.zeros(size, np.float32), np.zeros(size, np.float32)
        padded_index[:n], target[:n], mask[:n] = index, (values - centre) / spread, 1.0
        return Data(padded_index, target, mask, centre, spread, n)


@dataclass(frozen=True, eq=False)
class Support:
    """The candidates that a model is conditioned on: all measured ones, or inducing points among them."""

    index: NDArray[np.intp]
    """Shape (size,), indices of candidates; 0 for padding."""
    mask: NDArray[np.float32]
    """Shape (size,), 0 for padding, otherwise 1."""


def given(
    parameters: Parameters, points: Inputs, data: Data, positioned: jax.Array, *, imagined: Sequence[int] = ()
) -> tuple[Conditioned, Support]:
    """Condition trained members on all measurements: exactly for up to `EXACT`, else with inducing points.

    Args:
        parameters: Parameters of the members.
        points: Inputs of all candidates.
        data: The measurements.
        positioned: Shape (members,), 1 if the member's kernel uses the position.
        imagined: Candidates in `data` that are only imagined as measured; they become inducing points.
    """
    measured = rows_of(points, data.index)
    if data.n <= EXACT:
        support = Support(data.index, data.mask)
        return condition(parameters, measured, data.target, data.mask, positioned), support
    # Choose inducing points with the first member's kernel; the members' embeddings differ little.
    first = jax.tree.map(lambda leaf: leaf[0], parameters)
    chosen, kept = choose_inducing(first, measured, data.mask, positioned[0], size=INDUCING)
    mask = np.array(kept)
    index = np.where(mask > 0, data.index[np.asarray(chosen)], 0)
    if len(imagined):
        last = slice(INDUCING - len(imagined), INDUCING)
        index[last], mask[last] = imagined, 1.0
    support = Support(index, mask)
    inducing = rows_of(points, support.index)
    conditioned = condition_sparse(parameters, inducing, mask, measured, data.target, data.mask, positioned)
    return conditioned, support


@dataclass(frozen=True, eq=False)
class Model:
    """Trained members, conditioned on all measurements."""

    parameters: Parameters
    conditioned: Conditioned
    support: Support
    points: Inputs
    """Inputs of all candidates."""
    data: Data
    positioned: jax.Array
    scale: Scale

    def predicted(self) -> tuple[Floats, Floats]:
        """Return mean and standard deviation at the candidates, in units of the scalar."""
        support = rows_of(self.points, self.support.index)
        means, variances = predict(
            self.parameters, self.conditioned, support, self.support.mask, self.points, self.positioned
        )
        means, variances = np.asarray(means, np.float64), np.asarray(variances, np.float64)
        variance = self.scale.model * (variances.mean(0) + means.var(0))
        data = self.data
        return means.mean(0) * data.spread + data.centre, np.sqrt(variance) * data.spread

    def sample(self, key: jax.Array, draws: int) -> Floats:
        """Return draws (draws, n), each from one member, about the common mean and with the calibrated width."""
        members = len(self.parameters.log_noise)
        each = -(-draws // members)
        # Random order: otherwise a single draw would always come from the first member.
        order = np.asarray(jax.random.permutation(jax.random.fold_in(key, members), members))[:draws]
        drawn = np.stack(
            [
                np.asarray(
                    draw_functions(
                        jax.random.fold_in(key, member),
                        jax.tree.map(lambda leaf, m=member: leaf[m], self.parameters),
                        jax.tree.map(lambda leaf, m=member: leaf[m], self.conditioned),
                        rows_of(self.points, self.support.index),
                        self._targets(),
                        self.support.mask,
                        self.points,
                        self.positioned[member],
                        draws=each,
                    ),
                    np.float64,
                )
                for member in order.tolist()
            ],
            1,
        ).reshape(each * len(order), -1)[:draws]
        mean, _ = self.predicted()
        centred = drawn * self.data.spread + self.data.centre - mean
        return np.asarray(mean + np.sqrt(self.scale.model) * centred, np.float64)

    def _targets(self) -> NDArray[np.float32]:
        """Return the targets of the support; zeros for a sparse model, which does not use them."""
        return self.data.target if self.conditioned.spread is None else np.zeros(INDUCING, np.float32)

    def fantasized(self, fit: OutputFit, chosen: Sequence[int]) -> OutputFit:
        """Return the fit as if some candidates had been measured with their mean as result."""
        index = np.concatenate([self.data.index[: self.data.n], np.asarray(chosen, np.intp)])
        kept = self.data.target[: self.data.n] * self.data.spread + self.data.centre
        values = np.concatenate([kept, fit.mean[np.asarray(chosen, np.intp)]])
        grown = Data.of(index, values)
        # Keep the standardisation: an imagined measurement must not change the scale.
        target = np.zeros_like(grown.target)
        target[: grown.n] = (values - self.data.centre) / self.data.spread
        data = replace(grown, target=target, centre=self.data.centre, spread=self.data.spread)
        imagined = chosen if data.n > EXACT else ()
        conditioned, support = given(self.parameters, self.points, data, self.positioned, imagined=imagined)
        model = replace(self, data=data, conditioned=conditioned, support=support)
        mean, sd = model.predicted()
        return replace(fit, mean=mean, sd=sd, model=model)


def rows_of(points: Inputs, index: NDArray[np.intp]) -> Inputs:
    """Return the inputs at the given indices."""
    return Inputs(points.features[index], points.positions[index])
