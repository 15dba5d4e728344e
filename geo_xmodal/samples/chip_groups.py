"""From a set of chips to training data: the same groups as from scenes, of chips read one after the other."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from geo_xmodal.chips import ChipSource, chip_assumptions, numbers_of, on_grid
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.samples.chip_draws import ChipDraw, draw_chips
from geo_xmodal.samples.options import MAX_CHIPS, GatherOptions, refuse_scene_options
from geo_xmodal.samples.pools import availability
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
    PlacesOf,
    WindowSource,
    gather_windows,
    marked,
    places_of,
    tiles_with,
    window_side,
    windows_around,
)
from geo_xmodal.scenes import LabelledPixels
from geo_xmodal.types import (
    NO_LABEL,
    ClassArray,
    IntArray,
    Progress,
    TrainingData,
    TrainingWindows,
    Window,
)


def gather_chips(
    source: ChipSource,
    options: GatherOptions,
    progress: Progress | None = None,
    storage: Storage | None = None,
    *,
    labels_needed: bool = True,
) -> TrainingData:
    """The four groups of training pixels of a set of chips, and labelled pixels of chips held out.

    Labels are drawn class by class from all training chips alike, `labels_per_class` of each; the share for
    validation comes from whole chips that nothing else is drawn from. Unlabelled pixels are those that are
    not among the labels drawn, whatever the label files say of them. Patches end at the edge of their chip.
    At most `options.chips` chips are read, drawn at random. Positions are on the grid of all chips
    (`geo_xmodal.chips.placed`).

    Args:
        source: The chips.
        options: Which pixels.
        progress: Told after every chip.
        storage: Where values go that do not fit into memory; None refuses them.
        labels_needed: Whether it is an error that no chip has training labels, or of one class only.

    Raises:
        LabelError, TrainingDataError: Labels or values do not suffice.
        UsageError: The options are for scenes, or the patches would not fit into `options.memory`.
        ChipError, RasterError: A chip cannot be read.
    """
    refuse_scene_options(options)
    among = [chip for chip in source.chips.of("train") if source.usable(chip)]
    sensors = [source.target_name, *([] if source.auxiliary_name is None else [source.auxiliary_name])]
    assumptions = chip_assumptions(source.chips, among, sensors)
    draw = draw_chips(
        source,
        most=options.chips or MAX_CHIPS,
        labels_per_class=options.labels_per_class,
        validation=options.validation,
        unlabelled=options.unlabelled,
        unlabelled_target=options.unlabelled_target,
        seed=options.seed,
        progress=progress,
        labels_needed=labels_needed,
    )
    member = source.members[0]
    target = member.reader(member.target)
    auxiliary = None if member.auxiliary is None else member.reader(member.auxiliary)
    groups = _groups(source, draw, options, progress)
    kept = (
        storage
        if beyond_memory(*needed(groups, target, auxiliary, options), options.memory, storage)
        else None
    )
    read = read_groups(groups, target, auxiliary, options, kept, progress)
    windows = _windows(source, draw, groups, options) if options.tile else None
    training = [group for name, group in read.items() if name != "validation"]
    auxiliaries = [group.auxiliary for group in training if group.auxiliary is not None]
    modalities = source.chips.config.modalities
    return TrainingData(
        classes=source.classes,
        target=summary_of(
            source.target_name,
            source.kind,
            modalities[source.target_name].sensor,
            [target],
            [group.target for group in training],
            kept,
        ),
        auxiliary=None
        if auxiliary is None
        else summary_of(
            auxiliary.sensor,
            auxiliary.kind,
            modalities[auxiliary.sensor].sensor,
            [auxiliary],
            auxiliaries,
            kept,
        ),
        margin=options.margin,
        windows=windows,
        auxiliary_margin=options.auxiliary_margin,
        notes=_notes(source, groups, draw, options, assumptions)
        | ({} if kept is None else {"values": STORED}),
        **read,
    )


def _groups(
    source: ChipSource, draw: ChipDraw, options: GatherOptions, progress: Progress | None
) -> dict[str, Pixels]:
    member = source.members[0]
    has_auxiliary = np.zeros(len(draw.labelled), bool)
    if member.auxiliary is not None:
        has_auxiliary = availability(member.reader(member.auxiliary), draw.labelled.position, progress).pixels
        if not has_auxiliary.any() and not len(draw.pairs):
            raise TrainingDataError(
                f"{source.chips.folder}: no pixel that was drawn has values in every band of "
                f"{member.auxiliary.name} and {member.target.name}; check that the files overlap, and that "
                "unlabelled pixels may be drawn"
            )
    index = _places(source, draw.labelled)
    return {
        "labelled_pairs": Pixels(draw.labelled.position[has_auxiliary], index[has_auxiliary], True),
        "labelled_target": Pixels(draw.labelled.position[~has_auxiliary], index[~has_auxiliary], False),
        "validation": Pixels(draw.validation.position, _places(source, draw.validation), False),
        "unlabelled_pairs": Pixels(draw.pairs, None, True),
        "unlabelled_target": Pixels(draw.target, None, False),
    }


def _windows(
    source: ChipSource, draw: ChipDraw, groups: dict[str, Pixels], options: GatherOptions
) -> TrainingWindows:
    """Windows of the chips that train: with all of their labels, or those that were drawn if asked for."""
    dense = options.labels_per_class is None
    train = (
        chip_places(source, options.overlap)
        if dense
        else places_of(marked([groups["labelled_pairs"], groups["labelled_target"]]))
    )
    held_out = marked([groups["validation"]])
    member = source.members[0]
    made = WindowSource(
        member.reader(member.target),
        windows_of_chips(source, draw.trained, train, options),
        tiles_with(held_out, options),
        train,
        places_of(held_out, options.overlap),
    )
    return gather_windows([made], options, dense)


def windows_of_chips(
    source: ChipSource, numbers: Sequence[int], places: PlacesOf, options: GatherOptions
) -> list[Window]:
    """Windows of chips that hold a label, on the grid of all chips.

    Args:
        source: The chips.
        numbers: Of the chips in the set.
        places: The labels.
        options: With the size of tiles.
    """
    shapes = {
        number: cast(
            tuple[int, int], tuple(source.chips.grid(source.chips.chips[number], source.target_name).shape)
        )
        for number in numbers
    }
    side = window_side(list(shapes.values()), options)
    return [
        window
        for number, shape in shapes.items()
        for window in windows_around(places, shape, side, options, on_grid(number, Window(0, 0, *shape)))
    ]


def chip_places(source: ChipSource, overlap: int) -> PlacesOf:
    """All labels of chips, by windows whose pixel `overlap` below and beside the first lies in a chip."""
    place = np.full(256, NO_LABEL, np.uint8)
    place[[land.id for land in source.classes]] = np.arange(len(source.classes), dtype=np.uint8)

    @functools.lru_cache(maxsize=1)
    def of_chip(number: int) -> ClassArray:
        ids = source.chips.labels(source.chips.chips[number], source.target_name)
        assert ids is not None  # only chips with labels train
        return place[ids]

    def places(window: Window) -> ClassArray:
        out = np.full((window.height, window.width), NO_LABEL, np.uint8)
        (number,) = numbers_of(np.array([[window.row + overlap, window.col + overlap]])).tolist()
        labels = of_chip(number)
        whole = on_grid(number, Window(0, 0, *labels.shape))
        if (common := window.common(whole)) is not None:
            out[common.seen_from(window).slices] = labels[common.seen_from(whole).slices]
        return out

    return places


def _places(source: ChipSource, pixels: LabelledPixels) -> IntArray:
    """The place of each pixel's class in the legend."""
    place = np.zeros(256, np.int64)
    place[[land.id for land in source.classes]] = np.arange(len(source.classes))
    found: IntArray = place[pixels.label]
    return found


def _notes(
    source: ChipSource,
    groups: dict[str, Pixels],
    draw: ChipDraw,
    options: GatherOptions,
    assumptions: tuple[str, ...],
) -> dict[str, Any]:
    """What a report should say; the same words as of scenes, and `drawn`."""
    nothing = not len(draw.pairs) + len(draw.target)
    asked = options.unlabelled or options.unlabelled_target
    return {
        **counts_of(groups, source.classes, draw.labels),
        "split": {"kind": "chips"},
        "overlap_share": 0.0,
        "excluded_unlabelled_share": 0.0,
        "no_unlabelled": ("no pixel has a value in every band" if asked else "unlabelled=0 asks for none")
        if nothing
        else None,
        "labelled_without_target_data": draw.without_data,
        "dropped_beside_validation": 0,
        "label_conflicts": 0,
        "transductive": False,
        "assumptions": list(assumptions),
        "drawn": list(draw.notes),
    }
