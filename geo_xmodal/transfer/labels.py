"""Which classes a chip holds: the labels of scene classification, several a chip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geo_xmodal.chips import Chip, ChipSource
from geo_xmodal.errors import LabelError


def chip_classes(source: ChipSource, chips: Sequence[Chip]) -> npt.NDArray[np.float32]:
    """(chip, class) 1 where a chip's label file has a pixel of the class, 0 elsewhere.

    Of BigEarthNet v2 these are the classes of its reference maps, of which its own labels were made.

    Raises:
        LabelError: No chip has a class, or a label file cannot be read as such.
    """
    ids = np.array([land.id for land in source.classes])
    found = np.zeros((len(chips), len(ids)), np.float32)
    for place, chip in enumerate(chips):
        labels = source.chips.labels(chip, source.target_name)
        if labels is not None:
            found[place] = np.isin(ids, np.unique(labels))
    if not found.any():
        raise LabelError(f"{source.chips.folder}: no chip that was read holds a class")
    return found
