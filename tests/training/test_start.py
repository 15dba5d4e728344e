"""Training that starts from a pretrained encoder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import geo_xmodal as gx
from geo_xmodal.errors import ModelMismatchError, UsageError
from geo_xmodal.methods import METHODS
from geo_xmodal.methods.pretrained_start import Start
from tests.pretraining.test_pretrain import request
from tests.tiny import write_scene
from tests.training_data import make_training_data


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> gx.Scene:
    return gx.open_scene(write_scene(tmp_path_factory.mktemp("scene") / "tiny", tested=0.1))


@pytest.fixture(scope="module")
def run(scene: gx.Scene) -> Path:
    out = Path(scene.folder).parent / "pretrained"
    gx.pretrain_scene(scene, out, request())
    return out


def train(scene: gx.Scene, run: Path, out: Path, method: str = "cnn", **settings: str) -> gx.TrainedRun:
    quick = {"unlabelled": "100", "unlabelled_target": "100", "learning_rate": "1e-12", "least_steps": "1"}
    asked = gx.TrainRequest(method=method, epochs=1, init=run, control=True, settings=quick | settings)
    return gx.train_scene(scene, out, asked)


def test_branch_and_controls_start_from_the_encoder(scene: gx.Scene, run: Path, tmp_path: Path) -> None:
    train(scene, run, tmp_path / "run", "hgr", teacher="network")
    encoder = load_file(run / "encoders" / "encoder-sar.safetensors")
    learned = [name for name in encoder if "weight" in name and encoder[name].ndim > 1]
    assert learned
    for folder in ("run", "run/controls/target_only/seed-0", "run/controls/self_training/seed-0"):
        model = load_file(tmp_path / folder / "model" / "model.safetensors")
        for name in learned:  # at this learning rate they stay where they started
            torch.testing.assert_close(model[f"network.{name}"], encoder[name], rtol=0, atol=1e-6)
        card = gx.read_card(tmp_path / folder)
        assert card.target.statistics == gx.load_pretrained(run).sensor("sar").entry.statistics
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"]["pretrained"]["method"] == "decur" and config["options"]["widths"] == [8]


def test_another_network_is_one_clear_line(scene: gx.Scene, run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"was pretrained with pixel_cnn \(.*widths 8.*would be .*widths 4"):
        train(scene, run, tmp_path / "run", widths="4")
    with pytest.raises(UsageError, match="what learns here is no network"):
        train(scene, run, tmp_path / "run", "distillation")
    with pytest.raises(UsageError, match="svm has no target branch that starts from pretrained weights"):
        Start.of(run, "sar", "sar").settings(METHODS["svm"])


def test_another_sensor_is_one_clear_line(scene: gx.Scene, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMismatchError, match=r"encoders of sar \(sar\), hsi \(hsi\); the target is l \("):
        Start.of(run, "l", "lidar")
    with pytest.raises(ModelMismatchError, match=r"pretrained on 8 bands of hsi .*has 4 \("):
        Start.of(run, "hsi", "hsi").applied(make_training_data(margin=1))
