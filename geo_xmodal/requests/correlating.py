"""What `correlate` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from geo_xmodal.requests.common import SCENE, AllowAddresses
from geo_xmodal.requests.option import Option, Request

Estimator = Literal["ace", "neural"]
"""Nonlinear estimators of correlation."""


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
    seed: Annotated[int, Option("Seed", "Of every random draw.", expert=True), Field(ge=0)] = 0
    out: Annotated[
        Path | None,
        Option("Folder", "Folder for correlation.json and correlation.png.", takes="new folder"),
    ] = None
    allow_addresses: AllowAddresses = False
