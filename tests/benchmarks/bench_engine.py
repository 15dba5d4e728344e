"""What the engine costs beside a bare loop, and what a second process brings: steps of ResNet-50.

    python -m tests.benchmarks.bench_engine [--rounds 5] [--steps 12] [--patch 11] [--encoder resnet50]

Every process has one thread (run it on two cores that do nothing else). `cnn` learns random patches of four
bands; a step is forward, backward and AdamW, and what several processes do for each other. Rounds take turns,
and the best of each counts, so that what else the machine does falls out of the ratios:

- `engine`: steps of the training loop at batch 64, over those of a bare loop of the same network.
- `divided`: two processes with 32 pixels each of a batch of 64, over one process with 64.
- `each`: two processes with 64 pixels each of a batch of 128, over one process with 64: pixels a second.
- `machine`: two bare loops side by side that know nothing of each other, over one: what two processes could
  reach at most (processors of a virtual machine may be two threads of one core, and share its memory).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCH = 64


def timed(way: str, batch: int, steps: int, encoder: str, patch: int) -> float:
    """Pixels a second of one way, in this process or with others."""
    import torch

    from geo_xmodal import processes
    from geo_xmodal.methods import METHODS, LoopOptions
    from geo_xmodal.training.loop import fit
    from tests.training_data import make_training_data

    torch.set_num_threads(1)
    settings = {
        "encoder": encoder, "patch": str(patch), "label_batch": str(batch), "pass_over": "labels",
        "epochs": "2", "least_steps": str(steps), "contrasts": "7", "kernels": "5,3", "augment": "false",
        "noise": "0",
    }  # fmt: skip
    options = METHODS["cnn"].Options.model_validate(settings)
    assert isinstance(options, LoopOptions)
    data = make_training_data(margin=options.margin, labels=batch, pairs=1).without_auxiliary()
    learner = METHODS["cnn"].learner(data, options, 0)
    if way == "bare":
        optimizer = torch.optim.AdamW(learner.parameters(), fused=True)
        learner.train()
        rows = learner.labelled.draw(torch.arange(batch))
        for step in range(2 * steps):
            if step == steps:
                began = time.perf_counter()
            optimizer.zero_grad()
            logits = learner.classified(learner.embedded(rows.target))
            torch.nn.functional.cross_entropy(logits, rows.label).backward()
            optimizer.step()
        return batch * steps / (time.perf_counter() - began)
    seconds: list[float] = []
    with processes.joined("cpu"):
        fit(learner, options, 0, log=lambda row: seconds.append(row["seconds"]))
    return batch * steps / seconds[-1] if seconds else 0.0


def measured(way: str, batch: int, asked: argparse.Namespace) -> float:
    """`timed` in processes of their own; of those that know nothing of each other, the sum."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    given = [str(value) for value in (batch, asked.steps, asked.encoder, asked.patch)]
    start = [sys.executable]
    if way == "two":
        start += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with tempfile.TemporaryDirectory() as folder:
        outs = [Path(folder) / f"out-{number}" for number in range(2 if way == "apart" else 1)]
        running = [
            subprocess.Popen(
                [
                    *start, "-m", "tests.benchmarks.bench_engine", "--worker", str(out),
                    "bare" if way == "apart" else way, *given,
                ],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for out in outs
        ]  # fmt: skip
        for one in running:
            if one.wait():
                raise SystemExit(f"{one.args} ended with status {one.returncode}")
        return sum(float(out.read_text()) for out in outs)


def main() -> None:
    """Measure, and print a line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--patch", type=int, default=11)
    parser.add_argument("--encoder", default="resnet50")
    parser.add_argument("--worker", nargs=6)
    asked = parser.parse_args()
    if asked.worker:
        out, way, batch, steps, encoder, patch = asked.worker
        found = timed(way, int(batch), int(steps), encoder, int(patch))
        if os.environ.get("RANK", "0") == "0":
            Path(out).write_text(str(found))
        return
    ways = {
        "bare": ("bare", BATCH),
        "one": ("one", BATCH),
        "divided": ("two", BATCH),
        "each": ("two", 2 * BATCH),
        "apart": ("apart", BATCH),
    }
    best = dict.fromkeys(ways, 0.0)
    for _ in range(asked.rounds):
        for name, (way, batch) in ways.items():
            best[name] = max(best[name], measured(way, batch, asked))
    ratios = {
        "engine": best["one"] / best["bare"],
        "divided": best["divided"] / best["one"],
        "each": best["each"] / best["one"],
        "machine": best["apart"] / best["bare"],
    }
    print(json.dumps({"pixels_per_second": best, **{name: round(one, 3) for name, one in ratios.items()}}))


if __name__ == "__main__":
    main()
