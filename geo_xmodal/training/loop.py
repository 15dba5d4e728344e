"""The training loop: epochs of drawn batches, one optimiser a stage, resumable after any epoch."""

from __future__ import annotations

import hashlib
import importlib
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geo_xmodal import processes
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.base import Batch, Learner, LoopOptions, Options, Pool
from geo_xmodal.named_options import option
from geo_xmodal.training.batch_norm import over_whole_batches
from geo_xmodal.training.checkpoint import (
    Position,
    restore_learner,
    restore_optimizer,
    shared_checkpoint,
    write_checkpoint,
)
from geo_xmodal.training.engine import ON_PROCESSOR, Compute, Engine, Means
from geo_xmodal.types import Progress, TrainingData


def seed_of(*parts: object) -> int:
    """A seed of every part: what a step draws depends on nothing that was drawn before."""
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
    compute: Compute = ON_PROCESSOR,
    mark: str = "",
    folder: Path | None = None,
    resume: bool = False,
    validate: Callable[[Learner], dict[str, float]] | None = None,
    log: Callable[[dict[str, Any]], None] = lambda row: None,
    progress: Progress | None = None,
) -> None:
    """Train `learner` in place.

    Among several processes (`geo_xmodal.processes`) all call this alike: each computes its share of every
    batch, and the first one alone logs, tells, validates and writes.

    Args:
        learner: what learns; a learner without stages is finished already. In the end it is on the processor.
        options: epochs, batch sizes, optimiser and schedule.
        seed: of everything drawn.
        compute: on which device, and in which precision.
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
    found = shared_checkpoint(folder, mark) if resume and folder is not None else None
    start = found[0] if found else Position()
    steps = _steps(options, len(learner.labelled), len(learner.unlabelled))
    if found is not None:
        restore_learner(found[1], learner)
    total_steps = sum(plan) * steps
    engine = Engine(compute)

    def tell(stage: int, epoch: int, step: int, loss: float | None) -> None:
        if progress is not None and processes.is_first():
            before = sum(plan[:stage]) + epoch
            said = "" if loss is None else f", loss {loss:.3f}"
            name = learner.stages[stage].name
            progress(before * steps + step, total_steps, f"{name}: epoch {before + 1} of {sum(plan)}{said}")

    learner.to(engine.device)
    for stage in range(start.stage, len(plan)):
        first = start.epoch if stage == start.stage else 0
        if first == 0:
            torch.manual_seed(seed_of(seed, stage, "begin"))
            learner.eval()
            learner.begin(stage)
            learner.to(engine.device)  # what is new since
            processes.same_state(learner)
        if learner.settled():
            break
        optimizer = _optimizer(learner, options)
        if first > 0 and found is not None:
            restore_optimizer(found[1], optimizer)
        rate_at = schedule(options, plan[stage] * steps, steps)
        for epoch in range(first, plan[stage]):
            began = time.perf_counter()
            means = Means()
            learner.train()
            tell(stage, epoch, 0, None)
            for step in range(steps):
                draw = torch.Generator().manual_seed(seed_of(seed, stage, epoch, step, "batch"))
                labelled = _drawn(learner, learner.labelled, options.label_batch, draw)
                unlabelled = None
                if len(learner.unlabelled) and learner.stages[stage].unlabelled:
                    unlabelled = _drawn(learner, learner.unlabelled, options.batch_size, draw)
                engine.seed(seed_of(seed, stage, epoch, step, processes.number()))
                with engine.autocast(), over_whole_batches(learner):
                    terms = learner.loss(stage, labelled, unlabelled)
                engine.backward(_total(terms, learner.stages[stage].name) / _together(options, step, steps))
                if (step + 1) % options.accumulate == 0 or step + 1 == steps:
                    rate = rate_at(epoch * steps + step)
                    _descend(engine, optimizer, rate, options.clip)
                means.add(terms)
                if step + 1 < steps and engine.asks(step):
                    tell(stage, epoch, step + 1, sum(means().values()))
            losses = means()
            if not all(math.isfinite(value) for value in losses.values()):
                raise TrainingDataError(
                    f"the loss is not finite in epoch {epoch + 1} of '{learner.stages[stage].name}': "
                    f"{losses}; lower {option('set', 'learning_rate')} (it is {options.learning_rate})"
                )
            learner.eval()
            if not processes.is_first():
                continue
            last = stage == len(plan) - 1
            done = sum(plan[:stage]) + epoch + 1
            row: dict[str, Any] = {
                "stage": learner.stages[stage].name, "epoch": done, "learning_rate": rate, "loss": losses,
            }  # fmt: skip
            if validate is not None and last:
                row["validation"] = validate(learner)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            log(row | {"seconds": round(time.perf_counter() - began, 3), "time": now})
            if folder is not None:
                ahead = Position(stage, epoch + 1) if epoch + 1 < plan[stage] else Position(stage + 1, 0)
                write_checkpoint(folder, mark, ahead, learner, optimizer)
            tell(stage, epoch, steps, sum(losses.values()))
    learner.eval()
    learner.cpu()


def expected_steps(options: Options, data: TrainingData) -> int:
    """About how many steps a run takes; what its options say where it is no loop of steps."""
    if not isinstance(options, LoopOptions) or not options.by_steps:
        return options.steps
    if data.windows is not None and data.windows.train is not None and options.tiling:
        return options.epochs * _steps(options, len(data.windows.train), 0)
    labelled = len(data.labelled_pairs) + len(data.labelled_target)
    return options.epochs * _steps(options, labelled, data.unlabelled)


def _steps(options: LoopOptions, labelled: int, unlabelled: int) -> int:
    """Steps in an epoch: with few labels alone, a pass over them would be a step or two."""
    if options.pass_over == "labels":
        pixels, batch = labelled, options.label_batch
    else:
        pixels, batch = labelled + unlabelled, options.batch_size
    return max(options.least_steps, math.ceil(pixels / batch))


def _total(terms: dict[str, Tensor], stage: str) -> Tensor:
    if not terms:
        raise TrainingDataError(
            f"'{stage}' has nothing to minimise: all of its terms have weight 0; set one above it"
        )
    return torch.stack(list(terms.values())).sum()


def _together(options: LoopOptions, step: int, steps: int) -> int:
    """How many batches this one makes a step with; the last ones of an epoch may be fewer."""
    first = step - step % options.accumulate
    return min(options.accumulate, steps - first)


def _descend(engine: Engine, optimizer: torch.optim.Optimizer, rate: float, clip: float | None) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    processes.add_gradients(weights)
    if clip is not None:
        engine.clip(weights, clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _optimizer(learner: Learner, options: LoopOptions) -> torch.optim.Optimizer:
    groups = [
        {
            "params": [weight for weight in group.weights if weight.requires_grad],
            "rate": group.rate,
            "weight_decay": options.weight_decay * group.decay,
        }
        for group in learner.groups()
    ]
    match options.optimizer:
        case "adam":  # fused: in one pass over the weights, a fourth of the time
            return torch.optim.Adam(groups, lr=options.learning_rate, fused=True)
        case "adamw":
            return torch.optim.AdamW(groups, lr=options.learning_rate, fused=True)
        case "lion":
            return _of_timm("Lion", groups, lr=options.learning_rate)
        case "lars":  # weights that do not decay are not adapted either
            return _of_timm("Lars", groups, lr=options.learning_rate, momentum=0.9)


def _of_timm(name: str, groups: list[dict[str, Any]], **settings: float) -> torch.optim.Optimizer:
    # timm is slow to import, and only these need it
    made: torch.optim.Optimizer = getattr(importlib.import_module("timm.optim"), name)(groups, **settings)
    return made


def schedule(options: LoopOptions, total: int, epoch: int) -> Callable[[int], float]:
    """The learning rate of each of the `total` steps of a stage, of which an epoch takes `epoch`."""
    warm_up = options.warm_up * (total if options.warm_up < 1 else epoch)
    rising = min(round(warm_up), total)

    def rate(step: int) -> float:
        if step < rising:
            return options.learning_rate * (step + 1) / rising
        return _learning_rate(options, (step - rising) / (total - rising))

    return rate


def _learning_rate(options: LoopOptions, done: float) -> float:
    match options.schedule:
        case "cosine":
            return options.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        case "poly":
            return float(options.learning_rate * (1 - done) ** options.power)
        case "constant":
            return options.learning_rate


def _drawn(learner: Learner, pool: Pool, count: int, draw: torch.Generator) -> Batch:
    """This process's share of a batch."""
    whole = torch.arange(len(pool))
    if len(pool) > count:
        whole = torch.randint(len(pool), (count,), generator=draw)
    return learner.draw(pool, processes.share(whole))
