"""Backbones that start from files of weights, one a sensor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from torch import nn

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.weights_file import read_weights, weights_checksum
from geo_xmodal.networks.backbones import Backbone


def start_encoders(encoders: nn.ModuleList, weights: Mapping[int, Path]) -> None:
    """Hand each backbone the weights of its file.

    Args:
        encoders: backbones, one a sensor.
        weights: files by the number of the sensor.

    Raises:
        TrainingDataError: A file cannot be read, or is not for the backbone.
    """
    for number, path in weights.items():
        try:
            cast(Backbone, encoders[number]).start_from(read_weights(path, weights_checksum(path)))
        except ValueError as error:
            raise TrainingDataError(f"{path}: {error}") from None
