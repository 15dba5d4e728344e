"""The training loop: epochs of drawn batches, one optimiser a stage, resumable after any epoch."""

from __future__ import annotations

import hashlib
import importlib
import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.base import Batch, Learner, LoopOptions, Options, Pool
from geo_xmodal.training.checkpoint import (
    Position,
    read_checkpoint,
    restore_learner,
    restore_optimizer,
    write_checkpoint,
)
from geo_xmodal.types import Progress, TrainingData


def seed_of(*parts: object) -> int:
    """A seed of every part: what an epoch draws depends on nothing that was drawn before."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7], "big")


def epochs_of(learner: Learner, epochs: int) -> list[int]:
    """Epochs of each stage: by their shares, each at least one, `epochs` in all (or one a stage)."""
    shares = [stage.share for stage in learner.stages]
    parts = [max(1, round(epochs * share / sum(shares))) for share in shares]
    if parts:
        parts[-1] = max(1, epochs - sum(parts[:-1]))
    return parts


def fit(
    learner: Learner,
    options: LoopOptions,
    seed: int,
    *,
    mark: str = "",
    folder: Path | None = None,
    resume: bool = False,
    validate: Callable[[Learner], dict[str, float]] | None = None,
    log: Callable[[dict[str, Any]], None] = lambda row: None,
    progress: Progress | None = None,
) -> None:
    """Train `learner` in place.

    Args:
        learner: what learns; a learner without stages is finished already.
        options: epochs, batch sizes, optimiser and schedule.
        seed: of everything drawn.
        mark: fingerprint of the run, for `resume`.
        folder: where the checkpoint goes after each epoch; None keeps none.
        resume: go on from the checkpoint in `folder`, if there is one.
        validate: scores to log after each epoch of the last stage.
        log: takes one row an epoch.
        progress: told of each step; after the last one of an epoch when its checkpoint is written.

    Raises:
        TrainingDataError: if the loss stops being finite.
        ResumeError: if the checkpoint is of another run.
    """
    plan = epochs_of(learner, options.epochs)
    found = read_checkpoint(folder, mark) if resume and folder is not None else None
    start = found[0] if found else Position()
    steps = _steps(options, len(learner.labelled), len(learner.unlabelled))
    if found is not None:
        restore_learner(found[1], learner)
    total_steps = sum(plan) * steps

    def tell(stage: int, epoch: int, step: int, loss: float | None) -> None:
        if progress is not None:
            before = sum(plan[:stage]) + epoch
            said = "" if loss is None else f", loss {loss:.3f}"
            name = learner.stages[stage].name
            progress(before * steps + step, total_steps, f"{name}: epoch {before + 1} of {sum(plan)}{said}")

    for stage in range(start.stage, len(plan)):
        first = start.epoch if stage == start.stage else 0
        if first == 0:
            torch.manual_seed(seed_of(seed, stage, "begin"))
            learner.eval()
            learner.begin(stage)
        if learner.settled():
            break
        optimizer = _optimizer(learner, options)
        if first > 0 and found is not None:
            restore_optimizer(found[1], optimizer)
        for epoch in range(first, plan[stage]):
            began = time.perf_counter()
            torch.manual_seed(seed_of(seed, stage, epoch))
            rate = 0.0
            sums: dict[str, float] = {}
            learner.train()
            tell(stage, epoch, 0, None)
            for step, (labelled, unlabelled) in enumerate(_batches(learner, options, steps)):
                rate = _learning_rate(options, (epoch * steps + step) / (plan[stage] * steps))
                for group in optimizer.param_groups:
                    group["lr"] = rate
                terms = learner.loss(stage, labelled, unlabelled)
                total = torch.stack(list(terms.values())).sum()
                optimizer.zero_grad(set_to_none=True)
                total.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                for name, value in terms.items():
                    sums[name] = sums.get(name, 0.0) + float(value.detach()) / steps
                if step + 1 < steps:
                    tell(stage, epoch, step + 1, sum(sums.values()) * steps / (step + 1))
            if not all(math.isfinite(value) for value in sums.values()):
                raise TrainingDataError(
                    f"the loss is not finite in epoch {epoch + 1} of '{learner.stages[stage].name}': {sums}; "
                    f"lower --set learning_rate (it is {options.learning_rate})"
                )
            last = stage == len(plan) - 1
            done = sum(plan[:stage]) + epoch + 1
            row: dict[str, Any] = {
                "stage": learner.stages[stage].name, "epoch": done, "learning_rate": rate, "loss": sums,
            }  # fmt: skip
            learner.eval()
            if validate is not None and last:
                row["validation"] = validate(learner)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            log(row | {"seconds": round(time.perf_counter() - began, 3), "time": now})
            if folder is not None:
                ahead = Position(stage, epoch + 1) if epoch + 1 < plan[stage] else Position(stage + 1, 0)
                write_checkpoint(folder, mark, ahead, learner, optimizer)
            tell(stage, epoch, steps, sum(sums.values()))
    learner.eval()


def expected_steps(options: Options, data: TrainingData) -> int:
    """About how many steps a run takes; 1 where a method is solved at once."""
    if not isinstance(options, LoopOptions):
        return 1
    labelled = len(data.labelled_pairs) + len(data.labelled_target)
    return options.epochs * _steps(options, labelled, data.unlabelled)


def _steps(options: LoopOptions, labelled: int, unlabelled: int) -> int:
    """Steps in an epoch: with few labels alone, a pass over them would be a step or two."""
    if options.pass_over == "labels":
        pixels, batch = labelled, options.label_batch
    else:
        pixels, batch = labelled + unlabelled, options.batch_size
    return max(options.least_steps, math.ceil(pixels / batch))


def _optimizer(learner: Learner, options: LoopOptions) -> torch.optim.Optimizer:
    weights = [p for p in learner.parameters() if p.requires_grad]
    kind: Callable[..., torch.optim.Optimizer]
    match options.optimizer:
        case "adam":
            kind = torch.optim.Adam
        case "adamw":
            kind = torch.optim.AdamW
        case "lion":
            # timm is slow to import, and only this needs it
            kind = importlib.import_module("timm.optim").Lion
    return kind(weights, lr=options.learning_rate, weight_decay=options.weight_decay)


def _learning_rate(options: LoopOptions, done: float) -> float:
    match options.schedule:
        case "cosine":
            return options.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        case "poly":
            return float(options.learning_rate * (1 - done) ** options.power)
        case "constant":
            return options.learning_rate


def _batches(learner: Learner, options: LoopOptions, steps: int) -> Iterator[tuple[Batch, Batch | None]]:
    for _ in range(steps):
        labelled = _drawn(learner.labelled, options.label_batch)
        unlabelled = _drawn(learner.unlabelled, options.batch_size) if len(learner.unlabelled) else None
        yield labelled, unlabelled


def _drawn(pool: Pool, count: int) -> Batch:
    if len(pool) <= count:
        return pool.draw(torch.arange(len(pool)))
    return pool.draw(torch.randint(len(pool), (count,)))
