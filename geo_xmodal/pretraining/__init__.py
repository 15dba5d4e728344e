"""Pretraining without labels: encoders of two sensors that learn from pairs alone."""

from geo_xmodal.methods.pretraining.options import PRETRAINING_METHODS, PretrainingOptions
from geo_xmodal.pretrained import Pretrained, PretrainedCard, PretrainedSensor, load_pretrained
from geo_xmodal.pretraining.pretrain import PretrainingRun, pretrain_scene
from geo_xmodal.pretraining.request import PretrainRequest

__all__ = [
    "PRETRAINING_METHODS",
    "PretrainRequest",
    "Pretrained",
    "PretrainedCard",
    "PretrainedSensor",
    "PretrainingOptions",
    "PretrainingRun",
    "load_pretrained",
    "pretrain_scene",
]
