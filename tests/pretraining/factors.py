"""Two sensors simulated from known factors: some that both see, some that one sees alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from geo_xmodal.methods.pretraining.learner import PretrainLearner
from geo_xmodal.methods.pretraining.options import PretrainingOptions
from geo_xmodal.patches import HeldPatches
from geo_xmodal.training.loop import fit
from geo_xmodal.types import ModalitySummary, PixelGroup, TrainingData
from tests.training_data import identity_statistics

BANDS = 16
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Factors:
    """Pairs of single pixels with the factors behind them.

    Attributes:
        data: Unlabelled pairs.
        shared: (n, shared) factors of both sensors.
        private: (n, private) factors of each sensor alone.
    """

    data: TrainingData
    shared: Array
    private: tuple[Array, Array]

    def some(self, first: int, end: int) -> Factors:
        """The pairs from one to another."""
        pairs = self.data.unlabelled_pairs.take(np.arange(first, end))
        private = (self.private[0][first:end], self.private[1][first:end])
        return Factors(
            dataclasses.replace(self.data, unlabelled_pairs=pairs), self.shared[first:end], private
        )


def made_of_factors(seed: int, n: int, shared: int = 3, private: int = 3) -> Factors:
    """Bands x = B tanh(A [s, p]) + noise of 0.05, standardised; A and B are drawn, of each sensor its own."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, shared)).astype(np.float32)
    own, values = [], []
    for _ in range(2):
        alone = rng.normal(size=(n, private)).astype(np.float32)
        factors = np.concatenate([common, alone], 1)
        hidden = np.tanh(factors @ rng.normal(size=(shared + private, 32)) / np.sqrt(shared + private))
        bands = hidden @ rng.normal(size=(32, BANDS)) / np.sqrt(32)
        bands = (bands - bands.mean(0)) / bands.std(0) + 0.05 * rng.normal(size=bands.shape)
        own.append(alone)
        values.append(HeldPatches(bands.astype(np.float32)[:, :, None, None]))
    nowhere = np.zeros((0, 2), np.int64)
    pairs = PixelGroup(np.zeros((n, 2), np.int64), values[0], values[1])
    none = pairs.take(np.empty(0, np.int64))
    sensors = [ModalitySummary(name, "other", "", identity_statistics(BANDS)) for name in ("one", "two")]
    labelled = dataclasses.replace(none, label=nowhere[:, 0])
    data = TrainingData(
        (), sensors[0], sensors[1], labelled, labelled.without_auxiliary(), pairs, none.without_auxiliary(),
        labelled.without_auxiliary(), margin=0,
    )  # fmt: skip
    return Factors(data, common, (own[0], own[1]))


def pretrained_on(
    factors: Factors, method: str, seed: int, epochs: int, common: float | None = 0.5, dimensions: int = 16
) -> PretrainLearner:
    """What a method learns from the pairs; views differ by noise alone."""
    options = PretrainingOptions(
        encoder="pixel_cnn", contrasts=(), kernels=(1, 1), widths=(64, 64), embedding=32,
        auxiliary_contrasts=(), auxiliary_kernels=(1, 1), auxiliary_widths=(64, 64), dimensions=dimensions,
        projector_width=64, common=common, noise=0.2, crop=1, draws=1, epochs=epochs, least_steps=1,
        learning_rate=3e-3, off_diagonal=0.05,
    )  # fmt: skip
    torch.manual_seed(seed)
    learner = PretrainLearner(factors.data, method, options)
    fit(learner, options, seed)
    if method == "random":
        learner.settle(seed)
    return learner.eval()


@torch.no_grad()
def recovered(learner: PretrainLearner, held_out: Factors) -> dict[str, float]:
    """R2 of factors by linear regression on common and on unique dimensions, means over both sensors."""
    found: dict[str, list[float]] = {}
    c = learner.common
    for sensor in (0, 1):
        group = held_out.data.unlabelled_pairs
        patches = (group.target, group.auxiliary)[sensor]
        assert patches is not None and patches.held is not None
        z = learner.embedded(sensor, torch.from_numpy(patches.held))
        for part, columns in (("common", z[:, :c]), ("unique", z[:, c:])):
            for kind, factor in (("shared", held_out.shared), ("private", held_out.private[sensor])):
                found.setdefault(f"{kind} from {part}", []).append(r2(columns, torch.from_numpy(factor)))
    return {name: float(np.mean(values)) for name, values in found.items()}


def r2(features: Tensor, factors: Tensor) -> float:
    """Of the second half of the rows, by least squares on the first; 0 of no features."""
    if not features.shape[1]:
        return 0.0
    x = torch.cat([features, torch.ones(len(features), 1)], 1).double()
    y, half = factors.double(), len(features) // 2
    weights = torch.linalg.lstsq(x[:half], y[:half], driver="gelsd").solution
    rest = (y[half:] - x[half:] @ weights).square().mean(0) / y[half:].var(0, correction=0)
    return float((1 - rest).mean())
