from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest
from tests.learn.toy import POINTS, ToyPrior, quick

from nescio.errors import AgentError, InterruptedTrainingError, MeasurementError
from nescio.learn import Learner, PriorSampler, StoredSampler, Training, draw, fit
from nescio.learn import train as train_module

PRIOR = ToyPrior()
SETTINGS = quick(steps=90, chunk=20, validation_every=40, validation_size=64)


def start(settings=SETTINGS) -> Learner:
    return Learner(POINTS, 0, 3, settings)


def same(one: Training, other: Training) -> bool:
    leaves = zip(jax.tree.leaves(one.learner), jax.tree.leaves(other.learner), strict=True)
    return all(np.array_equal(a, b) for a, b in leaves)


@pytest.fixture(scope="module")
def uninterrupted() -> Training:
    return fit(start(), PriorSampler(PRIOR), progress=False)


def interrupt_after(monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    """Press Ctrl-C in the middle: when the held-out loss has been looked at so many times."""
    tell = {"n": 0}

    def summed(entry: dict[str, float]) -> float:
        tell["n"] += 1
        if tell["n"] == looks:
            raise KeyboardInterrupt
        return sum(value for name, value in entry.items() if name != "step")

    monkeypatch.setattr(train_module, "sum_losses", summed)


def test_the_loss_falls_and_all_steps_are_taken(uninterrupted: Training) -> None:
    assert uninterrupted.steps == 90
    assert [entry["step"] for entry in uninterrupted.history] == [40.0, 80.0, 90.0]
    for part in ("map", "detector", "classifier"):
        assert uninterrupted.history[-1][part] < uninterrupted.history[0][part]


def test_training_is_the_same_every_time(uninterrupted: Training) -> None:
    assert same(uninterrupted, fit(start(), PriorSampler(PRIOR), progress=False))


def test_after_ctrl_c_training_goes_on_to_the_same_weights(
    uninterrupted: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(InterruptedTrainingError, match=r"step 60 of 90.*--resume"):
            fit(start(), PriorSampler(PRIOR), checkpoint=tmp_path, identity="a", progress=False)
    resumed = fit(
        start(), PriorSampler(PRIOR), checkpoint=tmp_path, identity="a", resume=True, progress=False
    )
    assert resumed.history == uninterrupted.history
    assert same(resumed, uninterrupted)


def test_without_a_folder_an_interruption_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(monkeypatch, 1)
    with pytest.raises(InterruptedTrainingError, match="nothing was kept"):
        fit(start(), PriorSampler(PRIOR), progress=False)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(InterruptedTrainingError):
            fit(start(), PriorSampler(PRIOR), checkpoint=tmp_path, identity="a", progress=False)
    with pytest.raises(AgentError, match="another prior"):
        fit(start(), PriorSampler(PRIOR), checkpoint=tmp_path, identity="b", resume=True, progress=False)


def test_training_stops_when_nothing_improves_any_more() -> None:
    settings = quick(
        steps=2000, chunk=20, validation_every=20, validation_size=64, patience=2, learning_rate=1e-12,
        classifier_learning_rate=1e-12,
    )  # fmt: skip
    training = fit(start(settings), PriorSampler(PRIOR), progress=False)
    assert training.steps < 2000


def test_the_best_weights_are_kept_not_the_last() -> None:
    """A learning rate that tears the networks apart must not cost what was learned before."""
    settings = quick(
        steps=120, chunk=20, validation_every=20, validation_size=64, patience=None, learning_rate=0.5
    )
    training = fit(start(settings), PriorSampler(PRIOR), progress=False)
    totals = [train_module.sum_losses(entry) for entry in training.history]
    batch = jax.jit(PriorSampler(PRIOR), static_argnums=1)(
        jax.random.fold_in(jax.random.key(settings.training.seed), 2), 64
    )
    kept = eqx.filter_jit(lambda learner: learner.losses(batch, None))(training.learner)
    assert sum(float(v) for v in kept.values()) == pytest.approx(min(totals), rel=1e-4)


def test_a_stored_data_set_teaches_as_well() -> None:
    stored = StoredSampler(*draw(PRIOR, jax.random.key(9), 512))
    training = fit(start(), stored, validation=PriorSampler(PRIOR), progress=False)
    assert training.history[-1]["classifier"] < 0.7


@pytest.mark.parametrize(
    ("signals", "labels"),
    [
        (np.ones((3, POINTS)), [0, 1]),
        (np.full((2, POINTS), np.nan), [0, 1]),
        (np.full((2, POINTS), 3.0), [0, 1]),
        (np.ones(POINTS), [0]),
    ],
)
def test_a_data_set_that_cannot_be_learned_is_refused(signals: np.ndarray, labels: list[int]) -> None:
    with pytest.raises(MeasurementError, match="data set"):
        StoredSampler(signals, labels)
