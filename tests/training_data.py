"""Training data made in memory: an auxiliary sensor that knows the class, a target that half knows it."""

from __future__ import annotations

import numpy as np

from geo_xmodal.patches import HeldPatches
from geo_xmodal.types import (
    BandStatistics,
    IntArray,
    LandClass,
    ModalitySummary,
    PixelGroup,
    TrainingData,
)

CLASSES = tuple(LandClass(i + 1, name, "#00%02x00" % (40 * i)) for i, name in enumerate(("a", "b", "c")))


def identity_statistics(bands: int) -> BandStatistics:
    """Statistics that leave values as they are, but for clipping at +-1000."""
    return BandStatistics(
        bands=tuple(f"b{i}" for i in range(bands)),
        transform=("identity",) * bands,
        scale=(1.0,) * bands,
        low=(-1000.0,) * bands,
        high=(1000.0,) * bands,
        mean=(0.0,) * bands,
        std=(1.0,) * bands,
    )


def make_group(
    rng: np.random.Generator,
    label: IntArray,
    *,
    margin: int,
    auxiliary_margin: int = 0,
    auxiliary: bool = True,
    labelled: bool = True,
    noise: float = 1.0,
) -> PixelGroup:
    """Pixels of given classes: 4 target bands with `noise`, 12 auxiliary bands with little."""
    side, reach = 2 * margin + 1, 2 * auxiliary_margin + 1
    centres = np.array([[0, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, -1]], np.float32)
    target = centres[label][:, :, None, None] + noise * rng.normal(size=(len(label), 4, side, side))
    axes = np.random.default_rng(99).normal(size=(3, 12))
    spectra = axes[label][:, :, None, None] + 0.1 * rng.normal(size=(len(label), 12, reach, reach))
    position = np.stack([np.arange(len(label)), np.arange(len(label))], 1)
    return PixelGroup(
        position.astype(np.int64),
        HeldPatches(target.astype(np.float32)),
        HeldPatches(spectra.astype(np.float32)) if auxiliary else None,
        label.astype(np.int64) if labelled else None,
    )


def make_training_data(
    margin: int = 3,
    *,
    auxiliary_margin: int = 0,
    labels: int = 8,
    pairs: int = 300,
    seed: int = 0,
    noise: float = 1.0,
) -> TrainingData:
    """`labels` pixels a class, half of them pairs; `pairs` unlabelled pairs; 60 validation pixels."""
    rng = np.random.default_rng(seed)
    some = np.repeat(np.arange(3), labels)
    paired = np.arange(len(some)) % 2 == 0
    return TrainingData(
        classes=CLASSES,
        target=ModalitySummary("sar", "sar", "made up", identity_statistics(4)),
        auxiliary=ModalitySummary("hsi", "hsi", "made up", identity_statistics(12)),
        labelled_pairs=make_group(
            rng, some[paired], margin=margin, auxiliary_margin=auxiliary_margin, noise=noise
        ),
        labelled_target=make_group(rng, some[~paired], margin=margin, auxiliary=False, noise=noise),
        unlabelled_pairs=make_group(
            rng,
            rng.integers(3, size=pairs),
            margin=margin,
            auxiliary_margin=auxiliary_margin,
            labelled=False,
            noise=noise,
        ),
        unlabelled_target=make_group(
            rng, rng.integers(3, size=40), margin=margin, auxiliary=False, labelled=False, noise=noise
        ),
        validation=make_group(rng, np.repeat(np.arange(3), 20), margin=margin, auxiliary=False, noise=noise),
        margin=margin,
        auxiliary_margin=auxiliary_margin,
    )
