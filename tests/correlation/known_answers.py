"""Joint distributions whose maximal correlations are known in closed form, as probability tables.

`python -m tests.correlation.results` prints them as Markdown, with what is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb, sqrt

import numpy as np
import scipy.stats
from scipy.special import roots_genlaguerre, roots_jacobi


@dataclass(frozen=True)
class KnownAnswer:
    name: str
    joint: Callable[[], np.ndarray]
    spectrum: tuple[float, ...]
    source: str
    tolerance: float = 1e-9


def gaussian(rho: float, cells: int = 300) -> np.ndarray:
    z = np.linspace(-8, 8, cells)
    x, y = np.meshgrid(z, z, indexing="ij")
    return np.exp(-(x * x - 2 * rho * x * y + y * y) / (2 * (1 - rho**2)))


def symmetric_channel(size: int, error: float) -> np.ndarray:
    return (1 - error) * np.eye(size) + error / size


def erasure(e: float) -> np.ndarray:
    return np.array([[1 - e, e, 0], [0, e, 1 - e]])


def partial_sums(m: int, n: int, p: float = 0.3) -> np.ndarray:
    """S_m and S_n of Bernoulli(p)."""
    joint = np.zeros((m + 1, n + 1))
    for s in range(m + 1):
        joint[s, s : s + n - m + 1] = scipy.stats.binom.pmf(s, m, p) * scipy.stats.binom.pmf(
            range(n - m + 1), n - m, p
        )
    return joint


def poisson_thinning(p: float, rate: float = 3.0, most: int = 60) -> np.ndarray:
    x = np.arange(most)
    return scipy.stats.poisson.pmf(x, rate)[:, None] * scipy.stats.binom.pmf(x[None, :], x[:, None], p)


def gamma_poisson(a: float, b: float, most: int = 120) -> np.ndarray:
    nodes, weights = roots_genlaguerre(60, a - 1)
    return weights[:, None] * scipy.stats.poisson.pmf(np.arange(most)[None, :], nodes[:, None] / b)


def beta_binomial(a: float, b: float, n: int) -> np.ndarray:
    nodes, weights = roots_jacobi(40, b - 1, a - 1)
    return weights[:, None] * scipy.stats.binom.pmf(np.arange(n + 1)[None, :], n, (1 + nodes[:, None]) / 2)


def disc(cells: int = 600) -> np.ndarray:
    x = (np.arange(cells) + 0.5) / cells * 2 - 1
    half = np.sqrt(1 - x * x)[:, None]
    edges = np.linspace(-1, 1, cells + 1)[None, :]
    return np.diff(np.clip(edges, -half, half), axis=1)


def minimum_maximum(cells: int = 500) -> np.ndarray:
    return np.triu(np.full((cells, cells), 2.0), 1) + np.eye(cells)


def shared_minima(l1: float, l2: float, l3: float, cells: int = 500) -> np.ndarray:
    """X = min(E1, E2), Y = min(E2, E3) for exponentials with these rates (Marshall-Olkin)."""
    x = -np.log(np.linspace(1, 0, cells + 1)[:-1]) / (l1 + l2)
    y = -np.log(np.linspace(1, 0, cells + 1)[:-1]) / (l2 + l3)
    survival = np.exp(-l1 * x[:, None] - l3 * y[None, :] - l2 * np.maximum(x[:, None], y[None, :]))
    survival = np.pad(survival, ((0, 1), (0, 1)))
    return np.maximum(survival[:-1, :-1] - survival[1:, :-1] - survival[:-1, 1:] + survival[1:, 1:], 0)


def function_of(cells: int = 21) -> np.ndarray:
    """Y = X^2 for X uniform on -10..10."""
    joint = np.zeros((cells, cells // 2 + 1))
    joint[np.arange(cells), np.abs(np.arange(cells) - cells // 2)] = 1
    return joint


BSC, TABLE = symmetric_channel(2, 0.2), np.array([[0.2, 0.1], [0.15, 0.55]])

KNOWN_ANSWERS = (
    KnownAnswer(
        "Gaussian, rho 0.8", lambda: gaussian(0.8), (0.8, 0.64, 0.512, 0.4096), "Lancaster 1957", 1e-6
    ),
    KnownAnswer("Gaussian, rho -0.5", lambda: gaussian(-0.5), (0.5, 0.25, 0.125), "Lancaster 1957", 1e-6),
    KnownAnswer("binary symmetric channel, p 0.1", lambda: BSC, (0.8,), "1 - 2p"),
    KnownAnswer("binary erasure channel, e 0.3", lambda: erasure(0.3), (sqrt(0.7),), "sqrt(1 - e)"),
    KnownAnswer("2 x 2 table", lambda: TABLE, (0.0950 / sqrt(0.3 * 0.7 * 0.35 * 0.65),), "phi coefficient"),
    KnownAnswer(
        "5-ary symmetric channel, e 0.35", lambda: symmetric_channel(5, 0.35), (0.65,) * 4, "1 - e, 4 times"
    ),
    KnownAnswer(
        "partial sums S_3, S_7",
        lambda: partial_sums(3, 7),
        tuple(sqrt(comb(3, k) / comb(7, k)) for k in (1, 2, 3)),
        "Dembo, Kagan, Shepp 2001",
    ),
    KnownAnswer(
        "Poisson thinning, p 0.6", lambda: poisson_thinning(0.6), (0.6**0.5, 0.6, 0.6**1.5), "p^(k/2)"
    ),
    KnownAnswer(
        "Gamma-Poisson, b 1.5",
        lambda: gamma_poisson(2.5, 1.5),
        (1 / sqrt(2.5), 1 / 2.5),
        "Makur, Zheng (Laguerre)",
    ),
    KnownAnswer(
        "Beta-binomial 2, 3, n 6", lambda: beta_binomial(2, 3, 6), (sqrt(6 / 11),), "Makur, Zheng (Jacobi)"
    ),
    KnownAnswer(
        "uniform on the disc", disc, (1 / 3, 1 / 5, 1 / 7), "E[X^2k given Y] = (1 - Y^2)^k / (2k + 1)", 5e-4
    ),
    KnownAnswer("min and max of 2", minimum_maximum, (1 / 2, 1 / 3, 1 / 4), "Terrell 1983", 2e-3),
    KnownAnswer(
        "min over overlapping sets, m 5, l 2, n 9",
        lambda: shared_minima(2, 3, 4),
        (3 / sqrt(5 * 7),),
        "(m-l)/sqrt(m(n-l)), arXiv 2512.15135",
        5e-3,
    ),
    KnownAnswer(
        "Marshall-Olkin minima 1, 2, 0.5",
        lambda: shared_minima(1, 2, 0.5),
        (2 / sqrt(3 * 2.5),),
        "l2/sqrt((l1+l2)(l2+l3))",
        5e-3,
    ),
    KnownAnswer(
        "two independent channels",
        lambda: np.kron(BSC, symmetric_channel(2, 0.6)),
        (0.8, 0.4, 0.32),
        "Csaki, Fischer",
    ),
    KnownAnswer("Y = X^2", function_of, (1.0,) * 10, "Renyi 1959"),
    KnownAnswer("independent", lambda: np.outer([1, 2, 3], [4, 1, 1, 2]), (0.0, 0.0), "Renyi 1959"),
)
