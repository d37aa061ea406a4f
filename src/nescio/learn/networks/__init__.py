"""Networks: autoencoders of signals and images, a classifier, and shared layers."""

from nescio.learn.networks.classifier import Classifier
from nescio.learn.networks.convolutional import ConvolutionalVAE
from nescio.learn.networks.layers import Dense, Draws, shapes_of, stacked
from nescio.learn.networks.settings import ClassifierSettings, VAESettings
from nescio.learn.networks.vae import VAE

__all__ = [
    "VAE",
    "Classifier",
    "ClassifierSettings",
    "ConvolutionalVAE",
    "Dense",
    "Draws",
    "VAESettings",
    "shapes_of",
    "stacked",
]
