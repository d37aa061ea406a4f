"""An experiment between two measurements: what is known, what to measure next, and all of it in the record.

What happens depends on the record alone, so that one that was killed goes on with the choice it would have made.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import jax
import numpy as np
from numpy.typing import NDArray

from nescio import __version__
from nescio.configuration import validated
from nescio.errors import ExplorationError, NescioError, TraceError
from nescio.explore.acts import (
    Approve,
    Decline,
    Favour,
    Forbid,
    Measure,
    PauseAct,
    PersonAct,
    Reject,
    Resume,
    Step,
    Stop,
    Undo,
    build_act,
)
from nescio.explore.candidates import Candidates
from nescio.explore.choosing import Choice, choose
from nescio.explore.policies import Coverage, Policy, View
from nescio.explore.regions import inside_any
from nescio.explore.scalarizers import Scalar, Scalarizer
from nescio.explore.settings import ExploreSettings
from nescio.explore.steering import Accepted, Steering, steered, undo_target
from nescio.explore.stopping import Snapshot, take_snapshot
from nescio.explore.surrogates import Fit, Surrogate
from nescio.trace import (
    Act,
    ActOutcome,
    Decision,
    Event,
    Measurement,
    OutputRecord,
    ScalarizerRecord,
    ScalarRecord,
    Trace,
    now,
)
from nescio.trace import Experiment as ExperimentRecord

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Experiment", "Measured", "Next", "seconds_between"]

Floats = NDArray[np.float64]
Origin = Literal["seed", "policy", "person"]
EventKind = Literal["fault", "pause", "resume", "interrupt", "finish", "warning", "stop"]

_SHARE_BY_DEFAULT = 0.05


@dataclass(frozen=True, eq=False)
class Measured:
    """One measurement, as the experiment keeps it at hand; its spectrum is in the record."""

    row: int
    number: int
    candidate: int
    origin: Origin
    spectrum: int | None
    problem: str
    seconds: float
    scalars: tuple[Scalar, ...]


@dataclass(frozen=True)
class Next:
    """What to do now."""

    candidate: int | None = None
    """To be measured; none while the experiment waits or is over."""
    origin: Origin = "policy"
    waiting: str = ""
    """Why nothing is to be measured at present."""
    finished: str = ""
    """Why nothing is to be measured any more."""


class Experiment:
    """A person's question to an instrument, the answers so far, and what to ask next."""

    def __init__(self, trace: Trace, settings: ExploreSettings, candidates: Candidates) -> None:
        """Go on with what a trace holds; made by :meth:`create` and :meth:`open`."""
        self.trace = trace
        self.settings = settings
        self.candidates = candidates
        self.paused = ""
        """Why it is paused; empty while it is not."""
        self.fit: Fit | None = None
        """The latest model."""
        self.view: View | None = None
        """What the policy last looked at."""
        self.choice: Choice | None = None
        """The latest choice of the policy."""
        self.history: list[Snapshot] = []
        self._measured: list[Measured] = []
        self._accepted: list[Accepted] = []
        self._steering = Steering.configured(settings)
        self._scalarizer_row: int | None = None
        self._last_act = 0
        self._pending: list[tuple[int, Origin]] = []
        self._approved = False
        self._steps_left: int | None = None
        self._stopped = ""
        self._warned: set[str] = set()
        self._surrogate: Surrogate | None = None
        self._load()

    # ---- beginning

    @classmethod
    def create(cls, path: str | Path, settings: ExploreSettings, survey: xr.Dataset) -> Self:
        """Begin an experiment.

        Args:
            path: Of the trace, or of the folder for it.
            settings: How it goes.
            survey: What the instrument gave for an overview.

        Raises:
            NescioError: The survey does not give candidates as configured, or there is a trace already.
        """
        candidates = settings.candidates.candidates(survey, seed=settings.seed)  # type: ignore[attr-defined]
        record = ExperimentRecord(
            title=settings.title,
            nescio_version=__version__,
            configuration=settings.document(),
            seed=settings.seed,
        )
        trace = Trace.create(path, record)
        try:
            trace.claim_run()
            with trace.step():
                trace.put_dataset("survey", survey)
                trace.put_dataset("candidates", _candidates_dataset(candidates))
                _add_scalarizer(trace, settings.scalarizer, None)
        except BaseException:
            trace.close()
            raise
        return cls(trace, settings, candidates)

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = False) -> Self:
        """Go on with an experiment, or look at it.

        Args:
            path: Of the trace, or of the folder that holds it.
            read_only: Only look; works while another process runs it.

        Raises:
            TraceError: It is no trace, or another process runs it.
        """
        trace = Trace.open(path, read_only=read_only)
        try:
            if not read_only:
                trace.claim_run()
            record = trace.experiment
            settings = validated(ExploreSettings, record.configuration, str(trace.path))
            candidates = _candidates_from(trace.get_dataset("candidates"))
            return cls(trace, settings, candidates)
        except BaseException:
            trace.close()
            raise

    def close(self) -> None:
        """Close the record."""
        self.trace.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the record."""
        self.close()

    def _load(self) -> None:
        trace = self.trace
        outcomes = {outcome.act: outcome for _, outcome in trace.all(ActOutcome)}
        for row, act in trace.all(Act):
            if row not in outcomes:
                break
            self._last_act = row
            outcome = outcomes[row]
            if outcome.accepted:
                made = build_act(act.kind, act.parameters)
                self._accepted.append(Accepted(act.number, made, outcome.step))
                if isinstance(made, Stop):
                    self._stopped = f"stopped by {act.who}"
        self._steering = steered(self.settings, self._accepted)
        scalarizer = trace.last(ScalarizerRecord)
        if scalarizer is None:
            raise TraceError(f"{trace.path}: damaged (no scalarizer)")
        self._scalarizer_row = scalarizer[0]
        self._measured = self._stored_measurements()
        decisions = trace.all(Decision)
        self._restore_pending(decisions)
        self._restore_history(decisions)
        self._decisions = decisions

    def _stored_measurements(self) -> list[Measured]:
        scalars: dict[int, dict[str, Scalar]] = {}
        for _, stored in self.trace.scalars(self._scalarizer_row):
            value = float("nan") if stored.value is None else stored.value
            uncertainty = float("nan") if stored.uncertainty is None else stored.uncertainty
            scalars.setdefault(stored.measurement, {})[stored.output] = Scalar(
                value, uncertainty, stored.reason
            )
        names = [output.name for output in self.scalarizer.outputs]
        found = []
        for row, one in self.trace.all(Measurement):
            missing = Scalar(float("nan"), reason=one.problem or "not scalarized")
            found.append(
                Measured(
                    row,
                    one.number,
                    one.candidate,
                    one.origin,
                    one.spectrum,
                    one.problem,
                    seconds_between(one.started, one.finished),
                    tuple(scalars.get(row, {}).get(name, missing) for name in names),
                )
            )
        return found

    def _restore_pending(self, decisions: list[tuple[int, Decision]]) -> None:
        """Take up the last choice where it was left, unless something was changed since."""
        if not decisions:
            return
        last = decisions[-1][1]
        if last.model.get("acts", 0) != self._changes():
            return
        done = [one.candidate for one in self._measured[last.step :]]
        self._pending = [(candidate, last.origin) for candidate in last.chosen if candidate not in done]

    def _restore_history(self, decisions: list[tuple[int, Decision]]) -> None:
        signs = np.array(self.signs)
        for _, one in decisions:
            if one.maps is None or one.scalarizer != self._scalarizer_row:
                continue
            if one.goal != self._steering.goal.model_dump(mode="json"):
                continue
            maps = self.trace.get_dataset(one.maps)
            self.history.append(
                Snapshot(
                    maps["mean"].values.astype(np.float64) * signs,
                    maps["sd"].values.astype(np.float64),
                    float(one.model["improvement"]),
                    float(one.model["spread"]),
                    one.step,
                    float(one.model["seconds"]),
                    float(one.model["dose"]),
                )
            )

    # ---- what is known

    @property
    def scalarizer(self) -> Scalarizer:
        """What turns spectra into the numbers cared about."""
        return self._steering.scalarizer

    @property
    def steering(self) -> Steering:
        """All that a person may change, as it is now."""
        return self._steering

    @property
    def signs(self) -> tuple[float, ...]:
        """1 for each number that is maximised, -1 for each that is minimised."""
        return self._steering.goal.signs(len(self.scalarizer.outputs))

    @property
    def measured(self) -> Sequence[Measured]:
        """All measurements, in order."""
        return self._measured

    @property
    def accepted(self) -> Sequence[Accepted]:
        """All acts that took effect, in order."""
        return self._accepted

    @property
    def step(self) -> int:
        """How many measurements there are."""
        return len(self._measured)

    @property
    def points(self) -> int:
        """How many measurements may be made."""
        given = self._steering.budget.points
        return given if given is not None else max(1, round(_SHARE_BY_DEFAULT * len(self.candidates)))

    @property
    def seconds(self) -> float:
        """How long the instrument was at work."""
        return sum(one.seconds for one in self._measured)

    @property
    def dose(self) -> float:
        """What was spent."""
        return self._steering.budget.dose_per_point * self.step

    def position(self, candidate: int) -> Floats:
        """Return where a candidate is, shape (coordinates,)."""
        if not 0 <= candidate < len(self.candidates):
            raise ExplorationError(f"candidate {candidate}: there are 0 to {len(self.candidates) - 1}")
        position: Floats = self.candidates.positions[candidate]
        return position

    def values(self) -> tuple[NDArray[np.intp], Floats]:
        """Return the candidates (m,) and scalars (m, outputs) of measurements that are not rejected, NaN if missing."""
        used = [one for one in self._measured if one.number not in self._steering.rejected]
        candidates = np.array([one.candidate for one in used], np.intp)
        table = np.array([[s.value for s in one.scalars] for one in used], np.float64)
        return candidates, table.reshape(len(used), len(self.scalarizer.outputs))

    def best(self, n: int) -> list[tuple[int, float]]:
        """Return the best measured candidates with the first of their scalars, best first."""
        candidates, values = self.values()
        kept = np.flatnonzero(np.isfinite(values[:, 0])) if len(values) else np.zeros(0, np.intp)
        order = kept[np.argsort(-self.signs[0] * values[kept, 0], kind="stable")][:n]
        return [(int(candidates[i]), float(values[i, 0])) for i in order]

    @property
    def finished(self) -> str:
        """Why nothing more is to be measured; empty while something is."""
        budget = self._steering.budget
        if self._stopped:
            return self._stopped
        if self._queue():
            return ""
        if self.step >= self.points:
            return f"{self.step} of {self.points} points are measured"
        if budget.seconds is not None and self.seconds >= budget.seconds:
            return f"{self.seconds:.0f} of {budget.seconds:g} seconds have passed"
        if budget.dose is not None and self.dose >= budget.dose:
            return f"a dose of {self.dose:g} of {budget.dose:g} is spent"
        if not self._allowed().any():
            return "nothing is left to measure: every candidate is measured or forbidden"
        return self.settings.stop.reason(self.history) if self.settings.stop is not None else ""

    # ---- what to do next

    def next(self) -> Next:
        """Return what to measure now; decides if nothing is decided yet.

        Raises:
            NescioError: The policy or the surrogate cannot say; the experiment is paused, and nothing is lost.
        """
        if finished := self.finished:
            return Next(finished=finished)
        if self.paused:
            return Next(waiting=self.paused)
        if self._steps_left == 0:
            self._steps_left = None
            self.pause("the steps asked for are made")
            return Next(waiting=self.paused)
        if self._queue() and not any(origin == "person" for _, origin in self._pending):
            self._pending = []
        if not self._pending:
            try:
                self._decide(self.settings.batch)
            except NescioError as error:
                self.pause(str(error))
                raise
        # What was just learned may be what a criterion waited for.
        return Next(finished=over) if (over := self.finished) else self._pending_next()

    def _pending_next(self) -> Next:
        candidate, origin = self._pending[0]
        mode = self._steering.mode
        if origin != "person" and mode.kind == "watch":
            return Next(waiting=f"only watching; would measure candidate {candidate}")
        if origin == "policy" and mode.kind == "approve" and not self._approved:
            made = sum(one.origin == "policy" for one in self._measured)
            if (made + 1) % mode.every == 0:
                return Next(waiting=f"candidate {candidate} needs approval")
        return Next(candidate, origin)

    def ask(self, n: int = 1) -> list[int]:
        """Return the candidates to measure next, at most `n`, none twice; none while the experiment waits."""
        self.apply_acts()
        if self.next().candidate is None:
            return []
        left = max(self.points - self.step, 1)
        if len(self._pending) < min(n, left) and self._pending[0][1] == "policy":
            self._decide(min(n, left))
        return [candidate for candidate, _ in self._pending[:n]]

    def tell(
        self,
        candidate: int,
        spectrum: xr.DataArray | None,
        problem: str = "",
        *,
        attempts: int = 1,
        started: str | None = None,
        faults: Sequence[str] = (),
    ) -> Measured:
        """Keep what came of a candidate: in the record, and safe from anything, when this returns.

        Args:
            candidate: Which.
            spectrum: What was measured, or none.
            problem: Why there is none.
            attempts: How often it was tried.
            started: When, as :func:`nescio.trace.now` gives it.
            faults: What went wrong on the way.
        """
        position = self.position(candidate)
        finished = now()
        origins: dict[int, Origin] = dict(self._pending)
        origin: Origin = origins.get(candidate, "person")
        if spectrum is None:
            problem = problem or "no spectrum was given"
            scalars = tuple(Scalar(float("nan"), reason=problem) for _ in self.scalarizer.outputs)
        else:
            scalars = self.scalarizer(spectrum)
        with self.trace.step():
            stored = None if spectrum is None else self.trace.put_dataarray(spectrum)
            row = self.trace.add(
                Measurement(
                    number=self.step,
                    candidate=candidate,
                    position=[float(x) for x in position],
                    origin=origin,
                    attempts=attempts,
                    started=started or finished,
                    finished=finished,
                    spectrum=stored,
                    problem="" if spectrum is not None else problem,
                )
            )
            self._add_scalars(row, scalars)
            for fault in faults:
                self.trace.add(Event(kind="fault", message=fault, details={"candidate": candidate}))
        seconds = seconds_between(started or finished, finished)
        one = Measured(row, self.step, candidate, origin, stored, problem, seconds, scalars)
        self._measured.append(one)
        self._pending = [pair for pair in self._pending if pair[0] != candidate]
        self._approved = False
        if self._steps_left is not None:
            self._steps_left -= 1
        self._watch_for_failures()
        return one

    def event(self, kind: EventKind, message: str, **details: Any) -> None:
        """Write down something that happened."""
        self.trace.add(Event(kind=kind, message=message, details=details))

    def pause(self, why: str) -> None:
        """Measure nothing more until a person resumes."""
        if not self.paused:
            self.event("pause", why)
        self.paused = why

    def _watch_for_failures(self) -> None:
        """Pause where measurements give nothing, over and over; a night of missing values helps nobody."""
        limit = self.settings.failures_in_a_row
        latest = self._measured[-limit:]
        if len(latest) == limit and all(np.isnan([s.value for s in one.scalars]).all() for one in latest):
            reason = latest[-1].scalars[0].reason or latest[-1].problem
            # Resuming gives it as many tries again.
            if self.step % limit == 0 or self.step == limit:
                self.pause(f"{limit} measurements in a row gave no value (the last: {reason})")

    # ---- deciding

    def _queue(self) -> list[int]:
        """Return the candidates that a person pointed at and that were not measured since, in order."""
        served = [(one.number, one.candidate) for one in self._measured if one.origin == "person"]
        left = []
        for act, since in self._steering.pointed:
            candidate = self._nearest(act)
            mine = next((one for one in served if one[1] == candidate and one[0] >= since), None)
            if mine is None:
                left.append(candidate)
            else:
                served.remove(mine)
        return left

    def _nearest(self, act: Measure) -> int:
        if act.candidate is not None:
            return act.candidate
        distance = np.linalg.norm(self.candidates.positions - np.array(act.position), axis=1)
        return int(distance.argmin())

    def _taken(self) -> NDArray[np.bool_]:
        taken = np.zeros(len(self.candidates), bool)
        taken[[one.candidate for one in self._measured if one.number not in self._steering.rejected]] = True
        return taken

    def _allowed(self) -> NDArray[np.bool_]:
        return ~self._taken() & ~inside_any(self._steering.forbidden, self.candidates.positions)

    def _changes(self) -> int:
        return sum(one.act.steers for one in self._accepted)

    def _decide(self, n: int) -> None:
        if queue := self._queue():
            self._write_decision([(queue[0], float("nan"))], "person", {}, None, {})
            return
        seeds = self.settings.seeds
        seeded = sum(one.origin == "seed" for one in self._measured)
        if seeded < seeds.points:
            self._decide_seeds(min(seeds.points - seeded, max(self.points - self.step, 1)))
            return
        start = time.perf_counter()
        view = self._look()
        fitted = time.perf_counter()
        snapshot = take_snapshot(view, seconds=self.seconds, dose=self.dose)
        self.history.append(snapshot)
        policy = self._steering.ranking()
        favoured, weight = self._favoured()
        choices = choose(policy, view, n, favoured=favoured, weight=weight)
        self.choice = choices[0]
        model = self._summary(snapshot)
        if choices[0].note:
            model["note"] = choices[0].note
        timing = {"fit": fitted - start, "choose": time.perf_counter() - fitted}
        self._freeze_if_due()
        self._write_decision(
            [(one.candidate, one.acquisition) for one in choices],
            "policy",
            model,
            choices[0],
            timing,
            policy=policy,
        )

    def _decide_seeds(self, n: int) -> None:
        view = self._view(None)
        if self.settings.seeds.choice == "coverage":
            chosen = [(one.candidate, one.acquisition) for one in choose(Coverage(), view, n)]
        else:
            free = np.flatnonzero(view.allowed)
            order = np.asarray(jax.random.permutation(self._key(), len(free)))[:n]
            chosen = [(int(free[i]), float("nan")) for i in order]
        self._write_decision(chosen, "seed", {}, None, {})

    def _key(self) -> jax.Array:
        """Return a random key that depends on the seed and on how far the experiment is."""
        key = jax.random.fold_in(jax.random.key(self.settings.seed), self.step)
        return jax.random.fold_in(key, self._changes())

    def _look(self) -> View:
        """Fit the surrogate to what is known."""
        candidates, values = self.values()
        if not np.isfinite(values).any(axis=0).all():
            return self._view(None)
        if (np.nanstd(values, axis=0) == 0.0).all() and "flat" not in self._warned:
            self._warned.add("flat")
            self.event(
                "warning", f"all {len(values)} values so far are the same; there is nothing to learn yet"
            )
        self.fit = self.surrogate.update(candidates, values)
        return self._view(self.fit)

    @property
    def surrogate(self) -> Surrogate:
        """The model, as the record left it."""
        if self._surrogate is None:
            outputs = len(self.scalarizer.outputs)
            self._surrogate = Surrogate(
                self.candidates, self.settings.surrogate, outputs=outputs, seed=self.settings.seed
            )
            self._restore_surrogate(self._surrogate)
        return self._surrogate

    def _restore_surrogate(self, surrogate: Surrogate) -> None:
        """Go on from the last stored model, if what it was trained on is still the beginning of what is known."""
        for _, decision in reversed(self._decisions):
            if decision.state is None:
                continue
            steering = [one for one in self._accepted if one.act.steers]
            then = steered(self.settings, steering[: int(decision.model.get("acts", 0))])
            same = then.scalarizer == self.scalarizer and then.rejected == self._steering.rejected
            if same and decision.scalarizer == self._scalarizer_row:
                surrogate.restore(self.trace.get_arrays(decision.state))
            return

    def _view(self, fit: Fit | None) -> View:
        signs = np.array(self.signs)
        _, values = self.values()
        shape = (len(self.candidates), len(signs))
        missing = np.full(shape, np.nan)
        whole = np.isfinite(values).all(axis=1)
        mean = missing if fit is None else fit.mean * signs
        view = View(
            mean=mean,
            sd=missing if fit is None else fit.sd,
            noise_sd=np.full(len(signs), np.nan) if fit is None else fit.noise_sd,
            measured=self._taken(),
            values=values[whole] * signs,
            features=self.candidates.features,
            positions=self.candidates.positions,
            allowed=self._allowed(),
            step=self.step,
            key=self._key(),
            current=self._measured[-1].candidate if self._measured else None,
        )
        if fit is not None:

            def sample(key: jax.Array, draws: int) -> Floats:
                return np.asarray(fit.sample(key, draws) * signs)

            def fantasize(chosen: Sequence[int]) -> View:
                imagined = fit.fantasize(chosen)
                return replace(view, mean=imagined.mean * signs, sd=imagined.sd)

            view = replace(view, sample=sample, fantasize=fantasize)
        self.view = view
        return view

    def _favoured(self) -> tuple[NDArray[np.bool_] | None, float]:
        favoured = self._steering.favoured
        if not favoured:
            return None, 0.0
        regions = [region for region, _ in favoured]
        return inside_any(regions, self.candidates.positions), max(weight for _, weight in favoured)

    def _summary(self, snapshot: Snapshot) -> dict[str, Any]:
        """Return what the record says of the model at a decision."""
        summary: dict[str, Any] = {
            "improvement": snapshot.improvement,
            "spread": snapshot.spread,
            "seconds": snapshot.seconds,
            "dose": snapshot.dose,
        }
        if self.fit is not None and np.isfinite(snapshot.mean).all():
            summary["kind"] = self.settings.surrogate.kind
            summary["outputs"] = [
                {
                    "noise_sd": one.noise_sd,
                    "scale": one.scale.model,
                    "loo_log_likelihood": one.scale.log_likelihood,
                    "loo_coverage": one.scale.coverage,
                    "encoder": one.encoder,
                    "positioned": one.positioned,
                    "scratch": one.scratch,
                }
                for one in self.fit.outputs
            ]
            summary["frozen"] = self.surrogate.frozen
        return summary

    def _freeze_if_due(self) -> None:
        if self.settings.freeze is None or self.surrogate.frozen:
            return
        if reason := self.settings.freeze.reason(self.history):
            self.surrogate.frozen = True
            self.event("warning", f"training is frozen: {reason}")

    def _write_decision(
        self,
        chosen: Sequence[tuple[int, float]],
        origin: Origin,
        model: dict[str, Any],
        choice: Choice | None,
        timing: dict[str, float],
        *,
        policy: Policy | None = None,
    ) -> None:
        model = {**model, "acts": self._changes()}
        with self.trace.step():
            maps = state = None
            if choice is not None and self.view is not None:
                maps = self.trace.put_dataset("", self._maps(self.view, choice))
                if self.fit is not None:
                    state = self.trace.put_arrays(self.surrogate.state())
            decision = Decision(
                step=self.step,
                chosen=[candidate for candidate, _ in chosen],
                origin=origin,
                policy={} if policy is None else policy.document(),
                scalarizer=self._scalarizer_row,
                goal=self._steering.goal.model_dump(mode="json"),
                acquisition=[value for _, value in chosen],
                model=model,
                timing=timing,
                maps=maps,
                state=state,
            )
            self.trace.add(decision)
        self._pending = [(candidate, origin) for candidate, _ in chosen]
        self._approved = False

    def _maps(self, view: View, choice: Choice) -> xr.Dataset:
        import xarray as xr

        signs = np.array(self.signs)
        return xr.Dataset(
            {
                "mean": (("candidate", "output"), np.asarray(view.mean * signs, np.float32)),
                "sd": (("candidate", "output"), np.asarray(view.sd, np.float32)),
                "acquisition": ("candidate", np.asarray(choice.acquisitions, np.float32)),
            },
            {"output": [output.name for output in self.scalarizer.outputs]},
        )

    # ---- acts of a person

    def act(self, act: PersonAct, *, who: str) -> int:
        """Write down what a person wants; it takes effect before the next measurement. Returns its number."""
        row = self.trace.add_act(act.kind, act.parameters(), who=who)
        return self.trace.get(Act, row).number

    def apply_acts(self) -> list[str]:
        """Let acts that arrived take effect, and return what became of each in words."""
        told = []
        for row, record in self.trace.since(Act, self._last_act):
            self._last_act = row
            try:
                act = build_act(record.kind, record.parameters)
                self._apply(row, record, act)
                told.append(f"{record.who}: {act.told()}")
            except NescioError as error:
                outcome = ActOutcome(act=row, step=self.step, accepted=False, message=str(error))
                self.trace.add(outcome)
                told.append(f"{record.who}: {record.kind} refused: {error}")
        return told

    def _apply(self, row: int, record: Act, act: PersonAct) -> None:
        self._check(act)
        accepted = [*self._accepted, Accepted(record.number, act, self.step)]
        steering = steered(self.settings, accepted)
        steering.ranking()
        if not (~inside_any(steering.forbidden, self.candidates.positions)).any():
            raise ExplorationError("this would forbid every candidate")
        rescalarize = steering.scalarizer != self.scalarizer
        with self.trace.step():
            self.trace.add(ActOutcome(act=row, step=self.step, accepted=True))
            if rescalarize:
                measured, scalarizer_row = self._rescalarized(steering.scalarizer, row)
            self._note_transient(act, record.who)
        before, self._steering, self._accepted = self._steering, steering, accepted
        if rescalarize:
            self._measured, self._scalarizer_row = measured, scalarizer_row
            self._surrogate = None
            self._decisions = []
            self.fit = None
        elif steering.rejected != before.rejected and self._surrogate is not None:
            self._surrogate.restart()
        if rescalarize or steering.goal != before.goal:
            self.history = []
        if act.steers:
            self._pending = []
            self._approved = False
        self._take_up(act, record.who)

    def _check(self, act: PersonAct) -> None:
        """Raise where an act makes no sense now."""
        match act:
            case Measure(candidate=int(candidate)) | Decline(candidate=candidate):
                self.position(candidate)
            case Measure(position=tuple(position)):
                coordinates = self.candidates.positions.shape[1]
                if len(position) != coordinates:
                    raise ExplorationError(f"position with {len(position)} coordinates: needs {coordinates}")
                low, high = self.candidates.positions.min(0), self.candidates.positions.max(0)
                if (np.array(position) < low).any() or (np.array(position) > high).any():
                    raise ExplorationError(
                        f"position {', '.join(f'{x:g}' for x in position)} lies outside the candidates "
                        f"({', '.join(f'{a:g} to {b:g}' for a, b in zip(low, high, strict=True))} "
                        f"{self.candidates.unit})"
                    )
            case Forbid(region=region) | Favour(region=region):
                region.mask(self.candidates.positions)
            case Reject(measurement=number):
                if number >= self.step:
                    raise ExplorationError(f"measurement {number}: there are {self.step}, counted from 0")
                if number in self._steering.rejected:
                    raise ExplorationError(f"measurement {number} is rejected already")
            case Undo():
                undo_target(self._accepted, act)
            case Approve():
                if not self._pending:
                    raise ExplorationError("nothing waits for approval")
            case _:
                pass

    def _rescalarized(self, scalarizer: Scalarizer, act_row: int) -> tuple[list[Measured], int]:
        """Scalarize all spectra anew, in the record as well."""
        row = _add_scalarizer(self.trace, scalarizer, act_row)
        measured = []
        for one in self._measured:
            if one.spectrum is None:
                scalars = tuple(Scalar(float("nan"), reason=one.problem) for _ in scalarizer.outputs)
            else:
                scalars = scalarizer(self.trace.get_dataarray(one.spectrum))
            self._add_scalars(one.row, scalars, scalarizer=scalarizer, row=row)
            measured.append(replace(one, scalars=scalars))
        return measured, row

    def _add_scalars(
        self,
        measurement: int,
        scalars: Sequence[Scalar],
        *,
        scalarizer: Scalarizer | None = None,
        row: int | None = None,
    ) -> None:
        row = self._scalarizer_row if row is None else row
        if row is None:
            raise TraceError("no scalarizer is written down")
        for output, scalar in zip((scalarizer or self.scalarizer).outputs, scalars, strict=True):
            self.trace.add(
                ScalarRecord(
                    measurement=measurement,
                    scalarizer=row,
                    output=output.name,
                    value=scalar.value,
                    uncertainty=scalar.uncertainty,
                    reason=scalar.reason,
                )
            )

    def _note_transient(self, act: PersonAct, who: str) -> None:
        match act:
            case PauseAct():
                self.event("pause", f"by {who}")
            case Resume() | Step():
                self.event("resume", f"by {who}")
            case Stop():
                self.event("stop", f"by {who}")
            case _:
                pass

    def _take_up(self, act: PersonAct, who: str) -> None:
        match act:
            case PauseAct():
                self.paused = f"by {who}"
            case Resume():
                self.paused, self._steps_left = "", None
            case Step(measurements=measurements):
                self.paused, self._steps_left = "", measurements
            case Approve():
                self._approved = True
            case Stop():
                self._stopped = f"stopped by {who}"
            case _:
                pass


def _candidates_dataset(candidates: Candidates) -> xr.Dataset:
    import xarray as xr

    dataset = xr.Dataset(
        {
            "position": (("candidate", "coordinate"), candidates.positions, {"units": candidates.unit}),
            "features": (("candidate", "feature"), candidates.features),
        },
        {"coordinate": list(candidates.coordinates)},
        {"encoder": candidates.encoder, "alternatives": list(candidates.alternatives)},
    )
    for number, features in enumerate(candidates.alternatives.values()):
        dataset[f"alternative_{number}"] = (("candidate", f"feature_{number}"), features)
    if candidates.survey_index is not None:
        dataset["survey_index"] = ("candidate", candidates.survey_index)
    return dataset


def _candidates_from(dataset: xr.Dataset) -> Candidates:
    try:
        return Candidates(
            positions=np.asarray(dataset["position"].values, np.float64),
            features=np.asarray(dataset["features"].values, np.float32),
            coordinates=tuple(str(name) for name in dataset["coordinate"].values),
            unit=str(dataset["position"].attrs["units"]),
            alternatives={
                str(name): np.asarray(dataset[f"alternative_{number}"].values, np.float32)
                for number, name in enumerate(dataset.attrs["alternatives"])
            },
            encoder=str(dataset.attrs["encoder"]),
            survey_index=dataset["survey_index"].values if "survey_index" in dataset else None,
        )
    except KeyError as error:
        raise TraceError(f"the stored candidates lack {error}") from None


def _add_scalarizer(trace: Trace, scalarizer: Scalarizer, act: int | None) -> int:
    outputs = [OutputRecord(**output._asdict()) for output in scalarizer.outputs]
    return trace.add(
        ScalarizerRecord(definition=scalarizer.model_dump(mode="json"), outputs=outputs, act=act)
    )


def seconds_between(started: str, finished: str) -> float:
    """Return the seconds between two times of a record."""
    from datetime import datetime

    return (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()
