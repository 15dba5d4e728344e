"""CorrNet as its authors trained it: one hidden layer, for comparison with their published figures."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal.correlation.corrnet import CorrNet
from geo_xmodal.correlation.features import FeatureError
from geo_xmodal.correlation.linear_cca import FloatArray, FunctionPair


class _Network(nn.Module):
    """Codes s(W x + b), s(V y + b), s(W x + V y + b); from a code h, s(W' h + c) and s(V' h + d)."""

    def __init__(self, inputs: tuple[int, int], units: int, tied: bool) -> None:
        super().__init__()
        self.encode = nn.ParameterList(_uniform(units, size) for size in inputs)
        self.bias = nn.Parameter(torch.zeros(units))
        self.decode = None if tied else nn.ParameterList(_uniform(size, units) for size in inputs)
        self.back = nn.ParameterList(torch.zeros(size) for size in inputs)

    def forward(self, x: Tensor | None, y: Tensor | None) -> Tensor:
        """The code of one view, or of both."""
        views = zip((x, y), self.encode, strict=True)
        parts = [F.linear(view, weight) for view, weight in views if view is not None]
        return torch.sigmoid(torch.stack(parts).sum(0) + self.bias)

    def error(self, code: Tensor, views: tuple[Tensor, Tensor]) -> Tensor:
        """Half the squared error of both views from one code, (n,)."""
        weights = [w.t() for w in self.encode] if self.decode is None else list(self.decode)
        errors = [
            (F.linear(code, weight, bias).sigmoid() - view).square().sum(1) / 2
            for view, weight, bias in zip(views, weights, self.back, strict=True)
        ]
        return torch.stack(errors).sum(0)


def _uniform(outputs: int, inputs: int) -> nn.Parameter:
    """U(-r, r), r = 4 sqrt(6 / (d1 + d2)): the authors' start for sigmoids."""
    reach = 4 * math.sqrt(6 / (outputs + inputs))
    return nn.Parameter(torch.empty(outputs, inputs).uniform_(-reach, reach))


def fit_corrnet(
    x: FloatArray,
    y: FloatArray,
    *,
    units: int = 50,
    weight: float = 2.0,
    tied: bool = True,
    epochs: int = 50,
    batch: int = 100,
    learning_rate: float = 0.01,
    seed: int = 0,
) -> FunctionPair:
    """Codes of two views that reconstruct both and correlate unit by unit.

    As it stands in the code, with z = (x, y) and L half the summed squared error:

        mean_i [ L(z, h(x)) + L(z, h(y)) + L(z, h(x, y)) ] - weight sum_k corr(h_k(x), h_k(y))

    over batches in the order of the samples, as the authors' code goes through them, by RMSprop (decay 0.9;
    its small constant is added to the root, theirs inside it).

    Source: Chandar, Khapra, Larochelle, Ravindran (Neural Computation 2016), "Correlational Neural Networks",
    and the authors' code for scale, start and batches. The defaults are those of its MNIST example.

    Args:
        x: (n, dx) samples in 0..1.
        y: (n, dy) samples in 0..1, paired with x.
        units: size of the code.
        weight: of the correlation; 0 for the autoencoder alone.
        tied: whether decoders use the encoders' weights.
        epochs: passes over the samples.
        batch: samples a step; a last smaller batch is left out.
        learning_rate: of RMSprop.
        seed: of the initial weights.

    Returns:
        The codes of each view alone, in no order. torch's own generator is left as it was.

    Raises:
        FeatureError: values outside 0..1, which sigmoids cannot reconstruct.
    """
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    if not (low >= 0 and high <= 1):
        raise FeatureError(f"CorrNet reconstructs values in 0..1, got {low:g} to {high:g}; scale them first")
    views = torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Network((x.shape[1], y.shape[1]), units, tied)
    score = CorrNet()
    optimiser = torch.optim.RMSprop(network.parameters(), lr=learning_rate, alpha=0.9, eps=1e-4)
    batch = min(batch, len(x))
    for _ in range(epochs):
        for start in range(0, len(x) - batch + 1, batch):
            left, right = (view[start : start + batch] for view in views)
            f, g, both = network(left, None), network(None, right), network(left, right)
            errors = torch.stack([network.error(code, (left, right)) for code in (f, g, both)])
            loss = errors.sum(0).mean() - weight * score(f, g)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    @torch.no_grad()
    def codes(left: FloatArray | None, right: FloatArray | None) -> FloatArray:
        given = (None if z is None else torch.as_tensor(z, dtype=torch.float32) for z in (left, right))
        coded: Tensor = network(*given)
        return coded.double().numpy()

    return FunctionPair(lambda z: codes(z, None), lambda z: codes(None, z))
