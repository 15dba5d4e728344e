"""How sure a model may be: one temperature for all of its logits, from pixels that it did not learn from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from geo_xmodal.types import IntArray

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0

MIN_SHARE = 1e-12
"""In place of a share of 0, whose logarithm is none."""

Logits = npt.NDArray[np.floating]


def temperature_of(logits: Logits, label: IntArray, shares: Logits | None = None) -> float:
    """The temperature at which labels are most likely: above 1 where the model is too sure.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2: the T that minimises the
    mean of -ln softmax(logits / T) at the label, or of -ln softmax(logits / T + ln shares).

    Args:
        logits: (n, classes) of pixels out of fold, or logarithms of probabilities.
        label: (n,) class of each.
        shares: (classes,) of the labels, where the model has learned with all classes weighed alike.

    Returns:
        T, within `MIN_TEMPERATURE` and `MAX_TEMPERATURE`; 1 where there is no pixel.
    """
    if not len(label):
        return 1.0
    from scipy.optimize import minimize_scalar  # slow to import

    prior = 0.0 if shares is None else np.log(np.maximum(shares, MIN_SHARE))

    def loss(log_temperature: float) -> float:
        said = log_softmax(logits / np.exp(log_temperature) + prior, axis=1)
        return -float(said[np.arange(len(label)), label].mean())

    bounds = np.log([MIN_TEMPERATURE, MAX_TEMPERATURE])
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def softened(logits: Logits, temperature: float) -> npt.NDArray[np.float64]:
    """(n, classes) probabilities of logits at a temperature."""
    return np.asarray(np.exp(log_softmax(logits.astype(np.float64) / temperature, axis=1)))
