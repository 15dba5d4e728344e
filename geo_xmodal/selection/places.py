"""Where the labelled pixels of training data lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo_xmodal.types import IntArray, PixelGroup, TrainingData


@dataclass(frozen=True)
class Places:
    """Labelled pixels, pairs first: the order of `joined_pool` and `labels_of`.

    Attributes:
        position: (n, 2) row and column on the grid of each pixel's scene.
        label: (n,) index into the classes.
        scene: (n,) number of the scene.
    """

    position: IntArray
    label: IntArray
    scene: IntArray

    def __len__(self) -> int:
        return len(self.label)

    def take(self, index: IntArray) -> Places:
        """The pixels at `index`, in that order."""
        return Places(self.position[index], self.label[index], self.scene[index])


def labelled_places(data: TrainingData) -> Places:
    """All labelled training pixels of one scene or several, or of chips, which lie apart on one grid."""
    groups = {"labelled_pairs": data.labelled_pairs, "labelled_target": data.labelled_target}
    filled = [(name, group) for name, group in groups.items() if len(group)]
    return Places(
        np.concatenate([group.position for _, group in filled]),
        np.concatenate([group.label for _, group in filled if group.label is not None]),
        np.concatenate([_scene_of(data, name, group) for name, group in filled]),
    )


def unlabelled_places(data: TrainingData) -> Places:
    """The unlabelled pixels that both sensors see; their label is -1."""
    group = data.unlabelled_pairs
    scene = _scene_of(data, "unlabelled_pairs", group)
    return Places(group.position, np.full(len(group), -1), scene)


def _scene_of(data: TrainingData, name: str, group: PixelGroup) -> IntArray:
    """(n,) number of the scene of each pixel of a group, which has those of one scene after the other.

    Of data without the auxiliary sensor (`TrainingData.without_auxiliary`), target-only pixels are what were
    pairs, scene after scene, and then the others.
    """
    scenes = [one["counts"] for one in data.notes.get("scenes", {}).values() if "counts" in one]
    if not scenes:
        return np.zeros(len(group), np.int64)
    parts = [name] if name == "labelled_pairs" or len(data.labelled_pairs) else ["labelled_pairs", name]
    if sum(one[part] for part in parts for one in scenes) != len(group):
        parts = [name]
    numbers = np.arange(len(scenes))
    return np.concatenate([np.repeat(numbers, [one[part] for one in scenes]) for part in parts])
