"""Mean average precision over a whole set: every chip counts once, whatever batch it came in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def average_precisions(
    truth: npt.NDArray[np.floating], scores: npt.NDArray[np.floating], names: list[str]
) -> dict[str, Any]:
    """Average precision of multi-label scores, as scikit-learn's `average_precision_score`.

    Args:
        truth: (chip, class) 0 or 1.
        scores: (chip, class), higher where a class is more likely.
        names: of the classes.

    Returns:
        `map_macro`: the mean over the classes that a chip of the set holds; `map_micro`: of all pairs of
        chip and class together; `per_class`: by name, None for a class that no chip holds.
    """
    from sklearn.metrics import average_precision_score  # slow to import

    held = [bool(truth[:, k].any()) for k in range(truth.shape[1])]
    each = [
        float(average_precision_score(truth[:, k], scores[:, k])) if held[k] else None
        for k in range(truth.shape[1])
    ]
    known = [one for one in each if one is not None]
    return {
        "map_macro": float(np.mean(known)) if known else None,
        "map_micro": float(average_precision_score(truth.ravel(), scores.ravel())) if known else None,
        "per_class": dict(zip(names, each, strict=True)),
        "n": len(truth),
    }
