"""Weights that a network starts from: a file of the user's, named with its checksum among the options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator
from torch import Tensor

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.base import Options
from geo_xmodal.methods.weights_file import read_weights, with_checksum


class StartOptions(Options):
    """Options of a method whose network may start from weights that others trained."""

    weights: str | None = Field(
        None,
        description="safetensors file of weights that a backbone starts from, named as timm names them",
    )
    weights_sha256: str | None = Field(None, description="checksum that the file of weights must have")
    frozen: bool = Field(False, description="leave the weights of a backbone as they are, and learn the rest")
    backbone_rate: float = Field(
        1.0, gt=0, le=1, description="share of the learning rate for the weights of a backbone"
    )

    @model_validator(mode="before")
    @classmethod
    def _weights_are_these(cls, raw: Any) -> Any:
        return with_checksum(raw, "weights")

    def start(self, start_from: Callable[[Mapping[str, Tensor]], None]) -> None:
        """Hand the weights of the file, if one is named, to a network.

        Args:
            start_from: takes weights by name; a `ValueError` says that they are not for it.

        Raises:
            TrainingDataError: The file is another one by now, cannot be read, or is not for the network.
        """
        if self.weights is None:
            return
        weights = read_weights(Path(self.weights), str(self.weights_sha256))
        try:
            start_from(weights)
        except ValueError as error:
            raise TrainingDataError(f"{self.weights}: {error}") from None
