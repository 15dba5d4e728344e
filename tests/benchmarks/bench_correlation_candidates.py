"""What the correlation benchmark times: this package's objectives, and what they are compared with."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from geo_xmodal.correlation import OBJECTIVES, objective
from geo_xmodal.correlation.trace_term import prefers_gram
from tests.benchmarks.bench_correlation_timing import Step

try:
    import cca_zoo.deep
    from cca_zoo.deep.objectives import CCALoss, GCCALoss
except ImportError:
    cca_zoo = None

Score = Callable[..., Tensor]


def naive_soft_hgr(f: Tensor, g: Tensor) -> Tensor:
    """As one writes it down: two covariance matrices and autograd."""
    f, g = f - f.mean(0), g - g.mean(0)
    n = len(f) - 1
    return (f * g).sum() / n - 0.5 * ((f.T @ f / n) * (g.T @ g / n)).sum()


def published_deep_cca(f: Tensor, g: Tensor) -> Tensor:
    """Deep CCA as public implementations have it: symmetric roots by eigh, differentiated by autograd."""

    def root(x: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(x.T @ x / n + 1e-3 * torch.eye(x.shape[1], device=x.device))
        return vectors @ torch.diag(values.clamp_min(1e-6).rsqrt()) @ vectors.T

    f, g = f - f.mean(0), g - g.mean(0)
    n = len(f) - 1
    return torch.linalg.svdvals(root(f) @ (f.T @ g / n) @ root(g)).sum()


def matrix_products(f: Tensor, g: Tensor) -> None:
    """The products that value and gradient of Soft-HGR need, and nothing else."""
    if prefers_gram(len(f), len(g), f.shape[1]):
        p = f @ g.T
        p @ g, p.T @ f
    else:
        a, b = f.T @ f, g.T @ g
        f @ b, g @ a


def torch_cosine(f: Tensor, g: Tensor) -> Tensor:
    return F.cosine_similarity(f, g).mean()


OWN: dict[str, Score] = {
    "own cosine": objective("cosine"),
    "dot": objective("dot"),
    "soft_hgr": objective("soft_hgr"),
    "sketch": objective("soft_hgr", sketch=16),
    "unifast": objective("unifast_hgr", trace="soft_hgr"),
    "optfast": objective("optfast_hgr", trace="soft_hgr"),
    "unifast, similarity": objective("unifast_hgr"),
    "unifast sketch": objective("unifast_hgr", trace="soft_hgr", sketch=16),
    "unifast sketch, similarity": objective("unifast_hgr", sketch=16),
    "hgr": objective("hgr"),
    "deep_cca": objective("deep_cca"),
    "dcca_ey": objective("dcca_ey", own=True),
    "soft_cca": objective("soft_cca"),
    "barlow_twins": objective("barlow_twins"),
    "vicreg": objective("vicreg"),
}
OTHERS: dict[str, Score] = {
    "cosine": torch_cosine,
    "naive": naive_soft_hgr,
    "published deep_cca": published_deep_cca,
}
COUNTERPARTS = {
    "cca-zoo CCA": "deep_cca",
    "cca-zoo GCCA": "deep_cca",
    "cca-zoo EY": "dcca_ey",
    "cca-zoo SDL": "soft_cca",
    "cca-zoo Barlow": "barlow_twins",
    "cca-zoo VICReg": "vicreg",
}
"""cca-zoo's losses whose definition an objective here shares, and which; see tests/correlation."""


def cca_zoo_losses(width: int) -> dict[str, Score]:
    """cca-zoo's losses of features, encoders that change nothing; none where it is not installed."""
    if cca_zoo is None:
        return {}

    def of_model(model: type) -> Score:
        built = model(n_components=width, encoders=[torch.nn.Identity(), torch.nn.Identity()])
        return lambda f, g: built.loss({"views": [f, g]})["objective"]

    cca, gcca = CCALoss(), GCCALoss()
    deep = cca_zoo.deep
    models = (deep.DCCAEY, deep.DCCASDL, deep.BarlowTwins, deep.VICReg)
    losses = [lambda f, g: cca([f, g]), lambda f, g: gcca([f, g]), *map(of_model, models)]
    return dict(zip(COUNTERPARTS, losses, strict=True))


def features(m: int, k: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Two standard normal (m, K) matrices that ask for their gradient."""
    generator = torch.Generator().manual_seed(0)
    f, g = torch.randn(2, m, k, generator=generator).to(device)
    return f.requires_grad_(), g.requires_grad_()


def gradient_step(score: Score, f: Tensor, g: Tensor, **options: Tensor) -> Step:
    """Value and gradient once."""

    def step() -> None:
        f.grad = g.grad = None
        score(f, g, **options).backward()

    return step


def ratio_steps(m: int, k: int, device: torch.device) -> dict[str, Step]:
    """Everything that `ratios` compares."""
    f, g = features(m, k, device)
    scores = OTHERS | OWN | cca_zoo_losses(k)
    steps = {name: gradient_step(score, f, g) for name, score in scores.items()}
    return steps | {"products": lambda: matrix_products(f.detach(), g.detach())}


def compiled_steps(m: int, k: int, device: torch.device) -> dict[str, Step]:
    """Plain and compiled, side by side."""
    f, g = features(m, k, device)
    names = ("own cosine", "soft_hgr", "sketch", "unifast", "optfast")
    scores = {"cosine": torch_cosine, "naive": naive_soft_hgr} | {name: OWN[name] for name in names}
    steps = {name: gradient_step(score, f, g) for name, score in scores.items()}
    for name, score in scores.items():
        step = gradient_step(torch.compile(score, dynamic=False), f, g)
        step()  # compiles
        steps[f"{name}, compiled"] = step
    return steps


def study_steps(m: int, k: int, device: torch.device) -> dict[str, Step]:
    """Every objective by its name."""
    f, g = features(m, k, device)
    labels = torch.arange(m, device=device) % 10
    steps = {}
    for name in OBJECTIVES:
        score = objective(name)
        steps[name] = gradient_step(score, f, g, **({"labels": labels} if score.needs_labels else {}))
    return steps | {"soft_hgr, sketch 16": gradient_step(OWN["sketch"], f, g)}
