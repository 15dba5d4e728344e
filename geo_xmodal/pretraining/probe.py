"""A linear probe: how well a linear classifier tells classes by what a frozen encoder makes of a pixel."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from geo_xmodal.methods.rows import CHUNK, rows_of
from geo_xmodal.networks import Standardize
from geo_xmodal.patches import Patches
from geo_xmodal.types import IntArray, TrainingData

_ROUNDS = 1000


def probe(data: TrainingData, encoder: nn.Module, margin: int) -> dict[str, float] | None:
    """Accuracy on validation blocks of a linear classifier of an encoder's features, fitted on the others.

    Logistic regression on standardised features, classes weighed alike. No test pixel takes part.

    Args:
        data: With labelled pixels and some held out.
        encoder: Of the target sensor, in evaluation mode: standardised patches to features.
        margin: Of the encoder.

    Returns:
        Overall and average accuracy, and how many pixels trained and were held out; None where there are no
        labels, or none held out.
    """
    # scikit-learn is slow to import, and only this needs it here
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    groups = [group for group in (data.labelled_pairs, data.labelled_target) if len(group)]
    if not groups or not len(data.validation):
        return None
    features = np.concatenate([_features(data, group.target, encoder, margin) for group in groups])
    label = np.concatenate([cast(IntArray, group.label) for group in groups])
    if len(np.unique(label)) < 2:
        return None
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=_ROUNDS)
    )
    classifier.fit(features, label)
    held_out = cast(IntArray, data.validation.label)
    found = classifier.predict(_features(data, data.validation.target, encoder, margin))
    recalls = [float((found[held_out == one] == one).mean()) for one in np.unique(held_out)]
    return {
        "oa": float((found == held_out).mean()),
        "aa": float(np.mean(recalls)),
        "labels": len(label),
        "held_out": len(held_out),
    }


@torch.no_grad()
def _features(
    data: TrainingData, patches: Patches, encoder: nn.Module, margin: int
) -> npt.NDArray[np.float64]:
    rows = rows_of(patches.cropped(margin)).mapped(Standardize(data.target.statistics), CHUNK)
    parts = [encoder(rows.take(index)).flatten(1) for index in torch.split(torch.arange(len(rows)), CHUNK)]
    found: npt.NDArray[np.float64] = torch.cat(parts).double().numpy()
    return found


def probe_table(pretrained: dict[str, float] | None, random: dict[str, float] | None) -> dict[str, Any]:
    """Both probes for metrics.json, with the gain in average accuracy; empty where there are no labels."""
    if pretrained is None or random is None:
        return {}
    gain = {name: pretrained[name] - random[name] for name in ("oa", "aa")}
    return {"pretrained": pretrained, "random": random, "gain": gain}
