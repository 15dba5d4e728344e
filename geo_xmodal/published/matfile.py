"""Arrays of MATLAB files, version 5 (also 6 and 7) and 7.3, one at a time and nothing but numbers.

What a file claims is checked before its array is read: kind, number of axes, size. Nothing in it is executed:
cells and structs are walked by names of ours alone, and objects, functions and characters are refused. In a
7.3 file, which is HDF5, nothing is followed that leads to another file (links, external and virtual storage).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import scipy.io

from geo_xmodal.errors import GeoXmodalError, RasterError
from geo_xmodal.memory import RAISE, check_memory
from geo_xmodal.published.mat5 import check_variable

Array = npt.NDArray[Any]

MAX_BYTES = 8 * 2**30
"""Bytes of an array; the HSI of Berlin in double precision has 1.6 x 10^9."""

_MAGIC_5 = b"MATLAB 5.0 MAT-file"
_MAGIC_73 = b"MATLAB 7.3 MAT-file"

_ITEM_BYTES = {
    "double": 8, "int64": 8, "uint64": 8, "single": 4, "int32": 4, "uint32": 4,
    "int16": 2, "uint16": 2, "int8": 1, "uint8": 1, "logical": 1,
}  # fmt: skip
"""MATLAB's numeric classes; whole numbers are often stored in less than their class needs."""

_MAX_PACKED = 2048
"""Bytes that one stored byte becomes; deflate, which MATLAB packs with, makes 1032 at most."""

_MAX_LISTED = 8


@dataclass(frozen=True)
class Variable:
    """A variable of a MATLAB file.

    Attributes:
        name: Its name.
        shape: In MATLAB's order of axes (row, column, page).
        kind: MATLAB's class: `double`, `uint8`, `struct`, `cell`, ...
    """

    name: str
    shape: tuple[int, ...]
    kind: str

    def __str__(self) -> str:
        size = " x ".join(map(str, self.shape))
        return f"{self.name} ({f'{size} {self.kind}'.strip()})"

    @property
    def numeric(self) -> bool:
        """Whether it is an array of numbers."""
        return self.kind in _ITEM_BYTES


def list_variables(path: Path) -> tuple[Variable, ...]:
    """The variables of a MATLAB file, from its headers alone.

    Raises:
        RasterError: It is not such a file, or cannot be read.
    """
    if _is_73(path):
        with _reading(path), h5py.File(path, "r") as file:
            names = [name for name in file if not name.startswith("#")]
            return tuple(_described(file, name) for name in names)
    with _reading(path):
        return tuple(Variable(*found) for found in scipy.io.whosmat(path, appendmat=False))


def read_variable(path: Path, name: str) -> Array:
    """The array of numbers of that name, axes in MATLAB's order.

    Args:
        path: The file.
        name: Of a variable; behind points the fields of a struct, `[i]` an element of a cell or of an array
            of structs.

    Raises:
        RasterError: There is none, it is no array of real numbers, over `MAX_BYTES`, or not in the file.
        MemoryShortageError: It does not fit into memory.
    """
    root, *steps = re.findall(r"\w+|\[\d+\]", name)
    known = {variable.name: variable for variable in list_variables(path)}
    if root not in known:
        raise RasterError(f"{path}: has no variable {root}; it holds {listed(known.values())}")
    variable = known[root]
    if not steps and not variable.numeric:
        raise RasterError(f"{path}: {variable}: expected an array of numbers")
    if steps and (variable.kind != "struct" or math.prod(variable.shape) != 1):
        raise RasterError(f"{path}: {variable}: expected one struct, for {name}")
    if variable.numeric:
        _check_size(path, root, math.prod(variable.shape) * _ITEM_BYTES[variable.kind])
    with _reading(path):
        found = _read_73(path, root, steps) if _is_73(path) else _read_5(path, root, steps)
    if found is None:
        raise RasterError(
            f"{path}: {root} has no {name.removeprefix(root).lstrip('.')}, or not as plain numbers"
        )
    return found


def listed(variables: Iterable[Variable]) -> str:
    """Variables with their sizes, for a message."""
    shown = [str(variable) for variable in variables]
    more = f", ... ({len(shown)} in all)" if len(shown) > _MAX_LISTED else ""
    return (", ".join(shown[:_MAX_LISTED]) + more) or "none"


def _is_73(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC_5))
    except OSError as error:
        raise RasterError(f"{path}: cannot be opened: {error.strerror}") from None
    if magic not in (_MAGIC_5, _MAGIC_73):
        found = f"starts with {magic!r}" if magic else "is empty"
        raise RasterError(
            f"{path}: not a MATLAB file of version 5 or 7.3: it {found}; save it again with -v7"
        )
    return magic == _MAGIC_73


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever a library says of a damaged file, as one line: on hostile bytes it may raise anything."""
    try:
        yield
    except GeoXmodalError:
        raise
    except MemoryError:
        raise RasterError(f"{path}: holds more than this machine's memory") from None
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise RasterError(f"{path}: damaged or incomplete: {why}; fetch it again") from error


def _check_size(path: Path, name: str, size: int) -> None:
    if size > MAX_BYTES:
        raise RasterError(f"{path}: {name} has {size} bytes, expected at most {MAX_BYTES}")


def _check_stored(path: Path, name: str, dataset: Any) -> None:
    """See that the file holds the numbers: HDF5 makes up all that were never written."""
    size = dataset.size * dataset.dtype.itemsize
    piece = math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
    _check_size(path, name, size)
    _check_size(path, name, piece)
    stored = dataset.id.get_storage_size()
    if max(size, piece) > stored * _MAX_PACKED:
        raise RasterError(
            f"{path}: {name} has {size} bytes, the file holds {stored} for them: it was never filled, "
            "or is packed beyond measure; fetch it again, or save it again with -v7"
        )
    check_memory(f"{path}: {name}", size + piece, RAISE)


def _plain(found: Any) -> Array | None:
    return found if isinstance(found, np.ndarray) and found.dtype.kind in "biuf" else None


def _read_5(path: Path, root: str, steps: Sequence[str]) -> Array | None:
    check_memory(f"{path}: {root}", check_variable(path, root), RAISE)
    found = scipy.io.loadmat(path, appendmat=False, variable_names=[root])[root]
    for step in steps:
        if not isinstance(found, np.ndarray) or not found.size:
            return None
        if step.startswith("["):
            index = int(step[1:-1])
            if index >= found.size:
                return None
            element = found.reshape(-1, order="F")[index : index + 1]
            found = element[0] if found.dtype.kind == "O" else element
        elif found.dtype.names and step in found.dtype.names:
            found = found.reshape(-1)[0][step]
        else:
            return None
    return _plain(found)


def _read_73(path: Path, root: str, steps: Sequence[str]) -> Array | None:
    with h5py.File(path, "r") as file:
        found = _own(path, file, root)
        for step in steps:
            if step.startswith("["):
                if step != "[0]" or not isinstance(found, h5py.Group):
                    return None
            elif isinstance(found, h5py.Group) and step in found:
                found = _own(path, found, step)
            else:
                return None
        if not isinstance(found, h5py.Dataset):
            return None
        _check_storage(path, found)
        if found.dtype.kind not in "biuf":
            return None
        _check_stored(path, root, found)
        # HDF5 lists the slowest axis first, MATLAB the fastest
        return np.asarray(found[()]).T


def _own(path: Path, group: Any, name: str) -> Any:
    """A member of a group that lies in this file; a hard link is the only kind that does for certain."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise RasterError(f"{path}: {name} is a link, expected the array itself")
    return group[name]


def _check_storage(path: Path, dataset: Any) -> None:
    if dataset.external or dataset.is_virtual:
        raise RasterError(f"{path}: {dataset.name} reads other files, expected one file")


def _described(file: Any, name: str) -> Variable:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return Variable(name, (), "link")
    found = file[name]
    kind = found.attrs.get("MATLAB_class", b"")
    text = kind.decode("ascii", "replace") if isinstance(kind, bytes) else ""
    if isinstance(found, h5py.Dataset):
        shape = found.shape if isinstance(found.shape, tuple) else ()
        number = found.dtype.name.replace("float64", "double").replace("float32", "single")
        return Variable(name, tuple(reversed(shape)), text or number)
    return Variable(name, (1, 1), text or "struct")
