"""What several processes do in tests: each gets its share of batches that are known to all."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import signal
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn

from geo_xmodal import processes
from geo_xmodal.correlation import OBJECTIVES
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods import METHODS, Batch, Learner, LoopOptions, Pool
from geo_xmodal.objectives import (
    Adversarial,
    Alignment,
    Correlation,
    Distillation,
    MarginAwareDistillation,
    Reconstruction,
    Supervised,
    Term,
)
from geo_xmodal.objectives.self_supervised import CLIP, DeCUR, SimCLR
from geo_xmodal.training.batch_norm import over_whole_batches
from geo_xmodal.training.engine import Compute
from geo_xmodal.training.loop import fit
from tests.forked import start_forked
from tests.training_data import make_training_data

_SMALL = {
    "contrasts": "", "widths": "6,6", "embedding": "6", "teachers": "2", "dropout": "0", "noise": "0",
    "corruption": "0", "dense": "8,6", "auxiliary_widths": "8,6", "epochs": "2", "batch_size": "33",
    "label_batch": "13", "least_steps": "3", "learning_rate": "0.01", "drop": "0", "auxiliary_width": "6",
}  # fmt: skip

CASES: dict[str, tuple[str, dict[str, str]]] = {
    "hgr": ("hgr", {}),
    "hgr without teachers, objective hgr": ("hgr", {"distill_weight": "0", "objective": "hgr"}),
    "cnn": ("cnn", {"mode": "self_training"}),
    "x_modalnet": ("x_modalnet", {"auxiliary_widths": "6,6"}),
    "x_modalnet, mixed": (
        "x_modalnet",
        {"auxiliary_widths": "6,6", "il": "mixed", "adversarial": "reversal", "reconstruction": "sum"},
    ),
    "x_modalnet, joint_zero": (
        "x_modalnet",
        {"auxiliary_widths": "6,6", "test_head": "joint_zero", "rounds": "1"},
    ),
    **{name: (name, {}) for name in ("unimodal_dae", "bimodal_dae", "bimodal_sdae", "mdl_cw", "corrnet")},
    "corr_ae": ("corr_ae", {"variant": "full"}),
    "modality_dropout": ("modality_dropout", {}),
    **{name: (name, {"unlabelled_pairs": "true"}) for name in ("dsensd", "shaspec")},
}
"""Methods with their settings."""

FEW_PAIRS = ("hgr", "x_modalnet", "bimodal_dae", "mdl_cw", "shaspec")
"""Cases that are also tried on a batch without a pair: a few come along then.

In float64: batch norm of two rows is a sign, which rounding of float32 turns over.
"""


def new(case: str, **settings: str) -> tuple[Learner, LoopOptions]:
    """The learner of a case."""
    name, own = CASES[case]
    known = METHODS[name].Options.model_fields
    values = {key: value for key, value in {**_SMALL, **own, **settings}.items() if key in known}
    options = METHODS[name].Options.model_validate(values)
    assert isinstance(options, LoopOptions)
    return METHODS[name].learner(make_training_data(pairs=60, labels=25), options, 3), options


def gradients(learner: Learner, stage: int, labelled: Tensor, unlabelled: Tensor) -> dict[str, Tensor]:
    """Terms, gradients and buffers of one step on the whole of a batch, of which each process has a share."""
    torch.manual_seed(5)
    learner.eval()
    learner.begin(stage)
    learner.train()
    learner.zero_grad()
    first = learner.draw(learner.labelled, processes.share(labelled))
    second = None
    if len(learner.unlabelled):
        second = learner.draw(learner.unlabelled, processes.share(unlabelled))
    with over_whole_batches(learner):
        terms = learner.loss(stage, first, second)
    torch.stack(list(terms.values())).sum().backward()
    processes.add_gradients(list(learner.parameters()))
    found = {f"term {name}": processes.total(value) for name, value in terms.items()}
    for name, weight in learner.named_parameters():
        if weight.grad is not None:
            found[f"gradient {name}"] = weight.grad
    found |= {f"buffer {name}": value.clone() for name, value in learner.named_buffers()}
    return found


def in_float64(learner: Learner) -> Learner:
    """The learner with weights and batches in float64."""
    plain = learner.double().draw

    def draw(pool: Pool, index: Tensor) -> Batch:
        batch = plain(pool, index)
        auxiliary = None if batch.auxiliary is None else batch.auxiliary.double()
        return dataclasses.replace(batch, target=batch.target.double(), auxiliary=auxiliary)

    learner.draw = draw  # type: ignore[method-assign]
    return learner


def of_every_method() -> dict[str, Tensor]:
    """`gradients` of every stage of every case."""
    draw = torch.Generator().manual_seed(8)
    found = {}
    for case in CASES:
        for batch in ("few", "drawn") if case in FEW_PAIRS else ("drawn",):
            learner, _ = new(case)
            learner = in_float64(learner) if batch == "few" else learner
            pixels, others = len(learner.labelled), max(1, len(learner.unlabelled))
            pairs = torch.isfinite(made_auxiliary(learner)) if batch == "few" else torch.zeros(pixels)
            some = torch.nonzero(pairs == 0).flatten()[:5]
            for stage in range(min(len(learner.stages), 4)):
                labelled = some if batch == "few" else torch.randint(pixels, (61,), generator=draw)
                unlabelled = torch.randint(others, (75,), generator=draw)
                if batch == "few" and learner.unlabelled.auxiliary is not None:
                    unlabelled = torch.arange(others - 7, others)  # the last ones are no pairs
                one = gradients(learner, stage, labelled, unlabelled)
                found |= {f"{case}, {batch}, {stage}: {name}": value for name, value in one.items()}
    return found


def made_auxiliary(learner: Learner) -> Tensor:
    """(n,) a value of the auxiliary sensor of labelled pixels, NaN where it has none."""
    auxiliary = learner.labelled.draw(torch.arange(len(learner.labelled))).auxiliary
    assert auxiliary is not None
    return auxiliary.flatten(1)[:, 0]


def of_every_term() -> dict[str, Tensor]:
    """Values of all terms and gradients for their outputs, of rows that processes have unequal shares of."""
    torch.manual_seed(2)
    f, g = (torch.randn(45, 5, requires_grad=True) for _ in range(2))
    label = torch.randint(5, (45,))
    soft = torch.randn(45, 5).softmax(1)
    judge = nn.Linear(5, 1)
    terms: dict[str, tuple[Term, Callable[[Tensor], tuple[Any, ...]]]] = {
        "supervised": (Supervised(torch.tensor([1.0, 2.0, 0.5, 0.0, 1.5])), lambda i: (f[i], label[i])),
        "distillation": (Distillation(2.0), lambda i: (f[i], soft[i])),
        "reconstruction": (Reconstruction(), lambda i: (f[i], g[i])),
        "sum": (Reconstruction("sum"), lambda i: (f[i], g[i])),
        "adversarial": (Adversarial(), lambda i: (judge, f[i], g[i])),
        "alignment": (Alignment(), lambda i: (f[i], g[i])),
        "margin": (MarginAwareDistillation(), lambda i: (f[i], g[i].detach(), soft[i].log())),
        "few": (Correlation("soft_hgr", full_batch=90), lambda i: (f[i], g[i])),
        "decur": (DeCUR(3), lambda i: (f[i], g[i], f[i].flip(1), g[i] + f[i])),
        "simclr": (SimCLR(), lambda i: (f[i], g[i])),
        "clip": (CLIP(), lambda i: (f[i], g[i])),
        **{
            name: (Correlation(name, 0.7), lambda i: (f[i], g[i], torch.where(label[i] < 4, label[i], -1)))
            for name in OBJECTIVES
        },
    }
    found = {}
    # all rows are with the first process, then most of them
    for shares in ((45, 0), (40, 5)):
        rows = torch.arange(45)
        if processes.count() > 1:
            rows = torch.split(rows, shares)[processes.number()]
        for name, (term, outputs) in terms.items():
            value = term(*outputs(rows))
            grads = torch.autograd.grad(value, [f, g], allow_unused=True)
            found[f"{name} {shares}"] = processes.total(value)
            for which, grad in zip("fg", grads, strict=True):
                if grad is not None:
                    found[f"{name} {shares} {which}"] = processes.total(grad)
    return found


def trained(case: str, folder: Path | None = None, *, kill: int = 0, resume: bool = False) -> str:
    """One word for a learner after training, which must be the same in all processes.

    Args:
        case: Which learner.
        folder: For checkpoints.
        kill: Step in which the first process is killed; 0 for none.
        resume: Go on from the checkpoint.
    """
    learner, options = new(case, dropout="0.2", noise="0.1", least_steps="5", epochs="3")
    if kill and processes.is_first():
        plain, steps = learner.loss, itertools.count(1)

        def loss(*given: Any) -> dict[str, Tensor]:
            if next(steps) == kill:
                os.kill(os.getpid(), signal.SIGKILL)
            return plain(*given)

        learner.loss = loss  # type: ignore[method-assign]
    fit(learner, options, 4, mark="m", folder=folder, resume=resume)
    words = processes.said(digest(learner))
    assert len(set(words)) == 1, words
    return words[0]


def digest(learner: nn.Module) -> str:
    """One word for all weights and buffers."""
    return hashlib.sha256(save({k: v.contiguous() for k, v in learner.state_dict().items()})).hexdigest()


def everything(folder: Path) -> None:
    """All that two processes and one are held against each other for, into files."""
    if processes.is_first():
        folder.mkdir(exist_ok=True)
    save_terms, save_methods = of_every_term(), of_every_method()
    words = [trained(case) for case in ("hgr", "x_modalnet", "corrnet")]
    learner, options = new("hgr")
    fit(learner, options, 4, compute=Compute("cpu", "bf16"))
    assert len(set(processes.said(digest(learner)))) == 1
    if processes.is_first():
        save_file({k: v.detach().contiguous() for k, v in save_terms.items()}, folder / "terms")
        save_file({k: v.detach().contiguous() for k, v in save_methods.items()}, folder / "methods")
        (folder / "words").write_text("\n".join(words))


def killed(folder: Path, steps: int) -> None:
    """A training whose first process is killed after some steps."""
    trained("hgr", folder, kill=steps)


def resumed(folder: Path) -> None:
    """What goes on from there."""
    word = trained("hgr", folder, resume=True)
    if processes.is_first():
        (folder / "word").write_text(word)


def one_fails(folder: Path) -> None:
    """Process 1 finds a fault that process 0 does not see."""
    if processes.number() == 1:
        raise TrainingDataError("this scene is not mine")
    processes.total(torch.ones(1))


def both_fail(folder: Path) -> None:
    """All find the same fault."""
    with processes.together():
        raise TrainingDataError("this scene is nobody's")


def others_differ(folder: Path) -> None:
    """Processes that were given other files."""
    processes.check_alike(options="same", training_pixels="ab"[processes.number()])


def run(work: Callable[..., None], folder: Path, *given: Any, count: int = 2) -> list[tuple[int | None, str]]:
    """Do some work in several processes; the exit status of each, and the line that it ends with."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    lines = [folder / f"{work.__name__}-{number}" for number in range(count)]
    started = []
    for number, line in enumerate(lines):
        variables = {
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count),
            "RANK": str(number), "LOCAL_RANK": str(number), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        started.append(start_forked(_process, variables, line, work, folder, *given))
    for one in started:
        one.join(120)
        if one.is_alive():
            one.kill()
    return [
        (one.exitcode, line.read_text() if line.exists() else "")
        for one, line in zip(started, lines, strict=True)
    ]


def _process(variables: dict[str, str], line: Path, work: Callable[..., None], *given: Any) -> None:
    os.environ.update(variables)
    torch.set_num_threads(1)
    try:
        with processes.joined("cpu"):
            work(*given)
    except processes.GeoXmodalError as error:
        line.write_text("" if getattr(error, "told", False) else str(error))
        os._exit(error.exit_status)
    except BaseException:
        line.write_text(traceback.format_exc())
        os._exit(1)
