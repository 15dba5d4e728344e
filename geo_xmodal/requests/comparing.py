"""What `compare` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from geo_xmodal.requests.common import (
    MAX_SEEDS,
    AllowAddresses,
    Device,
    HoldOut,
    Precision,
    Scenes,
    Target,
)
from geo_xmodal.requests.option import Option, Request

Study = Literal["ablation", "noise"]
"""What may be asked beside the table."""

Means = Literal["published", "equal", "both"]
"""What methods are given."""


class CompareOptions(Request):
    """How methods are compared.

    Attributes:
        target: the sensor to map from; None is the scene's.
        seeds: how many seeds, from `seed` on, each with all methods.
        seed: the first one.
        epochs: of every method that has epochs.
        reference: the method whose gain the others' are tested against; None takes `hgr`, or else the first
            that has a gain.
        means: `published` gives each method its own recipe, `equal` all of them the same as far as each can
            take it (`geo_xmodal.methods.means`), `both` makes a table of each.
        trials: how many settings of its own search space each method, and each control, may try on
            validation blocks of the training labels before its test run; 0 and 1 take it as it comes.
        ceiling: the method whose classifier of both sensors is the row `ceiling`.
        device: what trains.
        precision: of activations in training.
        hold_out: names of scenes that only test.
        leave_one_scene_out: train once for each scene with labels, on the others, and test on it.
        init: runs of `pretrain`: each method that can start from one has a row more for it, beside itself.
        shares: what all figures should be right about, as in `TrainRequest`; runs that are there are not
            trained again for it.
    """

    target: Target = None
    seeds: Annotated[
        int,
        Option("Repetitions", "How many seeds, from {seed} on."),
        Field(ge=1, le=MAX_SEEDS),
    ] = 5
    seed: Annotated[int, Option("First seed", "The first seed.", expert=True), Field(ge=0)] = 0
    epochs: Annotated[
        int | None, Option("Epochs", "Of every method that has epochs.", expert=True), Field(ge=1)
    ] = None
    reference: Annotated[
        str | None,
        Option(
            "Method to test against",
            "Whose gain the others' are tested against (default: hgr, or the first with a gain).",
            expert=True,
            metavar="METHOD",
        ),
    ] = None
    means: Annotated[
        Means,
        Option(
            "Recipes",
            "Recipes: published (each method's own), equal (the same branch, patch, augmentation, "
            "noise, class weights, optimiser, steps and input of the auxiliary sensor), or a table of both.",
        ),
    ] = "both"
    trials: Annotated[
        int,
        Option(
            "Settings to try",
            "Settings that each method may try on validation blocks of the training labels; 1: its own.",
            expert=True,
        ),
        Field(ge=0, le=100),
    ] = 1
    ceiling: Annotated[
        str,
        Option(
            "Classifier of both sensors",
            "Method whose classifier of both sensors is the row ceiling of {methods}: modality_dropout "
            "(nothing dropped), correlation or hgr (their heads on both embeddings).",
            expert=True,
            takes="method",
        ),
    ] = "modality_dropout"
    device: Device = "auto"
    precision: Precision = "float32"
    hold_out: HoldOut = ()
    leave_one_scene_out: Annotated[
        bool,
        Option(
            "Leave one scene out",
            "Train once for each scene with labels, on the others, and test on it.",
            expert=True,
        ),
    ] = False
    init: Annotated[
        tuple[Path, ...],
        Option(
            "Pretrained encoders",
            "A run of pretrain: methods that can start from its encoder do so in rows of their own, whose "
            "gain over random weights is told. May be given several times.",
            expert=True,
            takes="folder",
            metavar="RUN",
        ),
    ] = ()
    shares: Annotated[
        Literal["labels", "equal", "estimated"] | None,
        Option(
            "What should figures be right about?",
            "What all figures should be right about (default: equal where labels were drawn class by "
            "class, else labels); nothing is trained again for it.",
            expert=True,
        ),
    ] = None


class ComparedOn(Request):
    """What is compared on what."""

    scenes: Scenes
    out: Annotated[
        Path,
        Option("Folder", "Folder for runs, tables and pictures; runs there are kept.", takes="new folder"),
    ]
    methods: Annotated[
        str | None,
        Option(
            "Methods",
            "Methods (default: all); see geo-xmodal methods. Also: ceiling, a classifier that sees both "
            "sensors at test time.",
            takes="methods",
            metavar="A,B,...",
        ),
    ] = None


class CompareCommand(CompareOptions, ComparedOn):
    """Set methods side by side: same pixels and seeds, gains over their controls, paired tests.

    Given again, the command goes on where it was stopped; finished runs are not repeated.
    """

    command: ClassVar[str] = "compare"
    title: ClassVar[str] = "Compare methods"

    studies: Annotated[
        tuple[Study, ...],
        Option(
            "Studies",
            "Also: ablation (what each part of a method is worth), noise (10 to 40 dB at test time).",
            name="study",
            expert=True,
        ),
    ] = ()
    settings: Annotated[
        tuple[str, ...],
        Option(
            "Settings of methods",
            "A setting of all methods that have it, or of one.",
            name="set",
            takes="settings",
            expert=True,
            metavar="[METHOD.]KEY=VALUE",
        ),
    ] = ()
    allow_addresses: AllowAddresses = False
