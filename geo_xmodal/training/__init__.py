"""A run: data to learner to loop to bundle to test to report."""

from geo_xmodal.training.engine import compute_for
from geo_xmodal.training.experiment import train_scene
from geo_xmodal.training.request import DATA_SETTINGS, Plan, TrainRequest, Variant, resolve
from geo_xmodal.training.result import Accuracies, ClassAccuracy, Figure, Gain, TrainedRun

__all__ = [
    "DATA_SETTINGS",
    "Accuracies",
    "ClassAccuracy",
    "Figure",
    "Gain",
    "Plan",
    "TrainRequest",
    "TrainedRun",
    "Variant",
    "compute_for",
    "resolve",
    "train_scene",
]
