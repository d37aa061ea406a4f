import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.learn.toy import POINTS, ToyPrior, quick

from nescio.learn import VAE, LearnSettings, VAESettings
from nescio.learn.classes import Learner, Neighbours, OutlierSettings, PriorSampler
from nescio.learn.classes.outliers import make_outliers
from nescio.learn.networks import Classifier, ClassifierSettings
from nescio.techniques import Batch

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


def test_the_default_map_has_the_seeds_architecture() -> None:
    vae = VAE(2048, 0, 3, LearnSettings().map, RNG)
    assert [layer.weight.shape for layer in vae.encoder] == [(2048, 256), (256, 128), (128, 4)]
    assert [layer.weight.shape for layer in vae.decoder] == [(2, 128), (128, 256), (256, 2048)]


def test_the_loss_is_cross_entropy_plus_divergence() -> None:
    """Against the closed forms, for a decoder and an encoder whose outputs are set by hand."""
    settings = VAESettings(hidden=(4,), latent=2, beta=3.0)
    vae = jax.tree.map(jnp.zeros_like, VAE(POINTS, 0, 3, settings, RNG))
    signals = jax.random.uniform(KEY, (5, POINTS))
    labels, conditions = jnp.zeros(5, int), jnp.zeros((5, 0))
    # All weights zero: reconstruction 1/2 everywhere, latent mean 0 and variance 1.
    np.testing.assert_allclose(vae.loss(signals, labels, conditions, None), POINTS * np.log(2.0), rtol=1e-5)
    mean, log_variance = jnp.array([0.3, -1.0]), jnp.array([0.5, -0.7])
    last = vae.encoder[-1]
    object.__setattr__(last, "bias", jnp.concatenate([mean, log_variance]))
    divergence = 0.5 * jnp.sum(mean**2 + jnp.exp(log_variance) - 1 - log_variance)
    expected = POINTS * np.log(2.0) + 3.0 * divergence
    np.testing.assert_allclose(vae.loss(signals, labels, conditions, None), expected, rtol=1e-5)


def test_conditions_reach_encoder_and_decoder() -> None:
    vae = VAE(POINTS, 2, 3, VAESettings(hidden=(16,)), RNG)
    signals = jnp.ones((1, POINTS))
    one, other = (jnp.array([[share, 1 - share]]) for share in (0.1, 0.9))
    assert not np.allclose(vae.encode(signals, one)[0], vae.encode(signals, other)[0])
    assert not np.allclose(vae.decode(jnp.zeros((1, 2)), one), vae.decode(jnp.zeros((1, 2)), other))


@pytest.mark.parametrize("points", [17, 2048])
def test_the_classifier_takes_any_length_and_sees_all_of_it(points: int) -> None:
    classifier = Classifier(points, 0, 3, ClassifierSettings(), RNG)
    none = jnp.zeros((1, 0))
    sensitivity = jax.grad(lambda x: jnp.sum(classifier(x, none) ** 2))(jax.random.uniform(KEY, (1, points)))
    assert classifier(jnp.ones((1, points)), none).shape == (1, 4)
    reached = np.abs(np.asarray(sensitivity[0])) > 0
    assert reached[:8].any()
    assert reached[-8:].any()


def test_members_of_an_ensemble_differ() -> None:
    learner = Learner(POINTS, 0, 3, quick())
    logits = learner.logits(jnp.ones((2, POINTS)), jnp.zeros((2, 0)))
    assert logits.shape == (2, 2, 4)
    assert not np.allclose(logits[0], logits[1])


def test_outliers_are_mixtures_of_two_classes_and_moved_or_spread_signals() -> None:
    batch = ToyPrior().sample_ideal(jax.random.key(3), 60)
    outliers = make_outliers(batch, OutlierSettings(), KEY)
    assert outliers.signals.shape == (105, POINTS)
    assert outliers.conditions.shape == (105, 0)
    np.testing.assert_allclose(outliers.signals.max(axis=1), 1.0, rtol=1e-6)
    # A mixture within one class is no outlier: weight 0, about a third of them.
    assert 0.15 < float(np.mean(np.asarray(outliers.weight[:60]) == 0.0)) < 0.55
    assert (np.asarray(outliers.weight[60:]) == 1.0).all()


def test_outliers_are_as_noisy_as_what_is_known() -> None:
    known, outliers = PriorSampler(ToyPrior())(jax.random.key(3), 400, OutlierSettings())
    # Noise below zero is cut off: half of what lies beside the peaks is exactly zero, whatever the peaks are.
    beside = [np.asarray(signals) for signals in (known.signals, outliers.signals[:400])]
    shares = [float(np.mean(signals[signals < 0.01] == 0.0)) for signals in beside]
    assert shares[0] == pytest.approx(shares[1], abs=0.04)


def test_a_stretched_signal_has_its_peaks_elsewhere() -> None:
    spike = jnp.zeros((2, 200)).at[:, 100].set(1.0)
    batch = Batch(spike, jnp.zeros(2, int), jnp.zeros((2, 0)))
    settings = OutlierSettings(stretch_range=(0.1, 0.1))
    moved = int(make_outliers(batch, settings, KEY).signals[2].argmax())
    # About the point 0.2 x 200 before the start: (100 + 40) e^(-+0.1) - 40, on the original's grid.
    assert moved == pytest.approx(140 * np.exp(0.1) - 40, abs=1.0) or moved == pytest.approx(
        140 * np.exp(-0.1) - 40, abs=1.0
    )


def test_a_spread_signal_is_as_wide_as_was_asked_for_and_stays_where_it_is() -> None:
    spike = jnp.zeros((4, 1000)).at[:, 500].set(1.0)
    batch = Batch(spike, jnp.zeros(4, int), jnp.zeros((4, 0)))
    settings = OutlierSettings(blur_range=(0.1, 0.1))
    spread = np.asarray(make_outliers(batch, settings, KEY).signals[6])
    above = np.flatnonzero(spread > 0.5)
    assert np.ptp(above) == pytest.approx(100, abs=2)
    assert above.mean() == pytest.approx(500, abs=1)


def test_neighbours_vote() -> None:
    latent = np.array([[0, 0], [0, 1], [1, 0], [9, 9], [9, 8], [8, 9]], np.float32)
    neighbours = Neighbours(latent, np.array([0, 0, 0, 1, 1, 1], np.int32), 2, 3)
    np.testing.assert_allclose(
        neighbours.probabilities(np.array([[0.2, 0.2], [8.5, 8.5]], np.float32)), [[1, 0], [0, 1]]
    )
    assert neighbours.predict(np.array([[8, 8]], np.float32)).tolist() == [1]
