"""Two .npy files as paired samples: nothing is unpickled, and of a large file only a sample is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geo_xmodal.errors import UsageError
from geo_xmodal.memory import check_memory
from geo_xmodal.named_options import option

FloatArray = npt.NDArray[np.float64]

_MAGIC = b"\x93NUMPY"
_CHUNK_VALUES = 2**22
"""Values looked at together when rows with missing values are sought."""

_MAX_COLUMNS = 2048
"""Columns above which the covariances would take minutes and gigabytes."""


@dataclass(frozen=True)
class PairedRows:
    """Samples of two arrays, row i of one with row i of the other.

    Attributes:
        x: (n, dx).
        y: (n, dy).
        blocks: (n,) ids of rows that are alike, or None if rows are exchangeable.
        kept: (n,) their rows in the files.
        rows: rows in the files.
        dropped: rows left out because they hold NaN or infinity.
    """

    x: FloatArray
    y: FloatArray
    blocks: npt.NDArray[Any] | None
    kept: npt.NDArray[np.int64]
    rows: int
    dropped: int


def read_pairs(x: Path, y: Path, blocks: Path | None, samples: int, seed: int) -> PairedRows:
    """Read two float matrices with as many rows, and at most `samples` of their complete rows.

    Args:
        x: .npy file of (n, dx) floats.
        y: .npy file of (n, dy) floats.
        blocks: .npy file of n integers, or None.
        samples: most rows, drawn at random.
        seed: of the draw.

    Raises:
        UsageError: a file is missing, is no .npy file, is pickled or truncated, or holds something else.
        MemoryShortageError: there is too little memory for the samples.
    """
    first, second = _matrix(x), _matrix(y)
    if len(first) != len(second):
        raise UsageError(
            f"{x} and {y} must be paired row by row, found {len(first)} and {len(second)} rows; "
            "save the same samples in the same order"
        )
    ids = None if blocks is None else read_column(blocks, len(first), "block id")
    whole = np.flatnonzero(_complete(first) & _complete(second))
    if not len(whole):
        raise UsageError(f"{x}, {y}: no row of {len(first)} is free of NaN and infinity; mask or fill them")
    kept = whole
    if len(whole) > samples:
        kept = np.sort(np.random.default_rng(seed).choice(whole, samples, replace=False))
    columns = first.shape[1] + second.shape[1]
    check_memory(
        f"{len(kept)} samples of {columns} columns", 8 * len(kept) * columns, f"lower {option('samples')}"
    )
    return PairedRows(
        x=np.asarray(first[kept], dtype=np.float64),
        y=np.asarray(second[kept], dtype=np.float64),
        blocks=None if ids is None else np.asarray(ids[kept]),
        kept=kept,
        rows=len(first),
        dropped=len(first) - len(whole),
    )


def _matrix(path: Path) -> npt.NDArray[Any]:
    array = _mapped(path)
    if array.dtype.kind != "f" or array.ndim != 2 or 0 in array.shape:
        raise UsageError(
            f"{path}: expected a matrix of floats (samples, columns), found {array.dtype} of shape "
            f"{array.shape}; save it with numpy.save(file, values.astype(float).reshape(samples, -1))"
        )
    if array.shape[1] > _MAX_COLUMNS:
        raise UsageError(
            f"{path}: {array.shape[1]} columns, expected at most {_MAX_COLUMNS}; "
            "reduce them, for example to principal components"
        )
    return array


def read_column(path: Path, rows: int, what: str) -> npt.NDArray[Any]:
    """Whole numbers of a .npy file, one a row of the samples.

    Args:
        path: of the file.
        rows: of the samples.
        what: each number is, in words.

    Raises:
        UsageError: the file is missing, is no .npy file, or holds something else.
    """
    array = _mapped(path)
    if array.dtype.kind not in "biu" or array.shape != (rows,):
        raise UsageError(
            f"{path}: expected {rows} integers, one {what} a row, found {array.dtype} of shape {array.shape}"
        )
    return array


def _mapped(path: Path) -> npt.NDArray[Any]:
    """The array in a file, left on disk."""
    if not path.is_file():
        raise UsageError(f"{path}: {'not a file' if path.exists() else 'no such file'}, expected a .npy file")
    with path.open("rb") as file:
        magic = file.read(len(_MAGIC))
    if magic != _MAGIC:
        raise UsageError(f"{path}: not a .npy file (it starts with {magic!r}); write it with numpy.save")
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    # numpy parses the header as Python text: a damaged one surfaces as almost any exception.
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{path}: cannot be read as an array of numbers ({why}); write it again with "
            "numpy.save, without Python objects in it"
        ) from None
    return array


def _complete(array: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    step = max(1, _CHUNK_VALUES // array.shape[1])
    parts = [np.isfinite(array[start : start + step]).all(axis=1) for start in range(0, len(array), step)]
    return np.concatenate(parts)
