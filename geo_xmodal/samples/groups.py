"""From a scene to training data: labelled and unlabelled pixels, with and without the rich sensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from geo_xmodal.errors import LabelError, TrainingDataError, UsageError
from geo_xmodal.kinds import KINDS
from geo_xmodal.memory import check_memory
from geo_xmodal.patches import HeldPatches, Patches
from geo_xmodal.raster import WindowReader, checked_values, described
from geo_xmodal.samples.patches import read_patches
from geo_xmodal.samples.pools import (
    Availability,
    BoolArray,
    UnlabelledPools,
    availability,
    drawn,
    test_pool,
    unlabelled_pools,
)
from geo_xmodal.samples.statistics import band_statistics
from geo_xmodal.scenes import (
    LabelledPixels,
    conflict_text,
    labelled_pixels,
    overlap_share,
    overlap_text,
    scene_conflicts,
    scene_file,
    summarise_labels,
    validation_split,
)
from geo_xmodal.types import (
    IntArray,
    ModalitySummary,
    PixelGroup,
    Progress,
    TrainingData,
)
from geo_xmodal.wording import counted

if TYPE_CHECKING:
    from geo_xmodal.scenes import Scene


_CHUNK = 4096
"""Pixels whose values are looked at at a time."""


class GatherOptions(BaseModel):
    """Which pixels of a scene train."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str | None = Field(None, description="modality that maps are made from (default: the scene's)")
    rich: str | None = Field(None, description="modality that only training has (default: the HSI, else any)")
    margin: int = Field(3, ge=0, le=64, description="patch radius of the target modality in pixels")
    rich_margin: int = Field(0, ge=0, le=64, description="patch radius of the rich modality in pixels")
    labels_per_class: int | None = Field(None, ge=1, description="training labels a class, drawn at random")
    unlabelled: int = Field(20_000, ge=0, description="most unlabelled pixels that have both sensors")
    unlabelled_target: int = Field(20_000, ge=0, description="most unlabelled pixels of the target alone")
    validation: float = Field(0.2, ge=0, le=0.5, description="share of training labels held out in blocks")
    validation_block: int = Field(0, ge=0, description="side of a validation block in pixels, 0 = choose")
    transductive: bool = Field(False, description="test pixels may be among the unlabelled ones")
    unlabelled_from: Literal["scene", "test"] = Field(
        "scene", description="where unlabelled pixels are drawn: the scene, or the test pixels (transductive)"
    )
    memory: float = Field(8.0, gt=0, description="GiB that the patches may take")
    seed: int = Field(0, ge=0, description="of every random draw")

    @model_validator(mode="after")
    def _test_pixels_are_confessed(self) -> Self:
        if self.unlabelled_from == "test" and not self.transductive:
            raise ValueError("unlabelled_from=test trains on test pixels: it needs transductive=true")
        return self


def gather(scene: Scene, options: GatherOptions, progress: Progress | None = None) -> TrainingData:
    """The four groups of training pixels of a scene, and labelled pixels held out for validation.

    A pixel has a sensor where all of its bands have a value at the pixel itself. Patches of unlabelled
    pixels contain no test pixel (unless `transductive`) and no validation pixel. With
    `unlabelled_from="test"` they are test pixels, known to the target sensor alone. Statistics come from
    the centres of the pixels that train, those of the rich sensor from pairs only. The result depends on
    the scene, the options and the seed, and not on how the scene is read.

    Args:
        scene: With training labels.
        options: Which pixels.
        progress: Told after every block that is read.

    Raises:
        LabelError: Training labels are missing, of one class only, outside the class list, or test labels.
        TrainingDataError: The target has no data at training pixels, or no pixel has both sensors.
        UsageError: The patches would not fit into `options.memory`.
        MemoryShortageError: There is no memory for them.
        SceneError: No such modality.
    """
    target_name, rich_name = _modalities(scene, options)
    target = scene.reader(target_name)
    rich = None if rich_name is None else scene.reader(rich_name)
    assumptions = [
        str(one) for reader in (target, rich) if reader is not None for one in checked_values(reader)
    ]
    test = labelled_pixels(scene, "test")
    labelled = _labelled(scene, target, test, options, progress)
    reach = max(options.margin, 0 if rich is None else options.rich_margin)
    sides = validation_split(
        labelled.position,
        labelled.index,
        options.validation,
        options.validation_block,
        2 * reach,
        options.seed,
    )
    validation = labelled.position[sides.test]
    if options.unlabelled_from == "test":
        pools = test_pool(
            target, test.position, validation, reach, options.unlabelled_target, options.seed, progress
        )
    else:
        pools = unlabelled_pools(
            target,
            rich,
            labelled.position,
            validation if options.transductive else np.concatenate([validation, test.position]),
            reach,
            options.unlabelled,
            options.unlabelled_target,
            options.seed,
            progress,
        )
    has_rich = _pairs(target, rich, labelled.position, len(pools.pairs), progress)
    chosen = {
        "labelled_pairs": np.flatnonzero(sides.train & has_rich),
        "labelled_target": np.flatnonzero(sides.train & ~has_rich),
        "validation": np.flatnonzero(sides.test),
    }
    groups = {
        name: _Pixels(labelled.position[index], labelled.index[index], name == "labelled_pairs")
        for name, index in chosen.items()
    } | {
        "unlabelled_pairs": _Pixels(pools.pairs, None, True),
        "unlabelled_target": _Pixels(pools.target, None, False),
    }
    _check_memory(groups, target, rich, options)
    read = _read(groups, target, rich, options, progress)
    training = [group for name, group in read.items() if name != "validation"]
    return TrainingData(
        classes=scene.classes,
        target=_summary(scene, target_name, target, [group.target for group in training]),
        rich=_summary(scene, rich_name, rich, [group.rich for group in training if group.rich is not None])
        if rich is not None and rich_name is not None
        else None,
        margin=options.margin,
        rich_margin=options.rich_margin,
        notes=_notes(scene, groups, labelled, test, pools, options) | {"assumptions": assumptions},
        **read,
    )


def warnings_of(data: TrainingData) -> tuple[str, ...]:
    """What should be known of gathered pixels before anybody trains on them, a line each."""
    notes = data.notes
    lines = []
    if notes["overlap_share"]:
        lines.append(overlap_text(notes["overlap_share"], data.margin))
    if notes["label_conflicts"]:
        lines.append(f"training labels: {conflict_text(notes['label_conflicts'])}")
    if notes["labelled_without_target_data"]:
        lines.append(
            f"{notes['labelled_without_target_data']:,} labelled training pixels left out: "
            f"{data.target.name} has no data there"
        )
    trained = (notes["per_class"][name] for name in ("labelled_pairs", "labelled_target"))
    counts = sum((Counter(one) for one in trained), Counter[str]())
    lacking = [repr(one.name) for one in data.classes if not counts[one.name]]
    if lacking:
        lines.append(f"no training pixel of class {', '.join(lacking)}: no map will show it")
    return tuple(lines)


@dataclass(frozen=True)
class _Labelled:
    """Training pixels: position (n, 2), index into the classes (n,), and how many lacked target data."""

    position: IntArray
    index: IntArray
    without_data: int


@dataclass(frozen=True)
class _Pixels:
    """A group before its patches are read."""

    position: IntArray
    index: IntArray | None
    pair: bool


def _modalities(scene: Scene, options: GatherOptions) -> tuple[str, str | None]:
    target = scene.target if options.target is None else options.target
    scene.modality(target)
    if options.rich is not None:
        scene.modality(options.rich)
        if options.rich == target:
            raise UsageError(f"{target} is both the target and the rich modality; name another one as rich")
        return target, options.rich
    others = [name for name in scene.config.modalities if name not in (target, *scene.missing_modalities)]
    return target, min(others, key=lambda name: KINDS[scene.modality(name).kind].auxiliary, default=None)


def _labelled(
    scene: Scene,
    target: WindowReader,
    test: LabelledPixels,
    options: GatherOptions,
    progress: Progress | None,
) -> _Labelled:
    train = labelled_pixels(scene, "train")
    if not len(train):
        raise LabelError(f"{scene.folder}: no training label lies on the grid: {_why_none(scene)}")
    shared = int(np.isin(_flat(scene, train.position), _flat(scene, test.position)).sum())
    if shared:
        raise LabelError(
            f"{scene.folder}: {shared} of {len(train)} training pixels are test pixels too; "
            "take them out of one, or give all labels as labels.all with a [split]"
        )
    found = availability(target, train.position, progress)
    if not found.pixels.any():
        raise TrainingDataError(
            f"{target.name}: none of {len(train)} training pixels has a value in every band"
            f"{_empty(target, found)}"
        )
    position, label = train.position[found.pixels], train.label[found.pixels]
    present = np.unique(label)
    if len(present) < 2:
        name = next(entry.name for entry in scene.classes if entry.id == present[0])
        raise LabelError(
            f"{scene.folder}: all {len(label)} training pixels with data are of class {name!r}; "
            "at least two classes are needed"
        )
    if options.labels_per_class is not None:
        members = [np.flatnonzero(label == one) for one in present]
        picked = [one[drawn(position[one], options.labels_per_class, options.seed)] for one in members]
        chosen = np.sort(np.concatenate(picked))
        position, label = position[chosen], label[chosen]
    place = {entry.id: index for index, entry in enumerate(scene.classes)}
    index = np.array([place[one] for one in label.tolist()], np.int64)
    return _Labelled(position, index, int((~found.pixels).sum()))


def _why_none(scene: Scene) -> str:
    source = scene.label_source("train" if scene.config.split is None else "all")
    path = scene_file(scene.folder, source.file)
    found = summarise_labels(source, path, scene.grid, scene.classes)
    if any(entry.pixels for entry in found.classes):
        return f"[split] leaves all labels of {path.name} for test; lower its test, block or buffer"
    reasons = [note for note in found.notes() if "WARNING" not in note]
    return "; ".join(reasons) or f"{path.name} holds no label at all"


def _pairs(
    target: WindowReader,
    rich: WindowReader | None,
    position: IntArray,
    unlabelled_pairs: int,
    progress: Progress | None,
) -> BoolArray:
    if rich is None:
        return np.zeros(len(position), bool)
    found = availability(rich, position, progress)
    if not found.pixels.any() and not unlabelled_pairs:
        raise TrainingDataError(
            f"{rich.name}: no pixel has values in every band of it and of {Path(target.name).name}"
            f"{_empty(rich, found)}; check that the files overlap, and that unlabelled pixels may be drawn"
        )
    return found.pixels


def _empty(reader: WindowReader, found: Availability) -> str:
    """Names of bands without any value, which make every pixel invalid."""
    names = [name for name, any_value in zip(reader.band_names, found.bands, strict=True) if not any_value]
    if not names or len(names) == len(reader.band_names):
        return " (it is empty there)" if names else ""
    listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f" ({counted(len(names), 'band')} empty there: {listed}; list them as invalid_bands in scene.toml)"


def _check_memory(
    groups: dict[str, _Pixels], target: WindowReader, rich: WindowReader | None, options: GatherOptions
) -> None:
    pixels = sum(len(group.position) for group in groups.values())
    pairs = sum(len(group.position) for group in groups.values() if group.pair)
    values = pixels * len(target.bands) * (2 * options.margin + 1) ** 2
    if rich is not None:
        values += pairs * len(rich.bands) * (2 * options.rich_margin + 1) ** 2
    needed = 4 * values / 2**30
    if needed > options.memory:
        raise UsageError(
            f"patches of {pixels} pixels take {needed:.3g} GiB, more than memory = {options.memory:g}; lower "
            "labels_per_class, unlabelled, margin or rich_margin, or raise memory"
        )
    check_memory(
        f"patches of {pixels} pixels", 4 * values, "lower labels_per_class, unlabelled, margin or rich_margin"
    )


def _read(
    groups: dict[str, _Pixels],
    target: WindowReader,
    rich: WindowReader | None,
    options: GatherOptions,
    progress: Progress | None,
) -> dict[str, PixelGroup]:
    """Every group with its patches; all groups at once, so that no block of a file is read twice."""
    with_rich = {name: group for name, group in groups.items() if group.pair}
    targets = _patches(groups, target, options.margin, progress)
    riches = {} if rich is None else _patches(with_rich, rich, options.rich_margin, progress)
    return {
        name: PixelGroup(group.position, targets[name], riches.get(name), group.index)
        for name, group in groups.items()
    }


def _patches(
    groups: dict[str, _Pixels], reader: WindowReader, margin: int, progress: Progress | None
) -> dict[str, Patches]:
    positions = np.concatenate([group.position for group in groups.values()])
    ends = np.cumsum([len(group.position) for group in groups.values()])
    together = read_patches(reader, positions, margin, progress)
    return dict(zip(groups, map(HeldPatches, np.split(together, ends[:-1])), strict=True))


def _summary(scene: Scene, name: str, reader: WindowReader, patches: Sequence[Patches]) -> ModalitySummary:
    centres = [part[:, :, 0, 0] for one in patches for part in one.cropped(0).parts(_CHUNK)]
    modality = scene.modality(name)
    statistics = band_statistics(np.concatenate(centres), reader.band_names, modality.kind)
    units = {band.unit for band in reader.bands}
    return ModalitySummary(
        name,
        modality.kind,
        described(modality.sensor, reader.product),
        statistics,
        unit=units.pop() if len(units) == 1 and units != {""} else KINDS[modality.kind].unit,
        scaled=any(band.tagged for band in reader.bands),
    )


def _notes(
    scene: Scene,
    groups: dict[str, _Pixels],
    labelled: _Labelled,
    test: LabelledPixels,
    pools: UnlabelledPools,
    options: GatherOptions,
) -> dict[str, Any]:
    """What a report should say of the data; plain values, ready for JSON."""
    training = [groups["labelled_pairs"].position, groups["labelled_target"].position]
    train_position = np.concatenate(training)
    split = scene.config.split
    return {
        "counts": {name: len(group.position) for name, group in groups.items()},
        "per_class": {
            name: {entry.name: int((group.index == place).sum()) for place, entry in enumerate(scene.classes)}
            for name, group in groups.items()
            if group.index is not None
        },
        "split": {"kind": "files"} if split is None else split.model_dump(),
        "test_pixels": len(test),
        "overlap_share": overlap_share(train_position, test.position, options.margin),
        "excluded_unlabelled_share": pools.excluded,
        "no_unlabelled": _why_no_unlabelled(pools, options),
        "labelled_without_target_data": labelled.without_data,
        "dropped_beside_validation": len(labelled.position)
        - len(train_position)
        - len(groups["validation"].position),
        "label_conflicts": scene_conflicts(scene),
        "transductive": options.transductive,
    }


def _why_no_unlabelled(pools: UnlabelledPools, options: GatherOptions) -> str | None:
    """Why there are no unlabelled pixels, and what would give some; None if there are."""
    if len(pools.pairs) + len(pools.target):
        return None
    if not (options.unlabelled or options.unlabelled_target):
        return "unlabelled=0 asks for none"
    if not pools.free:
        return "every pixel of the scene is a training pixel; labels_per_class=N trains on some of them"
    if pools.excluded == 1.0:
        reach = 2 * max(options.margin, options.rich_margin) + 1
        held_out = "a validation pixel" if options.transductive else "a test or validation pixel"
        return (
            f"each patch of {reach} x {reach} pixels around one holds {held_out}, and patches that do are "
            "not learned from; fewer test labels, or smaller patches, leave some"
        )
    wanted = "both sensors" if options.unlabelled else "the target sensor"
    apart = ", away from test and validation pixels," if pools.excluded else ""
    return f"no pixel without a label{apart} has a value in every band of {wanted}"


def _flat(scene: Scene, position: IntArray) -> IntArray:
    return position[:, 0] * int(scene.grid.shape[1]) + position[:, 1]
