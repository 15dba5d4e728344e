"""Weights that others trained, from a file of the user's: safetensors alone, checked by a checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.small_files import SmallFile, file_errors, read_tensor_header

_FILE = SmallFile(
    "weights in a safetensors file",
    TrainingDataError,
    "save the weights of the backbone with safetensors.torch.save_file",
    16 << 30,
)


def weights_checksum(path: Path) -> str:
    """SHA-256 of a file of weights, of which the header is checked.

    Raises:
        TrainingDataError: it is no safetensors file, or cannot be read.
    """
    read_tensor_header(path, _FILE)
    with file_errors(path, _FILE), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def with_checksum(raw: Any, name: str) -> Any:
    """Options with the SHA-256 of a file of weights beside its name, as `NAME_sha256`.

    Args:
        raw: options before they are checked.
        name: of the one that names the file, which may be missing.

    Raises:
        ValueError: The file cannot be read, or has another checksum than is given.
    """
    if not isinstance(raw, Mapping) or not raw.get(name):
        return raw
    try:
        found = weights_checksum(Path(raw[name]))
    except TrainingDataError as error:
        raise ValueError(str(error)) from None
    if raw.get(f"{name}_sha256") not in (None, found):
        raise ValueError(f"{raw[name]}: its SHA-256 is {found}, not {raw[f'{name}_sha256']}")
    return {**raw, f"{name}_sha256": found}


def read_weights(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a file of weights by name; nothing in it is executed.

    Raises:
        TrainingDataError: the file has another checksum by now, cannot be read, or holds numbers that are
            not finite.
    """
    if (found := weights_checksum(path)) != sha256:
        raise _FILE.refuse(path, f"its SHA-256 is {found}, not {sha256}")
    with file_errors(path, _FILE, SafetensorError):
        tensors = load_file(path)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise _FILE.refuse(path, f"{name} holds numbers that are not finite")
    return tensors
