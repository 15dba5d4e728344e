"""Where values are clipped before they are learned from: by percentiles, or as DeCUR's appendix does."""

from __future__ import annotations

import dataclasses

import numpy as np

from geo_xmodal.kinds import KINDS
from geo_xmodal.patches import Patches
from geo_xmodal.types import ModalitySummary, TrainingData

_CUT = (1.0, 99.0)
_DEVIATIONS = 2.0


def as_published(data: TrainingData) -> TrainingData:
    """The same data with bands clipped as in the appendix of DeCUR (B.1).

    Optical bands are compressed to 8 bits between mean - 2 sd and mean + 2 sd: here they are clipped there,
    and stay floating-point numbers, as 8 bits save room and tell nothing. Of radar the lowest and highest
    percent of values are cut off; the paper does so for each image, and here it is done for all together, as
    a pixel has to mean the same in all of them. Heights are clipped as optical bands are: a stretch for each
    tile, as in the released code, would take the height away. HHA, the paper's form of indoor depth, needs
    the camera's geometry, which scenes do not have.
    """
    groups = [
        group
        for group in (
            data.labelled_pairs,
            data.labelled_target,
            data.unlabelled_pairs,
            data.unlabelled_target,
        )
        if len(group)
    ]
    target = _clipped(data.target, [group.target for group in groups])
    auxiliary = data.auxiliary
    if auxiliary is not None:
        auxiliary = _clipped(auxiliary, [group.auxiliary for group in groups if group.auxiliary is not None])
    return dataclasses.replace(data, target=target, auxiliary=auxiliary)


def _clipped(summary: ModalitySummary, patches: list[Patches]) -> ModalitySummary:
    statistics = summary.statistics
    if KINDS[summary.kind].statistics == "power":
        middles = [part[:, :, 0, 0] for one in patches for part in one.cropped(0).parts(4096)]
        low, high = np.nanpercentile(np.concatenate(middles).astype(np.float64), _CUT, axis=0)
    else:
        mean, std = np.array(statistics.mean), np.array(statistics.std)
        low = np.maximum(mean - _DEVIATIONS * std, statistics.low)
        high = np.minimum(mean + _DEVIATIONS * std, statistics.high)
    changed = dataclasses.replace(statistics, low=tuple(low.tolist()), high=tuple(high.tolist()))
    return dataclasses.replace(summary, statistics=changed)
