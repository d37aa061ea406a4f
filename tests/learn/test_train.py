from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.learn.toy import POINTS, ToyPrior, quick

from nescio.errors import AgentError, InterruptedTrainingError, MeasurementError
from nescio.learn import (
    Learner,
    PriorSampler,
    StoredSampler,
    Training,
    draw,
    fit,
    learn,
)
from nescio.learn import agent as agent_module
from nescio.learn import train as train_module

PRIOR = ToyPrior()
SAMPLER = PriorSampler(PRIOR)
# What a step does is the same in all of these, so that it is compiled once.
STEPS = {"steps": 90, "chunk": 20, "validation_size": 64}
SETTINGS = quick(**STEPS, validation_every=40)


def start(settings=SETTINGS) -> Learner:
    return Learner(POINTS, 0, 3, settings)


def same(one: Training, other: Training) -> bool:
    leaves = zip(jax.tree.leaves(one.learner), jax.tree.leaves(other.learner), strict=True)
    return all(np.array_equal(a, b) for a, b in leaves)


@pytest.fixture(scope="module")
def uninterrupted() -> Training:
    return fit(start(), SAMPLER, validation=SAMPLER, progress=False)


# Signals unlike all that is drawn: the better those are learned, the worse are these.
UNLIKE = StoredSampler(np.full((2, POINTS), 0.5), [0, 1])


@pytest.fixture(scope="module")
def worse_and_worse() -> Training:
    settings = quick(**STEPS, validation_every=20, patience=2)
    return fit(start(settings), SAMPLER, validation=UNLIKE, progress=False)


@pytest.fixture(scope="module")
def stored() -> StoredSampler:
    return StoredSampler(*draw(PRIOR, jax.random.key(9), 512))


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
    assert same(uninterrupted, fit(start(), SAMPLER, validation=SAMPLER, progress=False))


def test_after_ctrl_c_training_goes_on_to_the_same_weights(
    uninterrupted: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(InterruptedTrainingError, match=r"step 60 of 90.*--resume"):
            fit(start(), SAMPLER, validation=SAMPLER, checkpoint=tmp_path, identity="a", progress=False)
    resumed = fit(
        start(), SAMPLER, validation=SAMPLER, checkpoint=tmp_path, identity="a", resume=True, progress=False
    )
    assert resumed.history == uninterrupted.history
    assert same(resumed, uninterrupted)


def test_without_a_folder_an_interruption_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(monkeypatch, 1)
    with pytest.raises(InterruptedTrainingError, match="nothing was kept"):
        fit(start(), SAMPLER, validation=SAMPLER, progress=False)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(InterruptedTrainingError):
            fit(start(), SAMPLER, validation=SAMPLER, checkpoint=tmp_path, identity="a", progress=False)
    with pytest.raises(AgentError, match="another prior"):
        fit(
            start(),
            SAMPLER,
            validation=SAMPLER,
            checkpoint=tmp_path,
            identity="b",
            resume=True,
            progress=False,
        )


def test_training_stops_when_nothing_improves_any_more(worse_and_worse: Training) -> None:
    assert [entry["step"] for entry in worse_and_worse.history] == [20.0, 40.0, 60.0]
    assert worse_and_worse.steps == 60


def test_the_best_weights_are_kept_not_the_last(worse_and_worse: Training) -> None:
    """Steps that make it worse must not cost what was learned before."""
    totals = [train_module.sum_losses(entry) for entry in worse_and_worse.history]
    assert totals[0] < 0.9 * totals[-1]
    learner = worse_and_worse.learner
    held_out = eqx.filter_jit(lambda draw, key: draw(key, 64, SETTINGS.outliers))(
        UNLIKE, jax.random.fold_in(jax.random.key(SETTINGS.training.seed), 2)
    )
    kept = eqx.filter_jit(lambda learner: learner.losses(*held_out, None))(learner)
    assert sum(float(v) for v in kept.values()) == pytest.approx(totals[0], rel=1e-4)


def test_a_stored_data_set_teaches_as_well(stored: StoredSampler) -> None:
    training = fit(start(), stored, validation=SAMPLER, progress=False)
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


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (StoredSampler(np.ones((2, POINTS)), [0, 3]), "labels of the data set go from 0 to 3"),
        (StoredSampler(np.ones((2, POINTS)), [-1, 0]), "labels of the data set go from -1 to 0"),
        (StoredSampler(np.ones((2, POINTS + 1)), [0, 1]), f"signals of {POINTS + 1} points"),
        (StoredSampler(np.ones((2, POINTS)), [0, 1], np.ones((2, 1))), "1 conditions; the prior's have"),
    ],
)
def test_a_data_set_of_another_prior_is_refused(stored: StoredSampler, why: str) -> None:
    with pytest.raises(MeasurementError, match=why):
        learn(PRIOR, quick(), data=stored, progress=False)


def test_a_checkpoint_is_of_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fit(*_: object, identity: str, **__: object) -> None:
        asked.append(identity)
        raise InterruptedTrainingError("enough")

    monkeypatch.setattr(agent_module, "fit", fit)
    one, other = (StoredSampler(np.full((2, POINTS), value), [0, 1]) for value in (0.5, 0.6))
    for data in (None, one, other, one):
        with pytest.raises(InterruptedTrainingError):
            learn(PRIOR, quick(), data=data, progress=False)
    assert asked[1] == asked[3]
    assert len(set(asked)) == 3


def test_training_that_diverges_says_so(stored: StoredSampler) -> None:
    """Gradients of signals that are no numbers are none either."""
    broken = eqx.tree_at(lambda sampler: sampler.batch.signals, stored, jnp.full((512, POINTS), jnp.nan))
    with pytest.raises(
        AgentError, match=r"held-out loss of the .* no longer a number at step 40.*lower training\."
    ):
        fit(start(), broken, validation=SAMPLER, progress=False)
