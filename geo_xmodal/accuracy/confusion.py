"""The confusion matrix, added up chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from geo_xmodal.errors import LabelError
from geo_xmodal.types import IntArray

_MISSING = -1
_UNKNOWN = -2


class ConfusionMatrix:
    """Counts of reference class against mapped class, streamed.

    Attributes:
        counts: (classes, classes) int64; row = reference class, column = class in the map.
        unmapped: (classes,) int64; reference pixels of each class where the map has no data.
            They are in no row of `counts`, so no measure counts them as right or wrong.
    """

    def __init__(self, classes: int) -> None:
        if classes < 1:
            raise ValueError(f"a confusion matrix needs at least one class, got {classes}")
        self.counts: IntArray = np.zeros((classes, classes), np.int64)
        self.unmapped: IntArray = np.zeros(classes, np.int64)

    @classmethod
    def from_counts(cls, counts: npt.ArrayLike, unmapped: npt.ArrayLike | None = None) -> ConfusionMatrix:
        """The matrix that holds `counts` (rows = reference, columns = map).

        Raises:
            ValueError: if `counts` is not square or holds anything but whole numbers from 0 up.
        """
        table = np.asarray(counts)
        if table.ndim != 2 or table.shape[0] != table.shape[1]:
            raise ValueError(f"confusion counts must be square, got shape {table.shape}")
        if table.dtype.kind not in "iu" or (table < 0).any():
            raise ValueError("confusion counts must be whole numbers from 0 up")
        matrix = cls(len(table))
        matrix.counts += table.astype(np.int64)
        if unmapped is not None:
            matrix.unmapped += np.asarray(unmapped, np.int64)
        return matrix

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.counts)

    @property
    def n(self) -> int:
        """Reference pixels that the map covers."""
        return int(self.counts.sum())

    def add(self, reference: npt.NDArray[Any], predicted: npt.NDArray[Any], ids: Sequence[int]) -> None:
        """Count pixels given by class id, as rasters hold them.

        Args:
            reference: whole numbers of any shape; class ids, 0 = unlabelled (not counted).
            predicted: the same shape; class ids, 0 = the map has no data (counted in `unmapped`).
            ids: the id of each class, in the order of the matrix.

        Raises:
            LabelError: if a labelled pixel has an id, in reference or map, that `ids` does not hold.
            ValueError: if shapes differ, or `ids` does not name each class of the matrix once.
        """
        if len(ids) != self.classes or len(set(ids)) != len(ids) or min(ids) < 1:
            raise ValueError(f"expected {self.classes} different class ids from 1 up, got {list(ids)}")
        if reference.shape != predicted.shape:
            raise ValueError(f"reference has shape {reference.shape}, map has shape {predicted.shape}")
        labelled = reference != 0
        self.add_indices(
            _indices(reference[labelled], ids, "reference"), _indices(predicted[labelled], ids, "map")
        )

    def add_indices(self, reference: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> None:
        """Count pixels given by class index 0..classes - 1; -1 = unlabelled, or no data in the map.

        Raises:
            ValueError: if shapes differ, or an index is below -1 or above the last class.
        """
        row = _whole(reference, "reference").ravel()
        column = _whole(predicted, "map").ravel()
        if row.shape != column.shape:
            raise ValueError(f"reference has shape {reference.shape}, map has shape {predicted.shape}")
        for values, what in ((row, "reference"), (column, "map")):
            if values.size and not _MISSING <= values.min() <= values.max() < self.classes:
                raise ValueError(
                    f"{what} holds class indices {values.min()} to {values.max()}; "
                    f"expected -1 to {self.classes - 1}"
                )
        labelled = row != _MISSING
        mapped = column != _MISSING
        cell = row[labelled & mapped] * self.classes + column[labelled & mapped]
        self.counts += np.bincount(cell, minlength=self.classes**2).reshape(self.counts.shape)
        self.unmapped += np.bincount(row[labelled & ~mapped], minlength=self.classes)

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        if self.classes != other.classes:
            raise ValueError(f"cannot add matrices of {self.classes} and {other.classes} classes")
        return self.from_counts(self.counts + other.counts, self.unmapped + other.unmapped)


def _whole(values: npt.NDArray[Any], what: str) -> IntArray:
    if values.dtype.kind not in "iu":
        raise ValueError(f"{what} must hold whole numbers, got {values.dtype}")
    return values.astype(np.int64, copy=False)


def _indices(values: npt.NDArray[Any], ids: Sequence[int], what: str) -> IntArray:
    """Class ids to class indices, 0 to -1."""
    whole = _whole(values, what)
    lookup = np.full(max(ids) + 2, _UNKNOWN, np.int64)
    lookup[0] = _MISSING
    lookup[list(ids)] = np.arange(len(ids))
    # The last entry of the table stands for everything outside it.
    outside = (whole < 0) | (whole > max(ids))
    index = lookup[np.where(outside, len(lookup) - 1, whole)]
    if (index == _UNKNOWN).any():
        strange = np.unique(whole[index == _UNKNOWN])
        shown = ", ".join(str(value) for value in strange[:5]) + (", ..." if len(strange) > 5 else "")
        raise LabelError(
            f"{what} has class id {shown} at {int((index == _UNKNOWN).sum()):,} labelled pixels, "
            f"but the class list has {', '.join(str(i) for i in ids)}: add the class to the list or relabel"
        )
    return index
