"""Learning a prior and judging measurements by it; knows nothing of any technique."""

from nescio.learn.agent import Agent, Calibration, learn
from nescio.learn.calibration import (
    conformal_p_values,
    expected_calibration_error,
    fit_temperature,
    flagged_fraction,
    tempered_probabilities,
)
from nescio.learn.convolutional import ConvolutionalVAE
from nescio.learn.draws import disturb, draw, draw_ideal
from nescio.learn.evaluation import BATCH
from nescio.learn.familiarity import Familiarity, fit_familiarity
from nescio.learn.fitting import fit_convolutional_vae, fit_vae
from nescio.learn.learner import Learner
from nescio.learn.novelty import NoveltyScale
from nescio.learn.numbers import (
    FamiliaritySettings,
    IntervalSettings,
    NumberAgent,
    NumberSettings,
    learn_numbers,
)
from nescio.learn.outliers import Outliers
from nescio.learn.regression import (
    Expectation,
    Regression,
    RegressionSettings,
    fit_regression,
)
from nescio.learn.resumed import learned_into
from nescio.learn.sampling import PriorSampler, Sampler, StoredSampler, TrainingDraw
from nescio.learn.settings import (
    CalibrationSettings,
    ClassifierSettings,
    LearnSettings,
    OutlierSettings,
    TrainingSettings,
    VAESettings,
)
from nescio.learn.store import load_agent, open_agent, save_agent
from nescio.learn.train import Training, fit
from nescio.learn.vae import VAE

__all__ = [
    "BATCH",
    "VAE",
    "Agent",
    "Calibration",
    "CalibrationSettings",
    "ClassifierSettings",
    "ConvolutionalVAE",
    "Expectation",
    "Familiarity",
    "FamiliaritySettings",
    "IntervalSettings",
    "LearnSettings",
    "Learner",
    "NoveltyScale",
    "NumberAgent",
    "NumberSettings",
    "OutlierSettings",
    "Outliers",
    "PriorSampler",
    "Regression",
    "RegressionSettings",
    "Sampler",
    "StoredSampler",
    "Training",
    "TrainingDraw",
    "TrainingSettings",
    "VAESettings",
    "conformal_p_values",
    "disturb",
    "draw",
    "draw_ideal",
    "expected_calibration_error",
    "fit",
    "fit_convolutional_vae",
    "fit_familiarity",
    "fit_regression",
    "fit_temperature",
    "fit_vae",
    "flagged_fraction",
    "learn",
    "learn_numbers",
    "learned_into",
    "load_agent",
    "open_agent",
    "save_agent",
    "tempered_probabilities",
]
