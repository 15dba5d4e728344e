"""Where a run stands, on disk: written beside its place and renamed, read without pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from geo_xmodal import processes
from geo_xmodal.errors import ResumeError
from geo_xmodal.named_options import option
from geo_xmodal.outputs import new_file
from geo_xmodal.small_files import SmallFile, file_errors, read_tensor_header

FILE = "checkpoint.safetensors"

_FILE = SmallFile(
    "where a run stands",
    ResumeError,
    f"it is damaged, and cannot be gone on from: train anew without {option('resume')}",
    64 << 30,
)


@dataclass(frozen=True)
class Position:
    """The next epoch to do: `epoch` of `stage`, both counted from 0."""

    stage: int = 0
    epoch: int = 0


def fingerprint(description: Any) -> str:
    """What a run was asked to do, as one short word: a checkpoint of another word does not fit."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:16]


def write_checkpoint(
    folder: Path, mark: str, position: Position, learner: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Save the whole state of a run.

    Raises:
        OutputError: if the folder cannot be written; the checkpoint before this one stays.
    """
    tensors = {f"learner.{name}": value for name, value in learner.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
    metadata = {"mark": mark, "stage": str(position.stage), "epoch": str(position.epoch)}
    content = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, metadata)
    with new_file(folder / FILE, make_parents=False) as beside:
        beside.write_bytes(content)


def checked_header(folder: Path, mark: str) -> Mapping[str, str] | None:
    """What the checkpoint of an earlier run says of itself; None if there is none.

    Raises:
        ResumeError: if it is damaged or belongs to a run with other options.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    metadata = read_tensor_header(path, _FILE).metadata
    if metadata.get("mark") != mark:
        raise ResumeError(
            f"{path} belongs to a run with other options, data or version (mark {metadata.get('mark')}, "
            f"this run's is {mark}): resume with the options in config.json, or train anew without "
            f"{option('resume')}"
        )
    return metadata


def read_checkpoint(folder: Path, mark: str) -> tuple[Position, dict[str, Tensor]] | None:
    """Where an earlier run stopped, and its tensors; None if there is no checkpoint.

    Raises:
        ResumeError: if the checkpoint is damaged or belongs to a run with other options.
    """
    path = folder / FILE
    metadata = checked_header(folder, mark)
    if metadata is None:
        return None
    with file_errors(path, _FILE, SafetensorError, KeyError):
        position = Position(int(metadata["stage"]), int(metadata["epoch"]))
        if min(position.stage, position.epoch) < 0:
            raise _FILE.refuse(path, f"stage {position.stage}, epoch {position.epoch}")
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    return position, tensors


def shared_checkpoint(folder: Path, mark: str) -> tuple[Position, dict[str, Tensor]] | None:
    """`read_checkpoint` by the first process, for all of them: the folder may be on its disk alone.

    Raises:
        ResumeError: if the checkpoint is damaged or belongs to a run with other options.
    """
    found = None
    with processes.together():
        if processes.is_first():
            found = read_checkpoint(folder, mark)
    if processes.count() == 1:
        return found
    place = processes.told(None if found is None else (found[0].stage, found[0].epoch))
    if place is None:
        return None
    return Position(*place), load(processes.sent(b"" if found is None else save(found[1])))


def restore_learner(tensors: dict[str, Tensor], learner: nn.Module) -> None:
    """Put a learner's state back from the tensors of `read_checkpoint`."""
    state = {k.removeprefix("learner."): v for k, v in tensors.items() if k.startswith("learner.")}
    with file_errors(FILE, _FILE, RuntimeError):  # names or shapes of another network
        learner.load_state_dict(state)


def restore_optimizer(tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    """Put an optimiser's state back from the tensors of `read_checkpoint`."""
    state: dict[int, dict[str, Tensor]] = {}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    with file_errors(FILE, _FILE, IndexError):
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                if value.shape not in ((), weights[int(index)].shape):
                    raise _FILE.refuse(FILE, f"{name} has shape {tuple(value.shape)}")
                state.setdefault(int(index), {})[key] = value
    if len({frozenset(one) for one in state.values()}) > 1:  # an optimiser keeps the same of every weight
        raise _FILE.refuse(FILE, "the optimiser's state is incomplete")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
