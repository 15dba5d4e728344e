"""What a transfer study is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from geo_xmodal.requests import TransferOptions

Fraction = Annotated[float, Field(gt=0, le=1)]


class TransferRequest(TransferOptions):
    """A transfer study, as asked, with options as values.

    Attributes:
        sensors: of the set, in the order in which they are joined; empty for the set's target. Whoever
            predicts needs all of them: with two or more it is no map from one sensor.
        fractions: shares of the training chips with labels that are learned from, without replacement.
            Within a draw, the chips of a smaller share are among those of a larger one.
        weights: a safetensors file for each sensor whose backbone starts from it, or a pretraining run that
            has an encoder of a sensor of this name; others start at random.
    """

    sensors: tuple[str, ...] = ()
    fractions: tuple[Fraction, ...] = Field((0.01, 0.1, 1.0), min_length=1)
    weights: dict[str, Path] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.sensors)) < len(self.sensors):
            raise ValueError(f"sensors {', '.join(self.sensors)}: one comes twice")
        if self.task == "segmentation" and self.head == "cmx" and len(self.sensors) != 2:
            raise ValueError(f"head cmx fuses two sensors, got {len(self.sensors) or 1}: name two")
        return self

    @property
    def rate(self) -> float:
        """The highest learning rate."""
        return self.learning_rate or (1e-3 if self.frozen else 1e-4)
