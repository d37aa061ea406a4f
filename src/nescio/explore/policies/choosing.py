"""Choose the next candidates, one or several at once, from a policy's ranking."""

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
    """A chosen candidate and its acquisition."""

    candidate: int
    acquisition: float
    """Acquisition of the candidate, without the bonus for favoured regions."""
    acquisitions: Floats
    """Shape (n,); acquisition of each candidate, NaN for those that are not allowed."""
    note: str = ""
    """A remark on the choice for the record; usually empty."""


def choose(
    policy: Policy,
    view: View,
    n: int = 1,
    *,
    favoured: Floats | None = None,
) -> list[Choice]:
    """Return the candidates to measure next, best first; in a tie the lowest index wins.

    Several candidates are chosen one after another, each as if the previous ones had been measured and had given their
    posterior mean. If there is no successful measurement or no prediction yet, a policy that needs the surrogate is
    replaced by :class:`nescio.explore.policies.Coverage`, and the note says so.

    Args:
        policy: The policy.
        view: The policy's input.
        n: Number of candidates; fewer are returned if fewer are allowed.
        favoured: Shape (candidates,); bonus of favoured candidates, otherwise 0, in standard deviations of the
            acquisition over the allowed candidates. For a logarithmic acquisition, the bonus is applied before the
            logarithm.

    Raises:
        ExplorationError: No candidate is allowed, or the policy gives no usable ranking.

    Source: kriging believer: Ginsbourger et al., in Computational Intelligence in Expensive Optimization Problems,
    Springer, 131 (2010), section 4.2.
    """
    if n < 1:
        raise ExplorationError(f"n is {n}; it must be 1 or more")
    if not view.allowed.any():
        raise ExplorationError("no candidate is left: all are measured or forbidden")
    if favoured is not None and favoured.shape != view.allowed.shape:
        raise ExplorationError(f"favoured has shape {favoured.shape}; it must be ({len(view.allowed)},)")
    if favoured is not None and not (np.isfinite(favoured) & (favoured >= 0.0)).all():
        raise ExplorationError("weights of favoured regions must be finite and not negative")
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
        why = "there is no successful measurement yet"
    elif not np.isfinite(view.mean[view.allowed]).any():
        why = "the surrogate has no predictions"
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
            f"policy {policy.kind} returned shape {acquisition.shape}; it must be ({len(view.allowed)},)"
        )
    bad = np.flatnonzero(view.allowed & ~np.isfinite(acquisition))
    if bad.size:
        raise ExplorationError(
            f"policy {policy.kind} returned {acquisition[bad[0]]} for candidate {bad[0]} ({bad.size} of "
            f"{int(view.allowed.sum())} allowed candidates are not finite)"
        )
    acquisition[~view.allowed] = np.nan
    return acquisition


def _favour(acquisition: Floats, weights: Floats, logarithmic: bool) -> Floats:
    if not logarithmic:
        raised: Floats = acquisition + weights * np.nanstd(acquisition)
        return raised
    score = acquisition.copy()
    # The bonus is computed before the logarithm: logarithms have long tails, which would dominate their spread.
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
    # Only the posterior is taken from the fantasy. The step is unchanged, so that one policy makes all choices.
    # Each choice has its own random key, and travel starts from the previous choice.
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
