"""What `correlate` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from geo_xmodal.requests.common import MAX_SEEDS, SCENE, AllowAddresses
from geo_xmodal.requests.option import Option, Request, Surface

Estimator = Literal["ace", "neural"]
"""Nonlinear estimators of correlation."""

_COMMAND_LINE: tuple[Surface, ...] = ("command line",)
"""The benchmark and the timing of objectives are for who develops methods: no form offers them."""


class CorrelateRequest(Request):
    """Say how much one sensor tells about another: held-out estimate, interval, null, spectrum."""

    command: ClassVar[str] = "correlate"
    title: ClassVar[str] = "Correlate sensors"

    scene: Annotated[str | None, Option("Scene", SCENE, takes="scene", metavar="NAME_OR_PATH")] = None
    between: Annotated[
        tuple[str, str] | None,
        Option("Two sensors", "Two sensors of the scene.", metavar="SENSOR SENSOR"),
    ] = None
    target_classes: Annotated[
        bool, Option("Class by class", "Also: what each sensor tells of each class.")
    ] = False
    x: Annotated[
        Path | None,
        Option(
            "Samples of one side",
            "A .npy file of floats (samples, columns).",
            expert=True,
            takes="file",
            suffix="npy",
        ),
    ] = None
    y: Annotated[
        Path | None,
        Option(
            "Samples of the other side",
            "Another, with the same samples in the same order.",
            expert=True,
            takes="file",
            suffix="npy",
        ),
    ] = None
    blocks: Annotated[
        Path | None,
        Option(
            "Blocks of the samples",
            "For {x} and {y}: a .npy file with a block id a row; without it rows are taken as exchangeable.",
            expert=True,
            takes="file",
            suffix="npy",
        ),
    ] = None
    block_size: Annotated[
        int | None,
        Option(
            "Side of a block",
            "For {scene}: side of a block in pixels (default: chosen).",
            unit="pixels",
            expert=True,
        ),
        Field(ge=2),
    ] = None
    method: Annotated[
        Estimator,
        Option(
            "Nonlinear estimator",
            "The nonlinear estimator, beside linear CCA: ace, or neural (slower).",
            expert=True,
        ),
    ] = "ace"
    samples: Annotated[
        int, Option("Most samples", "Most samples.", expert=True), Field(ge=100, le=100_000)
    ] = 20_000
    labels: Annotated[
        Path | None,
        Option(
            "Classes of the samples",
            "For {x} and {y}: a .npy file with a class id a row, negative where unknown. Objectives are "
            "compared by how well a linear classifier moves from one view to the other, and by retrieval.",
            expert=True,
            takes="file",
            suffix="npy",
            surfaces=_COMMAND_LINE,
        ),
    ] = None
    objectives: Annotated[
        str | None,
        Option(
            "Objectives",
            "Objectives to compare, or all (the default with {labels} and {timing}); without {labels}, by "
            "retrieval alone.",
            expert=True,
            metavar="A,B,...",
            surfaces=_COMMAND_LINE,
        ),
    ] = None
    test: Annotated[
        Path | None,
        Option(
            "Rows that test",
            "Of the benchmark: a .npy file that is not 0 where a row tests (default: {test_share} of the "
            "rows, drawn for each seed; rows that repeat a view stay together).",
            expert=True,
            takes="file",
            suffix="npy",
            surfaces=_COMMAND_LINE,
        ),
    ] = None
    test_share: Annotated[
        float,
        Option(
            "Share that tests", "Of the benchmark: share of the rows.", expert=True, surfaces=_COMMAND_LINE
        ),
        Field(ge=0.01, le=0.9),
    ] = 0.3
    components: Annotated[
        int | None,
        Option(
            "Features",
            "Of the benchmark: features of a view (default: 10, or the columns of the narrower file).",
            expert=True,
            surfaces=_COMMAND_LINE,
        ),
        Field(ge=1, le=512),
    ] = None
    epochs: Annotated[
        int,
        Option(
            "Epochs",
            "Of the benchmark: passes over the training rows at most.",
            expert=True,
            surfaces=_COMMAND_LINE,
        ),
        Field(ge=1, le=10_000),
    ] = 100
    seeds: Annotated[
        int,
        Option(
            "Number of seeds",
            "Of the benchmark: how many seeds, from {seed} on, of split, weights and batches.",
            expert=True,
            surfaces=_COMMAND_LINE,
        ),
        Field(ge=1, le=MAX_SEEDS),
    ] = 3
    timing: Annotated[
        bool,
        Option(
            "Time objectives",
            "Time and memory of objectives by batch and dimension, against cosine similarity in one run.",
            expert=True,
            surfaces=_COMMAND_LINE,
        ),
    ] = False
    batches: Annotated[
        str,
        Option(
            "Batches",
            "Of {timing}: numbers of rows.",
            expert=True,
            metavar="M,...",
            surfaces=_COMMAND_LINE,
        ),
    ] = "64,256,1024,4096"
    dimensions: Annotated[
        str,
        Option(
            "Dimensions",
            "Of {timing}: numbers of columns.",
            expert=True,
            metavar="K,...",
            surfaces=_COMMAND_LINE,
        ),
    ] = "64,256,1024"
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        Option(
            "Device",
            "Of {timing}: auto is a CUDA device where there is one, else the processor.",
            expert=True,
            surfaces=_COMMAND_LINE,
        ),
    ] = "auto"
    seed: Annotated[int, Option("Seed", "Of every random draw.", expert=True), Field(ge=0)] = 0
    out: Annotated[
        Path | None,
        Option("Folder", "Folder for the numbers (JSON) and the figure.", takes="new folder"),
    ] = None
    allow_addresses: AllowAddresses = False
