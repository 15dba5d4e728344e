"""Which chips are learned from: shares of the training chips, drawn without replacement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def drawn(count: int, fraction: float, seed: int) -> list[int]:
    """A share of `count` chips, by their numbers in order; those of a smaller share are among a larger's.

    The authors of DeCUR draw with replacement, and once; their paper does not say. Here no chip comes twice,
    and the share is that of distinct chips, one at least.
    """
    order = np.random.default_rng(seed).permutation(count)
    return sorted(order[: max(1, round(fraction * count))].tolist())


def seeds_of(first: int, draws: int) -> Sequence[int]:
    """The seed of each draw."""
    return range(first, first + draws)
