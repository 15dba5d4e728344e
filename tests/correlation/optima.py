"""Maxima of the objectives over all functions of two discrete variables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from geo_xmodal.correlation import exact_hgr
from tests.correlation.cases import build

COUNTS = np.random.default_rng(3).integers(1, 30, (5, 6))
"""A joint distribution of 5 x 6 values, as counts: so many equal samples make it exactly."""


@dataclass(frozen=True)
class Optimum:
    name: str
    formula: str
    optimum: Callable[[np.ndarray], float]
    options: dict[str, object] = field(default_factory=dict)
    recovers: bool = True
    """Whether CCA on the optimal features gives all maximal correlations, or the first alone."""


OPTIMA = (
    Optimum("soft_hgr", "1/2 sum s^2", lambda s: 0.5 * float((s**2).sum())),
    Optimum("hgr", "sum s", lambda s: float(s.sum()), {"ridge": 0.0}),
    Optimum("deep_cca", "sum s", lambda s: float(s.sum()), {"ridge": 0.0}),
    Optimum("dcca_ey", "sum s^2", lambda s: float((s**2).sum())),
    Optimum("dcca_ey, own", "sum (1 + s)^2", lambda s: float(((1 + s) ** 2).sum()), {"own": True}),
    Optimum("corrnet", "K s_1", lambda s: len(s) * float(s[0]), recovers=False),
)


@dataclass(frozen=True)
class Reached:
    value: float
    recovered: np.ndarray


def samples(counts: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Value indices of the two variables, one row a sample."""
    x, y = np.indices(counts.shape).reshape(2, -1)
    return tuple(torch.as_tensor(np.repeat(v, counts.ravel())) for v in (x, y))


def best_tables(case: Optimum, components: int, counts: np.ndarray = COUNTS) -> Reached:
    """Maximise over tables f(x), g(y) with L-BFGS; then read the correlations off with CCA."""
    torch.manual_seed(0)
    x, y = samples(counts)
    tables = [torch.randn(n, components, dtype=torch.float64).requires_grad_() for n in counts.shape]
    score = build(case.name.partition(",")[0], **case.options)
    optimiser = torch.optim.LBFGS(
        tables,
        max_iter=600,
        history_size=20,
        tolerance_grad=1e-10,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = -score(tables[0][x], tables[1][y])
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        f, g = tables[0][x], tables[1][y]
        sums = [build("hgr", components=k, ridge=1e-9)(f, g) for k in range(1, components + 1)]
        return Reached(float(score(f, g)), np.diff([0.0, *map(float, sums)]))


def at_maximal_functions(name: str, components: int) -> float:
    exact, (x, y) = exact_hgr(COUNTS), samples(COUNTS)
    f, g = (torch.as_tensor(table[:, :components]) for table in (exact.f, exact.g))
    options = (
        {"ridge": 0.0} if name in {"hgr", "deep_cca"} else {"weight": 0.0} if name == "barlow_twins" else {}
    )
    return float(build(name, **options)(f[x], g[y]))
