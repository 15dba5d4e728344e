"""Feature matrices that the tests of objectives share, and plain formulas to hold them against."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from geo_xmodal.correlation import OBJECTIVES, Objective, objective

NAMES = tuple(OBJECTIVES)


def build(name: str, **options: object) -> Objective:
    """In evaluation mode, where `soft_cca` carries nothing from call to call."""
    built = objective(name, **options)
    built.eval()
    return built


def features(m: int, k: int, views: int = 2, *, seed: int = 0, noise: float = 1.0) -> tuple[Tensor, ...]:
    """Correlated features in float64: a shared part with falling strength, and noise."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(m, k, generator=generator, dtype=torch.float64)
    mixing = torch.randn(views, k, k, generator=generator, dtype=torch.float64)
    own = torch.randn(views, m, k, generator=generator, dtype=torch.float64)
    return tuple(shared @ a + noise * b + 0.3 for a, b in zip(mixing, own, strict=True))


def labels_for(name: str, m: int) -> dict[str, Tensor]:
    return {"labels": torch.arange(m) % 3} if objective(name).needs_labels else {}


def covariance(f: Tensor, g: Tensor) -> Tensor:
    """1/(m-1), centred."""
    return (f - f.mean(0)).T @ (g - g.mean(0)) / (len(f) - 1)


def standardised(x: Tensor) -> Tensor:
    return (x - x.mean(0)) / x.std(0, unbiased=False)


def inverse_root(s: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(s)
    return vectors @ torch.diag(values**-0.5) @ vectors.T


def plain_soft_hgr(f: Tensor, g: Tensor) -> Tensor:
    return covariance(f, g).trace() - 0.5 * (covariance(f, f) @ covariance(g, g)).trace()


def plain_fast(f: Tensor, g: Tensor, trace: str, rows: bool) -> Tensor:
    f, g = f - f.mean(0), g - g.mean(0)
    f, g = (x / (x.norm(dim=1, keepdim=True) if rows else x.square().sum(1).mean().sqrt()) for x in (f, g))
    m = len(f)
    terms = (f @ f.T) * (g @ g.T) if trace == "similarity" else (f @ g.T) ** 2
    return (f * g).sum(1).mean() - 0.5 * (terms.sum() - terms.trace()) / (m * (m - 1))


def plain_hgr(f: Tensor, g: Tensor, ridge: float = 1e-3) -> Tensor:
    def ridged(x: Tensor) -> Tensor:
        s = covariance(x, x)
        return s + (ridge * s.trace() / len(s) + 2.3e-16) * torch.eye(len(s), dtype=s.dtype)

    return torch.linalg.svdvals(inverse_root(ridged(f)) @ covariance(f, g) @ inverse_root(ridged(g))).sum()


def plain_soft_cca(f: Tensor, g: Tensor) -> Tensor:
    f, g = standardised(f), standardised(g)
    penalty = sum((x.T @ x / len(x)).abs().sum() - (x.T @ x / len(x)).diagonal().abs().sum() for x in (f, g))
    loss = 0.5 * (f - g).square().sum(1).mean() + 0.5 / max(f.shape[1] - 1, 1) * penalty
    return f.shape[1] - loss


def plain_ey(f: Tensor, g: Tensor) -> Tensor:
    v = (covariance(f, f) + covariance(g, g)) / 2
    return 2 * covariance(f, g).trace() - (v @ v).trace()


def plain_barlow(f: Tensor, g: Tensor) -> Tensor:
    c = standardised(f).T @ standardised(g) / len(f)
    loss = (1 - c.diagonal()).square().sum() + 5e-3 * (c.square().sum() - c.diagonal().square().sum())
    return f.shape[1] - loss


def plain_vicreg(f: Tensor, g: Tensor) -> Tensor:
    f, g = f - f.mean(0), g - g.mean(0)
    loss = 25 * (f - g).square().mean()
    for x in (f, g):
        s = covariance(x, x)
        loss = loss + 25 * torch.relu(1 - (x.var(0) + 1e-4).sqrt()).mean()
        loss = loss + (s.square().sum() - s.diagonal().square().sum()) / len(s)
    return 2 * 25 * 0.99 - loss


def plain_corrnet(f: Tensor, g: Tensor) -> Tensor:
    return torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(f.T, g.T, strict=True)]).sum()


PLAIN: dict[str, tuple[dict[str, object], Callable[[Tensor, Tensor], Tensor]]] = {
    "soft_hgr": ({}, plain_soft_hgr),
    "unifast_hgr": ({}, lambda f, g: plain_fast(f, g, "similarity", True)),
    "unifast_hgr, soft_hgr trace": ({"trace": "soft_hgr"}, lambda f, g: plain_fast(f, g, "soft_hgr", True)),
    "optfast_hgr": ({}, lambda f, g: plain_fast(f, g, "similarity", False)),
    "optfast_hgr, soft_hgr trace": ({"trace": "soft_hgr"}, lambda f, g: plain_fast(f, g, "soft_hgr", False)),
    "hgr": ({}, plain_hgr),
    "deep_cca": ({}, plain_hgr),
    "soft_cca": ({}, plain_soft_cca),
    "dcca_ey": ({}, plain_ey),
    "corrnet": ({}, plain_corrnet),
    "barlow_twins": ({}, plain_barlow),
    "vicreg": ({}, plain_vicreg),
    "cosine": ({}, lambda f, g: torch.cosine_similarity(f - f.mean(0), g - g.mean(0)).mean()),
    "dot": ({}, lambda f, g: covariance(f, g).trace()),
}
"""Every objective of pairs as an independent formula: no shared code, covariance form, autograd."""
