"""Training of agents on priors and assessment of measurements, independent of the technique."""

from nescio.learn.agent import Agent, find_agent, learn
from nescio.learn.autoencoders import fit_convolutional_vae, fit_vae
from nescio.learn.calibration import conformal_p_values, expected_calibration_error, flagged_fraction
from nescio.learn.classes import (
    BATCH,
    ClassAgent,
    LearnSettings,
    StoredSampler,
    disturb,
    draw,
    draw_ideal,
)
from nescio.learn.folders import checkpoint_of, train_into
from nescio.learn.networks import VAE, ConvolutionalVAE, VAESettings
from nescio.learn.numbers import NumberAgent, NumberSettings
from nescio.learn.store import agent_digest, load_agent, save_agent

__all__ = [
    "BATCH",
    "VAE",
    "Agent",
    "ClassAgent",
    "ConvolutionalVAE",
    "LearnSettings",
    "NumberAgent",
    "NumberSettings",
    "StoredSampler",
    "VAESettings",
    "agent_digest",
    "checkpoint_of",
    "conformal_p_values",
    "disturb",
    "draw",
    "draw_ideal",
    "expected_calibration_error",
    "find_agent",
    "fit_convolutional_vae",
    "fit_vae",
    "flagged_fraction",
    "learn",
    "load_agent",
    "save_agent",
    "train_into",
]
