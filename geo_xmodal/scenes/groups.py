"""From a scene to training data: labelled and unlabelled pixels, with and without the rich sensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from geo_xmodal.errors import LabelError, TrainingDataError, UsageError
from geo_xmodal.scenes import labels
from geo_xmodal.scenes.config import scene_file
from geo_xmodal.scenes.labelled import LabelledPixels, labelled_pixels, labelled_windows
from geo_xmodal.scenes.patches import read_patches
from geo_xmodal.scenes.pools import Availability, BoolArray, UnlabelledPools, availability, drawn, unlabelled_pools
from geo_xmodal.scenes.reader import AlignedReader
from geo_xmodal.scenes.splits import overlap_share, validation_split
from geo_xmodal.scenes.statistics import band_statistics
from geo_xmodal.types import (
    ClassArray,
    FloatArray,
    IntArray,
    LandClass,
    ModalitySummary,
    PixelGroup,
    Progress,
    TrainingData,
)

if TYPE_CHECKING:
    from geo_xmodal.scenes.scene import Scene


class GatherOptions(BaseModel):
    """Which pixels of a scene train."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str | None = Field(None, description="modality that maps are made from (default: the scene's)")
    rich: str | None = Field(None, description="modality that only training has (default: the HSI, else any)")
    margin: int = Field(3, ge=0, le=64, description="patch radius of the target modality in pixels")
    rich_margin: int = Field(0, ge=0, le=64, description="patch radius of the rich modality in pixels")
    labels_per_class: int | None = Field(None, ge=1, description="training labels a class, drawn at random")
    unlabelled: int = Field(20_000, ge=0, description="most pixels in each of the two unlabelled groups")
    validation: float = Field(0.2, ge=0, le=0.5, description="share of training labels held out in blocks")
    validation_block: int = Field(0, ge=0, description="side of a validation block in pixels, 0 = choose")
    transductive: bool = Field(False, description="test pixels may be among the unlabelled ones")
    memory: float = Field(8.0, gt=0, description="GiB that the patches may take")
    seed: int = Field(0, ge=0, description="of every random draw")


def gather(scene: Scene, options: GatherOptions, progress: Progress | None = None) -> TrainingData:
    """The four groups of training pixels of a scene, and labelled pixels held out for validation.

    A pixel has a sensor where all of its bands have a value at the pixel itself. Patches of unlabelled pixels
    contain no test pixel (unless `transductive`) and no validation pixel. Statistics come from the pixels that
    train, their centres only, and those of the rich sensor from pairs only. The result depends on the scene,
    the options and the seed, and not on how the scene is read.

    Args:
        scene: With training labels.
        options: Which pixels.
        progress: Told after every block that is read.

    Raises:
        LabelError: No training labels, of one class only, outside the class list, or that are test labels too.
        TrainingDataError: The target has no data at training pixels, or no pixel has both sensors.
        UsageError: The patches would not fit into `options.memory`.
        SceneError: No such modality.
    """
    names = _modalities(scene, options)
    target, rich = scene.reader(names[0]), None if names[1] is None else scene.reader(names[1])
    train, test = labelled_pixels(scene, "train"), labelled_pixels(scene, "test")
    _check_labels(scene, train, test)
    has_target = availability(target, train.position, progress)
    if not has_target.pixels.any():
        raise TrainingDataError(
            f"{target.path}: no value at any of {len(train)} training pixels{_empty_bands(target, has_target)}"
        )
    labelled = _draw(train, has_target.pixels, options)
    class_index = _class_index(labelled.label, scene.classes)
    if len(np.unique(class_index)) < 2:
        raise LabelError(
            f"{scene.folder}: {len(labelled)} training pixels with data, all {_names(scene, labelled.label)}; "
            "at least two classes are needed"
        )

    reach = max(options.margin, options.rich_margin if rich is not None else 0)
    sides = validation_split(
        labelled.position, class_index, options.validation, options.validation_block, 2 * reach, options.seed
    )
    held_out = [labelled.position[sides.test]] + ([] if options.transductive else [test.position])
    pools = unlabelled_pools(
        target,
        rich,
        labelled.position,
        np.concatenate(held_out),
        reach,
        options.unlabelled,
        options.seed,
        progress,
    )
    has_rich = _rich_at(rich, labelled.position, len(pools.pairs), progress)
    plan = _Plan(
        pairs=np.flatnonzero(sides.train & has_rich),
        target=np.flatnonzero(sides.train & ~has_rich),
        validation=np.flatnonzero(sides.test),
    )
    _check_memory(target, rich, plan, pools, options)

    def group(positions: IntArray, label: IntArray | None, pair: bool = False) -> PixelGroup:
        return PixelGroup(
            positions,
            read_patches(target, positions, options.margin, progress),
            read_patches(rich, positions, options.rich_margin, progress) if pair and rich is not None else None,
            label,
        )

    def labelled_group(index: IntArray, pair: bool = False) -> PixelGroup:
        return group(labelled.position[index], class_index[index], pair)

    pairs, alone = labelled_group(plan.pairs, pair=True), labelled_group(plan.target)
    unlabelled_pairs, unlabelled_alone = group(pools.pairs, None, pair=True), group(pools.target, None)
    training = (pairs, alone, unlabelled_pairs, unlabelled_alone)
    return TrainingData(
        classes=scene.classes,
        target=_summary(scene, names[0], target, [one.target for one in training]),
        rich=_summary(scene, names[1], rich, [one.rich for one in training if one.rich is not None])
        if rich is not None and names[1] is not None
        else None,
        labelled_pairs=pairs,
        labelled_target=alone,
        unlabelled_pairs=unlabelled_pairs,
        unlabelled_target=unlabelled_alone,
        validation=labelled_group(plan.validation),
        margin=options.margin,
        rich_margin=options.rich_margin,
        notes={},
    )
