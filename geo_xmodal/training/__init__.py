"""A run: data to learner to loop to bundle to test to report."""

from geo_xmodal.training.experiment import train_scene
from geo_xmodal.training.request import DATA_SETTINGS, Plan, TrainRequest, Variant, resolve

__all__ = ["DATA_SETTINGS", "Plan", "TrainRequest", "Variant", "resolve", "train_scene"]
