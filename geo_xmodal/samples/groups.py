"""From a scene to training data: labelled and unlabelled pixels, with and without the auxiliary sensor."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from geo_xmodal.chips import ChipSource
from geo_xmodal.errors import LabelError, TrainingDataError, UsageError
from geo_xmodal.patches import Patches
from geo_xmodal.raster import WindowReader, checked_values, kept_open
from geo_xmodal.samples.chip_groups import gather_chips
from geo_xmodal.samples.joined import join_notes, join_values, overlap_shares
from geo_xmodal.samples.options import GatherOptions, refuse_chip_options
from geo_xmodal.samples.pools import (
    Availability,
    BoolArray,
    UnlabelledPools,
    availability,
    drawn_of_scenes,
    scene_seed,
    test_pool,
    unlabelled_pools,
)
from geo_xmodal.samples.storage import Storage
from geo_xmodal.samples.values import (
    STORED,
    Pixels,
    beyond_memory,
    counts_of,
    needed,
    read_groups,
    summary_of,
)
from geo_xmodal.samples.windows import (
    WindowSource,
    gather_windows,
    marked,
    places_of,
    tiles_with,
    window_side,
    windows_around,
)
from geo_xmodal.scenes import (
    LabelledPixels,
    Member,
    Partition,
    SceneSet,
    Sensor,
    conflict_text,
    join_scenes,
    overlap_text,
    scene_conflicts,
    scene_file,
    summarise_labels,
    validation_split,
)
from geo_xmodal.types import (
    ClassArray,
    IntArray,
    LandClass,
    ModalitySummary,
    PixelGroup,
    Progress,
    TrainingData,
    TrainingWindows,
)
from geo_xmodal.wording import counted

if TYPE_CHECKING:
    from geo_xmodal.scenes import Scene


@kept_open()
def gather(
    scenes: Scene | SceneSet | ChipSource,
    options: GatherOptions,
    progress: Progress | None = None,
    storage: Storage | None = None,
    *,
    labels_needed: bool = True,
) -> TrainingData:
    """The four groups of training pixels, and labelled pixels held out for validation.

    A pixel has a sensor where all of its bands have a value at the pixel itself. Patches of unlabelled
    pixels contain no test pixel (unless `transductive`) and no validation pixel. With
    `unlabelled_from="test"` they are test pixels, known to the target sensor alone. Statistics come from
    the centres of the pixels that train, those of the auxiliary sensor from pairs only. The result depends on
    the scenes, the options and the seed, and not on how the scenes are read.

    Of several scenes the numbers asked for are those of all together, drawn from all pixels alike; validation
    blocks are laid out in each scene; a scene that is held out gives nothing.

    Of a set of chips see `geo_xmodal.samples.chip_groups.gather_chips`.

    The patches lie in memory where they fit into `options.memory` and into what is free, else in `storage`.

    Args:
        scenes: A scene with training labels, or several of which one has; or a set of chips.
        options: Which pixels.
        progress: Told after every block that is read.
        storage: Where values go that do not fit into memory; None refuses them.
        labels_needed: Whether it is an error that there are no training labels, or of one class only; what
            learns from pairs alone needs none.

    Raises:
        LabelError: Training labels are missing, of one class only, outside the class list, or test labels.
        TrainingDataError: The target has no data at training pixels, or no pixel has both sensors.
        UsageError: The patches would not fit into `options.memory`, and there is no storage.
        MemoryShortageError: There is no memory for them, and no storage.
        OutputError: There is no room for them in the storage.
        SceneError: No such modality.
    """
    if isinstance(scenes, ChipSource):
        return gather_chips(scenes, options, progress, storage, labels_needed=labels_needed)
    refuse_chip_options(options)
    together = (
        scenes
        if isinstance(scenes, SceneSet)
        else join_scenes(scenes, target=options.target, auxiliary=options.auxiliary)
    )
    _check_single_pixels(together, options)
    sources = [_opened(member, options.seed) for member in together.training]
    labelled = (
        _labelled(sources, together.classes, options, progress)
        if labels_needed or _are_labelled(sources)
        else [_Labelled(_NOWHERE, _NOWHERE[:, 0], {}, 0) for _ in sources]
    )
    reach = max(options.margin, options.auxiliary_margin if any(one.auxiliary for one in sources) else 0)
    sides = [
        validation_split(
            one.position,
            one.index,
            options.validation,
            options.validation_block or _places_block(source),
            2 * reach,
            options.seed,
        )
        for source, one in zip(sources, labelled, strict=True)
    ]
    pools = _pools(sources, labelled, sides, reach, options, progress)
    has_auxiliary = _pairs(sources, labelled, pools, progress)
    groups = [_groups(*parts) for parts in zip(labelled, sides, has_auxiliary, pools, strict=True)]
    sizes = [
        needed(own, source.target, source.auxiliary, options)
        for source, own in zip(sources, groups, strict=True)
    ]
    pixels, size = (sum(parts) for parts in zip(*sizes, strict=True))
    kept = storage if beyond_memory(pixels, size, options.memory, storage) else None
    windows = None
    if options.tile:
        windows = _windows(sources, groups, options)
    read = join_values(
        [
            _at_places(source, read_groups(own, source.target, source.auxiliary, options, kept, progress))
            for source, own in zip(sources, groups, strict=True)
        ]
    )
    training = [group for name, group in read.items() if name != "validation"]
    auxiliaries = [
        (one.member, one.member.auxiliary, one.auxiliary)
        for one in sources
        if one.member.auxiliary and one.auxiliary
    ]
    trained = {
        one.member.name: np.concatenate(
            [own[name].position for name in ("labelled_pairs", "labelled_target")]
        )
        for one, own in zip(sources, groups, strict=True)
    }
    shares = overlap_shares(together, trained, options.margin)
    notes = [
        _notes(*parts, shares[parts[0].member.name], together.classes, options)
        for parts in zip(sources, groups, labelled, pools, strict=True)
    ]
    return TrainingData(
        classes=together.classes,
        target=_summary(
            together.target,
            [(one.member, one.member.target, one.target) for one in sources],
            [group.target for group in training],
            kept,
        ),
        auxiliary=_summary(
            auxiliaries[0][1].name,
            auxiliaries,
            [group.auxiliary for group in training if group.auxiliary is not None],
            kept,
        )
        if auxiliaries
        else None,
        margin=options.margin,
        auxiliary_margin=options.auxiliary_margin,
        windows=windows,
        notes=join_notes(together, notes, shares)
        | ({} if kept is None else {"values": STORED})
        | ({"single_pixels": True} if together.single_pixels else {}),
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
    lines += notes.get("drawn", ())
    if data.windows is not None and notes.get("test_pixels"):
        lines.append(
            "windows of training labels may hold test pixels: a network on windows sees their values, and "
            "not their labels"
        )
    return tuple(lines)


@dataclass(frozen=True)
class _Labelled:
    """Training pixels: position (n, 2), index into the classes (n,), and how many lacked target data.

    `labels` are the pixels of each class id that they were drawn from.
    """

    position: IntArray
    index: IntArray
    labels: Mapping[int, int]
    without_data: int


@dataclass(frozen=True)
class _Source:
    """A scene that trains, opened; `seed` is that of its pixels' keys."""

    member: Member
    target: WindowReader
    auxiliary: WindowReader | None
    test: LabelledPixels
    seed: int
    assumptions: tuple[str, ...]


_NOWHERE: IntArray = np.empty((0, 2), np.int64)


def _are_labelled(sources: Sequence[_Source]) -> bool:
    """Whether there are training labels of two classes."""
    labels = [np.unique(one.member.labels("train").label) for one in sources]
    return len(np.unique(np.concatenate(labels))) > 1


def _opened(member: Member, seed: int) -> _Source:
    target = member.reader(member.target)
    auxiliary = None if member.auxiliary is None else member.reader(member.auxiliary)
    assumptions = [
        str(one) for reader in (target, auxiliary) if reader is not None for one in checked_values(reader)
    ]
    own = scene_seed(seed, member.number)
    return _Source(member, target, auxiliary, member.labels("test"), own, tuple(assumptions))


def _labelled(
    sources: Sequence[_Source],
    classes: Sequence[LandClass],
    options: GatherOptions,
    progress: Progress | None,
) -> list[_Labelled]:
    """Training pixels with data, of each scene; as many of each class over all scenes as are asked for."""
    trains = [one.member.labels("train") for one in sources]
    first = next((k for k, train in enumerate(trains) if len(train)), None)
    if first is None:
        scene = next((one for one in sources if one.member.has_labels), sources[0]).member.scene
        raise LabelError(f"{scene.folder}: no training label lies on the grid: {_why_none(scene)}")
    for one, train in zip(sources, trains, strict=True):
        _check_apart(one, train)
    found = [
        availability(one.target, train.position, progress) for one, train in zip(sources, trains, strict=True)
    ]
    if not any(one.pixels.any() for one in found):
        reader, count = sources[first].target, len(trains[first])
        raise TrainingDataError(
            f"{reader.name}: none of {count} training pixels has a value in every band"
            f"{_empty(reader, found[first])}"
        )
    pixels = [
        (train.position[one.pixels], train.label[one.pixels])
        for train, one in zip(trains, found, strict=True)
    ]
    if options.labelled is not None:
        pixels = [
            _of_some_places(one, position, label, options.labelled)
            for one, (position, label) in zip(sources, pixels, strict=True)
        ]
    present = np.unique(np.concatenate([label for _, label in pixels]))
    if len(present) < 2:
        name = next(entry.name for entry in classes if entry.id == present[0])
        where = ", ".join(str(one.member.scene.folder) for one in sources)
        raise LabelError(
            f"{where}: all {sum(len(label) for _, label in pixels)} training pixels with data are of class "
            f"{name!r}; at least two classes are needed"
        )
    labels = [Counter(label.tolist()) for _, label in pixels]
    if options.labels_per_class is not None:
        pixels = _drawn_per_class(pixels, present, options.labels_per_class, [one.seed for one in sources])
    place = {entry.id: index for index, entry in enumerate(classes)}
    return [
        _Labelled(
            position,
            np.array([place[one] for one in label.tolist()], np.int64),
            counts,
            int((~one.pixels).sum()),
        )
        for (position, label), counts, one in zip(pixels, labels, found, strict=True)
    ]


def _windows(
    sources: Sequence[_Source], groups: Sequence[Mapping[str, Pixels]], options: GatherOptions
) -> TrainingWindows:
    """Windows around the labelled pixels of each scene, with these labels alone."""
    shapes = [cast(tuple[int, int], tuple(one.target.grid.shape)) for one in sources]
    side = window_side(shapes, options)
    made = []
    for source, own, shape in zip(sources, groups, shapes, strict=True):
        train = places_of(marked([own["labelled_pairs"], own["labelled_target"]]))
        held_out = marked([own["validation"]])
        made.append(
            WindowSource(
                source.target,
                list(windows_around(train, shape, side, options)),
                tiles_with(held_out, options),
                train,
                places_of(held_out, options.overlap),
            )
        )
    return gather_windows(made, options, dense=options.labels_per_class is None)


def _check_single_pixels(together: SceneSet, options: GatherOptions) -> None:
    """See that of points nothing is asked that only pixels among others have, and the reverse.

    Raises:
        TrainingDataError: Windows of more than one pixel.
        UsageError: A share of places, of a scene that is not made of points.
    """
    points = next((one.name for one in together.members if one.scene.points is not None), None)
    side = max(2 * max(options.margin, options.auxiliary_margin) + 1, options.tile)
    if points is not None and side > 1:
        raise TrainingDataError(
            f"{points} holds single pixels, and the method looks at {side} x {side}: choose one that looks "
            "at single pixels, such as svm, or settings that do (kernels=1,1, no contrasts, "
            "auxiliary_radius=0)"
        )
    if options.labelled is not None:
        raster = next((one.name for one in together.training if one.scene.points is None), None)
        if raster is not None:
            raise UsageError(
                f"labelled={options.labelled:g} keeps the labels of a share of places, which scenes of "
                f"points have, and {raster} is none: use labels_per_class=N"
            )


def _places_block(source: _Source) -> int:
    """Side of validation blocks that are places of points; 0 where the scene is no such."""
    points = source.member.scene.points
    return 0 if points is None else points.pitch


def _at_places(source: _Source, groups: dict[str, PixelGroup]) -> dict[str, PixelGroup]:
    """Points at the first pixel of their place, so that no block, wherever it begins, divides a place."""
    points = source.member.scene.points
    if points is None:
        return groups
    return {
        name: dataclasses.replace(group, position=group.position // points.site * points.site)
        for name, group in groups.items()
    }


def _of_some_places(
    source: _Source, position: IntArray, label: ClassArray, share: float
) -> tuple[IntArray, ClassArray]:
    """Labelled pixels of a share of the places, drawn at random; one place at least."""
    points = source.member.scene.points
    assert points is not None
    _, place_of = np.unique(position // points.site, axis=0, return_inverse=True)
    count = int(place_of.max(initial=-1)) + 1
    drawn = np.random.default_rng(source.seed).permutation(count)[: max(1, round(share * count))]
    kept = np.isin(place_of.reshape(-1), drawn)
    return position[kept], label[kept]


def _check_apart(source: _Source, train: LabelledPixels) -> None:
    scene = source.member.scene
    shared = int(np.isin(_flat(scene, train.position), _flat(scene, source.test.position)).sum())
    if shared:
        raise LabelError(
            f"{scene.folder}: {shared} of {len(train)} training pixels are test pixels too; "
            "take them out of one, or give all labels as labels.all with a [split]"
        )


def _drawn_per_class(
    pixels: Sequence[tuple[IntArray, ClassArray]], classes: ClassArray, size: int, seeds: Sequence[int]
) -> list[tuple[IntArray, ClassArray]]:
    chosen: list[list[IntArray]] = [[] for _ in pixels]
    for one in classes:
        members = [np.flatnonzero(label == one) for _, label in pixels]
        places = [position[index] for (position, _), index in zip(pixels, members, strict=True)]
        for own, index, taken in zip(chosen, members, drawn_of_scenes(places, size, seeds), strict=True):
            own.append(index[taken])
    kept = [np.sort(np.concatenate(own)) for own in chosen]
    return [(position[index], label[index]) for (position, label), index in zip(pixels, kept, strict=True)]


def _why_none(scene: Scene) -> str:
    source = scene.label_source("train" if scene.config.split is None else "all")
    path = scene_file(scene.folder, source.file)
    found = summarise_labels(source, path, scene.grid, scene.classes)
    if any(entry.pixels for entry in found.classes):
        return f"[split] leaves all labels of {path.name} for test; lower its test, block or buffer"
    reasons = [note for note in found.notes() if "WARNING" not in note]
    return "; ".join(reasons) or f"{path.name} holds no label at all"


def _pools(
    sources: Sequence[_Source],
    labelled: Sequence[_Labelled],
    sides: Sequence[Partition],
    reach: int,
    options: GatherOptions,
    progress: Progress | None,
) -> list[UnlabelledPools]:
    """Unlabelled pixels of each scene, as many of all together as are asked for."""
    pools = [
        _pool(one, own.position, own.position[side.test], reach, options, progress)
        for one, own, side in zip(sources, labelled, sides, strict=True)
    ]
    seeds = [one.seed for one in sources]
    pairs = drawn_of_scenes([one.pairs for one in pools], options.unlabelled, seeds)
    target = drawn_of_scenes([one.target for one in pools], options.unlabelled_target, seeds)
    return [
        dataclasses.replace(pool, pairs=pool.pairs[np.sort(both)], target=pool.target[np.sort(alone)])
        for pool, both, alone in zip(pools, pairs, target, strict=True)
    ]


def _pool(
    source: _Source,
    labelled: IntArray,
    validation: IntArray,
    reach: int,
    options: GatherOptions,
    progress: Progress | None,
) -> UnlabelledPools:
    test = source.test.position
    if options.unlabelled_from == "test":
        return test_pool(
            source.target, test, validation, reach, options.unlabelled_target, source.seed, progress
        )
    return unlabelled_pools(
        source.target,
        source.auxiliary,
        labelled,
        validation if options.transductive else np.concatenate([validation, test]),
        reach,
        options.unlabelled,
        options.unlabelled_target,
        source.seed,
        progress,
    )


def _pairs(
    sources: Sequence[_Source],
    labelled: Sequence[_Labelled],
    pools: Sequence[UnlabelledPools],
    progress: Progress | None,
) -> list[BoolArray]:
    """Which labelled pixels of each scene the auxiliary sensor has data for."""
    found = [
        None if one.auxiliary is None else availability(one.auxiliary, own.position, progress)
        for one, own in zip(sources, labelled, strict=True)
    ]
    known = [
        (one.auxiliary, Path(one.target.name).name, seen)
        for one, seen in zip(sources, found, strict=True)
        if one.auxiliary is not None and seen is not None
    ]
    unseen = not any(seen.pixels.any() for *_, seen in known) and not any(len(one.pairs) for one in pools)
    if known and unseen:
        auxiliary, target, seen = known[0]
        raise TrainingDataError(
            f"{auxiliary.name}: no pixel has values in every band of it and of {target}"
            f"{_empty(auxiliary, seen)}; check that the files overlap, and that unlabelled pixels may be "
            "drawn"
        )
    return [
        np.zeros(len(own.position), bool) if has is None else has.pixels
        for own, has in zip(labelled, found, strict=True)
    ]


def _groups(
    labelled: _Labelled, sides: Partition, has_auxiliary: BoolArray, pools: UnlabelledPools
) -> dict[str, Pixels]:
    chosen = {
        "labelled_pairs": np.flatnonzero(sides.train & has_auxiliary),
        "labelled_target": np.flatnonzero(sides.train & ~has_auxiliary),
        "validation": np.flatnonzero(sides.test),
    }
    return {
        name: Pixels(labelled.position[index], labelled.index[index], name == "labelled_pairs")
        for name, index in chosen.items()
    } | {
        "unlabelled_pairs": Pixels(pools.pairs, None, True),
        "unlabelled_target": Pixels(pools.target, None, False),
    }


def _empty(reader: WindowReader, found: Availability) -> str:
    """Names of bands without any value, which make every pixel invalid."""
    names = [name for name, any_value in zip(reader.band_names, found.bands, strict=True) if not any_value]
    if not names or len(names) == len(reader.band_names):
        return " (it is empty there)" if names else ""
    listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f" ({counted(len(names), 'band')} empty there: {listed}; list them as invalid_bands in scene.toml)"


def _summary(
    name: str,
    seen: Sequence[tuple[Member, Sensor, WindowReader]],
    patches: Sequence[Patches],
    kept: Storage | None,
) -> ModalitySummary:
    """A modality as all scenes that train have it; words are those of the first."""
    member, sensor, _ = seen[0]
    modality = member.scene.modality(sensor.name)
    readers = [reader for *_, reader in seen]
    return summary_of(name, modality.kind, modality.sensor, readers, patches, kept)


def _notes(
    source: _Source,
    groups: dict[str, Pixels],
    labelled: _Labelled,
    pools: UnlabelledPools,
    share: float,
    classes: Sequence[LandClass],
    options: GatherOptions,
) -> dict[str, Any]:
    """What a report should say of the data of a scene; plain values, ready for JSON."""
    trained = len(groups["labelled_pairs"].position) + len(groups["labelled_target"].position)
    scene, test = source.member.scene, source.test
    split = scene.config.split
    return {
        **counts_of(groups, classes, labelled.labels),
        "split": {"kind": "files"} if split is None else split.model_dump(),
        "test_pixels": len(test),
        "overlap_share": share,
        "excluded_unlabelled_share": pools.excluded,
        "no_unlabelled": _why_no_unlabelled(pools, options),
        "labelled_without_target_data": labelled.without_data,
        "dropped_beside_validation": len(labelled.position) - trained - len(groups["validation"].position),
        "label_conflicts": scene_conflicts(scene) if source.member.has_labels else 0,
        "transductive": options.transductive,
        "assumptions": list(source.assumptions),
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
        reach = 2 * max(options.margin, options.auxiliary_margin) + 1
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
