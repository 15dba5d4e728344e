"""What `explain` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import option
from geo_xmodal.requests.common import SCENE, AllowAddresses
from geo_xmodal.requests.option import Option, Request

RUN_FOLDER = "explanation"
"""In a run folder, where the explanation of its model lies unless asked otherwise."""

MAX_SAMPLES = 20_000
"""Pixels that are explained."""

MIN_STEPS, MAX_STEPS = 8, 1024
"""Points of Integrated Gradients on the way from the baseline."""


class ExplainOptions(Request):
    """How a model is explained, whichever it is: the options of `explain_model`.

    `routines` may also be a tuple of names. `window` is row, column, height and width in pixels of the scene.
    """

    routines: Annotated[
        str | tuple[str, ...] | None,
        Option(
            "Routines",
            "Which: of a trained model integrated_gradients, occlusion, gradcam, shap; of a pretraining run "
            "alignment, tsne, gradcam, agreement, integrated_gradients, occlusion (default: all that say "
            "something of it).",
            takes="routines",
            words=("integrated_gradients", "occlusion", "gradcam", "shap", "alignment", "tsne", "agreement"),
            metavar="NAME,...",
        ),
    ] = None
    samples: Annotated[
        int,
        Option("Samples", "Pixels that numbers are of, at most.", unit="pixels"),
        Field(ge=1, le=MAX_SAMPLES),
    ] = 600
    steps: Annotated[
        int,
        Option("Steps", "Of Integrated Gradients; more bring the sums closer.", expert=True),
        Field(ge=MIN_STEPS, le=MAX_STEPS),
    ] = 64
    classes: Annotated[
        tuple[str, ...],
        Option(
            "Classes of Grad-CAM",
            "A class that Grad-CAM shows, by name or id; may come again (default: those that are mapped).",
            name="class",
            metavar="NAME|ID",
        ),
    ] = ()
    window: Annotated[
        tuple[int, int, int, int] | None,
        Option(
            "Window of Grad-CAM",
            "Where Grad-CAM looks (default: the 512 x 512 pixels with most test labels).",
            unit="pixels",
            expert=True,
            metavar="ROW COL HEIGHT WIDTH",
        ),
    ] = None
    seed: Annotated[int, Option("Seed", "Of every random draw.", expert=True), Field(ge=0)] = 0


class ExplainSource(Request):
    """Which model is explained, and where."""

    model: Annotated[
        str,
        Option(
            "Model",
            "A run folder, a model folder, a shipped model's name, or a pretraining run.",
            takes="model",
        ),
    ]
    scene: Annotated[str, Option("Scene", SCENE, takes="scene", metavar="NAME_OR_PATH")]
    out: Annotated[
        Path | None,
        Option(
            "Output folder",
            "Folder for figures, explanation.html and explanation.json (default: explanation/ in the run "
            "folder).",
            takes="new folder",
        ),
    ] = None

    @property
    def folder(self) -> Path:
        """Where the explanation goes.

        Raises:
            UsageError: None is given, and the model is no run folder that has a place for it.
        """
        if self.out is not None:
            return self.out
        run = Path(self.model)
        if not any((run / inner / "card.json").is_file() for inner in ("model", "encoders")):
            raise UsageError(
                f"{self.model} is no run folder with a place for its explanation: give {option('out')}"
            )
        return run / RUN_FOLDER


class ExplainRequest(ExplainOptions, ExplainSource):
    """Say what a model looks at: bands, groups of bands, places; of a pretraining run, what sensors share."""

    command: ClassVar[str] = "explain"
    title: ClassVar[str] = "Explain a model"

    allow_addresses: AllowAddresses = False
