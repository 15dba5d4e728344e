"""What a transfer study is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from geo_xmodal.requests.common import TrainingDevice, TrainingPrecision

Fraction = Annotated[float, Field(gt=0, le=1)]


class TransferRequest(BaseModel):
    """A transfer study, as asked (Wang et al. 2024, DeCUR, appendix B.2).

    Attributes:
        task: label every pixel (`segmentation`), or say which classes a chip holds (`classification`, with
            several labels a chip).
        sensors: of the set, in the order in which they are joined; empty for the set's target. Whoever
            predicts needs all of them: with two or more it is no map from one sensor.
        head: of a segmentation: `fcn` (one sensor or several), `segformer`, or `cmx` (two sensors).
        backbone: a name of `geo_xmodal.networks.backbones.BACKBONES`, one for each sensor.
        weights: a safetensors file for each sensor that its backbone starts from; others start at random.
        frozen: a linear probe: backbones stay as they start. Otherwise all weights are tuned.
        fractions: shares of the training chips with labels that are learned from, without replacement.
        draws: how many times chips are drawn. Within a draw, the chips of a smaller share are among those of
            a larger one.
        seed: of the first draw; the others follow. Weights and steps of a draw have its seed, too.
        epochs: passes over the chips.
        least_steps: steps in an epoch at least.
        batch: images in a step.
        learning_rate: highest one; None is that of the appendix's optimiser for AdamW: 0.001 for a probe,
            0.0001 for fine-tuning.
        weight_decay: of AdamW; the appendix has 0.01 for segmentation and none for classification.
        tile: side of the tiles of a segmentation, a power of two.
        overlap: pixels that the image of a tile reaches beyond it.
        size: side of the images of a classification, in pixels, to which chips are resampled.
        max_chips: chips that are read of the training split at most, drawn at random, before any share.
        device: what trains.
        precision: of activations.
        resume: go on with what an earlier study left.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["segmentation", "classification"] = "segmentation"
    sensors: tuple[str, ...] = ()
    head: Literal["fcn", "segformer", "cmx"] = "fcn"
    backbone: str = "resnet18"
    weights: dict[str, Path] = Field(default_factory=dict)
    frozen: bool = False
    fractions: tuple[Fraction, ...] = Field((0.01, 0.1, 1.0), min_length=1)
    draws: int = Field(1, ge=1, le=100)
    seed: int = Field(0, ge=0)
    epochs: int = Field(30, ge=1)
    least_steps: int = Field(20, ge=1)
    batch: int = Field(8, ge=2)
    learning_rate: float | None = Field(None, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    tile: int = Field(128, ge=32, le=1024)
    overlap: int = Field(32, ge=0, le=512)
    size: int = Field(128, ge=32, le=1024)
    max_chips: int = Field(20_000, ge=2)
    device: TrainingDevice = "auto"
    precision: TrainingPrecision = "float32"
    resume: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.sensors)) < len(self.sensors):
            raise ValueError(f"sensors {', '.join(self.sensors)}: one comes twice")
        if self.task == "segmentation" and self.head == "cmx" and len(self.sensors) != 2:
            raise ValueError(
                f"head cmx fuses two sensors, got {len(self.sensors) or 1}: name two, or take fcn"
            )
        return self

    @property
    def rate(self) -> float:
        """The highest learning rate."""
        return self.learning_rate or (1e-3 if self.frozen else 1e-4)
