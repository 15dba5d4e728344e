"""What `transfer` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from geo_xmodal.requests.common import Device, Layout, Precision, Resume
from geo_xmodal.requests.option import Option, Request

Task = Literal["segmentation", "classification"]
Head = Literal["fcn", "segformer", "cmx"]


class TransferOptions(Request):
    """How backbones are judged on few labels of chips (Wang et al. 2024, DeCUR, appendix B.2).

    Attributes:
        task: label every pixel, or say which classes a chip holds (several labels a chip).
        head: of a segmentation: `fcn` (one sensor or several), `segformer`, or `cmx` (two sensors).
        backbone: a name of `geo_xmodal.networks.backbones.BACKBONES`, one for each sensor.
        frozen: a linear probe: backbones stay as they start. Otherwise all weights are tuned.
        draws: how many times chips are drawn, each with a seed of its own for chips, weights and steps.
        seed: of the first draw; the others follow.
        epochs: passes over the chips.
        least_steps: steps in an epoch at least.
        batch: images in a step.
        learning_rate: highest one, of AdamW; None is 0.001 for a probe and 0.0001 for fine-tuning.
        weight_decay: of AdamW; the appendix has 0.01 for segmentation.
        tile: side of the tiles of a segmentation, a power of two.
        overlap: pixels that the image of a tile reaches beyond it.
        size: side of the images of a classification, in pixels, to which chips are resampled.
        max_chips: training chips at most, drawn at random before any share.
        device: what trains.
        precision: of activations.
        resume: go on with what an earlier study left.
    """

    task: Annotated[
        Task, Option("Task", "Label every pixel, or say which classes a chip holds (several a chip).")
    ] = "segmentation"
    head: Annotated[
        Head, Option("Head", "Of a segmentation: cmx fuses two sensors.", applies={"task": ("segmentation",)})
    ] = "fcn"
    backbone: Annotated[
        str, Option("Backbone", "resnet18, resnet50, vit_s16, or mit_b0 to mit_b5, one for each sensor.")
    ] = "resnet18"
    frozen: Annotated[
        bool, Option("Linear probe", "Backbones stay as they start (a linear probe of fcn and of classes).")
    ] = False
    draws: Annotated[
        int, Option("Number of draws", "How many times chips are drawn."), Field(ge=1, le=100)
    ] = 1
    seed: Annotated[int, Option("Seed", "Of the first draw.", expert=True), Field(ge=0)] = 0
    epochs: Annotated[int, Option("Epochs", "Passes over the chips."), Field(ge=1)] = 30
    least_steps: Annotated[int, Option("Steps in an epoch", "At least.", expert=True), Field(ge=1)] = 20
    batch: Annotated[int, Option("Batch", "Images in a step.", expert=True), Field(ge=2)] = 8
    learning_rate: Annotated[
        float | None,
        Option(
            "Learning rate",
            "Highest one (default: 0.001 for a linear probe, 0.0001 for fine-tuning).",
            expert=True,
        ),
        Field(gt=0),
    ] = None
    weight_decay: Annotated[float, Option("Weight decay", "Of AdamW.", expert=True), Field(ge=0)] = 0.01
    tile: Annotated[
        int,
        Option("Tile", "Side of the tiles of a segmentation, a power of two.", unit="pixels", expert=True),
        Field(ge=32, le=1024),
    ] = 128
    overlap: Annotated[
        int,
        Option("Overlap", "Pixels that the image of a tile reaches beyond it.", unit="pixels", expert=True),
        Field(ge=0, le=512),
    ] = 32
    size: Annotated[
        int,
        Option("Image size", "Side of the images of a classification.", unit="pixels", expert=True),
        Field(ge=32, le=1024),
    ] = 128
    max_chips: Annotated[
        int,
        Option("Most chips", "Training chips at most, drawn before any share.", expert=True),
        Field(ge=2),
    ] = 20_000
    device: Device = "auto"
    precision: Precision = "float32"
    resume: Resume = False


class TransferCommand(TransferOptions):
    """Judge backbones on shares of the labels of a set of chips: linear probe or fine-tuning."""

    command: ClassVar[str] = "transfer"
    title: ClassVar[str] = "Transfer to few labels"

    chips: Annotated[
        Path,
        Option(
            "Chips",
            "A folder with a chips.toml, or a copy of a known set.",
            takes="folder",
            metavar="FOLDER",
        ),
    ]
    layout: Layout = None
    sensors: Annotated[
        str | None,
        Option("Sensors", "Sensors that are joined (default: the set's target).", metavar="A,B"),
    ] = None
    labels: Annotated[
        str,
        Option("Shares of the labels", "Shares of the training chips.", metavar="SHARE,..."),
    ] = "0.01,0.1,1"
    weights: Annotated[
        tuple[str, ...],
        Option(
            "Weights",
            "A safetensors file that the backbone of a sensor starts from, or a run of pretrain with that "
            "sensor. May be given several times.",
            metavar="SENSOR=FILE|RUN",
        ),
    ] = ()
    out: Annotated[
        Path | None,
        Option("Folder", "The folder (default: runs/SET-transfer).", takes="new folder"),
    ] = None
