"""From a policy's ranking to the next candidates: one, or several at once."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from nescio.errors import ExplorationError, NescioError
from nescio.explore.policies.base import Policy, View
from nescio.explore.policies.spreading import Coverage

__all__ = ["Choice", "choose"]

Floats = NDArray[np.float64]


class Choice(NamedTuple):
    """A candidate to be measured, and why."""

    candidate: int
    acquisition: float
    """What the policy gave it, without a bonus for favoured regions."""
    acquisitions: Floats
    """Shape (n,); what the policy gave each candidate, NaN where nothing may be measured."""
    note: str = ""
    """What a reader of the record should know of how it was chosen; empty if nothing."""


def choose(
    policy: Policy,
    view: View,
    n: int = 1,
    *,
    favoured: Floats | None = None,
) -> list[Choice]:
    """Return the candidates to measure next, the best first; of equal ones that with the lowest index.

    Several are chosen one after the other, each as if those before it had been measured and had given what the
    surrogate expects there. Where nothing was measured successfully yet, or the surrogate has no expectation, a policy
    that needs one gives way to :class:`nescio.explore.policies.Coverage`, and the note says so.

    Args:
        policy: Ranks the candidates.
        view: What it looks at.
        n: How many; fewer come back where fewer are allowed.
        favoured: Shape (candidates,); by how much a person would rather measure there: in standard deviations of the
            acquisition over the allowed candidates (of what it is the logarithm of, where it is one); 0 elsewhere.

    Raises:
        ExplorationError: Nothing may be measured, or the policy gives no usable ranking.

    Source: kriging believer: Ginsbourger et al., in Computational Intelligence in Expensive Optimization Problems,
    Springer, 131 (2010), section 4.2.
    """
    if n < 1:
        raise ExplorationError(f"{n} candidates asked for: needs 1 or more")
    if not view.allowed.any():
        raise ExplorationError("nothing left to measure: every candidate is measured already, or forbidden")
    if favoured is not None and favoured.shape != view.allowed.shape:
        raise ExplorationError(f"favoured has shape {favoured.shape} for {len(view.allowed)} candidates")
    if favoured is not None and not (np.isfinite(favoured) & (favoured >= 0.0)).all():
        raise ExplorationError("weights of favoured regions: need to be 0 or more, and finite")
    policy, note = _usable(policy.at(view.step), view)
    choices: list[Choice] = []
    now = view
    for _ in range(min(n, int(view.allowed.sum()))):
        acquisition = _ranked(policy, now)
        score = acquisition
        if favoured is not None:
            score = _favour(acquisition, np.where(now.allowed, favoured, 0.0), policy.logarithmic)
        candidate = _first(score, acquisition)
        choices.append(Choice(candidate, float(acquisition[candidate]), acquisition, note))
        if len(choices) < n:
            now = _as_if_measured(policy, view, [choice.candidate for choice in choices])
    return choices


def _usable(policy: Policy, view: View) -> tuple[Policy, str]:
    if not policy.needs_model:
        return policy, ""
    if len(view.values) == 0:
        why = "nothing was measured successfully yet"
    elif not np.isfinite(view.mean[view.allowed]).any():
        why = "the surrogate expects nothing anywhere"
    else:
        return policy, ""
    return Coverage(), f"{why}: chosen by coverage instead of {policy.kind}"


def _ranked(policy: Policy, view: View) -> Floats:
    try:
        acquisition = np.array(policy.acquisition(view), dtype=np.float64)
    except NescioError:
        raise
    except Exception as error:
        raise ExplorationError(f"policy {policy.kind} failed: {type(error).__name__}: {error}") from error
    if acquisition.shape != view.allowed.shape:
        raise ExplorationError(
            f"policy {policy.kind} ranked with shape {acquisition.shape}: needs ({len(view.allowed)},)"
        )
    bad = np.flatnonzero(view.allowed & ~np.isfinite(acquisition))
    if bad.size:
        raise ExplorationError(
            f"policy {policy.kind} gives {acquisition[bad[0]]} for candidate {bad[0]} ({bad.size} of "
            f"{int(view.allowed.sum())} allowed ones are not finite)"
        )
    acquisition[~view.allowed] = np.nan
    return acquisition


def _favour(acquisition: Floats, weights: Floats, logarithmic: bool) -> Floats:
    if not logarithmic:
        raised: Floats = acquisition + weights * np.nanstd(acquisition)
        return raised
    score = acquisition.copy()
    # Logarithms have long tails, whose spread would drown every difference that matters.
    score -= np.nanmax(score)
    bonus = weights * float(np.nanstd(np.exp(score)))
    better = bonus > 0.0
    score[better] = np.logaddexp(score[better], np.log(bonus[better]))
    return score


def _first(score: Floats, acquisition: Floats) -> int:
    """Return the largest score; among equal ones the largest acquisition, then the lowest index."""
    best = np.flatnonzero(score == np.nanmax(score))
    return int(best[np.argmax(acquisition[best])])


def _as_if_measured(policy: Policy, view: View, chosen: list[int]) -> View:
    after = view
    if policy.needs_model and view.fantasize is not None:
        after = view.fantasize(chosen)
    measured, allowed = view.measured.copy(), view.allowed.copy()
    measured[chosen], allowed[chosen] = True, False
    # Of fantasies only the posterior counts. The step stays: one policy chooses them all. Each draws
    # anew, and moves on from the last.
    return replace(
        view,
        mean=after.mean,
        sd=after.sd,
        values=after.values,
        sample=after.sample,
        measured=measured,
        allowed=allowed,
        current=chosen[-1],
        key=jax.random.fold_in(view.key, len(chosen)),
    )
