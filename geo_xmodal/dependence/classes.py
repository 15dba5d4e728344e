"""What each sensor alone tells about each class, on training labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo_xmodal.correlation import CorrelationEstimate
from geo_xmodal.dependence.estimates import Nonlinear, estimate
from geo_xmodal.dependence.pixels import ENOUGH_BLOCKS, Layout, Pair
from geo_xmodal.errors import LabelError
from geo_xmodal.named_options import option
from geo_xmodal.samples import availability
from geo_xmodal.scenes import Scene, labelled_pixels
from geo_xmodal.types import ClassArray, IntArray, LandClass, Progress

WINDOWS = (1, 3)
"""Windows of the second sensor: labels are too few for gaps as wide as larger ones would need."""

BLOCK_SIDES = (64, 48, 32, 24, 16)
MIN_BLOCKS = 5
MIN_SAMPLES = 20
"""Below these a class is left out: what was learned of it in one block must be found in others."""


@dataclass(frozen=True)
class ClassCorrelation:
    """How well each sensor alone tells one class from the others.

    Attributes:
        land_class: the class.
        samples: training pixels of it that were used.
        blocks: blocks that they lie in.
        estimates: by sensor; empty where the class has too few samples or blocks.
    """

    land_class: LandClass
    samples: int
    blocks: int
    estimates: Mapping[str, CorrelationEstimate]


def correlate_classes(
    scene: Scene,
    pair: Pair,
    *,
    method: Nonlinear,
    block: int | None,
    seed: int,
    progress: Progress | None = None,
) -> tuple[tuple[ClassCorrelation, ...], Layout]:
    """Correlation of each sensor with the indicator of each class, held out in blocks.

    The first sensor is taken at the pixel, the second at the pixel and in a window of 3 x 3.

    Args:
        scene: With training labels.
        pair: The two sensors.
        method: The nonlinear estimator.
        block: Side of a block in pixels; None takes the one by which most classes can be measured.
        seed: Of every random draw.
        progress: Told of every class.

    Returns:
        One entry a class, and the blocks.

    Raises:
        LabelError: No training pixel has both sensors away from test pixels.
    """
    labelled = labelled_pixels(scene, "train")
    both = np.ones(len(labelled), bool)
    for reader in pair.readers:
        both[both] = availability(reader, labelled.position[both], progress).pixels
    layout = _layout(labelled.position[both], labelled.label[both], pair.layout.test, block)
    both[both] = layout.keeps(labelled.position[both])
    positions, ids = labelled.position[both], labelled.label[both]
    if not len(positions):
        raise LabelError(
            f"{scene.folder}: none of {len(labelled)} training pixels has both {pair.first} and "
            f"{pair.second} away from test pixels; leave out {option('target_classes')}"
        )
    groups = layout.blocks(positions)
    first, windows = pair.views(positions, WINDOWS)
    sensors = {pair.first: first, pair.second: np.concatenate(list(windows.values()), axis=1)}
    found = []
    for done, land in enumerate(scene.classes):
        members = ids == land.id
        estimates: dict[str, CorrelationEstimate] = {}
        if _measurable(members, groups):
            if progress is not None:
                progress(done, len(scene.classes), f"estimating class {land.name}")
            estimates = {
                name: estimate(z, members[:, None] * 1.0, method, components=1, groups=groups, seed=seed)
                for name, z in sensors.items()
            }
        blocks = len(np.unique(groups[members]))
        found.append(ClassCorrelation(land, int(members.sum()), blocks, estimates))
    return tuple(found), layout


def _layout(positions: IntArray, ids: ClassArray, test: IntArray, block: int | None) -> Layout:
    """The blocks that give enough of them, then most classes, then the largest."""
    layouts = [Layout(side, max(WINDOWS) // 2, test) for side in (BLOCK_SIDES if block is None else (block,))]

    def worth(layout: Layout) -> tuple[bool, int, int]:
        kept = layout.keeps(positions)
        groups, present = layout.blocks(positions[kept]), ids[kept]
        measurable = sum(_measurable(present == one, groups) for one in np.unique(present))
        return len(np.unique(groups)) >= ENOUGH_BLOCKS, measurable, layout.side

    return max(layouts, key=worth)


def _measurable(members: npt.NDArray[np.bool_], groups: IntArray) -> bool:
    return all(
        part.sum() >= MIN_SAMPLES and len(np.unique(groups[part])) >= MIN_BLOCKS
        for part in (members, ~members)
    )
