"""What to measure next, concluded from what is known: the model, what the policy sees of it, and its choice."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from numpy.typing import NDArray

from nescio.explore.choosing import Choice, choose
from nescio.explore.keeping import keep_events
from nescio.explore.known import Known, Origin
from nescio.explore.policies import Coverage, View
from nescio.explore.record import snapshot_of, steering_at
from nescio.explore.stopping import Snapshot, take_snapshot
from nescio.explore.surrogates import Fit, Surrogate
from nescio.explore.viewing import with_model
from nescio.trace import Decision, Event, Trace

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Modelling", "Proposal", "keep_proposal", "propose"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Proposal:
    """What to measure next, and from what that was concluded; not written down yet."""

    chosen: Sequence[tuple[int, float]]
    """Candidates, each with its acquisition."""
    origin: Origin
    model: Mapping[str, Any] = field(default_factory=dict)
    """Summary for the record."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)
    maps: xr.Dataset | None = None
    state: Mapping[str, NDArray[Any]] | None = None
    """What the model is continued from."""
    warnings: Mapping[str, str] = field(default_factory=dict)
    """By what they are about."""
    fit: Fit | None = None
    view: View | None = None
    choice: Choice | None = None


class Modelling:
    """The surrogate of an experiment, continued from the record: in one process as over several."""

    def __init__(self, trace: Trace) -> None:
        """Begin with what the record of `trace` holds."""
        self._trace = trace
        self._surrogate: Surrogate | None = None
        self._basis: tuple[int, frozenset[int]] | None = None

    def forget(self) -> None:
        """Go on from the record the next time: for when what is in memory was not written down."""
        self._surrogate = None

    def surrogate(self, known: Known) -> Surrogate:
        """Return the surrogate as the last decision left it; a new one where that does not fit what is known."""
        basis = (known.scalarizer_row, known.steering.rejected)
        if self._surrogate is None or self._basis != basis:
            self._surrogate = _new_surrogate(known)
            self._basis = basis
            if (last := self._last(known)) is not None and last.state is not None:
                self._surrogate.restore(self._trace.get_arrays(last.state))
        return self._surrogate

    @staticmethod
    def _last(known: Known) -> Decision | None:
        """Return the last decision that a model was kept of, if that was of what is known now, or of a part of it."""
        for _, decision in reversed(known.decisions):
            if decision.state is not None:
                before = (decision.scalarizer, steering_at(known, decision).rejected)
                return decision if before == (known.scalarizer_row, known.steering.rejected) else None
        return None

    def fit(self, known: Known) -> Fit | None:
        """Fit the surrogate to what is known; none where a number has no value at all yet."""
        candidates, values = known.values()
        if not np.isfinite(values).any(axis=0).all():
            return None
        return self.surrogate(known).update(candidates, values)

    def last_fit(self, known: Known) -> Fit | None:
        """Return the model of the last decision, as it was, without any training; none if there is none."""
        last = self._last(known)
        if last is None or last.state is None:
            return None
        surrogate = _new_surrogate(known)
        surrogate.restore(self._trace.get_arrays(last.state))
        surrogate.frozen = True
        candidates, values = replace(known, measured=known.measured[: last.step]).values()
        return surrogate.update(candidates, values)


def _new_surrogate(known: Known) -> Surrogate:
    return Surrogate(
        known.candidates,
        known.settings.surrogate,
        outputs=len(known.scalarizer.outputs),
        seed=known.settings.seed,
    )


def propose(known: Known, modelling: Modelling, n: int) -> Proposal:
    """Return what to measure next.

    Args:
        known: What is known.
        modelling: Its surrogate; trained further where the policy is asked.
        n: How many at once; of what a person pointed at always one.

    Raises:
        NescioError: The surrogate or the policy cannot say.
    """
    if queue := known.queue():
        return Proposal([(queue[0], float("nan"))], "person")
    n = min(n, max(known.points - known.step, 1))
    seeded = sum(one.origin == "seed" for one in known.measured)
    if seeded < known.settings.seeds.points:
        left = min(known.settings.seeds.points - seeded, max(known.points - known.step, 1))
        return _seeds(known, left)
    return _from_policy(known, modelling, n)


def keep_proposal(trace: Trace, known: Known, proposal: Proposal) -> None:
    """Write down what is to be measured next, and from what that was concluded, and take it up into what is known."""
    with trace.step():
        decision = Decision(
            step=known.step,
            chosen=[candidate for candidate, _ in proposal.chosen],
            origin=proposal.origin,
            policy=dict(proposal.policy),
            scalarizer=known.scalarizer_row,
            goal=known.steering.goal.model_dump(mode="json"),
            acquisition=[value for _, value in proposal.chosen],
            model={**proposal.model, "acts": len(known.accepted)},
            timing=dict(proposal.timing),
            maps=None if proposal.maps is None else trace.put_dataset("", proposal.maps),
            state=None if proposal.state is None else trace.put_arrays(proposal.state),
        )
        row = trace.add(decision)
        warnings = [
            Event(kind="warning", message=message, details={"about": about})
            for about, message in proposal.warnings.items()
        ]
        keep_events(trace, known, warnings)
        known.decisions.append((row, decision))
        known.decided_under = known.steering
        if proposal.maps is not None and (
            known.settings.stop is not None or known.settings.freeze is not None
        ):
            known.snapshots[row] = snapshot_of(decision, proposal.maps, known.signs)


def _seeds(known: Known, n: int) -> Proposal:
    view = _view(known, None)
    if known.settings.seeds.choice == "coverage":
        chosen = [(one.candidate, one.acquisition) for one in choose(Coverage(), view, n)]
    else:
        free = np.flatnonzero(view.allowed)
        order = np.asarray(jax.random.permutation(view.key, len(free)))[:n]
        chosen = [(int(free[i]), float("nan")) for i in order]
    return Proposal(chosen, "seed", view=view)


def _from_policy(known: Known, modelling: Modelling, n: int) -> Proposal:
    start = time.perf_counter()
    fit = modelling.fit(known)
    view = _view(known, fit)
    fitted = time.perf_counter()
    policy = known.steering.ranking()
    choices = choose(policy, view, n, favoured=_favoured(known))
    maps = _maps(known, view, choices[0])
    snapshot = take_snapshot(view, seconds=known.seconds, dose=known.dose)
    model = _summary(snapshot)
    if choices[0].note:
        model["note"] = choices[0].note
    warnings = _warnings(known)
    if fit is not None:
        surrogate = modelling.surrogate(known)
        if reason := _reason_to_freeze(known, surrogate, maps, model):
            surrogate.frozen = True
            warnings["frozen"] = f"training is frozen: {reason}"
        model |= _described(known, fit, frozen=surrogate.frozen)
    return Proposal(
        [(one.candidate, one.acquisition) for one in choices],
        "policy",
        model=model,
        policy=policy.document(),
        timing={"fit": fitted - start, "choose": time.perf_counter() - fitted},
        maps=maps,
        state=None if fit is None else modelling.surrogate(known).state(),
        warnings=warnings,
        fit=fit,
        view=view,
        choice=choices[0],
    )


def _key(known: Known) -> jax.Array:
    """Return a random key that depends on the seed and on how far the experiment is."""
    key = jax.random.fold_in(jax.random.key(known.settings.seed), known.step)
    return jax.random.fold_in(key, known.changes)


def _view(known: Known, fit: Fit | None) -> View:
    signs = np.array(known.signs)
    _, values = known.values()
    missing = np.full((len(known.candidates), len(signs)), np.nan)
    whole = np.isfinite(values).all(axis=1)
    view = View(
        mean=missing if fit is None else fit.mean * signs,
        sd=missing if fit is None else fit.sd,
        noise_sd=np.full(len(signs), np.nan) if fit is None else fit.noise_sd,
        measured=known.taken(),
        values=values[whole] * signs,
        features=known.candidates.features,
        positions=known.candidates.positions,
        allowed=known.allowed(),
        step=known.step,
        key=_key(known),
        spent=known.spent,
        current=known.measured[-1].candidate if known.measured else None,
    )
    return view if fit is None else with_model(view, fit, signs)


def _favoured(known: Known) -> Floats | None:
    """Return by how much a person would rather measure each candidate; where regions overlap, the largest counts."""
    favoured = known.steering.favoured
    if not favoured:
        return None
    positions = known.candidates.positions
    weights: Floats = np.max([weight * region.mask(positions) for region, weight in favoured], axis=0)
    return weights


def _maps(known: Known, view: View, choice: Choice) -> xr.Dataset:
    import xarray as xr

    return xr.Dataset(
        {
            "mean": (("candidate", "output"), np.asarray(view.mean * np.array(known.signs), np.float32)),
            "sd": (("candidate", "output"), np.asarray(view.sd, np.float32)),
            "acquisition": ("candidate", np.asarray(choice.acquisitions, np.float32)),
        },
        {"output": [output.name for output in known.scalarizer.outputs]},
    )


def _summary(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "improvement": snapshot.improvement,
        "spread": snapshot.spread,
        "seconds": snapshot.seconds,
        "dose": snapshot.dose,
    }


def _described(known: Known, fit: Fit, *, frozen: bool) -> dict[str, Any]:
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
    return {"kind": known.settings.surrogate.kind, "outputs": outputs, "frozen": frozen}


def _warnings(known: Known) -> dict[str, str]:
    _, values = known.values()
    finite = values[np.isfinite(values).all(axis=1)]
    if "flat" in known.flow.warned or len(finite) < 2 or np.ptp(finite, axis=0).any():
        return {}
    return {"flat": f"all {len(finite)} values so far are the same; there is nothing to learn yet"}


def _reason_to_freeze(known: Known, surrogate: Surrogate, maps: xr.Dataset, model: dict[str, Any]) -> str:
    freeze = known.settings.freeze
    if freeze is None or surrogate.frozen:
        return ""
    now = Decision(step=known.step, chosen=[], origin="policy", model=model)
    return freeze.reason([*known.history(), snapshot_of(now, maps, known.signs)])
