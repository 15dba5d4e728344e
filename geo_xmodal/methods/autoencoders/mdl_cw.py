"""`mdl_cw`: two streams with cross weights at every level, from low to high.

Source: Rastegar et al. (CVPR 2016), "MDL-CW: a multimodal deep learning framework with cross weights". Its
published loss was not found: this is a reconstruction of the method from its abstract. Level l of the
streams:

    h1 <- s(W11 h1 + W21 h2 + b1),   h2 <- s(W22 h2 + W12 h1 + b2)

and training in stages: `layers`, each layer an autoencoder of what comes in; `cross`, the cross weights,
which reconstruct a sensor's representation at a level from the other sensor's at the level before; `joint`,
the code, which reconstructs both sensors; `finetune`, all of it by labels. The three without labels share
`pretrain_share` alike.

Chosen here: the target's layers are convolutions, so the auxiliary sensor's part is added at all places
alike, and what goes to the auxiliary sensor is the middle pixel. The target has more layers than the
auxiliary sensor: beyond its last one, the auxiliary representation stays as it is. Where a sensor is absent,
its representation is 0 at every level, so that cross weights, which have no bias, add nothing, and the target
stream alone is what maps.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from geo_xmodal.methods.autoencoders.learner import through
from geo_xmodal.methods.autoencoders.paired import JointLearner, PairedMethod, Pixels, Views, ZeroingOptions
from geo_xmodal.methods.base import Batch, Stage, Work
from geo_xmodal.networks.tanh_cnn import TanhLayer
from geo_xmodal.types import TrainingData

UNLABELLED_STAGES = ("layers", "cross", "joint")


class MdlCwOptions(ZeroingOptions):
    """Options of `mdl_cw`."""


class MdlCwLearner(JointLearner):
    """Stages `layers`, `cross`, `joint`, then `finetune`."""

    options: MdlCwOptions

    def __init__(self, data: TrainingData, options: MdlCwOptions) -> None:
        super().__init__(data, options)
        part = options.pretrain_share / len(UNLABELLED_STAGES)
        self.stages = (
            *(Stage(name, part) for name in UNLABELLED_STAGES),
            Stage("finetune", 1 - options.pretrain_share),
        )
        target = (self.model.bands, *options.widths, *options.dense[:-1])
        auxiliary = (self.auxiliary_bands, *options.auxiliary_widths)
        last = len(auxiliary) - 1
        self.to_target = nn.ModuleList(
            nn.Linear(auxiliary[min(level, last)], after, bias=False)
            for level, after in enumerate(target[1:])
        )
        self.to_auxiliary = nn.ModuleList(
            nn.Linear(before, after, bias=False) for before, after in zip(target, auxiliary[1:], strict=False)
        )
        kernels = (*options.kernels, *(1 for _ in options.dense[:-1]))
        self.undo = nn.ModuleList(
            nn.ConvTranspose2d(after, before, kernel)
            for before, after, kernel in zip(target, target[1:], kernels, strict=False)
        )
        self.auxiliary_undo = nn.ModuleList(nn.Linear(after, before) for before, after in pairwise(auxiliary))

    def codes(self, pixels: Pixels, views: Views) -> Tensor:
        """(rows, code) through all levels, each row with the sensors that `views` gives it."""
        x1 = self.corrupted(pixels.target)[views.pixel[views.target]]
        x2 = self.corrupted(pixels.auxiliary.nan_to_num())[views.pixel[views.auxiliary]]
        for level, layer in enumerate(self._target_layers):
            here = _spread(_middle(x1), views.target)
            pushed = self.to_target[level](_spread(x2, views.auxiliary))[views.target]
            if level < len(self.auxiliary_stream):
                crossed = self.to_auxiliary[level](here)[views.auxiliary]
                x2 = through(self._auxiliary_layers[level], x2[:, :, None, None], crossed).flatten(1)
            x1 = through(layer, x1, pushed)
        for layer in self._auxiliary_layers[len(self._target_layers) :]:
            x2 = layer(x2[:, :, None, None]).flatten(1)
        return self.joined(_spread(_middle(x1), views.target), _spread(x2, views.auxiliary))

    @property
    def _target_layers(self) -> list[TanhLayer]:
        return [cast(TanhLayer, layer) for layer in self.encoder][:-1]

    @property
    def _auxiliary_layers(self) -> list[TanhLayer]:
        return [cast(TanhLayer, layer) for layer in self.auxiliary_stream]

    def pretraining(self, stage: str, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """The terms of a stage without labels."""
        pixels = self.pixels(labelled, unlabelled)
        match stage:
            case "layers":
                return self._layer_by_layer(pixels)
            case "cross":
                return self._crossing(pixels)
            case _:
                views = Views.of(pixels.paired, self.options.zeroing)
                return self.reconstructed(pixels, views, self.codes(pixels, views))

    def _layer_by_layer(self, pixels: Pixels) -> dict[str, Tensor]:
        """Every layer at once, each learning from what the one below makes, which it does not change."""
        spectra = pixels.auxiliary[pixels.paired]
        target = self._reconstructed_layers(
            self._target_layers, self.undo, self.corrupted(pixels.target), self.unit(pixels.target)
        )
        auxiliary = self._reconstructed_layers(
            self._auxiliary_layers, self.auxiliary_undo, self.corrupted(spectra)[:, :, None, None],
            self.auxiliary_view.unit(spectra),
        )  # fmt: skip
        return self.terms.of(target=target, auxiliary=auxiliary)

    def _reconstructed_layers(
        self, layers: list[TanhLayer], decoders: nn.ModuleList, x: Tensor, wanted: Tensor
    ) -> tuple[tuple[Tensor, Tensor], ...]:
        """What the decoder of each layer says, and what it should say."""
        outputs = []
        for level, (layer, decoder) in enumerate(zip(layers, decoders, strict=True)):
            h = layer(x)
            back = decoder(h if wanted.ndim == 4 else h.flatten(1))
            outputs.append((back.tanh() if level else back.sigmoid(), wanted))
            x = h.detach()
            wanted = x if wanted.ndim == 4 else x.flatten(1)
        return tuple(outputs)

    def _crossing(self, pixels: Pixels) -> dict[str, Tensor]:
        """|h2_l - tanh(W12 h1_l-1)|^2 and its mirror image, pair by pair; the streams stand still."""
        target, auxiliary = self._levels(pixels)
        last = len(auxiliary) - 1
        to_auxiliary = [
            (cross(before).tanh(), after)
            for cross, before, after in zip(self.to_auxiliary, target, auxiliary[1:], strict=False)
        ]
        to_target = [
            (cross(auxiliary[min(level, last)]).tanh(), target[level + 1])
            for level, cross in enumerate(self.to_target)
        ]
        return self.terms.of(auxiliary=tuple(to_auxiliary), target=tuple(to_target))

    @torch.no_grad()
    def _levels(self, pixels: Pixels) -> tuple[list[Tensor], list[Tensor]]:
        """Middle-pixel representations of each stream by itself at every level, input first, of the pairs."""
        self.encoder.eval()
        self.auxiliary_stream.eval()
        x1, x2 = pixels.target[pixels.paired], pixels.auxiliary[pixels.paired][:, :, None, None]
        target, auxiliary = [_middle(x1)], [x2.flatten(1)]
        for layer in self._target_layers:
            x1 = layer(x1)
            target.append(_middle(x1))
        for layer in self._auxiliary_layers:
            x2 = layer(x2)
            auxiliary.append(x2.flatten(1))
        return target, auxiliary

    def finetuning(self, labelled: Batch, unlabelled: Batch | None) -> dict[str, Tensor]:
        """Cross-entropy on the codes of labelled pixels, with both sensors and with one alone."""
        pixels = self.pixels(labelled, None)
        views = Views.of(pixels.paired, self.options.zeroing)
        return self.classification(pixels, views, self.codes(pixels, views), labelled)


def _middle(patches: Tensor) -> Tensor:
    """(n, features, p, p) to the middle pixel's features, (n, features)."""
    middle = patches.shape[-1] // 2
    return patches[:, :, middle, middle]


def _spread(rows: Tensor, present: Tensor) -> Tensor:
    """Rows to where a sensor is present, 0 elsewhere."""
    every = rows.new_zeros(len(present), rows.shape[1])
    every[present] = rows
    return every


class MdlCw(PairedMethod):
    """Multimodal deep learning with cross weights."""

    name = "mdl_cw"
    summary = "two streams with cross weights at every level (Rastegar; X-ModalNet's baseline)"
    Options = MdlCwOptions

    def learner(
        self, data: TrainingData, options: MdlCwOptions, seed: int, work: Work | None = None
    ) -> MdlCwLearner:
        """A learner with weights drawn from `seed`."""
        self.check(data, options)
        torch.manual_seed(seed)
        return MdlCwLearner(data, options)
