"""Equal means: one branch, one recipe of training and one input of the auxiliary sensor for every method.

Published recipes differ in much that is no part of the method: patches, augmentation, noise, weights of
classes, optimiser, steps. A comparison that gives each its own compares these, too. Under equal means all
methods take the same of what each can take (`Options.means`), and differ in what they are.

The branch is the one that all networks here can have: the convolutions of X-ModalNet's Table 2, which its
baselines share. The training is that of `hgr`, which is stronger than the papers' on every scene that was
tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from geo_xmodal.methods.base import Method

COMMON_MEANS: Mapping[str, str] = MappingProxyType(
    {
        "encoder": "tanh_cnn",
        "contrasts": "",
        "kernels": "5,3",
        "widths": "32,64",
        "embedding": "64",
        "dropout": "0.3",
        "augment": "true",
        "noise": "0.1",
        "balance": "true",
        "optimizer": "adamw",
        "learning_rate": "0.002",
        "weight_decay": "0.01",
        "schedule": "cosine",
        "warm_up": "0",
        "epochs": "30",
        "batch_size": "512",
        "label_batch": "128",
        "pass_over": "all",
        "least_steps": "20",
        "components": "15",
        "auxiliary_radius": "1",
        "student": "cnn",
        "unlabelled_pairs": "true",
    }
)
"""By the names that `Options.means` knows, as settings."""

TUNED = ("learning_rate",)
"""Common means that trials on validation blocks may change: the best rate is not the same for all methods."""


def taken_means(method: Method) -> dict[str, str]:
    """What a method takes of the common means, as settings of its own."""
    named = method.Options.common_means()
    return {named[name]: value for name, value in COMMON_MEANS.items() if name in named}


def means_not_taken(method: Method) -> list[str]:
    """Names of the common means that a method would need and cannot take.

    Unlabelled pairs are no matter of means where a method has no option for them: it learns from all of them
    anyway, or has no term without labels. Nor is what kind of student learns, where it is always a network.
    """
    needless = {"unlabelled_pairs", "student"} | (
        set() if method.uses_auxiliary else {"components", "auxiliary_radius"}
    )
    return [name for name in COMMON_MEANS if name not in {*method.Options.common_means(), *needless}]
