"""What a trained model has learned of class shares, for its card: weights of labels, and calibration."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch

from geo_xmodal.bundle import HeldOutEntry, SharesEntry
from geo_xmodal.class_shares import Choice, Drawn, HeldOut, as_shares, equal_shares, held_out_calibration
from geo_xmodal.mapping.shares import Areas, table_shares
from geo_xmodal.methods.base import Learner, labels_of
from geo_xmodal.networks import PixelModel
from geo_xmodal.types import NO_LABEL, FloatArray, IntArray, LabelledWindows, TrainingData

AskedShares = Choice | Areas | None
"""What maps of a model should be right about: a choice, known areas, or what follows from the labels."""

_AT_ONCE = 512

_WHY: dict[Drawn, str] = {
    "as they lie": "the labels that train were taken as they lie, and count as a fair sample of the land",
    "class by class": "the labels that train were drawn class by class, and say nothing of class shares",
}


def how_drawn(data: TrainingData) -> Drawn:
    """Whether some of the labels that there were have been left out per class."""
    if data.windows is not None and data.windows.dense:
        return "as they lie"
    per_class = data.notes.get("per_class", {})
    groups = ("labelled_pairs", "labelled_target", "validation")
    kept = sum(sum(per_class.get(name, {}).values()) for name in groups)
    kept += data.notes.get("dropped_beside_validation", 0)
    return "class by class" if sum(per_class.get("labels", {}).values()) > kept else "as they lie"


def default_shares(drawn: Drawn, learned: Sequence[float], held_out: HeldOut | None) -> tuple[Choice, str]:
    """What a map should be right about where nobody says it, and why, in words.

    Probabilities are left as they are where what follows from them by Bayes' rule is worse, by more than a
    standard error, on labels that were held out.
    """
    if drawn == "as they lie" and held_out is not None and held_out.gain < -held_out.gain_error:
        alike = tuple(learned) == equal_shares(learned)
        return (
            "equal" if alike else "labels",
            "it was learned, and on labels that were held out their own class shares gave less",
        )
    return "equal" if drawn == "class by class" else "labels", _WHY[drawn]


def described_shares(asked: Choice | Areas) -> str | dict[str, float]:
    """What was asked for, for config.json."""
    return asked if isinstance(asked, str) else {str(name): area for name, area in asked.items()}


def check_areas(asked: AskedShares, data: TrainingData) -> None:
    """See that known areas fit the classes that are learned, before anything trains.

    Raises:
        ClassSharesError: They do not.
    """
    if asked is not None and not isinstance(asked, str):
        table_shares(asked, data.classes, as_shares(_counts(data).tolist()))


def shares_entry(asked: AskedShares, data: TrainingData, learner: Learner) -> SharesEntry:
    """The card's entry for class shares, of a learner that has learned from `data`."""
    counts = _counts(data)
    weights = learner.learned_shares()
    learned = as_shares((counts if weights is None else weights).tolist())
    there = data.notes.get("per_class", {}).get("labels")
    labels = counts if there is None else np.array([there[one.name] for one in data.classes])
    drawn = how_drawn(data)
    known = asked is not None and not isinstance(asked, str)
    calibration = learner.calibration()
    if calibration is None and has_held_out(data):
        calibration = held_out_calibration(*held_out_probabilities(learner, data), learned)
    default, _ = default_shares(drawn, learned, calibration)
    return SharesEntry(
        default="table" if known else cast(Choice, asked or default),
        drawn=drawn,
        learned=learned,
        labels=as_shares(labels.tolist()),
        table=table_shares(cast(Areas, asked), data.classes, learned) if known else None,
        held_out=None if calibration is None else HeldOutEntry(**vars(calibration)),
    )


def has_held_out(data: TrainingData) -> bool:
    """Whether labels were held out for validation, of pixels or in windows, by which a method learns."""
    if data.windows is not None:
        return data.windows.held_out is not None
    return len(data.validation) > 0


def held_out_probabilities(learner: Learner, data: TrainingData) -> tuple[FloatArray, IntArray]:
    """Probabilities (n, class) of the pixels held out, by the model as it stands, and their labels (n,)."""
    if data.windows is not None and data.windows.held_out is not None:
        return _of_windows(learner, data.windows.held_out)
    model, pixels = learner.pixel_model(), data.validation
    target = pixels.target.cropped(model.margin)
    parts = np.array_split(np.arange(len(pixels)), max(1, len(pixels) // _AT_ONCE))
    found = [_probabilities(model, target.take(part)).reshape(len(part), -1) for part in parts]
    return np.concatenate(found), cast(IntArray, pixels.label)


def _of_windows(learner: Learner, windows: LabelledWindows) -> tuple[FloatArray, IntArray]:
    """Of the labelled pixels of windows, which are images of tiles."""
    model = learner.pixel_model()
    found, labels = [], []
    for k, label in enumerate(windows.label):
        rows, cols = np.nonzero(label != NO_LABEL)
        inner = _probabilities(model, windows.target.take(np.array([k])))[0]
        found.append(inner[:, rows - model.margin, cols - model.margin].T)
        labels.append(label[rows, cols].astype(np.int64))
    return np.concatenate(found), np.concatenate(labels)


@torch.no_grad()
def _probabilities(model: PixelModel, values: FloatArray) -> FloatArray:
    """(B, classes, H, W), on the device of the model."""
    device = next(itertools.chain(model.parameters(), model.buffers())).device  # trees have no parameters
    found: FloatArray = model.probabilities(torch.from_numpy(values).to(device)).float().cpu().numpy()
    return found


def _counts(data: TrainingData) -> IntArray:
    return np.bincount(labels_of(data), minlength=len(data.classes))
