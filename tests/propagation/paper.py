"""Label propagation as X-ModalNet writes it down (section 3.1.4): dense, and a loop until nothing moves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float64]


def similarities(features: Table, sigma: float) -> Table:
    """Eq. 1, the diagonal of 1 and all."""
    difference = features[:, None] - features[None]
    return np.exp(-(difference**2).sum(axis=2) / sigma**2)


def loop(s: Table, label: npt.NDArray[np.int64], classes: int) -> Table:
    """Eq. 2, then Y <- P Y with the labelled rows put back."""
    p = s / s.sum(axis=1, keepdims=True)
    known = label >= 0
    y = np.zeros((len(label), classes))
    y[known] = np.eye(classes)[label[known]]
    for _ in range(200_000):
        after = p @ y
        after[known] = y[known]
        if np.abs(after - y).max() < 1e-14:
            return after
        y = after
    raise AssertionError("the loop did not come to an end")
