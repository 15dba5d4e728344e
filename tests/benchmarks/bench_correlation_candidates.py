"""What the correlation benchmark times: this package's objectives, and what they are compared with."""

from __future__ import annotations

import torch
from torch import Tensor

from geo_xmodal.correlation import OBJECTIVES, objective
from geo_xmodal.correlation.timing import (
    Score,
    Step,
    gradient_step,
    objective_steps,
    random_features,
    torch_cosine,
)
from geo_xmodal.correlation.trace_term import prefers_gram

try:
    import cca_zoo.deep
    from cca_zoo.deep.objectives import CCALoss, GCCALoss
except ImportError:
    cca_zoo = None


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


def ratio_steps(m: int, k: int, device: torch.device) -> dict[str, Step]:
    """Everything that `ratios` compares."""
    f, g = random_features(m, k, device)
    scores = OTHERS | OWN | cca_zoo_losses(k)
    steps = {name: gradient_step(score, f, g) for name, score in scores.items()}
    return steps | {"products": lambda: matrix_products(f.detach(), g.detach())}


def compiled_steps(m: int, k: int, device: torch.device) -> dict[str, Step]:
    """Plain and compiled, side by side."""
    f, g = random_features(m, k, device)
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
    steps = objective_steps(list(OBJECTIVES), m, k, device)
    return steps | {"soft_hgr, sketch 16": gradient_step(OWN["sketch"], *random_features(m, k, device))}
