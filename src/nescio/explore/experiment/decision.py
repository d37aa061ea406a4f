"""Decide what to measure next: fit the surrogate, build the policy's view, choose."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from numpy.typing import NDArray

from nescio.explore.experiment.state import Maps, Origin, State
from nescio.explore.experiment.store import keep_events
from nescio.explore.policies import Choice, Coverage, View, choose
from nescio.explore.stopping import Snapshot, take_snapshot
from nescio.explore.surrogates import Fit, Surrogate
from nescio.trace import Decision, Event, Trace

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Modelling", "Proposal", "keep_proposal", "propose", "with_model"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Proposal:
    """A decision that is not in the record yet."""

    chosen: Sequence[tuple[int, float]]
    """The chosen candidates, each with its acquisition."""
    origin: Origin
    model: Mapping[str, Any] = field(default_factory=dict)
    """Summary of the model for the record."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)
    maps: xr.Dataset | None = None
    state: Mapping[str, NDArray[Any]] | None = None
    """Arrays to restore the model from."""
    warnings: Mapping[str, str] = field(default_factory=dict)
    """Warnings by subject; each subject is reported once."""
    fit: Fit | None = None
    view: View | None = None
    choice: Choice | None = None


class Modelling:
    """The surrogate of an experiment, restored from the record when needed."""

    def __init__(self, trace: Trace) -> None:
        """Start from the model in the record."""
        self._trace = trace
        self._surrogate: Surrogate | None = None
        self._basis: tuple[int, frozenset[int]] | None = None

    def forget(self) -> None:
        """Drop the model in memory; the next call restores it from the record."""
        self._surrogate = None

    def surrogate(self, state: State) -> Surrogate:
        """Return the surrogate of the last decision.

        Return a new surrogate if measurements were rejected or rescalarized since.
        """
        basis = (state.scalarizer_row, state.steering.rejected)
        if self._surrogate is None or self._basis != basis:
            self._surrogate = _new_surrogate(state)
            self._basis = basis
            if (last := self._last(state)) is not None and last.state is not None:
                self._surrogate.restore(self._trace.get_arrays(last.state))
        return self._surrogate

    @staticmethod
    def _last(state: State) -> Decision | None:
        """Return the last decision with a stored model; None if measurements were rejected or rescalarized since."""
        for _, decision in reversed(state.decisions):
            if decision.state is not None:
                before = (decision.scalarizer, state.steering_of(decision).rejected)
                return decision if before == (state.scalarizer_row, state.steering.rejected) else None
        return None

    def fit(self, state: State) -> Fit | None:
        """Fit the surrogate to all measurements; return None if an output has no value yet."""
        candidates, values = state.values()
        if not np.isfinite(values).any(axis=0).all():
            return None
        return self.surrogate(state).update(candidates, values)

    def last_fit(self, state: State) -> Fit | None:
        """Return the model of the last decision without further training; None if there is no model."""
        last = self._last(state)
        if last is None or last.state is None:
            return None
        surrogate = _new_surrogate(state)
        surrogate.restore(self._trace.get_arrays(last.state))
        surrogate.freeze()
        candidates, values = replace(state, measured=state.measured[: last.step]).values()
        return surrogate.update(candidates, values)


def _new_surrogate(state: State) -> Surrogate:
    return Surrogate(
        state.candidates,
        state.settings.surrogate,
        outputs=len(state.steering.scalarizer.outputs),
        seed=state.settings.seed,
    )


def propose(state: State, modelling: Modelling, n: int) -> Proposal:
    """Return what to measure next.

    Args:
        state: The experiment's state.
        modelling: The experiment's surrogate; it is trained further if the policy decides.
        n: Number of candidates. A candidate requested by a person is always proposed alone.

    Raises:
        NescioError: The surrogate cannot be fitted, or the policy cannot choose.
    """
    if queue := state.queue():
        return Proposal([(queue[0], float("nan"))], "person")
    n = min(n, max(state.points - state.step, 1))
    seeded = sum(one.origin == "seed" for one in state.measured)
    if seeded < state.settings.seeds.points:
        left = min(state.settings.seeds.points - seeded, max(state.points - state.step, 1))
        return _seeds(state, left)
    return _from_policy(state, modelling, n)


def keep_proposal(trace: Trace, state: State, proposal: Proposal) -> None:
    """Write a decision into the record and add it to the state."""
    with trace.step():
        decision = Decision(
            step=state.step,
            chosen=[candidate for candidate, _ in proposal.chosen],
            origin=proposal.origin,
            policy=dict(proposal.policy),
            scalarizer=state.scalarizer_row,
            goal=state.steering.goal.model_dump(mode="json"),
            acquisition=[value for _, value in proposal.chosen],
            model={**proposal.model, "acts": len(state.accepted)},
            timing=dict(proposal.timing),
            maps=None if proposal.maps is None else trace.put_dataset("", proposal.maps),
            state=None if proposal.state is None else trace.put_arrays(proposal.state),
        )
        row = trace.add(decision)
        warnings = [
            Event(kind="warning", message=message, details={"about": about})
            for about, message in proposal.warnings.items()
        ]
        keep_events(trace, state, warnings)
        state.decisions.append((row, decision))


def with_model(view: View, fit: Fit, signs: Floats) -> View:
    """Return a view that can sample the fit's posterior and fantasize measurements, as can its fantasized views.

    Args:
        view: The view with the fit's mean and standard deviation.
        fit: The fit to the scalars, before signs are applied.
        signs: Shape (outputs,); -1 for each minimised output, otherwise 1.
    """

    def fantasize(chosen: Sequence[int]) -> View:
        imagined = fit.fantasize(chosen)
        return replace(view, mean=imagined.mean * signs, sd=imagined.sd, sample=_sampler(imagined, signs))

    return replace(view, sample=_sampler(fit, signs), fantasize=fantasize)


def _sampler(fit: Fit, signs: Floats) -> Callable[[jax.Array, int], Floats]:
    def sample(key: jax.Array, draws: int) -> Floats:
        return np.asarray(fit.sample(key, draws) * signs)

    return sample


def _seeds(state: State, n: int) -> Proposal:
    view = _view(state, None)
    if state.settings.seeds.choice == "coverage":
        chosen = [(one.candidate, one.acquisition) for one in choose(Coverage(), view, n)]
    else:
        free = np.flatnonzero(view.allowed)
        order = np.asarray(jax.random.permutation(view.key, len(free)))[:n]
        chosen = [(int(free[i]), float("nan")) for i in order]
    return Proposal(chosen, "seed", view=view)


def _from_policy(state: State, modelling: Modelling, n: int) -> Proposal:
    start = time.perf_counter()
    fit = modelling.fit(state)
    view = _view(state, fit)
    fitted = time.perf_counter()
    policy = state.steering.ranking()
    choices = choose(policy, view, n, favoured=_favoured(state))
    maps = _maps(state, view, choices[0])
    snapshot = take_snapshot(view, seconds=state.seconds, dose=state.dose)
    model = _summary(snapshot)
    if choices[0].note:
        model["note"] = choices[0].note
    warnings = _warnings(state)
    if fit is not None:
        surrogate = modelling.surrogate(state)
        if reason := _reason_to_freeze(state, surrogate, maps, model):
            surrogate.freeze()
            warnings["frozen"] = f"training is frozen: {reason}"
        model |= _described(state, fit, frozen=surrogate.frozen)
    return Proposal(
        [(one.candidate, one.acquisition) for one in choices],
        "policy",
        model=model,
        policy=policy.document(),
        timing={"fit": fitted - start, "choose": time.perf_counter() - fitted},
        maps=maps,
        state=None if fit is None else modelling.surrogate(state).state(),
        warnings=warnings,
        fit=fit,
        view=view,
        choice=choices[0],
    )


def _key(state: State) -> jax.Array:
    """Return a random key that depends on the seed, the number of measurements and the number of steering acts."""
    key = jax.random.fold_in(jax.random.key(state.settings.seed), state.step)
    return jax.random.fold_in(key, sum(one.act.steers for one in state.accepted))


def _view(state: State, fit: Fit | None) -> View:
    signs = np.array(state.steering.signs)
    _, values = state.values()
    missing = np.full((len(state.candidates), len(signs)), np.nan)
    whole = np.isfinite(values).all(axis=1)
    view = View(
        mean=missing if fit is None else fit.mean * signs,
        sd=missing if fit is None else fit.sd,
        noise_sd=np.full(len(signs), np.nan) if fit is None else fit.noise_sd,
        measured=state.taken(),
        values=values[whole] * signs,
        features=state.candidates.features,
        positions=state.candidates.positions,
        allowed=state.allowed(),
        step=state.step,
        key=_key(state),
        spent=state.spent,
        current=state.measured[-1].candidate if state.measured else None,
    )
    return view if fit is None else with_model(view, fit, signs)


def _favoured(state: State) -> Floats | None:
    """Return each candidate's weight from the favoured regions; in overlaps the largest counts."""
    favoured = state.steering.favoured
    if not favoured:
        return None
    positions = state.candidates.positions
    weights: Floats = np.max([weight * region.mask(positions) for region, weight in favoured], axis=0)
    return weights


def _maps(state: State, view: View, choice: Choice) -> xr.Dataset:
    import xarray as xr

    return xr.Dataset(
        {
            "mean": (
                ("candidate", "output"),
                np.asarray(view.mean * np.array(state.steering.signs), np.float32),
            ),
            "sd": (("candidate", "output"), np.asarray(view.sd, np.float32)),
            "acquisition": ("candidate", np.asarray(choice.acquisitions, np.float32)),
        },
        {"output": [output.name for output in state.steering.scalarizer.outputs]},
    )


def _summary(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "improvement": snapshot.improvement,
        "spread": snapshot.spread,
        "seconds": snapshot.seconds,
        "dose": snapshot.dose,
    }


def _described(state: State, fit: Fit, *, frozen: bool) -> dict[str, Any]:
    outputs = [
        {
            "noise_sd": one.noise_sd,
            "scale": one.scale.model,
            "loo_log_likelihood": one.scale.log_likelihood,
            "loo_coverage": one.scale.coverage,
            "encoder": one.encoder,
            "positioned": one.positioned,
            "scratch": one.scratch,
        }
        for one in fit.outputs
    ]
    return {"kind": state.settings.surrogate.kind, "outputs": outputs, "frozen": frozen}


def _warnings(state: State) -> dict[str, str]:
    _, values = state.values()
    finite = values[np.isfinite(values).all(axis=1)]
    if "flat" in state.flow.warned or len(finite) < 2 or np.ptp(finite, axis=0).any():
        return {}
    return {"flat": f"all {len(finite)} values so far are equal; the model cannot learn anything yet"}


def _reason_to_freeze(state: State, surrogate: Surrogate, maps: xr.Dataset, model: dict[str, Any]) -> str:
    freeze = state.settings.freeze
    if freeze is None or surrogate.frozen:
        return ""
    now = Decision(step=state.step, chosen=[], origin="policy", model=model)
    return freeze.reason(
        [*state.history(), state.snapshot(now, Maps(maps["mean"].values, maps["sd"].values))]
    )
