"""What pretraining learns, against truth, its rivals and random weights.

    python -m tests.benchmarks.bench_pretraining factors          # R2 of known factors, 5 seeds
    python -m tests.benchmarks.bench_pretraining factors --curve  # and over the share of common dimensions
    python -m tests.benchmarks.bench_pretraining scene NAME_OR_PATH --out FOLDER   # probes and train --init

`factors`: two sensors are simulated from three factors that both see and three that each sees alone
(tests/pretraining/factors.py); encoders learn from 4,000 pairs, and a linear regression from the embeddings
of others tells the factors (R2 on pairs that it was not fitted on; 1 is all, 0 is nothing).

`scene`: every method pretrains on pairs of a scene; a linear probe of its target encoder is scored on
held-out blocks of training labels, and a branch that starts from it is trained on few labels and tested on
test pixels, beside the same from random weights. Seeds are paired.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import geo_xmodal as gx
from tests.pretraining.factors import made_of_factors, pretrained_on, recovered

PAIRS, HELD_OUT = 4000, 2000
RATIOS = (0.5, 0.625, 0.75, 0.875, 1.0)
METHODS = ("decur", "barlow_twins", "simclr", "clip", "vicreg", "random")


def over_seeds(seeds: int, measure: Callable[[int], Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard error of every figure."""
    rows = [measure(seed) for seed in range(seeds)]
    return {
        name: {
            "mean": round(float(np.mean([row[name] for row in rows])), 4),
            "se": round(float(np.std([row[name] for row in rows], ddof=1) / np.sqrt(seeds)), 4),
        }
        for name in rows[0]
    }


def factors(seeds: int, epochs: int, curve: bool) -> dict[str, Any]:
    """R2 of factors by methods, or by the share of common dimensions."""

    def measure(method: str, common: float | None) -> Callable[[int], Mapping[str, float]]:
        def of(seed: int) -> Mapping[str, float]:
            made = made_of_factors(seed, PAIRS + HELD_OUT)
            learner = pretrained_on(made.some(0, PAIRS), method, seed, epochs, common)
            return recovered(learner, made.some(PAIRS, PAIRS + HELD_OUT))

        return of

    if curve:
        return {f"{ratio:.3f}": over_seeds(seeds, measure("decur", ratio)) for ratio in RATIOS}
    return {method: over_seeds(seeds, measure(method, 0.5)) for method in METHODS}


def of_scene(
    name: str, out: Path, seeds: int, methods: Sequence[str], settings: Mapping[str, str], labels: str
) -> dict[str, Any]:
    """Probe and accuracy on test pixels of every method; a finished run is not done again."""
    scene = gx.open_scene(name)

    def measure(method: str, seed: int) -> dict[str, float]:
        run = gx.pretrain_scene(
            scene,
            out / f"{method}-{seed}",
            gx.PretrainRequest(method=method, seed=seed, settings=dict(settings), resume=True),
        )
        found = {f"probe {one}": run.metrics["probe"]["pretrained"][one] for one in ("oa", "aa")}
        trained = gx.train_scene(
            scene,
            out / f"{method}-{seed}-trained",
            gx.TrainRequest(
                method="cnn",
                seed=seed,
                init=run.folder,
                resume=True,
                settings={"labels_per_class": labels, "epochs": "15"},
            ),
        )
        print(f"{method} {seed}: {found}, {trained.metrics['aa']:.4f}", file=sys.stderr, flush=True)
        return found | {f"trained {one}": trained.metrics[one] for one in ("oa", "aa")}

    rows = {method: [measure(method, seed) for seed in range(seeds)] for method in methods}
    table = {method: over_seeds(seeds, rows[method].__getitem__) for method in methods}
    if "random" in rows:
        for method in methods:
            if method == "random":
                continue
            table[f"{method} - random"] = over_seeds(
                seeds,
                lambda seed, method=method: {  # type: ignore[misc]
                    name: rows[method][seed][name] - rows["random"][seed][name] for name in rows[method][seed]
                },
            )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["factors", "scene"])
    parser.add_argument("scene", nargs="?")
    parser.add_argument("--out", type=Path, help="where runs of a scene go, and come from again")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--curve", action="store_true")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--labels", default="10", help="training labels a class after pretraining")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.what == "factors":
        result = factors(chosen.seeds, chosen.epochs, chosen.curve)
    else:
        settings = dict(one.split("=", 1) for one in chosen.set) | {"epochs": str(chosen.epochs)}
        result = of_scene(
            chosen.scene, chosen.out, chosen.seeds, chosen.methods.split(","), settings, chosen.labels
        )
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
