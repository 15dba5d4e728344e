"""Grad-CAM of dense networks: where in a window the features lie that speak for a class.

Selvaraju et al. 2017, "Grad-CAM" (arXiv 1610.02391), eq. 1 and 2, with the score of a window as Vinogradova
et al. 2020 (Seg-Grad-CAM, arXiv 2002.11434) have it: the logits of all its pixels together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from geo_xmodal.memory import check_memory
from geo_xmodal.networks import Average, Branch, Trees
from geo_xmodal.types import FloatArray, Window, windows_over

NO_PLACES = "points lie beside no others: there is no window to look at"
"""Why there is no Grad-CAM of a scene that is made of points."""

_COPIES = 4
"""Of what is found in a window, as float32, while it is written and drawn."""

_TILE = 64


@dataclass(frozen=True)
class FeatureLayer:
    """Where a network's last features lie: a pixel's own, aligned with its logits.

    Attributes:
        name: Of the network, or of the member of an average.
        margin: Pixels on each side that the features look at.
        tile: Side of the tiles that it is computed in.
        features: (B, band, H + 2m, W + 2m) standardised -> (B, feature, H, W).
        head: Those -> (B, outputs, H, W), such as logits.
    """

    name: str
    margin: int
    tile: int
    features: Callable[[Tensor], Tensor]
    head: Callable[[Tensor], Tensor]


def feature_layer(network: nn.Module) -> FeatureLayer | None:
    """The last features of a network before its classifier; of a linear one, its bands.

    Of an average it is that of the member with the largest weight that has one. None where there is no such
    layer: trees, and networks whose logits are not of the pixel's own features.
    """
    if isinstance(network, Average):
        order = sorted(range(len(network.members)), key=lambda k: -float(network.weight[k]))
        found = (feature_layer(network.members[k]) for k in order)
        return next((layer for layer in found if layer is not None), None)
    if isinstance(network, Branch):
        return FeatureLayer(
            type(network).__name__,
            network.margin,
            network.tile,
            lambda x: network.encode(network.prepare(x)),
            network.head,
        )
    if isinstance(network, nn.Conv2d) and not isinstance(network, Trees):
        return FeatureLayer("linear", 0, _TILE, lambda x: x, network)
    return None


def class_activation(
    standardize: Callable[[Tensor], Tensor],
    layer: FeatureLayer,
    read: Callable[[Window, int], FloatArray],
    window: Window,
    step: Callable[[], None] = lambda: None,
) -> FloatArray:
    """Grad-CAM of every output over a window, tile by tile: the window is never in memory as features.

    For output c, such as the logit of a class, L_c = ReLU(sum_k a_ck A_k), where A_k is a feature at the
    pixel and a_ck the mean over the window's pixels of the gradient of the sum of their outputs by A_k.
    Nothing is upsampled: the features have the resolution of the map. A first pass gives a_ck, a second L_c,
    so that both are the same however the window is cut.

    Args:
        standardize: (B, band, row, col) raw values to network input.
        layer: Of the network.
        read: (window, margin) -> (band, row, col) raw values, NaN where there is no data.
        window: On the reader's grid.
        step: Told after each tile, twice a tile.

    Returns:
        (output, row, col) float32, NaN where a band is missing; in units of the output.
    """
    weights, pixels = torch.zeros(()), 0
    for _, x, there in _tiles(standardize, layer, read, window):
        features = layer.features(x).detach().requires_grad_()
        with torch.enable_grad():
            logits = layer.head(features)
            sums = [
                torch.autograd.grad(logits[0, k][there].sum(), features, retain_graph=True)[0]
                for k in range(logits.shape[1])
            ]
        weights = weights + torch.stack([one[0][:, there].double().sum(dim=1) for one in sums])
        pixels += int(there.sum())
        step()
    means = (weights / max(pixels, 1)).float()
    out = np.full((len(means), window.height, window.width), np.nan, np.float32)
    for part, x, there in _tiles(standardize, layer, read, window):
        with torch.no_grad():
            activation = torch.einsum("ck,khw->chw", means, layer.features(x)[0]).clamp(min=0)
        out[:, *part.seen_from(window).slices] = torch.where(there, activation, torch.nan).numpy()
        step()
    return out


def check_window(window: Window, outputs: int) -> None:
    """See that there is memory for what `class_activation` finds in a window.

    Raises:
        MemoryShortageError: There is too little.
    """
    check_memory(
        f"Grad-CAM of {outputs} outputs over {window.height} x {window.width} pixels",
        4 * _COPIES * outputs * window.height * window.width,
        "look at a smaller window",
    )


def tiles_of(layer: FeatureLayer, window: Window) -> int:
    """How often `class_activation` tells that it is further."""
    return 2 * sum(1 for _ in windows_over(window.height, window.width, layer.tile))


def _tiles(
    standardize: Callable[[Tensor], Tensor],
    layer: FeatureLayer,
    read: Callable[[Window, int], FloatArray],
    window: Window,
) -> Iterator[tuple[Window, Tensor, Tensor]]:
    """Tiles of a window with data: where, standardised values with the margin, and which pixels have data."""
    m = layer.margin
    for part in windows_over(window.height, window.width, layer.tile):
        place = Window(window.row + part.row, window.col + part.col, part.height, part.width)
        raw = read(place, m)
        there = np.isfinite(raw[:, m : m + part.height, m : m + part.width]).all(axis=0)
        with torch.no_grad():
            yield place, standardize(torch.from_numpy(raw)[None]), torch.from_numpy(there)
