"""Times the correlation objectives, as ratios in one run: the machine's speed and load cancel.

    python -m tests.benchmarks.bench_correlation ratios    # against cosine, matrix products, naive, deep_cca
    python -m tests.benchmarks.bench_correlation study     # every objective over batch sizes (random tensors)

Candidates take turns, and the best of several rounds counts. A time is value and gradient together.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from geo_xmodal.correlation import OBJECTIVES, objective
from geo_xmodal.correlation.trace_term import prefers_gram

Step = Callable[[], None]
LEAST_SECONDS = 2e-3
TARGET_EXACT, TARGET_SKETCH, TARGET_DEEP_CCA = 1.3, 1.3, 10.0


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


def matrix_products(f: Tensor, g: Tensor) -> Tensor:
    """The products that value and gradient of Soft-HGR need, and nothing else."""
    f, g = f.detach(), g.detach()
    if prefers_gram(len(f), len(g), f.shape[1]):
        p = f @ g.T
        p @ g, p.T @ f
    else:
        a, b = f.T @ f, g.T @ g
        f @ b, g @ a
    return f


def gradient_step(score: Callable[..., Tensor], f: Tensor, g: Tensor, **options: Tensor) -> Step:
    def step() -> None:
        f.grad = g.grad = None
        value = score(f, g, **options)
        if value.requires_grad and value.ndim == 0:
            value.backward()

    return step


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(step: Step, repeats: int, device: torch.device) -> float:
    synchronise(device)
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    synchronise(device)
    return (time.perf_counter() - start) / repeats


def interleaved(steps: dict[str, Step], rounds: int, device: torch.device) -> dict[str, float]:
    """Best time of each step; in every round each takes its turn."""
    first = {name: min(seconds(step, 1, device) for _ in range(2)) for name, step in steps.items()}
    repeats = {name: max(1, min(200, int(LEAST_SECONDS / t))) for name, t in first.items()}
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(rounds):
        for name, step in steps.items():
            if first[name] < 5 or best[name] == float("inf"):
                best[name] = min(best[name], seconds(step, repeats[name], device))
    return best


def peak_bytes(step: Step, device: torch.device) -> int:
    """Most memory that a step holds beyond its features."""
    step()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as record:
        step()
    held = peak = 0
    events = [e for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def features(m: int, k: int, device: torch.device) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    f, g = torch.randn(2, m, k, generator=generator).to(device)
    return f.requires_grad_(), g.requires_grad_()


def ratio_row(m: int, k: int, arguments: argparse.Namespace) -> dict[str, float | bool | str]:
    device = torch.device(arguments.device)
    f, g = features(m, k, device)
    prepare = torch.compile if arguments.compile else lambda score: score
    scores: dict[str, Callable[..., Tensor]] = {
        "cosine": lambda f, g: F.cosine_similarity(f, g).mean(),
        "products": matrix_products,
        "naive": naive_soft_hgr,
        "soft_hgr": objective("soft_hgr"),
        "sketch": objective("soft_hgr", sketch=16),
        "unifast": objective("unifast_hgr", trace="soft_hgr"),
        "optfast": objective("optfast_hgr", trace="soft_hgr"),
        "own_cosine": objective("cosine"),
        "dot": objective("dot"),
    }
    if k <= arguments.whitened_to:
        scores |= {"deep_cca": objective("deep_cca"), "published_deep_cca": published_deep_cca}
    steps = {name: gradient_step(prepare(score), f, g) for name, score in scores.items()}
    t = interleaved(steps, arguments.rounds, device)
    memory = {name: peak_bytes(steps[name], device) for name in ("cosine", "naive", "soft_hgr", "sketch")}
    floor = t["cosine"] + t["products"]
    nan = float("nan")
    return {
        "m": m,
        "K": k,
        "form": "Gram" if prefers_gram(m, m, k) else "cov",
        "cosine ms": 1e3 * t["cosine"],
        "products/cosine": t["products"] / t["cosine"],
        "soft_hgr/(cosine+products)": t["soft_hgr"] / floor,
        "unifast/(cosine+products)": t["unifast"] / floor,
        "optfast/(cosine+products)": t["optfast"] / floor,
        "soft_hgr/naive": t["soft_hgr"] / t["naive"],
        "sketch/cosine": t["sketch"] / t["cosine"],
        "own cosine/cosine": t["own_cosine"] / t["cosine"],
        "sketch/dot": t["sketch"] / t["dot"],
        "deep_cca/soft_hgr": t.get("deep_cca", nan) / t["soft_hgr"],
        "deep_cca/sketch": t.get("deep_cca", nan) / t["sketch"],
        "published deep_cca/soft_hgr": t.get("published_deep_cca", nan) / t["soft_hgr"],
        "memory soft_hgr/naive": memory["soft_hgr"] / memory["naive"],
        "memory sketch/cosine": memory["sketch"] / memory["cosine"],
    }


def study_row(m: int, k: int, arguments: argparse.Namespace) -> dict[str, float | str]:
    device = torch.device(arguments.device)
    f, g = features(m, k, device)
    labels = torch.arange(m, device=device) % 10
    steps = {
        name: gradient_step(
            objective(name), f, g, **({"labels": labels} if objective(name).needs_labels else {})
        )
        for name in OBJECTIVES
    }
    steps["soft_hgr, sketch 16"] = gradient_step(objective("soft_hgr", sketch=16), f, g)
    t = interleaved(steps, arguments.rounds, device)
    return {"m": m, "K": k} | {f"{name} ms": 1e3 * value for name, value in t.items()}


def markdown(rows: Sequence[dict]) -> str:
    def cell(value: object) -> str:
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0])]
    lines += [" | ".join(cell(v) for v in row.values()) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def verdict(rows: Sequence[dict]) -> str:
    """The targets, and how many sizes meet each."""

    def count(what: str, met: Callable[[dict], bool], asked: Callable[[dict], bool]) -> str:
        of = [row for row in rows if asked(row)]
        return f"- {what}: met at {sum(map(met, of))} of {len(of)} sizes"

    exact, sketch = "soft_hgr/(cosine+products)", "sketch/cosine"
    return "\n".join(
        [
            count(f"{exact} <= {TARGET_EXACT}", lambda r: r[exact] <= TARGET_EXACT, lambda r: True),
            count("soft_hgr/naive <= 1", lambda r: r["soft_hgr/naive"] <= 1, lambda r: True),
            count(
                f"{sketch} <= {TARGET_SKETCH} (m K >= 65536)",
                lambda r: r[sketch] <= TARGET_SKETCH,
                lambda r: r["m"] * r["K"] >= 65536,
            ),
            *(
                count(
                    f"{name} >= {TARGET_DEEP_CCA:g} (K >= 512)",
                    lambda r, name=name: r[name] >= TARGET_DEEP_CCA,
                    lambda r, name=name: r["K"] >= 512 and r[name] == r[name],
                )
                for name in ("deep_cca/soft_hgr", "deep_cca/sketch", "published deep_cca/soft_hgr")
            ),
        ]
    )


def plot(rows: Sequence[dict], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 6), layout="constrained")
    names = [name for name in rows[0] if name.endswith(" ms")]
    for i, name in enumerate(sorted(names, key=lambda n: -rows[-1][n])):
        style = ("-", "--", ":")[i // 10]
        axes.loglog([r["m"] for r in rows], [r[name] for r in rows], style, marker=".", label=name[:-3])
    axes.set(
        xlabel="batch size m",
        ylabel="value and gradient, ms",
        title=f"Random tensors, K = {rows[0]['K']}, best of rounds",
    )
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    figure.savefig(path, dpi=120)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    def sizes(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["ratios", "study"])
    parser.add_argument("--rows", type=sizes, default=[64, 256, 1024, 4096, 8192], metavar="64,256,...")
    parser.add_argument("--columns", type=sizes, default=None, metavar="16,64,...")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--whitened-to", type=int, default=1024, help="largest K at which deep_cca is timed")
    parser.add_argument("--most-products", type=float, default=1.5e11, help="skip sizes with more operations")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="time torch.compile'd objectives")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--plot", type=Path, help="draw the study here")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse(argv)
    torch.set_num_threads(arguments.threads)
    columns = arguments.columns or ([16, 64, 256, 512, 1024, 2048] if arguments.what == "ratios" else [256])
    row_of = ratio_row if arguments.what == "ratios" else study_row
    rows = []
    for k in columns:
        for m in arguments.rows:
            if min(6 * m * m * k, 8 * m * k * k) > arguments.most_products:
                continue
            rows.append(row_of(m, k, arguments))
            print(f"m = {m}, K = {k}", file=sys.stderr)
    print(markdown(rows))
    if arguments.what == "ratios":
        print("\n" + verdict(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    if arguments.plot:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
