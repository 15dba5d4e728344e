"""Time and memory of the loss of DeCUR against its matrix products alone, as ratios in one run.

    python -m tests.benchmarks.bench_pretraining_loss [--rows 256] [--columns 8192] [--device cuda]

`products` are those of the paper's Algorithm 1 with no element-wise work at all: C1, C2 and the two blocks of
Cm, and the two products each that their gradients need. `least` are the fewest of each part by itself:
squared norms of C from n x n products where the batch is small, twelve in all. `shared` are those that are
left where parts share them, eight: what the loss does. A time is value and gradient together.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

import torch
from torch import Tensor

from geo_xmodal.correlation.timing import keep_freed_memory, measure
from geo_xmodal.correlation.trace_term import prefers_gram
from geo_xmodal.objectives.self_supervised import DeCUR


def written_out(z: list[Tensor], common: int) -> Tensor:
    """Algorithm 1 of the paper, operation by operation."""
    a, b, a2, b2 = (torch.nn.functional.batch_norm(one, None, None, training=True) for one in z)
    n, w = len(a), 0.0051

    def loss(c: Tensor, target: float) -> Tensor:
        off = c.flatten()[:-1].view(len(c) - 1, len(c) + 1)[:, 1:]
        return (c.diagonal() - target).pow(2).sum() + w * off.pow(2).sum()

    cm = a.T @ b / n
    within = loss(a.T @ a2 / n, 1) + loss(b.T @ b2 / n, 1)
    return within + loss(cm[:common, :common], 1) + loss(cm[common:, common:], 0)


def products(z: list[Tensor], common: int) -> None:
    a, b, a2, b2 = z
    c = common
    for f, g in ((a, a2), (b, b2), (a[:, :c], b[:, :c]), (a[:, c:], b[:, c:])):
        whole = f.t() @ g
        g @ whole.t(), f @ whole


def least_products(z: list[Tensor], common: int) -> None:
    a, b, a2, b2 = z
    c = common
    for f, g in ((a, a2), (b, b2), (a[:, :c], b[:, :c]), (a[:, c:], b[:, c:])):
        if prefers_gram(f.shape[1], f.shape[1], len(f)):
            products([f, g, f, g], 0)
        else:
            left, right = f @ f.t(), g @ g.t()
            right @ f, left @ g


def shared_products(z: list[Tensor]) -> None:
    for one in z:
        square = one @ one.t()
        square @ one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--columns", type=int, default=8192)
    parser.add_argument("--share", type=float, default=0.875)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without-k", action="store_true", help="leave out what makes K x K matrices")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    draw = torch.Generator().manual_seed(0)
    z = [torch.randn(chosen.rows, chosen.columns, generator=draw).to(chosen.device) for _ in range(4)]
    common = round(chosen.share * chosen.columns)
    loss = DeCUR(common)

    def learned(value: Callable[[list[Tensor]], Tensor]) -> Callable[[], object]:
        def step() -> object:
            leaves = [one.detach().requires_grad_() for one in z]
            return torch.autograd.grad(value(leaves), leaves)

        return step

    steps: dict[str, Callable[[], object]] = {
        "decur": learned(lambda leaves: loss(*leaves)),
        "least": lambda: least_products(z, common),
        "shared": lambda: shared_products(z),
    }
    if not chosen.without_k:
        steps |= {
            "products": lambda: products(z, common),
            "written out": learned(lambda leaves: written_out(leaves, common)),
        }
    costs = measure(steps, chosen.rounds, torch.device(chosen.device), 60.0)
    print(json.dumps({
        "rows": chosen.rows, "columns": chosen.columns, "common": common, "device": chosen.device,
        "seconds": {name: round(cost.seconds, 4) for name, cost in costs.items()},
        "peak_mib": {name: round(cost.peak / 2**20) for name, cost in costs.items()},
        "decur_to": {name: round(costs["decur"].seconds / cost.seconds, 3) for name, cost in costs.items()},
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
