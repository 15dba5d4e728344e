"""A neural estimator: small networks trained with an objective, then CCA on what they learned."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from geo_xmodal.correlation.linear_cca import Affine, FloatArray, FunctionPair, fit_cca, standardiser
from geo_xmodal.correlation.objective import Objective
from geo_xmodal.correlation.soft_hgr import SoftHGR


@dataclass(frozen=True)
class Schedule:
    """How encoders are trained.

    Attributes:
        hidden: width of the two hidden layers.
        epochs: most passes over the training samples.
        patience: passes without a better validation score before stopping.
        batch: samples a step.
        learning_rate: of Adam.
    """

    hidden: int = 64
    epochs: int = 100
    patience: int = 10
    batch: int = 512
    learning_rate: float = 3e-3


class _Encoder(nn.Module):
    """A linear map plus a network of two hidden layers, so that it starts no worse than linear."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.curved = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x) + self.curved(x)
        return out


def fit_neural(
    x: FloatArray,
    y: FloatArray,
    components: int,
    *,
    objective: Objective | None = None,
    labels: npt.NDArray[np.int64] | None = None,
    validation: npt.NDArray[np.bool_] | None = None,
    width: int | None = None,
    schedule: Schedule | None = None,
    seed: int = 0,
) -> FunctionPair:
    """Functions of any shape whose correlation is large, found by gradient ascent on an objective.

    The objective on validation samples decides when to stop; CCA on the learned features of all training
    samples then orders and whitens them (objectives fix them only up to an invertible map).

    Source: Wang et al. (AAAI 2019), arXiv 1811.08979, for the default objective.

    Args:
        x: (n, dx) samples.
        y: (n, dy) samples, paired with x.
        components: how many pairs of functions.
        objective: what to ascend; Soft-HGR by default.
        labels: (n,) class ids, for an objective that needs them.
        validation: (n,) mask of the samples that decide when to stop; a random fifth by default.
        width: features that the encoders learn; two more than `components` by default.
        schedule: how to train.
        seed: of initial weights, batches and the default validation samples.

    Returns:
        The fitted pair. The same seed gives the same pair; torch's own generator is left as it was.
    """
    schedule = schedule or Schedule()
    to_x, to_y = standardiser(x), standardiser(y)
    inputs = [torch.as_tensor(to(z), dtype=torch.float32) for to, z in ((to_x, x), (to_y, y))]
    held = np.random.default_rng(seed).random(len(x)) < 0.2 if validation is None else validation
    learn, check = torch.as_tensor(np.flatnonzero(~held)), torch.as_tensor(np.flatnonzero(held))
    score = objective or SoftHGR()
    classes = None if labels is None else torch.as_tensor(labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoders = nn.ModuleList(
            _Encoder(z.shape[1], schedule.hidden, width or components + 2) for z in inputs
        )

        def value(rows: Tensor) -> Tensor:
            features = (net(z[rows]) for net, z in zip(encoders, inputs, strict=True))
            scored: Tensor = score(*features, labels=None if classes is None else classes[rows])
            return scored

        _ascend(nn.ModuleList([encoders, score]), value, learn, check, schedule)
    encode_x, encode_y = (_numpy_map(to, net) for to, net in zip((to_x, to_y), encoders, strict=True))
    canonical = fit_cca(encode_x(x), encode_y(y), components)
    return FunctionPair(lambda z: canonical.f(encode_x(z)), lambda z: canonical.g(encode_y(z)))


def _ascend(
    modules: nn.Module, value: Callable[[Tensor], Tensor], learn: Tensor, check: Tensor, schedule: Schedule
) -> None:
    """Ascend `value(rows)`, and leave the weights of the best validation value in `modules`."""
    optimiser = torch.optim.Adam(modules.parameters(), lr=schedule.learning_rate, weight_decay=1e-5)
    batch = min(schedule.batch, len(learn))
    best, best_state, waited = -float("inf"), copy.deepcopy(modules.state_dict()), 0
    for _ in range(schedule.epochs):
        modules.train()
        order = learn[torch.randperm(len(learn))]
        # The last ragged batch is dropped: its covariance would be of another quality.
        for rows in order[: len(order) // batch * batch].view(-1, batch):
            optimiser.zero_grad()
            torch.neg(value(rows)).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
            optimiser.step()
        modules.eval()
        with torch.no_grad():
            reached = float(value(check))
        waited += 1
        if reached > best + 1e-4:
            best, best_state, waited = reached, copy.deepcopy(modules.state_dict()), 0
        elif waited >= schedule.patience:
            break
    modules.load_state_dict(best_state)


def _numpy_map(standardise: Affine, net: nn.Module) -> Callable[[FloatArray], FloatArray]:
    def encode(z: FloatArray) -> FloatArray:
        with torch.no_grad():
            features: Tensor = net(torch.as_tensor(standardise(z), dtype=torch.float32))
        return features.double().numpy()

    return encode
