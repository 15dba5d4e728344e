"""Pretraining as a learner: two encoders and their projectors, a loss between views of pairs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from geo_xmodal.bundle import NetworkEntry, describe_target
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.base import Batch, Learner, Pool, Stage, WeightGroup
from geo_xmodal.methods.pretraining.options import PretrainingOptions
from geo_xmodal.methods.pretraining.views import Views
from geo_xmodal.methods.rows import CHUNK, rows_of
from geo_xmodal.networks import BranchEncoder, NetworkSpec, PixelModel, Projector, Standardize
from geo_xmodal.objectives.self_supervised import CLIP, BarlowTwins, DeCUR, Maximised, PairLoss, SimCLR
from geo_xmodal.patches import joined_patches
from geo_xmodal.pretrained import PretrainedSensor, SensorEntry
from geo_xmodal.types import ModalitySummary, TrainingData

_SETTLED = 16
"""Batches that batch norms of random weights are shown."""


class PretrainLearner(Learner):
    """Encoders and projectors of two sensors that learn from pairs without labels.

    All pairs of the data are learned from alike; labels, where there are some, are not looked at.

    Args:
        data: Pairs of two sensors.
        method: A name of `PRETRAINING_METHODS`.
        options: Networks, views, loss.

    Raises:
        TrainingDataError: There are no two pairs, or one projector cannot serve both encoders.
    """

    def __init__(self, data: TrainingData, method: str, options: PretrainingOptions) -> None:
        super().__init__()
        if data.auxiliary is None or data.pairs < 2:
            raise TrainingDataError(f"pretraining needs pixels that two sensors have; there are {data.pairs}")
        self.options, self.method = options, method
        self.summaries = (data.target, data.auxiliary)
        kinds = (data.target.kind, data.auxiliary.kind)
        tells_apart = method == "decur"
        self.common = options.common_dimensions(kinds) if tells_apart else options.dimensions
        specs = (options.network, options.auxiliary_network)
        encoders = [
            BranchEncoder(spec, summary.bands) for spec, summary in zip(specs, self.summaries, strict=True)
        ]
        self.encoders = nn.ModuleList(encoders)
        self.projectors = nn.ModuleList(self._projectors(encoders))
        self.views = nn.ModuleList(
            Views(
                summary.kind, summary.statistics, options.side(encoder.margin),
                crop=options.crop, noise=options.noise, draws=options.draws,
            )
            for summary, encoder in zip(self.summaries, encoders, strict=True)
        )  # fmt: skip
        self.loss_of: PairLoss = _loss(method, self.common, options)
        self.unlabelled = _pairs(data)
        self.labelled = self.unlabelled.empty()
        self.stages = () if method == "random" else (Stage(method),)

    def groups(self) -> tuple[WeightGroup, ...]:
        """All weights; with LARS, biases, batch norms and scales apart: they are not adapted, nor decay."""
        weights = list(self.parameters())
        if self.options.optimizer != "lars":
            return (WeightGroup(tuple(weights)),)
        matrices = tuple(one for one in weights if one.ndim > 1)
        others = tuple(one for one in weights if one.ndim <= 1)
        return WeightGroup(matrices), WeightGroup(others, rate=self.options.bias_rate, decay=0.0)

    def loss(self, stage: int, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """The loss between views of a batch of pairs."""
        assert unlabelled is not None and unlabelled.auxiliary is not None
        samples = (unlabelled.target, unlabelled.auxiliary)
        embeddings = [
            self.embedded(sensor, self.views[sensor](samples[sensor]))
            for _ in range(self.loss_of.views)
            for sensor in (0, 1)
        ]
        return {self.method: self.loss_of(*embeddings)}

    @torch.no_grad()
    def settle(self, seed: int) -> None:
        """Let batch norms of weights that do not learn see some batches, as those that learn have."""
        draw = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.train()
        for _ in range(_SETTLED):
            index = torch.randint(len(self.unlabelled), (self.options.batch_size,), generator=draw)
            batch = self.draw(self.unlabelled, index)
            for sensor, samples in enumerate((batch.target, cast(Tensor, batch.auxiliary))):
                self.embedded(sensor, self.views[sensor](samples))
        self.eval()

    def sensors(self) -> tuple[PretrainedSensor, PretrainedSensor]:
        """Both sensors as they stand, in evaluation mode, on the processor."""
        projectors = [self.projectors[0], self.projectors[-1]]
        made = [
            _sensor(summary, *(copy.deepcopy(one).cpu().eval() for one in (encoder, projector)))
            for summary, encoder, projector in zip(self.summaries, self.encoders, projectors, strict=True)
        ]
        return made[0], made[1]

    def pixel_model(self) -> PixelModel:
        """None: what is pretrained knows no classes."""
        raise TrainingDataError("pretrained encoders know no classes: train on labels to get a model")

    def embedded(self, sensor: int, views: Tensor) -> Tensor:
        """(n, dimensions) embeddings of views of the target sensor (0) or of the auxiliary one (1)."""
        encoder = cast(BranchEncoder, self.encoders[sensor])
        features = encoder.of_images(views) if self.options.image else encoder(views).flatten(1)
        projector = self.projectors[min(sensor, len(self.projectors) - 1)]
        return cast(Tensor, projector(features))

    def _projectors(self, encoders: Sequence[BranchEncoder]) -> list[Projector]:
        options = self.options
        widths = [encoder.features for encoder in encoders]
        if options.shared_projector and widths[0] != widths[1]:
            raise TrainingDataError(
                f"one projector for both sensors needs as many features of each; there are {widths[0]} and "
                f"{widths[1]}: choose encoders of one embedding, or a projector for each"
            )
        first = Projector(widths[0], options.projector_width, options.dimensions)
        if options.shared_projector:
            return [first]
        return [first, Projector(widths[1], options.projector_width, options.dimensions)]


def _loss(method: str, common: int, options: PretrainingOptions) -> PairLoss:
    match method:
        case "decur":
            return DeCUR(common, options.off_diagonal, options.form)
        case "simclr":
            return SimCLR(options.temperature)
        case "clip":
            return CLIP()
        case "vicreg":
            return Maximised("vicreg")
        case _:
            return BarlowTwins(options.off_diagonal)


def _pairs(data: TrainingData) -> Pool:
    """Standardised samples of both sensors at all pairs, labelled or not."""
    groups = [group for group in (data.labelled_pairs, data.unlabelled_pairs) if len(group)]
    rows = []
    for summary, patches in (
        (data.target, [group.target for group in groups]),
        (
            cast(ModalitySummary, data.auxiliary),
            [group.auxiliary for group in groups if group.auxiliary is not None],
        ),
    ):
        standardize = Standardize(summary.statistics)
        rows.append(rows_of(joined_patches(patches)).mapped(standardize, CHUNK))
    return Pool(rows[0], rows[1], None)


def _sensor(summary: ModalitySummary, encoder: nn.Module, projector: nn.Module) -> PretrainedSensor:
    whole = cast(BranchEncoder, encoder)
    described = describe_target(
        summary.name, summary.kind, summary.sensor, summary.statistics, summary.unit, summary.scaled
    )
    entry = SensorEntry(
        **dict(described),
        network=_network_entry(whole.spec),
        margin=whole.margin,
        features=whole.features,
    )
    return PretrainedSensor(entry, Standardize(summary.statistics), whole, cast(Projector, projector))


def _network_entry(spec: NetworkSpec) -> NetworkEntry:
    return NetworkEntry(name=spec.name, options=dict(spec.options))
