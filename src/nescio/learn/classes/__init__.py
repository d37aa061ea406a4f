"""Agents for classes: map, detectors and classifiers, trained together and calibrated with held-out draws."""

from nescio.learn.classes.agent import ClassAgent
from nescio.learn.classes.calibrate import Calibration
from nescio.learn.classes.draws import BATCH, disturb, draw, draw_ideal
from nescio.learn.classes.learner import Learner
from nescio.learn.classes.neighbours import Neighbours
from nescio.learn.classes.novelty import VIEWS, NoveltyScale
from nescio.learn.classes.sampling import PriorSampler, Sampler, StoredSampler, TrainingDraw
from nescio.learn.classes.settings import (
    CalibrationSettings,
    LearnSettings,
    OutlierSettings,
    TrainingSettings,
)

__all__ = [
    "BATCH",
    "VIEWS",
    "Calibration",
    "CalibrationSettings",
    "ClassAgent",
    "LearnSettings",
    "Learner",
    "Neighbours",
    "NoveltyScale",
    "OutlierSettings",
    "PriorSampler",
    "Sampler",
    "StoredSampler",
    "TrainingDraw",
    "TrainingSettings",
    "disturb",
    "draw",
    "draw_ideal",
]
