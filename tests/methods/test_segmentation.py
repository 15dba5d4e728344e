"""Methods that learn from windows: what they learn from, and that a run is exact however it is cut."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods import METHODS
from geo_xmodal.methods.segmentation import SegmentationLearner
from geo_xmodal.patches import HeldPatches
from geo_xmodal.training.learned import held_out_probabilities
from geo_xmodal.training.loop import fit
from geo_xmodal.training.run import validator
from geo_xmodal.types import NO_LABEL, LabelledWindows, TrainingData, TrainingWindows
from tests.training_data import make_training_data

SMALL = {
    "tile": "32", "overlap": "0", "epochs": "2", "least_steps": "2", "label_batch": "2", "noise": "0",
}  # fmt: skip


def windows(count: int, side: int, seed: int = 0) -> LabelledWindows:
    """Halves of classes 0 and 1, told by the first band; one pixel in ten has a label."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((count, side, side), np.uint8)
    truth[:, :, side // 2 :] = 1
    target = rng.normal(size=(count, 4, side, side)).astype(np.float32)
    target[:, 0] += 4 * truth
    label = np.where(rng.random(truth.shape) < 0.1, truth, NO_LABEL).astype(np.uint8)
    return LabelledWindows(HeldPatches(target), label)


def with_windows(**settings: str) -> tuple[TrainingData, SegmentationLearner]:
    data = dataclasses.replace(
        make_training_data(0), windows=TrainingWindows(windows(3, 48), windows(2, 32, 1), True)
    )
    method = METHODS["fcn"]
    options = method.Options.model_validate({**SMALL, **settings})
    made = method.learner(method.seen(data, options), options, 0)
    assert isinstance(made, SegmentationLearner)
    return data, made


def test_images_hold_a_labelled_pixel_that_is_predicted() -> None:
    _, made = with_windows(overlap="16", tile="32")  # images of 64 from windows of 48 would not do
    label = torch.full((1, 96, 96), NO_LABEL, dtype=torch.uint8)
    label[0, 0, 95] = 1
    values = torch.arange(96 * 96.0).reshape(1, 1, 96, 96)
    for seed in range(5):
        torch.manual_seed(seed)
        images, labels = made._cut(values, label)
        assert images.shape == (2, 1, 64, 64)
        rows, cols = (labels[0] != NO_LABEL).nonzero().T
        assert len(rows) == 1 and images[0, 0, rows[0], cols[0]] == 95
    label[:] = NO_LABEL
    label[0, 48, 48] = 1
    starts = set()
    for seed in range(20):
        torch.manual_seed(seed)
        images, labels = made._cut(values, label)
        (row, col), *_ = (labels[0] != NO_LABEL).nonzero().tolist()
        assert 16 <= row < 48 and 16 <= col < 48
        starts.add((row, col))
    assert len(starts) > 10


def test_it_learns_and_validation_is_of_windows() -> None:
    data, made = with_windows(epochs="8", least_steps="5", learning_rate="0.003")
    fit(made, made.options, 0)
    scores = validator(data)(made)
    assert scores["oa"] > 0.9
    probabilities, label = held_out_probabilities(made, data)
    assert data.windows is not None and data.windows.held_out is not None
    assert len(label) == (data.windows.held_out.label != NO_LABEL).sum()
    assert made.learned_shares().tolist() == [1, 1, 0]  # no window holds the third class
    assert probabilities.shape == (len(label), 3)


def test_a_frozen_backbone_stays_to_the_bit_and_the_head_learns() -> None:
    _, made = with_windows(frozen="true")
    before = {name: value.clone() for name, value in made.segmenter.state_dict().items()}
    fit(made, made.options, 0)
    for name, value in made.segmenter.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("encoders."), name


def test_a_run_that_is_resumed_is_the_same_run(tmp_path: Path) -> None:
    _, whole = with_windows()
    fit(whole, whole.options, 0)
    _, cut = with_windows()

    with pytest.raises(KeyboardInterrupt):
        fit(cut, cut.options, 0, folder=tmp_path, log=lambda row: None, progress=stopper(2))
    _, again = with_windows()
    fit(again, again.options, 0, folder=tmp_path, resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def stopper(after: int):  # type: ignore[no-untyped-def]
    def progress(done: int, total: int, message: str) -> None:
        if done > after:
            raise KeyboardInterrupt

    return progress


def test_a_backbone_starts_from_a_file(tmp_path: Path) -> None:
    _, other = with_windows()
    weights = {
        f"encoder.{name}": value + 1 for name, value in other.segmenter.encoders[0].net.state_dict().items()
    }
    save_file(weights, tmp_path / "weights.safetensors")
    _, made = with_windows(weights=str(tmp_path / "weights.safetensors"))
    for name, value in made.segmenter.encoders[0].net.state_dict().items():
        assert torch.equal(value, weights[f"encoder.{name}"]), name


def test_without_windows_nothing_is_learned() -> None:
    method = METHODS["segformer"]
    with pytest.raises(TrainingDataError, match="needs windows with labels"):
        method.check(make_training_data(0), method.Options())
    data, _ = with_windows()
    assert METHODS["svm"].seen(data, METHODS["svm"].Options()).windows is None
