from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.learn.toy import POINTS, ToyPrior, quick

from nescio.errors import AgentError, InterruptedTrainingError, MeasurementError
from nescio.learn import ClassAgent, StoredSampler, draw
from nescio.learn import train as train_module
from nescio.learn.classes import Learner, PriorSampler
from nescio.learn.classes import agent as agent_module
from nescio.learn.classes.training import fit_learner
from nescio.learn.train import Trained, total_loss

PRIOR = ToyPrior()
SAMPLER = PriorSampler(PRIOR)
# What a step does is the same in all of these, so that it is compiled once.
STEPS = {"steps": 90, "chunk": 20, "validation_size": 64}
SETTINGS = quick(**STEPS, validation_every=40)


def start(settings=SETTINGS) -> Learner:
    return Learner(POINTS, 0, 3, settings)


def same(one: Trained, other: Trained) -> bool:
    leaves = zip(jax.tree.leaves(one.module), jax.tree.leaves(other.module), strict=True)
    return all(np.array_equal(a, b) for a, b in leaves)


@pytest.fixture(scope="module")
def uninterrupted() -> Trained:
    return fit_learner(start(), SAMPLER, validation=SAMPLER, progress=False)


# Signals unlike all that is drawn: the better those are learned, the worse are these.
UNLIKE = StoredSampler(np.full((2, POINTS), 0.5), [0, 1])


@pytest.fixture(scope="module")
def worse_and_worse() -> Trained:
    settings = quick(**STEPS, validation_every=20, patience=2)
    return fit_learner(start(settings), SAMPLER, validation=UNLIKE, progress=False)


@pytest.fixture(scope="module")
def stored() -> StoredSampler:
    return StoredSampler(*draw(PRIOR, jax.random.key(9), 512))


def interrupt_after(monkeypatch: pytest.MonkeyPatch, pieces: int) -> None:
    """Press Ctrl-C after so many compiled pieces of the training."""

    @contextmanager
    def stopping(*_: object, **__: object) -> Iterator[Callable[..., None]]:
        told: list[float] = []

        def advance(amount: float, message: str = "") -> None:
            told.append(amount)
            if len(told) == pieces + 1:
                raise KeyboardInterrupt

        yield advance

    monkeypatch.setattr(train_module, "track", stopping)


def test_the_loss_falls_and_all_steps_are_taken(uninterrupted: Trained) -> None:
    assert uninterrupted.steps == 90
    assert [entry["step"] for entry in uninterrupted.history] == [40.0, 80.0, 90.0]
    for part in ("map", "detector", "classifier"):
        assert uninterrupted.history[-1][part] < uninterrupted.history[0][part]


def test_training_is_the_same_every_time(uninterrupted: Trained) -> None:
    assert same(uninterrupted, fit_learner(start(), SAMPLER, validation=SAMPLER, progress=False))


def test_after_ctrl_c_training_goes_on_to_the_same_weights(
    uninterrupted: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)
        with pytest.raises(InterruptedTrainingError, match=r"step 60 of 90.*--resume"):
            fit_learner(
                start(), SAMPLER, validation=SAMPLER, checkpoint=tmp_path, identity="a", progress=False
            )
    resumed = fit_learner(
        start(), SAMPLER, validation=SAMPLER, checkpoint=tmp_path, identity="a", resume=True, progress=False
    )
    assert resumed.history == uninterrupted.history
    assert same(resumed, uninterrupted)


def test_without_a_folder_an_interruption_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(monkeypatch, 1)
    with pytest.raises(InterruptedTrainingError, match="nothing was saved"):
        fit_learner(start(), SAMPLER, validation=SAMPLER, progress=False)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(InterruptedTrainingError):
            fit_learner(
                start(), SAMPLER, validation=SAMPLER, checkpoint=tmp_path, identity="a", progress=False
            )
    with pytest.raises(AgentError, match="another prior"):
        fit_learner(
            start(),
            SAMPLER,
            validation=SAMPLER,
            checkpoint=tmp_path,
            identity="b",
            resume=True,
            progress=False,
        )


def test_training_stops_when_nothing_improves_any_more(worse_and_worse: Trained) -> None:
    assert [entry["step"] for entry in worse_and_worse.history] == [20.0, 40.0, 60.0]
    assert worse_and_worse.steps == 60


def test_the_best_weights_are_kept_not_the_last(worse_and_worse: Trained) -> None:
    """Steps that make it worse must not cost what was learned before."""
    totals = [total_loss(entry) for entry in worse_and_worse.history]
    assert totals[0] < 0.9 * totals[-1]
    learner = worse_and_worse.module
    held_out = eqx.filter_jit(lambda draw, key: draw(key, 64, SETTINGS.outliers))(
        UNLIKE, jax.random.fold_in(jax.random.key(SETTINGS.training.seed), 2)
    )
    kept = eqx.filter_jit(lambda learner: learner.losses(*held_out, None))(learner)
    assert sum(float(v) for v in kept.values()) == pytest.approx(totals[0], rel=1e-4)


def test_a_stored_data_set_teaches_as_well(stored: StoredSampler) -> None:
    training = fit_learner(start(), stored, validation=SAMPLER, progress=False)
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
        (StoredSampler(np.ones((2, POINTS)), [0, 3]), "labels of the data set range from 0 to 3"),
        (StoredSampler(np.ones((2, POINTS)), [-1, 0]), "labels of the data set range from -1 to 0"),
        (StoredSampler(np.ones((2, POINTS + 1)), [0, 1]), f"signals of {POINTS + 1} points"),
        (StoredSampler(np.ones((2, POINTS)), [0, 1], np.ones((2, 1))), "1 conditions; the prior's have"),
    ],
)
def test_a_data_set_of_another_prior_is_refused(stored: StoredSampler, why: str) -> None:
    with pytest.raises(MeasurementError, match=why):
        ClassAgent.train(PRIOR, quick(), data=stored, progress=False)


def test_a_checkpoint_is_of_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fit(*_: object, identity: str, **__: object) -> None:
        asked.append(identity)
        raise InterruptedTrainingError("enough")

    monkeypatch.setattr(agent_module, "fit_learner", fit)
    one, other = (StoredSampler(np.full((2, POINTS), value), [0, 1]) for value in (0.5, 0.6))
    for data in (None, one, other, one):
        with pytest.raises(InterruptedTrainingError):
            ClassAgent.train(PRIOR, quick(), data=data, progress=False)
    assert asked[1] == asked[3]
    assert len(set(asked)) == 3


def test_training_that_diverges_says_so(stored: StoredSampler) -> None:
    """Gradients of signals that are no numbers are none either."""
    broken = eqx.tree_at(lambda sampler: sampler.batch.signals, stored, jnp.full((512, POINTS), jnp.nan))
    with pytest.raises(
        AgentError, match=r"held-out loss of the .* no longer a number at step 40.*lower training\."
    ):
        fit_learner(start(), broken, validation=SAMPLER, progress=False)
