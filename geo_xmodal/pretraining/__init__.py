"""Pretraining without labels: encoders of two sensors that learn from pairs alone."""

from geo_xmodal.pretrained import Pretrained, PretrainedCard, PretrainedSensor, load_pretrained

__all__ = ["Pretrained", "PretrainedCard", "PretrainedSensor", "load_pretrained"]
