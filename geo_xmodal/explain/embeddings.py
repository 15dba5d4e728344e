"""What two sensors' embeddings have in common: DeCUR's appendix, Algorithm 2, routines 1, 2 and 4.

Wang et al. 2024, "Decoupling common and unique representations for multimodal self-supervised learning"
(arXiv 2309.05300). Embeddings are (n, K), of zero mean and unit variance over the pixels; the first ones are
common to both sensors, the others unique to each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from geo_xmodal.types import FloatArray

_EPSILON = 1e-5
_MAX_PERPLEXITY = 30.0


def normalised(embeddings: Tensor) -> Tensor:
    """(n, K) of zero mean and unit variance over the pixels, as batch norm without scale and shift."""
    return F.batch_norm(embeddings, None, None, training=True, eps=_EPSILON)


@dataclass(frozen=True, eq=False)
class Alignment:
    """How each dimension of one sensor goes along with the same dimension of the other.

    Attributes:
        correlation: (K,) the diagonal of the cross-correlation matrix.
        common: How many dimensions, the first ones, are common.
    """

    correlation: Tensor
    common: int

    @property
    def losses(self) -> Tensor:
        """(K,) (1 - correlation)^2: 0 where sensors agree, 1 where they are unrelated, 4 where opposed."""
        return (1 - self.correlation) ** 2

    def histogram(self, part: slice, bins: int = 25) -> tuple[FloatArray, float]:
        """Shares of some dimensions in bins of loss from 0 to 1, and the share above 1; they sum to 1.

        Algorithm 2 has the range 0 to 1 and says nothing of what lies above: a dimension whose correlation is
        negative.
        """
        losses = self.losses[part].double().numpy()
        counts, _ = np.histogram(losses, bins=bins, range=(0, 1))
        return (counts / len(losses)).astype(np.float32), float(np.mean(losses > 1))


def alignment(first: Tensor, second: Tensor, common: int) -> Alignment:
    """The diagonal of z1^T z2 / n, without the rest of the matrix.

    Args:
        first: (n, K) embeddings of one sensor.
        second: (n, K) of the other, at the same pixels.
        common: How many dimensions are common.
    """
    return Alignment((normalised(first) * normalised(second)).mean(dim=0), common)


def counterparts_found(first: Tensor, second: Tensor) -> Tensor:
    """(K,) bool: whether a dimension's own counterpart is, of the other sensor's, the most like it.

    The number beside a figure of t-SNE, whose distances mean little: likeness is the correlation over the
    pixels. Chance is 1 / K.
    """
    a, b = normalised(first), normalised(second)
    best = torch.cat([(part.T @ b / len(b)).argmax(dim=1) for part in torch.split(a, 512, dim=1)])
    return best == torch.arange(len(best))


def laid_out(first: Tensor, second: Tensor, seed: int) -> FloatArray:
    """t-SNE of dimensions: a point is a dimension of a sensor, what it says of the pixels are its features.

    Args:
        first: (n, K) embeddings of one sensor.
        second: (n, K) of the other.
        seed: Of t-SNE.

    Returns:
        (2 K, 2), those of the first sensor first.
    """
    from sklearn.manifold import TSNE  # slow to import

    points = torch.cat([normalised(first), normalised(second)], dim=1).T.numpy()
    perplexity = min(_MAX_PERPLEXITY, (len(points) - 1) / 3)
    made = TSNE(perplexity=perplexity, init="pca", random_state=seed % 2**32).fit_transform(points)
    return np.asarray(np.round(made, 2), np.float32)


def agreement(first: FloatArray, second: FloatArray, side: int) -> FloatArray:
    """How alike two maps are in each block of `side` pixels: the product of Algorithm 2, routine 4.

    A map in a block is divided by its Euclidean norm there, and the products are added up: 1 for maps of the
    same shape, 0 for those that are nowhere bright together, or where one is dark. The algorithm normalises
    without saying how.

    Args:
        first: (row, col), not negative; NaN where there is no data.
        second: The same of the other sensor.
        side: Of the blocks; incomplete ones, and those without data, are left out.

    Returns:
        (blocks,).
    """
    rows, cols = (length // side for length in first.shape)
    parts = []
    for values in (first, second):
        cut = values[: rows * side, : cols * side].reshape(rows, side, cols, side)
        parts.append(cut.transpose(0, 2, 1, 3).reshape(rows * cols, side * side).astype(np.float64))
    known = np.isfinite(parts[0]).all(axis=1) & np.isfinite(parts[1]).all(axis=1)
    a, b = (part[known] for part in parts)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    found = np.divide((a * b).sum(axis=1), norms, out=np.zeros(len(a)), where=norms > 0)
    return np.asarray(found, np.float32)
